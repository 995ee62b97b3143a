// A whole node among hostile peers: the input is a list of steps (peers come, shake hands, say well-signed or spoilt
// things in any order, players ask, time passes, sockets close), and what the node does is held against its promises:
//   it names only links that there are, and is silent after finitely many actions;
//   a CHUNK it sends was signed by the streamer, a slice is a leaf of that chunk, and a player gets the same octets;
//   it never sends beyond CREDIT, a chunk_ref rises, and a slice belongs to a chunk that it announced;
//   when its deadline came and was served, the next one lies ahead.
// The first octet chooses the kind of node, the rest are steps: kind, link, two arguments, and what the kind takes.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <utility>

#include "core/node.hpp"
#include "node_fuzz_stream.hpp"

namespace {

using namespace streamr;
using namespace streamr::fuzz;

constexpr std::size_t steps_most = 200;
constexpr std::size_t links_most = 12;
constexpr std::size_t actions_most = 50'000;  // of one step; far above any honest answer

// What the fuzzer knows of one socket.
struct Peer {
  LinkId link = 0;
  bool open = true;
  bool dialed = false;  // by the node
  crypto::KeyPair key = key_of(1);
  ByteVector hello;  // payload of ours, or of the node's
  std::uint64_t credit = 0, spent = 0;
  std::map<std::uint16_t, std::uint16_t> subs;  // track → the node's newest subscription to us
  std::uint16_t sub(std::uint16_t track) const { return subs.contains(track) ? subs.at(track) : 1; }
  std::uint32_t next_ref = 1, last_ref = 0;
  std::map<std::uint32_t, proto::ChunkHeader> announced;  // by the node to us
};

class Steps {
 public:
  Steps(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}
  bool more() const { return !rest_.empty(); }
  std::uint8_t octet() {
    if (rest_.empty()) return 0;
    const std::uint8_t out = rest_[0];
    rest_ = rest_.subspan(1);
    return out;
  }
  std::uint16_t word() { return static_cast<std::uint16_t>(octet() << 8 | octet()); }
  ByteView octets(std::size_t count) {
    const ByteView out = rest_.first(std::min(count, rest_.size()));
    rest_ = rest_.subspan(out.size());
    return out;
  }

 private:
  ByteView rest_;
};

class Play {
 public:
  Play(std::uint8_t kind, const std::uint8_t* data, std::size_t size)
      : steps_(data, size), open_(kind & 2), node_(config(kind), key_of(9)) {
    node_.start(now_);
    drain();
    if (kind & 8) (void)node_.carry(kit().id(), "ws://upstream:1/relay", std::nullopt, now_);
    drain();
  }

  void run() {
    for (std::size_t count = 0; steps_.more() && count < steps_most; ++count) {
      step();
      drain();
    }
    node_.stop(now_);
    drain();
    pass(5'000'000);
    drain();
  }

 private:
  static core::NodeConfig config(std::uint8_t kind) {
    core::NodeConfig out;
    out.role = kind & 1 ? STREAMR_ROLE_RELAY : STREAMR_ROLE_ORIGIN;
    out.flags = STREAMR_NODE_ANY_STREAM | (kind & 2 ? STREAMR_NODE_OPEN_TICKETS : 0);
    out.advertise_url = "ws://node:1/relay";
    out.memory_bytes = 8 << 20;
    if (!(kind & 2)) out.coordinator_key = key_of(7).public_key();
    if (kind & 4) out.coordinator_url = "http://coordinator:1";
    out.seed = kind;
    return out;
  }

  // ---- what comes in
  void step();
  void say(Peer& peer, ByteVector frame);
  void accept(std::uint8_t what);
  void announce(Peer& peer, unsigned epoch);
  void answer_hello(Peer& peer, ByteView payload);
  void send_chunk(Peer& peer);
  void send_slice(Peer& peer);
  void send_subscribe(Peer& peer);
  void send_receipt(Peer& peer);
  void send_small(Peer& peer);
  void ask_http();
  void pass(std::uint64_t us);
  void set_limits();

  // ---- what goes out
  void drain();
  void take(core::Action& action);
  void take_message(Peer& peer, const ByteVector& message);
  void take_frame(Peer& peer, const proto::Frame& frame);
  void take_chunk(Peer& peer, const proto::Chunk& chunk, std::size_t bytes);
  void take_reply(HttpId id, const core::HttpResponse& response);

  Peer* find(LinkId link) {
    for (auto& peer : peers_)
      if (peer.link == link) return &peer;
    return nullptr;
  }

  Steps steps_;
  bool open_;  // asks nobody for a ticket
  Now now_{1'000'000'000, start_unix_s * 1'000'000};
  core::Node node_;
  std::deque<Peer> peers_;
  std::map<HttpId, bool> asked_;  // HEAD and ranges are not compared
  HttpId next_http_ = 1;
};

void Play::step() {
  const std::uint8_t kind = steps_.octet() % 20, which = steps_.octet();
  if (kind <= 1 || peers_.empty()) return accept(which);
  Peer& peer = peers_[which % peers_.size()];
  switch (kind) {
    case 2:
    case 3: return send_chunk(peer);
    case 4:
    case 5:
    case 6: return send_slice(peer);
    case 7: return send_subscribe(peer);
    case 8:
      return say(peer, proto::encode(
                           proto::Fetch{kit().epoch(steps_.octet()), first_segment + steps_.octet() % 8u,
                                        steps_.octet(), static_cast<std::uint16_t>(steps_.octet() % 4), steps_.octet()},
                           peer.sub(0)));
    case 9: {
      const std::uint64_t limit = peer.credit + (std::uint64_t{steps_.word()} << (which & 15)) - 1000;
      if (limit > peer.credit && limit < UINT64_MAX - 2000) peer.credit = limit;
      return say(peer, proto::encode(proto::Credit{limit}));
    }
    case 10: return send_receipt(peer);
    case 11: return pass(std::uint64_t{steps_.word()} << (which % 14));
    case 12:
    case 13: return ask_http();
    case 14:
      if (!asked_.empty()) {
        const auto at = std::next(asked_.begin(), static_cast<std::ptrdiff_t>(which % asked_.size()));
        node_.on_http_closed(at->first, now_);
        asked_.erase(at);
      }
      return;
    case 15:
      if (peer.open) node_.on_closed(peer.link, "connection reset", now_);
      peer.open = false;
      return;
    case 16: return node_.on_sent(peer.link, std::uint64_t{steps_.word()} * 16, now_);
    case 17: return set_limits();
    case 18: return send_small(peer);
    default: {
      // Any octets as one message: what frames_fuzz does, here against the state behind it.
      const ByteView bytes = steps_.octets(std::size_t{steps_.octet()} * 2);
      return say(peer, ByteVector(bytes.begin(), bytes.end()));
    }
  }
}

void Play::say(Peer& peer, ByteVector frame) {
  if (peer.open) node_.on_message(peer.link, SharedBytes::take(std::move(frame)), now_);
}

void Play::accept(std::uint8_t what) {
  if (peers_.size() >= links_most) return;
  Peer peer;
  peer.link = node_.on_accepted(what & 32 ? "192.0.2.1" : "192.0.2.2", now_);
  const auto role = static_cast<proto::Role>(1 + what % 3);
  peer.key = role == proto::Role::publisher ? kit().session() : key_of(static_cast<std::uint8_t>(20 + what / 64));
  peer.credit = what & 16 ? 20'000 : std::uint64_t{1} << 40;
  peers_.push_back(peer);
  if ((what & 12) == 12) return;  // says nothing
  proto::Hello hello;
  hello.role = role;
  hello.peer_key = peer.key.public_key();
  hello.recv_limit = peer.credit;
  hello.unix_us = now_.unix_us;
  if (role != proto::Role::publisher && !open_)
    hello.ticket = kit().ticket(node_.public_key(), hello.peer_key, now_, what / 64);
  const ByteVector frame = proto::encode(hello);
  peers_.back().hello.assign(frame.begin() + proto::frame_header_bytes, frame.end());
  say(peers_.back(), frame);
  drain();  // WELCOME is answered in take_frame
  if (role == proto::Role::publisher) {
    const unsigned epoch = what / 64u;
    say(peers_.back(), proto::encode(proto::CertFrame{kit().certificate(epoch)}));
    drain();
    announce(peers_.back(), epoch);
  }
}

void Play::announce(Peer& peer, unsigned epoch) {
  proto::Have have;
  have.nothing_yet = true;
  have.epoch = kit().epoch(epoch);
  have.stream_id = kit().id();
  if (peer.dialed) have.path = {PathEntry::copy(peer.key.public_key().data())};
  have.tracks = {{0, proto::TrackKind::muxed, proto::ContentType::mpeg_ts, 2000},
                 {1, proto::TrackKind::other, proto::ContentType::opaque, 100}};
  say(peer, proto::encode(have));
}

void Play::send_chunk(Peer& peer) {
  const Made& made = kit().chunk(steps_.octet());
  const std::uint8_t spoil = steps_.octet();
  const std::uint16_t sub = peer.sub(made.header.track);
  proto::Chunk chunk{peer.next_ref, made.header, made.leaves};
  if (spoil == 1) chunk.chunk_ref = peer.next_ref - 1;
  ByteVector frame = proto::encode(chunk, static_cast<std::uint16_t>(sub + (spoil == 2)));
  if (spoil >= 128)
    frame[24 + steps_.octet() % (frame.size() - 24)] ^= static_cast<std::uint8_t>(1 + steps_.octet() % 255);
  ++peer.next_ref;
  say(peer, std::move(frame));
  if (spoil != 3) return;
  for (std::uint16_t index = 0; index < made.header.slice_count; ++index)  // the whole chunk at once
    say(peer, proto::encode(proto::Slice{chunk.chunk_ref, index, made.slice(index)}, sub));
}

void Play::send_slice(Peer& peer) {
  const Made& made = kit().chunk(steps_.octet());
  const std::uint8_t how = steps_.octet();
  if (made.header.slice_count == 0) return;
  const auto index = static_cast<std::uint16_t>((how & 7) % made.header.slice_count);
  const ByteView data = made.slice(index);
  ByteVector frame =
      proto::encode(proto::Slice{peer.next_ref - 1 - (how >> 6), index, data}, peer.sub(made.header.track));
  if ((how & 0x38) == 0x38) frame[16 + steps_.octet() % (frame.size() - 16)] ^= 1;
  say(peer, std::move(frame));
}

void Play::send_subscribe(Peer& peer) {
  const std::uint8_t how = steps_.octet();
  proto::Subscribe wish;
  wish.headers_only = how & 1;
  wish.stream_id = how & 2 ? key_of(99).public_key() : kit().id();
  wish.epoch = how & 4 ? kit().epoch(how >> 6) : 0;
  wish.track = how & 8 ? 1 : 0;
  wish.start = static_cast<proto::Start>(how >> 4 & 3);
  wish.segment = how & 64 ? first_segment + steps_.octet() % 8u : 0;
  wish.part = how & 128 ? steps_.octet() % 6u : 0;
  wish.max_latency_ms = steps_.word();
  say(peer, proto::encode(wish, static_cast<std::uint16_t>(1 + steps_.octet() % 34)));
}

void Play::send_receipt(Peer& peer) {
  proto::Receipt fields;
  fields.stream_id = kit().id();
  fields.epoch = kit().epoch(0);
  fields.relay_key = node_.public_key();
  fields.viewer_key = peer.key.public_key();
  fields.session_id = kit().session_id(peer.key.public_key());
  fields.seq = steps_.octet() % 8u;
  fields.bytes_ok = std::uint64_t{steps_.word()} << (steps_.octet() % 40);
  fields.first_us = now_.unix_us - 1000;
  fields.last_us = now_.unix_us;
  say(peer, proto::encode(proto::ReceiptFrame{proto::issue_receipt(fields, peer.key)}));
}

void Play::send_small(Peer& peer) {
  const std::uint8_t how = steps_.octet();
  switch (how % 8) {
    case 0: {
      proto::SubOk ok;
      ok.epoch = kit().epoch(how >> 6);
      ok.live_segment = ok.oldest_segment = first_segment;
      ok.part_target_us = 500'000;
      ok.kbps = 2000;
      ok.retain_ms = 10'000;
      ok.target_duration_s = static_cast<std::uint8_t>(2 + (how >> 3 & 1));
      ok.certificate = kit().certificate(how >> 6);
      if (peer.dialed) ok.path = {PathEntry::copy(peer.key.public_key().data())};
      for (const auto& [track, sub] : std::map(peer.subs)) {
        ok.track = track;
        say(peer, proto::encode(ok, sub));
      }
      return;
    }
    case 1:
      return say(peer, proto::encode(proto::SubEnd{static_cast<proto::SubEndCode>(steps_.octet() % 6), first_segment},
                                     peer.sub(0)));
    case 2:
      return say(peer, proto::encode(proto::Drop{peer.next_ref - 1, static_cast<proto::DropReason>(steps_.octet() % 6),
                                                 steps_.octet(), first_segment + steps_.octet() % 8u},
                                     peer.sub(0)));
    case 3:
      return say(peer, proto::encode(proto::GoAway{static_cast<proto::GoAwayCode>(how >> 6), steps_.word(),
                                                   "ws://elsewhere:1/relay"}));
    case 4: {
      proto::ErrorFrame error;
      error.code = static_cast<Wire>(steps_.octet() % 15);
      error.chunk_ref = steps_.octet();
      return say(peer, proto::encode(error));
    }
    case 5: return say(peer, proto::encode(proto::Revoke{kit().revocation(how >> 6)}));
    case 6: return say(peer, proto::encode(proto::CertFrame{kit().certificate(how >> 6)}));
    default: return announce(peer, how >> 6);
  }
}

void Play::ask_http() {
  static constexpr std::string_view forms[] = {"/live/{s}.m3u8",
                                               "/live/{s}/0.m3u8",
                                               "/live/{s}/0.m3u8?_HLS_msn={m}&_HLS_part={p}",
                                               "/live/{s}/0.m3u8?_HLS_msn={m}",
                                               "/live/{s}/0.m3u8?_HLS_skip=YES&_HLS_msn={m}&_HLS_part={p}",
                                               "/live/{s}/{e}/0/{m}.{p}.ts",
                                               "/live/{s}/{e}/0/{m}.ts",
                                               "/live/{s}/{e}/{t}/{m}.{p}.chunk",
                                               "/live/{s}/{e}/{t}/head",
                                               "/live/{s}/{e}/{t}/headers?from={m}.{p}&n=64",
                                               "/live/{s}/{e}/0/{m}.init.mp4",
                                               "/metrics",
                                               "/stats.json",
                                               "/v1/receipts",
                                               "/live/",
                                               "/live/{s}/{t}.m3u8?"};
  core::HttpRequest request;
  request.id = next_http_++;
  const std::uint8_t how = steps_.octet(), place = steps_.octet();
  std::string target(forms[how % std::size(forms)]);
  const auto fill = [&](std::string_view mark, const std::string& value) {
    for (std::size_t at; (at = target.find(mark)) != std::string::npos;) target.replace(at, mark.size(), value);
  };
  fill("{s}", to_hex(kit().id().view()));
  fill("{e}", std::to_string(kit().epoch(place >> 6)));
  fill("{m}", std::to_string(first_segment + place % 8u));
  fill("{p}", std::to_string(place >> 3 & 7));
  fill("{t}", place & 32 ? "1" : "0");
  const ByteView more = steps_.octets(how & 64 ? steps_.octet() % 32u : 0);
  for (const std::uint8_t octet : more) target += static_cast<char>(0x21 + octet % 94);
  request.method = how & 128 ? "HEAD" : how % std::size(forms) == 13 ? "POST" : "GET";
  request.target = std::move(target);
  request.peer_address = "192.0.2.3";
  if (how & 32)
    request.headers.emplace_back("range", "bytes=" + std::to_string(place) + "-" + (place & 1 ? "" : "4000"));
  if (place & 2) request.headers.emplace_back("accept-encoding", "gzip");
  if (request.method == "POST") request.body = SharedBytes::copy(steps_.octets(272));
  asked_[request.id] = request.method == "GET" && !(how & 32);
  node_.on_http(request, now_);
}

void Play::pass(std::uint64_t us) {
  const std::uint64_t end = now_.mono_us + us;
  for (unsigned rounds = 0; rounds < 400; ++rounds) {
    const std::uint64_t next = std::min(end, node_.deadline_us());
    if (next > now_.mono_us) {
      now_.unix_us += next - now_.mono_us;
      now_.mono_us = next;
    }
    node_.on_time(now_);
    drain();
    if (now_.mono_us >= end && node_.deadline_us() > now_.mono_us) return;
    unsigned again = 0;
    for (; node_.deadline_us() <= now_.mono_us && again < 100; ++again) {
      node_.on_time(now_);
      drain();
    }
    require(again < 100, "a deadline that was served does not go away: the host would spin");
  }
}

void Play::set_limits() {
  core::NodeLimits limits;
  limits.memory_bytes = std::uint64_t{1 + steps_.octet() % 16u} << 20;
  limits.upload_kbps = steps_.octet() * 100u;
  limits.max_viewers = steps_.octet() % 4u;
  (void)node_.set_limits(limits, now_);
  node_.on_load(steps_.octet() * 4u, now_);
  node_.set_event_backpressure(steps_.octet() & 1);
}

// ---- what goes out

void Play::drain() {
  std::size_t count = 0;
  while (auto action = node_.poll(now_)) {
    require(++count < actions_most, "the node does not come to rest");
    take(*action);
  }
}

void Play::take(core::Action& action) {
  if (auto* send = std::get_if<core::SendMessage>(&action)) {
    Peer* peer = find(send->link);
    require(peer != nullptr, "a message for a link that never was");
    if (!peer->open) return;  // the host drops it: the node may speak on before it hears that the socket is gone
    ByteVector message;
    for (const auto& piece : send->pieces) message.insert(message.end(), piece.data(), piece.data() + piece.size());
    take_message(*peer, message);
  } else if (auto* close = std::get_if<core::CloseLink>(&action)) {
    Peer* peer = find(close->link);
    require(peer != nullptr, "a link that never was is closed");
    if (!std::exchange(peer->open, false)) return;
    node_.on_closed(close->link, "closed", now_);
  } else if (auto* dial = std::get_if<core::DialLink>(&action)) {
    if (peers_.size() >= links_most) return node_.on_closed(dial->link, "connection refused", now_);
    Peer peer;
    peer.link = dial->link;
    peer.dialed = true;
    peer.credit = std::uint64_t{1} << 40;
    peers_.push_back(peer);
    node_.on_dialed(dial->link, now_);
  } else if (auto* reply = std::get_if<core::ReplyHttp>(&action)) {
    take_reply(reply->id, reply->response);
  } else if (auto* pieces = std::get_if<core::HttpPieces>(&action)) {
    require(asked_.contains(pieces->id), "pieces of an answer that nobody waits for");
    if (pieces->end) asked_.erase(pieces->id);
  } else if (auto* call = std::get_if<core::HttpCall>(&action)) {
    node_.on_http_answer(call->call, 503, 1, {}, "", now_);
  }
}

void Play::take_message(Peer& peer, const ByteVector& message) {
  require(message.size() <= limits::message_bytes, "a message above 128 KiB");
  proto::FrameReader reader{ByteView(message)};
  for (;;) {
    const auto raw = reader.next();
    require(raw.ok(), "the node writes a frame that it would refuse");
    if (!raw->has_value()) return;
    const auto frame = proto::decode_frame(**raw);
    require(frame.ok(), "the node writes a payload that it would refuse");
    take_frame(peer, *frame);
  }
}

void Play::take_frame(Peer& peer, const proto::Frame& frame) {
  if (std::get_if<proto::Welcome>(&frame.body)) {
    const auto hello = crypto::sha256(peer.hello), welcome = crypto::sha256(frame.payload);
    // Sent when the node has finished speaking: it is inside poll().
    node_.on_message(peer.link,
                     SharedBytes::take(proto::encode(proto::Auth{proto::sign_auth(peer.key, hello, welcome)})), now_);
  } else if (const auto* wish = std::get_if<proto::Subscribe>(&frame.body)) {
    peer.subs[wish->track] = frame.header.sub;
  } else if (const auto* chunk = std::get_if<proto::Chunk>(&frame.body)) {
    take_chunk(peer, *chunk, frame.payload.size());
  } else if (const auto* slice = std::get_if<proto::Slice>(&frame.body)) {
    peer.spent += frame.payload.size();
    require(peer.spent <= peer.credit, "a slice beyond CREDIT");
    const auto found = peer.announced.find(slice->chunk_ref);
    require(found != peer.announced.end(), "a slice of a chunk that was not announced");
    const Made* made = kit().find(found->second.raw);
    require(made && slice->index < made->header.slice_count, "a slice that its chunk does not have");
    const ByteView right = made->slice(slice->index);
    require(std::equal(right.begin(), right.end(), slice->data.begin(), slice->data.end()),
            "a slice that was not verified went out");
  } else if (peer.dialed && std::get_if<proto::Hello>(&frame.body)) {
    answer_hello(peer, frame.payload);
  }
}

void Play::answer_hello(Peer& peer, ByteView payload) {
  proto::Welcome welcome;
  welcome.recv_limit = std::uint64_t{1} << 40;
  welcome.unix_us = now_.unix_us;
  welcome.window = 262'144;
  node_.on_message(peer.link, SharedBytes::take(proto::encode(welcome, crypto::sha256(payload), peer.key)), now_);
}

void Play::take_chunk(Peer& peer, const proto::Chunk& chunk, std::size_t bytes) {
  require(kit().find(chunk.header.raw) != nullptr, "a chunk that no streamer signed went out");
  require(chunk.leaves == kit().find(chunk.header.raw)->leaves, "leaves that are not those of the chunk");
  require(chunk.chunk_ref > peer.last_ref, "a chunk_ref that does not rise");
  peer.spent += bytes;
  require(peer.spent <= peer.credit, "a chunk beyond CREDIT");
  peer.last_ref = chunk.chunk_ref;
  peer.announced[chunk.chunk_ref] = chunk.header;
}

void Play::take_reply(HttpId id, const core::HttpResponse& response) {
  const auto asked = asked_.find(id);
  require(asked != asked_.end(), "an answer that nobody waits for");
  const bool comparable = asked->second && response.status == 200 && !response.open;
  if (!response.open) asked_.erase(asked);
  require(response.status >= 200 && response.status < 600, "an answer without a status");
  for (const auto& [name, value] : response.headers) {
    if (name != "Streamr-Chunk" || !comparable) continue;
    const Made* made = kit().find_hex(value);
    require(made != nullptr, "a chunk that no streamer signed was served");
    ByteVector body;
    for (const auto& piece : response.pieces) body.insert(body.end(), piece.data(), piece.data() + piece.size());
    const ByteView tail = ByteView(body).last(std::min(body.size(), made->payload.size()));
    require(std::equal(tail.begin(), tail.end(), made->payload.begin(), made->payload.end()),
            "octets that were not verified were served");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  Play(data[0], data + 1, size - 1).run();
  return 0;
}
