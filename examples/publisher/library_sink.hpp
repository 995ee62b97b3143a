// Decides: which certificate an epoch runs under, and in which order parts reach the library when its queue is full.
// Never: cuts media.
// Called by: the program's loop.
#pragma once

#include <deque>

#include "common/key_files.hpp"
#include "publisher/stream_sink.hpp"

namespace streamr::publisher {

struct SinkOptions {
  std::string coordinator_url, alias, title, pool, origin_url, bearer;
  std::uint32_t max_kbps = 0;  // 0: from the measured rate
  programs::KeyPtr root;       // issues a certificate per epoch, or
  programs::KeyPtr session;    // a session key with certificates made elsewhere, used one after the other
  std::vector<programs::CertificateBytes> certificates;
};

struct SinkFigures {
  std::uint64_t epochs = 0, segments = 0, parts = 0, bytes = 0, gaps = 0, chunks = 0;
  std::uint64_t epoch = 0;
  bool coordinator = false, ready = false;
};

class LibrarySink : public StreamSink {
 public:
  static constexpr std::size_t max_waiting_bytes = 64u << 20;
  static constexpr std::uint64_t renewal_before_end_s = 600;

  explicit LibrarySink(SinkOptions options) : options_(std::move(options)) {}
  ~LibrarySink() override;

  // Makes and starts the node. False where it cannot; reason() says why.
  bool start();
  int event_fd() const override { return streamr_node_fd(node_); }
  void on_ready() override;
  SinkAnswer open_epoch(const EpochBegin& begin) override;
  SinkAnswer push(MediaPart part) override;
  void end() override;
  // Waits until what was pushed is handed over, says good-bye, within the deadline.
  void stop(std::uint32_t deadline_ms);
  bool renewal_due(std::uint64_t now_s) const override;
  const std::string& reason() const override { return reason_; }
  bool refused() const override { return refused_; }
  const SinkFigures& figures() const { return figures_; }
  std::string stream_id_hex() const;

 private:
  struct Waiting {
    std::uint16_t flags = 0;
    Bytes bytes;
    std::uint64_t media_time_us = 0, capture_time_us = 0;
    std::uint32_t duration_us = 0;
  };
  bool choose_certificate(std::uint32_t kbps);
  SinkAnswer enqueue(Waiting part);
  SinkAnswer hand_over();
  void on_event(const streamr_event_t& event);
  void make_gap(Waiting& part);

  SinkOptions options_;
  streamr_node_t* node_ = nullptr;
  streamr_publication_t* publication_ = nullptr;
  programs::KeyPtr session_;
  programs::CertificateBytes certificate_{};
  std::size_t certificates_used_ = 0;
  std::uint64_t last_serial_ = 0;
  std::uint64_t last_epoch_ = 0;
  std::uint64_t not_after_s_ = 0;
  std::uint32_t kbps_ = 0;
  bool discontinuity_ = false;
  bool over_rate_ = false;
  bool skip_to_independent_ = false;  // what depends on a part that was left out is of no use
  bool skip_after_queue_ = false;     // the same, for parts that came while too many waited
  bool refused_ = false;
  std::deque<Waiting> waiting_;
  std::size_t waiting_bytes_ = 0;
  SinkFigures figures_;
  std::string reason_;
};

}  // namespace streamr::publisher
