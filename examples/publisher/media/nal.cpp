#include "publisher/media/nal.hpp"

namespace streamr::publisher {
namespace {

constexpr unsigned h264_idr = 5, h264_sei = 6;
constexpr unsigned sei_recovery_point = 6;
constexpr unsigned h265_first_irap = 16, h265_last_irap = 21;

// Open groups of pictures mark their entry with a recovery point instead of an IDR. The message leads its SEI unit.
bool is_recovery_point(ByteSpan unit) { return unit.size() > 1 && unit[1] == sei_recovery_point; }

bool opens_decoding(ByteSpan unit, VideoCoding coding) {
  if (coding == VideoCoding::h264) {
    const unsigned type = unit[0] & 0x1Fu;
    return type == h264_idr || (type == h264_sei && is_recovery_point(unit));
  }
  const unsigned type = (unit[0] >> 1) & 0x3Fu;
  return type >= h265_first_irap && type <= h265_last_irap;
}

}  // namespace

SampleLook look_at_sample(ByteSpan sample, VideoCoding coding, std::uint8_t length_bytes) {
  if (coding == VideoCoding::other) return {!sample.empty(), true};
  SampleLook look{!sample.empty(), false};
  while (!sample.empty()) {
    if (sample.size() < length_bytes) return {false, false};
    std::size_t length = 0;
    for (std::size_t i = 0; i < length_bytes; ++i) length = length << 8 | sample[i];
    sample = sample.subspan(length_bytes);
    if (length > sample.size()) return {false, false};
    if (length == 0) continue;
    if (opens_decoding(sample.first(length), coding)) look.random_access = true;
    sample = sample.subspan(length);
  }
  return look;
}

}  // namespace streamr::publisher
