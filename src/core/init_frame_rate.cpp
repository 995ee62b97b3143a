#include <algorithm>
#include <array>

#include "core/init_info.hpp"

namespace streamr::core {
namespace {

// Bits of a H.264 unit without its emulation prevention octets. Behind the end it reads zeros and says so.
class BitReader {
 public:
  explicit BitReader(ByteView unit) {
    int zeros = 0;
    for (const std::uint8_t octet : unit) {
      const bool prevention = zeros >= 2 && octet == 3;
      zeros = octet == 0 ? zeros + 1 : 0;
      if (!prevention) octets_.push_back(octet);
    }
  }

  bool good() const { return at_ <= octets_.size() * 8; }
  std::uint32_t bits(unsigned count) {
    std::uint32_t value = 0;
    for (; count > 0; --count, ++at_) {
      const std::size_t octet = at_ / 8;
      const unsigned bit = octet < octets_.size() ? (octets_[octet] >> (7 - at_ % 8)) & 1u : 0u;
      value = (value << 1) | bit;
    }
    return value;
  }
  bool flag() { return bits(1) != 0; }
  // Exp-Golomb: as many zeros as digits follow the one.
  std::uint32_t number() {
    unsigned zeros = 0;
    while (zeros < 32 && good() && !flag()) ++zeros;
    return zeros >= 32 ? UINT32_MAX : (1u << zeros) - 1 + bits(zeros);
  }
  void skip_numbers(unsigned count) {
    for (; count > 0 && good(); --count) number();
  }

 private:
  ByteVector octets_;
  std::size_t at_ = 0;
};

void skip_scaling_list(BitReader& in, int size) {
  int last = 8, next = 8;
  for (int i = 0; i < size && next != 0 && in.good(); ++i) {
    const std::uint32_t code = in.number();
    const int delta = static_cast<int>(code / 2 + code % 2) * (code % 2 == 1 ? 1 : -1);
    next = (last + delta % 256 + 512) % 256;
    if (next != 0) last = next;
  }
}

void skip_chroma_and_scaling(BitReader& in, std::uint32_t profile) {
  constexpr std::array<std::uint32_t, 13> high = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135};
  if (std::find(high.begin(), high.end(), profile) == high.end()) return;
  const std::uint32_t chroma = in.number();
  if (chroma == 3) in.flag();  // separate planes
  in.skip_numbers(2);          // bit depths
  in.flag();                   // lossless
  if (!in.flag()) return;
  for (int list = 0; list < (chroma == 3 ? 12 : 8); ++list)
    if (in.flag()) skip_scaling_list(in, list < 6 ? 16 : 64);
}

void skip_picture_order(BitReader& in) {
  in.number();  // length of frame numbers
  const std::uint32_t kind = in.number();
  if (kind == 0) in.number();
  if (kind != 1) return;
  in.flag();
  in.skip_numbers(2);
  in.skip_numbers(std::min<std::uint32_t>(in.number(), 255));
}

void skip_to_timing(BitReader& in) {
  if (in.flag() && in.bits(8) == 255) in.bits(32);  // shape of a pixel
  if (in.flag()) in.flag();                         // overscan
  if (in.flag()) {                                  // signal
    in.bits(4);
    if (in.flag()) in.bits(24);
  }
  if (in.flag()) in.skip_numbers(2);                // place of chroma samples
}

std::uint32_t sequence_milli_fps(ByteView unit) {
  BitReader in(unit);
  in.bits(8);
  const std::uint32_t profile = in.bits(8);
  in.bits(16);
  in.number();
  skip_chroma_and_scaling(in, profile);
  skip_picture_order(in);
  in.number();                        // reference frames
  in.flag();
  in.skip_numbers(2);                 // size
  if (!in.flag()) in.flag();          // fields
  in.flag();
  if (in.flag()) in.skip_numbers(4);  // cropping
  if (!in.flag()) return 0;           // no more is told
  skip_to_timing(in);
  if (!in.flag()) return 0;
  const std::uint64_t units_in_tick = in.bits(32);
  const std::uint64_t ticks_a_second = in.bits(32);
  const bool fixed = in.flag();
  if (!in.good() || !fixed || units_in_tick == 0) return 0;
  const std::uint64_t milli = (ticks_a_second * 1000 + units_in_tick) / (2 * units_in_tick);  // a picture is two ticks
  return milli >= 1000 && milli <= 300'000 ? static_cast<std::uint32_t>(milli) : 0;
}

}  // namespace

std::uint32_t avc_milli_fps(ByteView avc_configuration) {
  constexpr std::size_t head = 8;  // version, profile, level, lengths, how many, octets of the first
  if (avc_configuration.size() < head || (avc_configuration[5] & 0x1F) == 0) return 0;
  const std::size_t octets = load_u16(avc_configuration.data() + 6);
  if (octets > avc_configuration.size() - head) return 0;
  return sequence_milli_fps(avc_configuration.subspan(head, octets));
}

}  // namespace streamr::core
