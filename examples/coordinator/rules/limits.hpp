// Decides whether one more event of a key fits its rate: a window that slides, or a bucket that refills.
// Never sleeps and never reads the clock.
// Called by the router (requests an address), heartbeats, viewers' receipts and evidence.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>

namespace coordinator {

// At most `most` events of a key within `span_ms`.
class SlidingLimit {
 public:
  SlidingLimit(size_t most, int64_t span_ms) : most_(most), span_ms_(span_ms) {}

  // Whether there is room; nothing is counted.
  bool has_room(const std::string& key, int64_t now_ms) {
    auto& times = events_[key];
    while (!times.empty() && times.front() <= now_ms - span_ms_) times.pop_front();
    const bool room = times.size() < most_;
    if (times.empty()) events_.erase(key);
    return room;
  }
  bool take(const std::string& key, int64_t now_ms) {
    if (!has_room(key, now_ms)) return false;
    events_[key].push_back(now_ms);
    return true;
  }
  void forget_idle(int64_t now_ms) {
    std::erase_if(events_, [&](const auto& e) { return e.second.empty() || e.second.back() <= now_ms - span_ms_; });
  }

 private:
  size_t most_;
  int64_t span_ms_;
  std::map<std::string, std::deque<int64_t>> events_;
};

// `rate` tokens a second, up to `burst`.
class TokenLimit {
 public:
  TokenLimit(int64_t rate, int64_t burst) : rate_(rate), burst_(burst) {}

  bool take(const std::string& key, int64_t now_ms) {
    auto [found, fresh] = buckets_.try_emplace(key, Bucket{burst_ * 1000, now_ms});
    Bucket& bucket = found->second;
    const int64_t passed = now_ms > bucket.at_ms ? now_ms - bucket.at_ms : 0;
    bucket.milli = passed > burst_ * 1000 / rate_ ? burst_ * 1000 : bucket.milli + passed * rate_;
    if (bucket.milli > burst_ * 1000) bucket.milli = burst_ * 1000;
    bucket.at_ms = now_ms;
    if (bucket.milli < 1000) return false;
    bucket.milli -= 1000;
    return true;
  }
  void forget_idle(int64_t now_ms) {
    std::erase_if(buckets_, [&](const auto& b) { return now_ms - b.second.at_ms > burst_ * 1000 / rate_; });
  }

 private:
  struct Bucket {
    int64_t milli;
    int64_t at_ms;
  };
  int64_t rate_;
  int64_t burst_;
  std::map<std::string, Bucket> buckets_;
};

}  // namespace coordinator
