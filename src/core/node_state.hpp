// Decides what a node remembers: peers, streams, sources, sessions, watches; declares the steps that node_*.cpp define.
// Never seen outside core/node*.cpp.
// Called by core/node.cpp, which forwards every public call to here.
#pragma once

#include <deque>
#include <limits>
#include <map>
#include <set>
#include <unordered_map>

#include "base/prng.hpp"
#include "core/admission.hpp"
#include "core/delivery.hpp"
#include "core/hls.hpp"
#include "core/link.hpp"
#include "core/metrics.hpp"
#include "core/node.hpp"
#include "core/receipts.hpp"
#include "core/verifier.hpp"

namespace streamr::core {

// A chunk that a peer announced on one of our subscriptions.
struct InChunk {
  ChunkPtr chunk;
  std::vector<bool> received;  // slices this subscription has brought: each counts once in receipts
  std::uint16_t held = 0;
  bool given_up = false;  // by us or by a DROP
  bool fetched = false;   // answer to a FETCH: free of limits
  bool counted = true;    // towards the limit of unfinished chunks
};

// A subscription of ours on a peer.
struct InSub {
  StreamId stream;
  std::uint16_t track = 0;
  bool headers_only = false;
  bool answered = false;  // SUB_OK came
  std::map<std::uint32_t, InChunk> chunks;
  std::map<ChunkPos, std::uint32_t> recent;  // newest chunk_ref of a position, so that a repeat is not counted twice
};

// A subscription of the peer on us.
struct OutSub {
  StreamId stream;
  std::uint16_t track = 0;
  std::uint8_t priority = 0;
  std::unique_ptr<Delivery> delivery;
  std::uint64_t told_bytes = 0;  // of the delivery's counter, how much the stream has counted
};

// What we owe and trust where we send: outlives a socket.
struct OutSession {
  explicit OutSession(const proto::Ticket& from, Now now) : ticket(from), window(SessionTerms::of(from), now) {}
  proto::Ticket ticket;
  ReceiptWindow window;
  std::set<LinkId> links;
  bool expired = false;
};

struct Peer {
  std::unique_ptr<Link> link;
  std::map<std::uint16_t, InSub> in;
  std::set<std::uint16_t> in_ended;  // late frames on these are ignored
  std::map<std::uint16_t, OutSub> out;
  std::shared_ptr<OutSession> session;      // the peer pays us with receipts
  std::shared_ptr<ReceiptKeeper> keeper;    // we pay the peer with receipts
  std::map<StreamId, proto::Have> offered;  // HAVE of the peer, newest
  std::set<Key> certified;                  // session keys of certificates that the peer announced
  std::set<StreamId> announced;             // HAVE that we sent
  std::set<CertId> certificates_sent;
  std::uint16_t next_sub = 0;
  std::uint32_t fetches = 0;         // ours, unanswered
  std::uint64_t wake_us = never_us;  // mono_us when time alone lets something more go out
  std::uint64_t leaves_us = 0;       // mono_us when our GOAWAY to it is over; 0 = none was sent
};

enum class SourceState { waiting, dialing, open, subscribed };

// One place to take a stream from: an address that we dial, or a peer that announced it to us.
struct Source {
  UpstreamOffer offer;  // url empty: announced
  LinkId link = 0;
  SourceState state = SourceState::waiting;
  bool retired = false;  // no longer offered: goes when another serves
  std::uint64_t next_dial_us = 0;
  std::uint64_t retry_us = 0;  // of a SUBSCRIBE that was not served
  std::uint32_t failures = 0;
  std::uint64_t subscribed_us = 0;
  std::uint64_t last_slice_us = 0;
  std::uint64_t penalty_until_us = 0;  // lied or stalled: not preferred before
  std::uint64_t slices = 0, rejected = 0;
  std::vector<PathEntry> path;  // as SUB_OK or a later HAVE told it
};

struct LocalPublication {
  LocalPublication(PublicationId number, PublishOptions given) : id(number), options(std::move(given)) {}
  PublicationId id;
  PublishOptions options;
  std::optional<Publication> publication;  // once numbered
  std::deque<PublicationPart> pending;
  std::uint64_t pending_bytes = 0;
  std::uint64_t opened_us = 0;
  bool ready = false, end_wanted = false, closed = false, refused_full = false;
};

struct WatchTrack {
  std::uint64_t epoch = 0;
  bool started = false;
  ChunkPos next;
  const StoredChunk* init_told = nullptr;
  Hash told;                           // of the newest header that was told
  std::uint64_t waiting_since_us = 0;  // a later chunk is whole, `next` is not
};

struct Watch {
  WatchId id = 0;
  WatchOptions options;
  std::optional<StreamId> stream;
  std::map<std::uint16_t, WatchTrack> tracks;
  std::uint64_t ask_session_us = never_us;  // when to ask for a (new) session
  bool asking = false;
  bool ready_told = false;
  std::uint64_t ended_epoch = 0;  // whose end was told
};

struct Stream {
  Stream(const StreamId& id, StoreLimits limits) : store(id, limits), verifier(id) {}

  StreamStore store;
  Verifier verifier;
  std::unique_ptr<HlsStream> hls;
  std::string alias;
  std::string steering_url;
  bool assigned = false, configured = false;  // carried because of the coordinator, or of a command
  bool is_origin = false;
  std::vector<PathEntry> path;  // of the source; our own prefix is added when it is told on
  std::vector<Source> sources;
  LinkId active = 0;  // link of the source that sends slices
  std::uint64_t sources_began_us = 0;
  std::uint64_t switched_us = 0;  // last change away from the first offer; 0 = never
  std::optional<LocalPublication> publication;
  std::set<WatchId> watches;
  std::uint64_t saved_epoch = 0, next_segment = 0;  // durable: highest epoch, first number never held
  std::uint32_t discontinuity = 0;                  // number of the newest segment
  std::uint64_t discontinuity_segment = 0;
  bool discontinuity_known = false;
  std::map<std::pair<std::uint16_t, ChunkPos>, std::uint64_t> asked;  // FETCH times, mono_us
  std::vector<ChunkPtr> unfinished;
  bool shown = false;  // a heartbeat has told, or is about to tell, that we hold media
  bool state_dirty = false;
  std::uint64_t state_saved_us = 0;
  std::uint64_t last_trim_us = 0;
  // figures
  std::uint64_t chunks = 0, slices_verified = 0, verified_bytes = 0, slices_rejected = 0, chain_breaks = 0;
  std::uint64_t sent_bytes = 0;
  Histogram slice_latency_us, chunk_latency_us;

  bool carried() const { return assigned || configured; }
  bool wanted() const { return carried() || !watches.empty(); }
  // Something can be served: an epoch with a certificate is known.
  bool held() const { return store.newest_epoch() != nullptr && verifier.newest_certificate() != nullptr; }
};

// Label values of figures and of logs.
std::string_view role_name(std::uint32_t role);
std::string_view wire_name(Wire code);
std::string_view kind_name(const Link& link);  // "upstream": we dialled; else what the peer is

struct Node::State final : LinkHost {
  State(NodeConfig given, const crypto::KeyPair& key);

  // ---- node.cpp
  void start(Now now);
  void stop(Now now);
  void on_time(Now now);
  std::uint64_t deadline_us() const;
  void finish(Now now);  // after each input: pump what became sendable
  Nonce next_nonce();
  void emit(Action action) { actions.push_back(std::move(action)); }
  NodeEvent& event(std::uint32_t kind, std::int64_t value, std::string text, Now now);
  Stream& open_stream(const StreamId& id);
  Stream* find_stream(const StreamId& id);
  void close_unwanted(const StreamId& id, Now now);

  // ---- node_links.cpp: LinkHost and frames that are not media
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
  void count_sent(OutSub& out);
  void report_bad_slice(Peer& peer, const StoredChunk& chunk, const proto::Slice& frame, Now now);
  void put_chunk(Stream& stream, const VerifiedChunk& chunk, Now now);
  void on_new_chunk(Stream& stream, const ChunkPtr& chunk, Now now);  // stored: tell deliveries and HLS
  void on_new_slice(Stream& stream, const ChunkPtr& chunk, std::uint16_t index, Now now);
  void on_whole(Stream& stream, const ChunkPtr& chunk, Now now);
  void note_epoch(Stream& stream, std::uint64_t epoch, const proto::SubOk* told, Now now);
  void pump(Peer& peer, Now now);
  std::optional<Delivered> poll_subs(Peer& peer, std::uint64_t budget, std::uint16_t& sub, Now now);
  void touch(const StreamId& stream);  // its subscribers have something to send

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
  void repair(Stream& stream, Now now);  // FETCH, switch
  void fetch(Stream& stream, Source& source, std::uint16_t track, ChunkPos pos, std::uint64_t epoch,
             std::uint16_t first, std::uint16_t count, Now now);
  bool fetch_missing(Stream& stream, const ChunkPtr& chunk, LinkId not_from, Now now);
  Source* find_source(Stream& stream, LinkId link);
  Source* best_standby(Stream& stream, LinkId not_this, Now now);
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
  std::deque<Action> actions;
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
  std::set<LinkId> dirty_peers;
  Admission admission;
  std::uint64_t weighed_us = 0, http_bytes_counted = 0;
  std::unique_ptr<Presence> presence;
  bool presence_due = false;
  bool presence_flushed = false;  // the node ends and has told the coordinator what it owed
  bool started = false, stopping = false;
  bool event_backpressure = false;
  std::uint64_t next_id = 1;
  std::uint64_t nonce_counter = 0;
  std::uint64_t started_mono_us = 0, last_tick_us = 0, last_round_us = 0;
  NodeStats counters;  // only the counters that grow; stats() fills the rest
};

}  // namespace streamr::core
