// How a source is left: by GOAWAY, by the end of a ticket or an offer, by what it did.
#include <algorithm>

#include "core/node_state.hpp"

namespace streamr::core {

namespace {

constexpr std::uint64_t after_goaway_us = 30'000'000;  // before a relay that sent us away is asked again
constexpr std::uint64_t longest_drain_us = 30'000'000;

struct Place {
  bool secure = false;
  std::string_view host;
};

// ws://host… or wss://host…, host of letters, digits, dots, hyphens, or an IPv6 address in brackets.
std::optional<Place> place_of(std::string_view url) {
  Place place;
  place.secure = url.starts_with("wss://");
  if (!place.secure && !url.starts_with("ws://")) return std::nullopt;
  url.remove_prefix(place.secure ? 6 : 5);
  const std::string_view authority = url.substr(0, url.find_first_of("/?#"));
  const bool bracketed = authority.starts_with('[');
  const std::size_t end = bracketed ? authority.find(']') : authority.find(':');
  if (bracketed && end == std::string_view::npos) return std::nullopt;
  place.host = authority.substr(0, bracketed ? end + 1 : end);
  const auto fits = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' ||
           c == ':' || c == '[' || c == ']';
  };
  if (place.host.empty() || !std::all_of(place.host.begin(), place.host.end(), fits)) return std::nullopt;
  return place;
}

bool may_follow(const UpstreamOffer& from, const std::string& url) {
  const auto here = place_of(from.url), there = place_of(url);
  if (!here || !there || (here->secure && !there->secure)) return false;
  return !from.relay_key.is_zero() || here->host == there->host;
}

}  // namespace

// Make before break: who is no longer offered, is leaving, or holds an old ticket goes when the stream comes from
// elsewhere, or when its time is over.
void Node::State::run_departures(Stream& stream, Now now) {
  for (auto& source : stream.sources) {
    Peer* peer = source.link != 0 ? find_peer(source.link) : nullptr;
    if (peer == nullptr) continue;
    const Source* active = find_source(stream, stream.active);
    const bool elsewhere = active != nullptr && active != &source;
    if (source.leaves_us != 0) {
      const bool delivers = elsewhere && active->last_slice_us > source.left_us;
      if (delivers || now.mono_us >= source.leaves_us) end_source(source, *peer, now);
      continue;
    }
    if (source.retired && elsewhere) {
      end_source(source, *peer, now);
      continue;
    }
    if (source.state != SourceState::subscribed) continue;
    const auto& used = peer->link->ticket();
    const bool renewed = used && source.offer.ticket && source.offer.ticket->session_id != used->session_id;
    if (!renewed || now.unix_us + limits::ticket_grace_us <= used->not_after_us) continue;
    Source* other = best_standby(stream, source.link, now);
    if (stream.active == source.link && other != nullptr) switch_to(stream, *other, "the session before ends", now);
    source.next_dial_us = now.mono_us;
    end_source(source, *peer, now);
  }
}

void Node::State::end_source(Source& source, Peer& peer, Now now) {
  send_receipts(peer, now, true);
  if (source.leaves_us != 0) source.next_dial_us = std::max(source.next_dial_us, now.mono_us + after_goaway_us);
  peer.link->close();
}

// The relay will close soon: another takes over while it still sends. Where it names its new place, that is dialled.
void Node::State::on_goaway(Link& link, const proto::GoAway& away, Now now) {
  for (auto& [id, stream] : streams) {
    Source* source = find_source(*stream, link.id());
    if (source == nullptr || stream->publication || source->leaves_us != 0) continue;
    source->left_us = now.mono_us;
    source->leaves_us = now.mono_us + std::clamp<std::uint64_t>(ms_to_us(away.drain_ms), 1'000, longest_drain_us);
    source->penalty_until_us = now.mono_us + after_goaway_us;
    if (Source* other = best_standby(*stream, link.id(), now); stream->active == link.id() && other != nullptr)
      switch_to(*stream, *other, "the relay is going away (code " + std::to_string(static_cast<int>(away.code)) + ")",
                now);
    if (!away.uri.empty()) follow(*stream, *find_source(*stream, link.id()), away.uri, now);
    ask_for_tickets(id, now);
    run_sources(*stream, now);
  }
}

// A node that moves keeps its key, so the ticket holds and whoever answers there must prove it; without a key an
// address is only followed within its host.
void Node::State::follow(Stream& stream, const Source& from, const std::string& url, Now now) {
  if (from.offer.url.empty() || stream.sources.size() >= sources_most || !may_follow(from.offer, url)) {
    event(STREAMR_EVENT_REJECTED, static_cast<int>(Wire::malformed),
          from.offer.url + " names an address in GOAWAY that is not followed", now)
        .stream = stream.store.id();
    return;
  }
  Source moved;
  moved.offer = from.offer;
  moved.offer.url = url;
  moved.next_dial_us = now.mono_us;
  stream.sources.push_back(std::move(moved));
}

void Node::State::leave_source(Stream& stream, Source& source, const std::string& why, Now now) {
  source.penalty_until_us = now.mono_us + 30'000'000;
  const LinkId link = source.link;
  if (stream.active == link)
    if (Source* other = best_standby(stream, link, now)) switch_to(stream, *other, why, now);
  Peer* peer = find_peer(link);
  if (peer == nullptr || stream.publication) return;
  send_receipts(*peer, now, true);
  if (stream.active == link) stream.active = 0;
  source.next_dial_us = now.mono_us + 1'000'000;
  peer->link->close();
}

}  // namespace streamr::core
