// Decides what a node remembers of a peer, a stream, a source, a session and a watch. Never acts on any of it.
// Called by core/node_state.hpp alone; never seen outside core/node*.cpp.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/delivery.hpp"
#include "core/histogram.hpp"
#include "core/hls.hpp"
#include "core/link.hpp"
#include "core/node.hpp"
#include "core/receipts.hpp"
#include "core/verifier.hpp"

namespace streamr::core {

struct Peer;
struct Stream;

// Which slices of a chunk one subscription has brought, under whatever ref: each counts once in receipts.
struct Brought {
  std::vector<bool> slices;
  std::uint16_t count = 0;
};

// A chunk that a peer announced on one of our subscriptions.
struct InChunk {
  ChunkPtr chunk;
  std::shared_ptr<Brought> brought;  // the same under each ref of the chunk
  bool given_up = false;             // by us or by a DROP
  bool dropped = false;              // by a DROP
  bool fetched = false;              // answer to a FETCH: free of limits
  bool counted = true;               // towards the limit of unfinished chunks
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
  Peer* peer = nullptr;
  Stream* of = nullptr;
  StreamId stream;
  std::uint16_t track = 0;
  std::uint8_t priority = 0;
  std::unique_ptr<Delivery> delivery;
  std::size_t place = 0;         // in the followers of its track
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
  bool dirty = false;                // stands in a queue of those to pump
  bool waits_for_room = false;       // the transport holds as much as it may
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
  std::uint64_t leaves_us = 0;  // GOAWAY came: used until another delivers, or this moment; 0 = it stays
  std::uint64_t left_us = 0;    // when GOAWAY came
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
  Stream(const StreamId& id, StoreLimits limits, BufferSource* buffers) : store(id, limits, buffers), verifier(id) {}

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
  std::map<std::uint16_t, std::vector<OutSub*>> followers;  // by track: who is told of each slice
  std::uint64_t saved_epoch = 0, next_segment = 0;          // durable: highest epoch, first number never held
  std::uint32_t discontinuity = 0;                          // number of the newest segment
  std::uint64_t discontinuity_segment = 0;
  bool discontinuity_known = false;
  std::map<std::pair<std::uint16_t, ChunkPos>, std::uint64_t> asked;  // FETCH times, mono_us
  std::vector<ChunkPtr> unfinished;
  bool shown = false;  // a heartbeat has told, or is about to tell, that we hold media
  bool state_dirty = false;
  std::uint64_t state_saved_us = 0;
  std::uint64_t last_trim_us = 0, removals_seen = 0;
  std::uint64_t certificates_until_us = 0;  // each new one takes a second, of which 32 may be ahead
  // figures
  std::uint64_t chunks = 0, slices_verified = 0, verified_bytes = 0, slices_rejected = 0, chain_breaks = 0;
  std::uint64_t sent_bytes = 0;
  Histogram slice_latency_us, chunk_latency_us;

  bool carried() const { return assigned || configured; }
  bool wanted() const { return carried() || !watches.empty(); }
  // Something can be served: an epoch with a certificate is known.
  bool held() const { return store.newest_epoch() != nullptr && verifier.newest_certificate() != nullptr; }
};

}  // namespace streamr::core
