#include "base/bytes.hpp"

#include <doctest/doctest.h>
#include <unordered_set>

using namespace streamr;

TEST_CASE("integers are written big-endian and read back") {
  std::uint8_t octets[8];
  store_u16(octets, 0x0102);
  CHECK(octets[0] == 1);
  CHECK(load_u16(octets) == 0x0102);
  store_u32(octets, 0x81020304u);
  CHECK(octets[0] == 0x81);
  CHECK(octets[3] == 4);
  CHECK(load_u32(octets) == 0x81020304u);
  store_u64(octets, 0xF102030405060708ull);
  CHECK(octets[0] == 0xF1);
  CHECK(octets[7] == 8);
  CHECK(load_u64(octets) == 0xF102030405060708ull);
}

TEST_CASE("every octet survives hex") {
  ByteVector all(256);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint8_t>(i);
  const std::string text = to_hex(all);
  CHECK(text.substr(0, 8) == "00010203");
  CHECK(text.substr(508) == "feff");
  ByteVector back(256);
  REQUIRE(from_hex(text, back));
  CHECK(back == all);
}

TEST_CASE("hex is lower-case and of the exact length") {
  std::array<std::uint8_t, 2> out{};
  CHECK(from_hex("0aff", out));
  CHECK_FALSE(from_hex("0AFF", out));
  CHECK_FALSE(from_hex("0aFf", out));
  CHECK_FALSE(from_hex("0af", out));
  CHECK_FALSE(from_hex("0aff0", out));
  CHECK_FALSE(from_hex("0aff00", out));
  CHECK_FALSE(from_hex("0ag0", out));
  CHECK_FALSE(from_hex("0x0a", out));
  CHECK_FALSE(from_hex("", out));
  CHECK(from_hex("", std::span<std::uint8_t>()));
}

TEST_CASE("a key is read from 64 digits and from nothing else") {
  const std::string digits(64, 'a');
  REQUIRE(fixed_from_hex<Key>(digits).has_value());
  CHECK(fixed_from_hex<Key>(digits)->octets[31] == 0xAA);
  CHECK_FALSE(fixed_from_hex<Key>(digits.substr(2)).has_value());
}

TEST_CASE("a fixed value knows whether it is zero, orders and hashes") {
  Key zero;
  Key one;
  one.octets[31] = 1;
  CHECK(zero.is_zero());
  CHECK_FALSE(one.is_zero());
  CHECK(zero < one);
  std::unordered_set<Key> keys{zero, one, zero};
  CHECK(keys.size() == 2);
}

TEST_CASE("a slice outlives the bytes that it was cut from") {
  SharedBytes slice;
  {
    SharedBytes whole = SharedBytes::copy(view_of("signed chunks"));
    slice = whole.slice(7, 6);
  }
  CHECK(std::string(slice.view().begin(), slice.view().end()) == "chunks");
}

TEST_CASE("slices are clamped to the end") {
  const SharedBytes whole = SharedBytes::take(ByteVector{1, 2, 3, 4});
  CHECK(whole.slice(2, 100).size() == 2);
  CHECK(whole.slice(2, 100).data() == whole.data() + 2);
  CHECK(whole.slice(4, 1).empty());
  CHECK(whole.slice(5, 1).empty());
  CHECK(whole.slice(1, 0).empty());
  CHECK(whole.slice(1, SIZE_MAX).size() == 3);
}

TEST_CASE("bytes that are taken are not copied") {
  ByteVector source{9, 8, 7};
  const std::uint8_t* at = source.data();
  const SharedBytes taken = SharedBytes::take(std::move(source));
  CHECK(taken.data() == at);
  CHECK(taken.size() == 3);
  CHECK(SharedBytes::take({}).empty());
  CHECK(SharedBytes::copy({}).empty());
}

TEST_CASE("a block that is held lives as long as any slice of it") {
  auto block = std::make_shared<std::uint8_t[]>(4);
  const std::weak_ptr<std::uint8_t[]> watched = block;
  for (std::uint8_t i = 0; i < 4; ++i) block[i] = i;
  SharedBytes slice = SharedBytes::hold(std::move(block), 3).slice(1, 9);
  CHECK_FALSE(watched.expired());
  CHECK(slice.size() == 2);
  CHECK(slice.view()[1] == 2);
  slice = {};
  CHECK(watched.expired());
  CHECK(SharedBytes::hold(nullptr, 0).empty());
}
