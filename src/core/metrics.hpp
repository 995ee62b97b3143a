// Decides how a node's figures read: /metrics (Prometheus text) and /stats.json, both from one plain NodeStats.
// Never counts anything itself and never names a viewer: both stand on the public port. The node fills NodeStats when
// it is asked. Called by core/node.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/histogram.hpp"

namespace streamr::core {

struct UpstreamStats {
  std::string url;
  std::string state;                     // "dialing", "open", "live", "waiting", "closed"
  bool standby = false;
  std::uint64_t slices = 0;
  std::uint64_t rejected = 0;
};

struct StreamStats {
  std::string stream;                    // 64 hex digits
  std::string alias;
  std::uint64_t epoch = 0;
  std::uint32_t hop = 0;                 // entries of the path to here: the origin 1, its child 2
  bool live = false;                     // an epoch runs: no END on every track
  std::uint64_t oldest_segment = 0;
  std::uint64_t newest_segment = 0;
  std::uint16_t newest_part = 0;
  std::uint64_t lag_ms = 0;              // now − capture_time of the newest whole chunk
  std::uint64_t chunks = 0;              // whole
  std::uint64_t slices_verified = 0;
  std::uint64_t verified_bytes = 0;
  std::uint64_t sent_bytes = 0;          // CHUNK and SLICE payload to subscribers, and HTTP media and playlists
  std::uint64_t slices_rejected = 0;
  std::uint64_t chain_breaks = 0;        // prev_header_hash that did not fit
  std::uint64_t store_bytes = 0;
  std::uint32_t viewers = 0;             // connections that subscribed, relays among them
  Histogram slice_latency_us;            // capture → verified, each slice
  Histogram chunk_latency_us;            // capture → last slice verified, each chunk
  std::vector<UpstreamStats> upstreams;
};

// What the sockets know and the core cannot: io tells it from time to time.
struct ServerStats {
  std::uint64_t http_connections = 0;    // open now
  std::uint64_t websocket_connections = 0;
  std::uint64_t connections_limit = 0;   // 0 = not told
  std::uint64_t accepted = 0;            // since start
  std::uint64_t loops = 0;               // 0 = not told
  std::map<std::string, std::uint64_t> refused;           // "address", "total", "descriptors", "tls": since start
};

// Limits that may change while the node runs; 0 = none.
struct LimitStats {
  std::uint64_t upload_kbps = 0;
  std::uint64_t max_viewers = 0;
};

// Maps are label value → count; a label value is a short word of [a-z0-9_].
struct NodeStats {
  std::string node_key;                  // hex
  std::string name;
  std::string role;
  std::string software;
  std::uint64_t time_us = 0;             // unix
  std::uint64_t uptime_us = 0;
  std::uint32_t load_pct = 0;            // as WELCOME and heartbeats tell it
  std::uint64_t memory_bytes = 0;        // what memory_limit_bytes covers
  std::uint64_t memory_limit_bytes = 0;
  LimitStats limits;
  ServerStats server;
  std::map<std::string, std::uint64_t> bytes_in;          // "upstream", "publisher", "relay", "viewer"
  std::map<std::string, std::uint64_t> bytes_out;         // the same and "http_media", "http_playlist", "http_other"
  std::map<std::string, std::uint64_t> slices_rejected;   // "hash", "length", "index", "root", "unannounced", …
  std::map<std::string, std::uint64_t> chunks_dropped;    // "late", "queue", "not_held", "revoked"
  std::map<std::string, std::uint64_t> admission_refused; // "viewers", "upload", "memory", "cpu"; "shed": sent away
  std::map<int, std::uint64_t> http_requests;             // status → count
  std::map<std::string, std::uint64_t> links;             // "viewer", "relay", "publisher", "upstream": open now
  std::map<std::string, std::uint64_t> errors;            // ERROR frames sent, by word
  std::uint64_t links_total = 0;
  std::uint64_t subscriptions = 0;                        // open now, towards this node
  std::uint64_t sessions = 0;
  std::uint64_t receipts_ok = 0;
  std::uint64_t receipts_refused = 0;
  std::uint64_t fetches = 0;                              // FETCH sent
  std::uint64_t failovers = 0;                            // source changed to a standby
  std::uint64_t heartbeats_ok = 0;
  std::uint64_t heartbeats_failed = 0;
  std::uint64_t equivocations = 0;
  std::uint64_t queue_bytes = 0;                          // waits in all outgoing queues now
  std::uint64_t queue_oldest_us = 0;
  Histogram hop_latency_us;                               // slice verified → handed to a connection, each subscriber
  std::vector<StreamStats> streams;
};

std::string render_metrics(const NodeStats& stats);       // text/plain; version=0.0.4
// Epochs are decimal strings, all other numbers integers. docs/relay.md lists every member.
std::string render_stats_json(const NodeStats& stats);

}  // namespace streamr::core
