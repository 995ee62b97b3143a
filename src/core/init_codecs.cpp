#include <array>
#include <cstdarg>
#include <cstdio>
#include <optional>

#include "core/init_info.hpp"

namespace streamr::core {
namespace {

[[gnu::format(printf, 1, 2)]] std::string format(const char* pattern, ...) {
  std::array<char, 64> text{};
  std::va_list values;
  va_start(values, pattern);
  std::vsnprintf(text.data(), text.size(), pattern, values);
  va_end(values);
  return text.data();
}

// One descriptor of ISO 14496-1: tag, length in 1–4 octets of 7 bits, contents.
struct Descriptor {
  std::uint8_t tag = 0;
  ByteView contents;
};
std::optional<Descriptor> take_descriptor(ByteView& bytes) {
  if (bytes.size() < 2) return std::nullopt;
  Descriptor out;
  out.tag = bytes[0];
  std::size_t length = 0;
  std::size_t at = 1;
  for (int octets = 0;; ++octets) {
    if (octets == 4 || at >= bytes.size()) return std::nullopt;
    const std::uint8_t octet = bytes[at++];
    length = (length << 7) | (octet & 0x7Fu);
    if ((octet & 0x80u) == 0) break;
  }
  if (length > bytes.size() - at) return std::nullopt;
  out.contents = bytes.subspan(at, length);
  bytes = bytes.subspan(at + length);
  return out;
}

std::optional<Descriptor> find_descriptor(ByteView bytes, std::uint8_t tag) {
  for (int seen = 0; seen < 16; ++seen) {
    const auto descriptor = take_descriptor(bytes);
    if (!descriptor) return std::nullopt;
    if (descriptor->tag == tag) return descriptor;
  }
  return std::nullopt;
}

// First 5 bits, or 32 + the next 6 where these are all ones (ISO 14496-3).
unsigned audio_object_type(ByteView configuration) {
  const unsigned short_form = configuration[0] >> 3u;
  if (short_form != 31 || configuration.size() < 2) return short_form;
  return 32 + (((configuration[0] & 7u) << 3u) | (configuration[1] >> 5u));
}

std::uint32_t reversed_bits(std::uint32_t value) {
  std::uint32_t out = 0;
  for (int i = 0; i < 32; ++i) out |= ((value >> i) & 1u) << (31 - i);
  return out;
}

}  // namespace

std::string avc_codec(const std::string& entry, ByteView c) {
  if (c.size() < 4) return {};
  return entry + format(".%02x%02x%02x", c[1], c[2], c[3]);
}

// ISO 14496-15 annex E: space and profile, compatibility flags in reverse bit order, tier and level, constraint octets.
std::string hevc_codec(const std::string& entry, ByteView c) {
  if (c.size() < 13) return {};
  constexpr std::array<const char*, 4> spaces = {"", "A", "B", "C"};
  std::string out = entry + '.' + spaces[c[1] >> 6u] + std::to_string(c[1] & 0x1Fu);
  out += format(".%X", reversed_bits(load_u32(c.data() + 2)));
  out += format(".%c%u", (c[1] & 0x20u) != 0 ? 'H' : 'L', static_cast<unsigned>(c[12]));
  std::size_t last = 12;
  while (last > 6 && c[last - 1] == 0) --last;
  for (std::size_t i = 6; i < last; ++i) out += format(".%X", static_cast<unsigned>(c[i]));
  return out;
}

std::string av1_codec(ByteView c) {
  if (c.size() < 4) return {};
  const unsigned profile = c[1] >> 5u;
  const unsigned level = c[1] & 0x1Fu;
  const bool high_tier = (c[2] & 0x80u) != 0;
  const bool high_depth = (c[2] & 0x40u) != 0;
  const bool twelve_bit = (c[2] & 0x20u) != 0;
  const unsigned depth = !high_depth ? 8 : (profile == 2 && twelve_bit) ? 12 : 10;
  return format("av01.%u.%02u%c.%02u", profile, level, high_tier ? 'H' : 'M', depth);
}

std::string vp9_codec(ByteView c) {
  if (c.size() < 7) return {};
  return format("vp09.%02u.%02u.%02u", static_cast<unsigned>(c[4]), static_cast<unsigned>(c[5]),
                static_cast<unsigned>(c[6] >> 4u));
}

std::string mpeg4_audio_codec(ByteView esds) {
  constexpr std::uint8_t es_tag = 3, decoder_tag = 4, specific_tag = 5;
  if (esds.size() < 4) return {};
  const auto es = find_descriptor(esds.subspan(4), es_tag);
  if (!es || es->contents.size() < 3) return {};
  const std::uint8_t flags = es->contents[2];
  std::size_t skip = 3;
  if ((flags & 0x80u) != 0) skip += 2;
  if ((flags & 0x40u) != 0) {
    if (es->contents.size() <= skip) return {};
    skip += std::size_t{1} + es->contents[skip];
  }
  if ((flags & 0x20u) != 0) skip += 2;
  if (es->contents.size() <= skip) return {};
  const auto decoder = find_descriptor(es->contents.subspan(skip), decoder_tag);
  if (!decoder || decoder->contents.size() < 13) return {};
  const unsigned object_type = decoder->contents[0];
  if (object_type != 0x40) return format("mp4a.%02x", object_type);
  const auto specific = find_descriptor(decoder->contents.subspan(13), specific_tag);
  if (!specific || specific->contents.empty()) return "mp4a.40.2";
  return format("mp4a.40.%u", audio_object_type(specific->contents));
}

}  // namespace streamr::core
