// Decides whether what nodes put on the wire keeps the promises of the protocol, at every message, against what was published.
// Never uses the library's own judgement: it reads octets at fixed offsets and compares.
// Called by tests/sim/world with everything that is sent, arrives or is told.
#pragma once

#include <array>
#include <stdexcept>
#include <string>
#include <unordered_map>

#include "network.hpp"

namespace streamr::sim {

// A promise was broken.
struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What the publisher handed over, and how it was signed.
struct Truth {
  ByteVector payload;
  std::array<std::uint8_t, 224> header{};
  bool signed_already = false;
  bool init = false;
  std::uint32_t number = 0;                 // of the media chunks, in order
};

class Monitor {
 public:
  // Before it is pushed. `media_time_us` and `init` find the chunk again in its header.
  void published(std::uint64_t media_time_us, bool init, ByteVector payload);
  void set_publisher(HostId host) { publisher_ = host; }
  // Another chunk that the streamer's key signed for the place of a published one: it may be passed on as well.
  void signed_twice(std::uint64_t media_time_us, ByteView header, ByteVector payload);

  void on_opened(WireId wire, const Wire& ends);
  void on_sent(WireId wire, const Wire& ends, bool by_client, ByteView message, const Key& sender);
  void on_closed(WireId wire);
  // A viewer was told a chunk: octets as published. Gives its number, or nothing for an init section.
  std::optional<std::uint32_t> on_told(const core::StoredChunk& chunk) const;

  std::uint32_t published_chunks() const { return published_; }
  std::uint64_t slices_checked() const { return slices_checked_; }
  std::uint64_t headers_checked() const { return headers_checked_; }
  std::uint64_t receipts_seen() const { return receipts_seen_; }
  std::size_t longest_path() const { return longest_path_; }
  std::uint64_t widest_use_bytes() const { return widest_use_; }

 private:
  struct Session {
    std::uint64_t sent = 0;                 // unique slice octets
    std::uint64_t sent_in_all = 0;          // with repeats and init sections
    std::uint64_t claimed = 0;              // of the receipts that the viewer sent
    std::uint64_t written_off = 0;          // on sockets that are closed
    std::uint64_t counted = 0;
    std::uint32_t window = 0;
    std::unordered_map<std::uint64_t, bool> slices;
  };
  struct Way {                              // one direction of a connection
    std::unordered_map<std::uint32_t, const Truth*> refs;
  };
  struct Watched {
    Way ways[2];
    Session* session = nullptr;             // of HELLO's ticket and relay; null without one
  };

  const Truth& find(const std::uint8_t* header) const;
  void check_chunk(Watched& wire, int way, HostId sender, ByteView payload);
  void check_slice(Watched& wire, int way, ByteView payload);
  void check_path(const std::uint8_t* path, std::size_t entries, const Key& sender);
  void count_session_slice(Session& session, const Truth& truth, std::uint16_t index, std::size_t bytes);
  void check_receipt(Session& session, ByteView payload);
  void check_ack(Session& session, ByteView payload);

  HostId publisher_ = 0;
  std::uint32_t published_ = 0;
  std::unordered_map<std::uint64_t, Truth> truths_;   // by media_time, top bit for init sections
  std::unordered_map<std::uint64_t, Truth> signed_twice_;
  std::unordered_map<WireId, Watched> wires_;
  std::unordered_map<std::string, Session> sessions_;   // by session_id and relay_key
  std::uint64_t slices_checked_ = 0, headers_checked_ = 0, receipts_seen_ = 0, widest_use_ = 0;
  std::size_t longest_path_ = 0;
};

}  // namespace streamr::sim
