// Decides how octets are named, read and written: views, fixed-size ids, big-endian fields, hex.
// Never allocates behind the caller's back except where a std::string or vector is returned; never asserts on peer input.
// Called by every layer.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace streamr {

using ByteView = std::span<const std::uint8_t>;
using ByteVector = std::vector<std::uint8_t>;

inline ByteView view_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// A value of N octets; the tag keeps keys, hashes and ids from being mixed up.
template <std::size_t N, class Tag>
struct FixedBytes {
  std::array<std::uint8_t, N> octets{};

  static constexpr std::size_t size() { return N; }
  const std::uint8_t* data() const { return octets.data(); }
  std::uint8_t* data() { return octets.data(); }
  ByteView view() const { return {octets.data(), N}; }
  bool is_zero() const { for (auto o : octets) if (o) return false; return true; }
  auto operator<=>(const FixedBytes&) const = default;

  // `from` must hold at least N octets.
  static FixedBytes copy(const std::uint8_t* from) { FixedBytes out; std::memcpy(out.octets.data(), from, N); return out; }
};

using Key = FixedBytes<32, struct KeyTag>;              // Ed25519 public key
using StreamId = Key;                                    // a stream is its root public key
using Hash = FixedBytes<32, struct HashTag>;
using Nonce = FixedBytes<32, struct NonceTag>;
using Signature = FixedBytes<64, struct SignatureTag>;
using SessionId = FixedBytes<16, struct SessionTag>;
using CertId = FixedBytes<8, struct CertTag>;
using PathEntry = FixedBytes<8, struct PathTag>;         // first octets of a node key

// Lower-case hex, as everywhere in JSON, URLs and headers.
std::string to_hex(ByteView bytes);
// Exactly 2 * out.size() lower-case hex digits, else false.
bool from_hex(std::string_view text, std::span<std::uint8_t> out);
template <class Fixed>
std::optional<Fixed> fixed_from_hex(std::string_view text) {
  Fixed out;
  if (!from_hex(text, out.octets)) return std::nullopt;
  return out;
}

inline std::uint16_t load_u16(const std::uint8_t* p) { return static_cast<std::uint16_t>((p[0] << 8) | p[1]); }
inline std::uint32_t load_u32(const std::uint8_t* p) {
  return (std::uint32_t{p[0]} << 24) | (std::uint32_t{p[1]} << 16) | (std::uint32_t{p[2]} << 8) | p[3];
}
inline std::uint64_t load_u64(const std::uint8_t* p) { return (std::uint64_t{load_u32(p)} << 32) | load_u32(p + 4); }
inline void store_u16(std::uint8_t* p, std::uint16_t v) { p[0] = static_cast<std::uint8_t>(v >> 8); p[1] = static_cast<std::uint8_t>(v); }
inline void store_u32(std::uint8_t* p, std::uint32_t v) { store_u16(p, static_cast<std::uint16_t>(v >> 16)); store_u16(p + 2, static_cast<std::uint16_t>(v)); }
inline void store_u64(std::uint8_t* p, std::uint64_t v) { store_u32(p, static_cast<std::uint32_t>(v >> 32)); store_u32(p + 4, static_cast<std::uint32_t>(v)); }

// Octets that also stand in a file of memory: their pages can be handed to the kernel instead of copied.
struct FileSpan {
  int fd = -1;
  std::uint64_t offset = 0;              // of *begin in the file
  const std::uint8_t* begin = nullptr;
};

// Immutable octets with shared ownership; slices share the owner. The unit that every queue, store and socket passes on.
class SharedBytes {
 public:
  SharedBytes() = default;
  static SharedBytes copy(ByteView bytes);
  static SharedBytes take(ByteVector&& bytes);
  // The first `size` octets of a block that nobody writes any more.
  static SharedBytes hold(std::shared_ptr<const std::uint8_t[]> block, std::size_t size);

  // Octets that `owner` keeps alive; `file` too, where they stand in one.
  static SharedBytes hold(std::shared_ptr<const void> owner, const std::uint8_t* data, std::size_t size, const FileSpan* file);

  const std::uint8_t* data() const { return data_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const FileSpan* file() const { return file_; }   // null: they stand in memory alone
  ByteView view() const { return {data_, size_}; }
  operator ByteView() const { return view(); }
  SharedBytes slice(std::size_t offset, std::size_t length) const;   // clamped to the end

 private:
  std::shared_ptr<const void> owner_;
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  const FileSpan* file_ = nullptr;
};

}  // namespace streamr

template <std::size_t N, class Tag>
struct std::hash<streamr::FixedBytes<N, Tag>> {
  // Keys and hashes are uniform already, but a peer may choose them: mix two words.
  std::size_t operator()(const streamr::FixedBytes<N, Tag>& v) const noexcept {
    std::uint64_t a = 0, b = 0;
    std::memcpy(&a, v.data(), 8);
    std::memcpy(&b, v.data() + N - 8, 8);
    return static_cast<std::size_t>((a ^ (b * 0x9E3779B97F4A7C15ull)) * 0xD6E8FEB86659FD93ull);
  }
};
