#include "core/admission.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace streamr::core {

namespace {

constexpr std::uint64_t measured_us = 1'000'000;  // octets are summed over this long
constexpr std::uint64_t burst_us = 50'000;        // what an idle bucket saves up,
constexpr std::int64_t least_burst_bytes = 64 * 1024;
constexpr std::uint64_t debt_us = 1'000'000;  // HTTP is counted after it left: no more than this is held against others
constexpr std::uint32_t closes_pct = 100, opens_pct = 90, sheds_pct = 105;
constexpr std::uint32_t starves_pct = 110;
constexpr std::uint64_t starves_after_us = 1'000'000;  // a burst is over by then
constexpr std::uint64_t sheds_after_us = 10'000'000, sheds_every_us = 2'000'000;

std::uint32_t share(std::uint64_t used, std::uint64_t limit) {
  return limit == 0 ? 0 : static_cast<std::uint32_t>(std::min<std::uint64_t>(used * 100 / limit, 1000));
}

}  // namespace

void Admission::set_limits(const NodeLimits& limits, Now now) {
  refill(now);
  const std::uint64_t memory = limits.memory_bytes != 0 ? limits.memory_bytes : limits_.memory_bytes;
  limits_ = limits;
  limits_.memory_bytes = memory;
  tokens_ = 0;
  on_time(now);
}

// ---- pace

void Admission::refill(Now now) {
  const std::uint64_t elapsed_us = std::min(now.mono_us - std::min(now.mono_us, refilled_us_), s_to_us(10));
  if (limits_.upload_kbps == 0) {
    refilled_us_ = now.mono_us;
    return;
  }
  const std::uint64_t gained = limits_.upload_kbps * elapsed_us / 8'000;
  if (gained == 0) return;  // the time is kept until it is worth an octet
  refilled_us_ = now.mono_us;
  const auto burst = std::max(static_cast<std::int64_t>(limits_.upload_kbps * burst_us / 8'000), least_burst_bytes);
  tokens_ = std::min(tokens_ + static_cast<std::int64_t>(gained), burst);
}

void Admission::on_sent(std::uint64_t bytes, Now now) {
  window_bytes_ += bytes;
  if (limits_.upload_kbps == 0) return;
  refill(now);
  const auto most_debt = static_cast<std::int64_t>(limits_.upload_kbps * debt_us / 8'000);
  tokens_ = std::max(tokens_ - static_cast<std::int64_t>(bytes), -std::max(most_debt, least_burst_bytes));
}

std::uint64_t Admission::sendable_bytes(Now now) {
  if (limits_.upload_kbps == 0) return never_us;
  refill(now);
  return tokens_ > 0 ? static_cast<std::uint64_t>(tokens_) : 0;
}

std::uint64_t Admission::sendable_at_us() const {
  if (limits_.upload_kbps == 0) return never_us;
  if (tokens_ > 0) return refilled_us_;
  return refilled_us_ +
         (static_cast<std::uint64_t>(1 - tokens_) * 8'000 + limits_.upload_kbps - 1) / limits_.upload_kbps;
}

// ---- load

void Admission::on_time(Now now) {
  if (window_began_us_ == 0) window_began_us_ = now.mono_us;
  const std::uint64_t elapsed_us = now.mono_us - std::min(now.mono_us, window_began_us_);
  if (elapsed_us >= measured_us) {
    sent_kbps_ = (sent_kbps_ + window_bytes_ * 8'000 / elapsed_us) / 2;  // half of what was known before
    window_bytes_ = 0;
    window_began_us_ = now.mono_us;
  }
  starves_ = blocked_since_us_ != 0 && now.mono_us >= blocked_since_us_ + starves_after_us;
  const std::pair<const char*, std::uint32_t> measured[] = {{"upload", upload_pct()},
                                                            {"cpu", share(cpu_permille_, 1000)},
                                                            {"memory", share(memory_bytes_, limits_.memory_bytes)}};
  const auto& [name, load] =
      *std::max_element(std::begin(measured), std::end(measured),
                        [](const auto& one, const auto& other) { return one.second < other.second; });
  if (load < sheds_pct) over_since_us_ = 0;
  if (load >= sheds_pct && over_since_us_ == 0) over_since_us_ = std::max<std::uint64_t>(now.mono_us, 1);
  if (load < opens_pct) closed_ = nullptr;
  if (load >= closes_pct && closed_ == nullptr) closed_ = name;
}

void Admission::on_blocked(bool blocked, Now now) {
  if (!blocked) blocked_since_us_ = 0;
  if (blocked && blocked_since_us_ == 0) blocked_since_us_ = std::max<std::uint64_t>(now.mono_us, 1);
}

// Pacing holds what is sent just below the limit, so it is who waits that tells whether more is wanted.
std::uint32_t Admission::upload_pct() const {
  const std::uint32_t sent = share(sent_kbps_, limits_.upload_kbps);
  return starves_ ? std::max(sent, starves_pct) : sent;
}

std::uint32_t Admission::load_pct() const {
  // What is offered is no limit: beyond it a node tells that it is full and goes on.
  const std::uint32_t sent =
      limits_.upload_kbps != 0 ? upload_pct() : std::min(share(sent_kbps_, capacity_kbps_), closes_pct);
  return std::max({sent, share(cpu_permille_, 1000), share(memory_bytes_, limits_.memory_bytes),
                   share(viewers_, limits_.max_viewers)});
}

std::optional<Admission::Refusal> Admission::refusal(bool viewer) const {
  if (viewer && limits_.max_viewers != 0 && viewers_ >= limits_.max_viewers)
    return Refusal{"viewers", "all " + std::to_string(limits_.max_viewers) + " places for viewers are taken"};
  if (closed_ == nullptr) return std::nullopt;
  return Refusal{closed_, "this node is full (" + std::string(closed_) + "); try another, or again in a few seconds"};
}

bool Admission::sheds(Now now) {
  const bool many = limits_.max_viewers != 0 && viewers_ > limits_.max_viewers;  // the limit was lowered
  const bool long_over = over_since_us_ != 0 && now.mono_us >= over_since_us_ + sheds_after_us;
  if (!many && !long_over) return false;
  if (shed_us_ != 0 && now.mono_us < shed_us_ + sheds_every_us) return false;
  shed_us_ = std::max<std::uint64_t>(now.mono_us, 1);
  return true;
}

}  // namespace streamr::core
