// Decides what a node is: its peers, streams, sessions and queues, and the steps that node_*.cpp define.
// Never seen outside core/node*.cpp.
// Called by core/node.cpp, which forwards every public call to here.
#pragma once

#include <map>
#include <set>
#include <unordered_map>

#include "base/prng.hpp"
#include "core/admission.hpp"
#include "core/frame_prefixes.hpp"
#include "core/metrics.hpp"
#include "core/node_parts.hpp"

namespace streamr::core {

constexpr std::size_t sources_most = 8;              // of one stream
constexpr std::uint64_t first_slice_us = 1'000'000;  // of the first relay, else the standby becomes the source

// Label values of figures and of logs.
std::string_view role_name(std::uint32_t role);
std::string_view wire_name(Wire code);
std::string_view kind_name(const Link& link);  // "upstream": we dialled; else what the peer is

struct Node::State final : LinkHost {
  State(NodeConfig given, const crypto::KeyPair& key);

  // ---- node.cpp
  void start(Now now);
  void stop(Now now, std::uint64_t drain_us);
  void run_drain(Now now);  // while stopping
  void on_time(Now now);
  std::uint64_t deadline_us() const;
  void finish(Now now);  // after each input: pump what became sendable
  Nonce next_nonce();
  void emit(Action action) { actions.push_back(std::move(action)); }
  std::optional<Action> poll(Now now);
  NodeEvent& event(std::uint32_t kind, std::int64_t value, std::string text, Now now);
  Stream& open_stream(const StreamId& id);
  Stream* find_stream(const StreamId& id);
  void close_unwanted(const StreamId& id, Now now);

  // ---- node_links.cpp, node_subscribe.cpp: LinkHost and frames that are not media
  Result<std::uint32_t> on_hello(Link& link, const proto::Hello& hello, Now now) override;
  void on_open(Link& link, Now now) override;
  Status on_frame(Link& link, const proto::Frame& frame, Now now) override;
  void send_message(LinkId link, std::vector<SharedBytes> pieces) override;
  void close_link(LinkId link) override;
  std::uint8_t load_pct() const override;
  Peer* find_peer(LinkId link);
  LinkId add_link(LinkConfig config, const crypto::KeyPair& identity, Now now);
  void drop_link(LinkId link, const std::string& why, Now now);
  void tell_peer(const Peer& peer, bool joined, const std::string& why, Now now);
  void ask_for_tickets(const StreamId& id, Now now);
  Status check_ticket(const proto::Hello& hello, Now now) const;
  Status on_certificate(Peer& peer, const proto::Certificate& certificate, Now now);
  Status on_have(Peer& peer, const proto::Have& have, Now now);
  Status on_revoke(Peer* from, const proto::Revocation& revocation, Now now);
  Status on_subscribe(Peer& peer, std::uint16_t sub, const proto::Subscribe& wish, Now now);
  struct Served {
    Stream* stream;
    const EpochStore* epoch;
    const TrackStore* track;
  };
  std::variant<proto::SubEndCode, Served> find_served(Peer& peer, const proto::Subscribe& wish, Now now);
  void begin_for_origin(Stream& stream, const proto::Subscribe& wish, Now now);
  proto::SubOk sub_ok_of(const Served& served, bool to_origin) const;
  Status on_sub_ok(Peer& peer, std::uint16_t sub, const proto::SubOk& ok, Now now);
  Status on_sub_end(Peer& peer, std::uint16_t sub, const proto::SubEnd& end, Now now);
  Status on_receipt(Peer& peer, const proto::Receipt& receipt, Now now);
  Status check_path(const std::vector<PathEntry>& path) const;
  void announce(Peer& peer, Stream& stream);  // CERT, HAVE
  void announce_to_all(Stream& stream);
  void resubscribe_all(Stream& stream);  // SUB_END 3 to every subscription: part or target duration changed

  // ---- node_admission.cpp
  Status set_limits(const NodeLimits& limits, Now now);
  void on_http_served(const HttpServed& served, Now now);
  void run_admission(Now now);
  void count_http(Now now);
  std::uint64_t waiting_bytes() const;
  void weigh();
  void shed(std::uint64_t viewers, Now now);
  static bool is_viewer(const Peer& peer);

  // ---- node_media.cpp
  Status on_chunk(Peer& peer, std::uint16_t sub, const proto::Chunk& frame, Now now);
  Status on_slice(Peer& peer, std::uint16_t sub, const proto::Slice& frame, Now now);
  Status on_drop(Peer& peer, std::uint16_t sub, const proto::Drop& frame, Now now);
  Status on_fetch(Peer& peer, std::uint16_t sub, const proto::Fetch& frame, Now now);
  void refuse_media(Peer& peer, Stream& stream, std::uint32_t ref, const char* reason, const Error& why, Now now);
  void on_equivocation(Peer& peer, Stream& stream, const Verifier::Equivocation& found, Now now);
  void withhold_void(OutSub& out);
  void report_bad_slice(Peer& peer, const StoredChunk& chunk, const proto::Slice& frame, Now now);
  void put_chunk(Stream& stream, const VerifiedChunk& chunk, Now now);
  void on_new_chunk(Stream& stream, const ChunkPtr& chunk, Now now);  // stored: tell deliveries and HLS
  void on_new_slice(Stream& stream, const ChunkPtr& chunk, std::uint16_t index, Now now);
  void on_whole(Stream& stream, const ChunkPtr& chunk, Now now);
  void note_epoch(Stream& stream, std::uint64_t epoch, const proto::SubOk* told, Now now);

  // ---- node_pump.cpp
  struct Outgoing;  // a message that is being put together
  OutSub& open_out(Peer& peer, std::uint16_t sub, Stream& stream, std::uint16_t track);
  void forget_out(Peer& peer, std::uint16_t sub);
  void mark_dirty(Peer& peer);
  void forget_dirty(Peer& peer);
  bool pump_next(Now now);  // false: nobody is left, or the upload limit holds all back
  void pump(Peer& peer, Now now);
  void set_wake(Peer& peer, std::uint64_t at_us);
  void settle_pump(Peer& peer, Now now);
  void put(Outgoing& out, const Delivered& item, std::uint16_t sub, Now now);
  std::optional<Delivered> poll_subs(Peer& peer, std::uint64_t budget, std::uint16_t& sub, Now now);
  std::uint64_t dirty_deadline_us() const;
  void await_rest(const StoredChunk& chunk, std::size_t followers, Now now);

  // ---- node_sources.cpp
  void set_offers(Stream& stream, const std::vector<UpstreamOffer>& offers, Now now);
  void run_sources(Stream& stream, Now now);
  std::uint64_t sources_deadline_us(const Stream& stream) const;
  void dial(Stream& stream, Source& source, Now now);
  void subscribe(Stream& stream, Source& source, bool headers_only, Now now);
  void switch_to(Stream& stream, Source& source, const std::string& why, Now now);
  void set_path(Stream& stream, const std::vector<PathEntry>& path);
  void leave_source(Stream& stream, Source& source, const std::string& why, Now now);
  void on_source_closed(Stream& stream, LinkId link, const std::string& why, Now now);
  void run_dials(Stream& stream, Now now);
  void run_subscriptions(Stream& stream, Now now);
  void run_departures(Stream& stream, Now now);
  bool waits_for_first(const Stream& stream, const Source& source, Now now) const;
  void on_goaway(Link& link, const proto::GoAway& away, Now now);
  void end_source(Source& source, Peer& peer, Now now);
  void follow(Stream& stream, const Source& from, const std::string& url, Now now);

  // ---- node_repair.cpp
  void repair(Stream& stream, Now now);  // FETCH, switch
  bool replace_late(Stream& stream, Source& source, const EpochStore& epoch, Now now);
  void fetch_holes(Stream& stream, Source& source, const EpochStore& epoch, Now now);
  void back_to_first(Stream& stream, const Source& source, Now now);
  void probe_silent(Stream& stream, std::uint64_t target_us, Now now);
  void fetch(Stream& stream, Source& source, std::uint16_t track, ChunkPos pos, std::uint64_t epoch,
             std::uint16_t first, std::uint16_t count, Now now);
  bool fetch_missing(Stream& stream, const ChunkPtr& chunk, LinkId not_from, Now now);
  Source* find_source(Stream& stream, LinkId link);
  Source* repairer(Stream& stream, LinkId not_from, Now now);
  Source* best_standby(Stream& stream, LinkId not_this, Now now);
  bool is_silent(const Stream& stream, const Source& source, Now now) const;
  void add_announced_source(Stream& stream, Peer& peer, Now now);
  void send_receipts(Peer& peer, Now now, bool final);

  // ---- node_publish.cpp
  Result<PublicationId> publish(PublishOptions options, Now now);
  Status push(PublicationId id, const PublicationPart& part, Now now);
  Status end_publication(PublicationId id, Now now);
  void close_publication(PublicationId id, Now now);
  Stream* find_publication(PublicationId id);
  void number_publication(Stream& stream, std::uint64_t asked_segment, Now now);
  void flush_publication(Stream& stream, Now now);
  void run_publication(Stream& stream, Now now);

  // ---- node_watch.cpp
  Result<WatchId> watch(WatchOptions options, Now now);
  void unwatch(WatchId id, Now now);
  void run_watch(Watch& watch, Now now);
  void flush_watches(Stream& stream, Now now);
  void flush_track(Watch& watch, Stream& stream, const EpochStore& epoch, const TrackStore& track, Now now);
  void tell_chunk(Watch& watch, const ChunkPtr& chunk, Now now);
  void on_session(const SessionGranted& granted, Now now);
  void on_session_refused(const SessionRefused& refused, Now now);

  // ---- node_presence.cpp
  void run_presence(Now now);
  void on_presence_event(PresenceEvent& event, Now now);
  void apply_assignments(const Assignments& assignments, Now now);
  NodeReport report(Now now) const;
  void save_state(Stream& stream, Now now);
  void load_state();

  // ---- node_http.cpp, node_stats.cpp
  void on_http(const HttpRequest& request, Now now);
  std::optional<HttpResponse> answer_http(const HttpRequest& request, Now now);
  HttpResponse answer_receipt(const HttpRequest& request, Now now);
  void set_alias(const std::string& alias, const StreamId& id);
  void drain_hls(Stream& stream);
  NodeStats stats(Now now) const;
  StreamStats stream_stats(const Stream& stream, Now now) const;

  NodeConfig config;
  crypto::KeyPair identity;
  PathEntry own_prefix;
  Prng random;
  std::vector<Action> actions;
  std::size_t actions_taken = 0;
  std::unordered_map<LinkId, Peer> peers;
  std::map<StreamId, std::unique_ptr<Stream>> streams;
  std::map<std::string, StreamId> aliases;
  std::map<SessionId, std::shared_ptr<OutSession>> sessions;
  // A session may be open with two relays: each has counters of its own.
  std::map<std::pair<SessionId, Key>, std::shared_ptr<ReceiptKeeper>> keepers;
  CallId heartbeat_call = 0;
  std::map<WatchId, Watch> watches;
  std::map<StreamId, std::pair<std::uint64_t, std::pair<std::uint64_t, std::uint32_t>>>
      remembered;  // epoch, next segment, discontinuity
  std::unordered_map<HttpId, StreamId> held_http;
  std::vector<Peer*> dirty_relays, dirty_viewers;  // to pump: who feeds others goes first
  std::size_t relays_taken = 0, viewers_taken = 0;
  std::uint64_t crowd_until_us = 0;  // viewers wait for the rest of a chunk; 0: they do not
  bool blocked = false;                              // by the upload limit
  std::set<std::pair<std::uint64_t, LinkId>> wakes;  // when time alone lets a subscriber have more
  FramePrefixes prefixes;
  Admission admission;
  bool door_closed = false;
  std::uint64_t weighed_us = 0, http_bytes_counted = 0;
  std::unique_ptr<Presence> presence;
  bool presence_due = false;
  bool presence_flushed = false;  // the node ends and has told the coordinator what it owed
  bool started = false, stopping = false, closing = false;
  std::uint64_t drains_until_us = 0;  // while stopping: how long who is served may take to leave
  bool event_backpressure = false;
  std::uint64_t next_id = 1;
  std::uint64_t nonce_counter = 0;
  std::uint64_t started_mono_us = 0, last_tick_us = 0, last_round_us = 0;
  std::uint64_t links_deadline_us = never_us;  // of handshakes, pings and silence
  NodeStats counters;                          // only the counters that grow; stats() fills the rest
};

}  // namespace streamr::core
