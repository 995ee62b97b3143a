#include <doctest/doctest.h>

#include "crypto/crypto.hpp"

using namespace streamr;
using namespace streamr::crypto;

namespace {

KeyPair key_of(std::uint8_t octet) {
  std::array<std::uint8_t, 32> seed;
  seed.fill(octet);
  return KeyPair::from_seed(seed);
}

// The group order, little-endian, as the second half of a signature holds it.
constexpr std::array<std::uint8_t, 32> group_order = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
                                                      0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
                                                      0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};

const char* const small_order_keys[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
};

}  // namespace

TEST_CASE("a seed gives its published key back") {
  const KeyPair pair = key_of(1);
  CHECK(to_hex(pair.public_key().view()) == "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c");
  CHECK(pair.seed()[0] == 1);
  CHECK(pair.seed()[31] == 1);
}

TEST_CASE("a signature holds for its key, prefix and bytes and for no other") {
  const KeyPair pair = key_of(2);
  const Signature signature = pair.sign(prefix::chunk, view_of("bytes"));
  CHECK(verify(pair.public_key(), prefix::chunk, view_of("bytes"), signature));
  CHECK_FALSE(verify(pair.public_key(), prefix::ticket, view_of("bytes"), signature));
  CHECK_FALSE(verify(pair.public_key(), prefix::chunk, view_of("Bytes"), signature));
  CHECK_FALSE(verify(pair.public_key(), prefix::chunk, view_of("byte"), signature));
  CHECK_FALSE(verify(key_of(3).public_key(), prefix::chunk, view_of("bytes"), signature));
}

TEST_CASE("the NUL behind the prefix keeps prefix and bytes apart") {
  const KeyPair pair = key_of(2);
  CHECK_FALSE(verify(pair.public_key(), "ab", view_of("c"), pair.sign("a", view_of("bc"))));
  CHECK(pair.sign("a", view_of(std::string_view("\0b", 2))) != pair.sign("a", view_of("b")));
}

TEST_CASE("messages of every length around the inner buffer are signed alike") {
  const KeyPair pair = key_of(4);
  for (std::size_t size : {0u, 1u, 400u, 490u, 495u, 496u, 497u, 510u, 511u, 512u, 513u, 5000u}) {
    CAPTURE(size);
    ByteVector message(size, 0x5A);
    const Signature signature = pair.sign(prefix::request, message);
    CHECK(verify(pair.public_key(), prefix::request, message, signature));
    message.push_back(0);
    CHECK_FALSE(verify(pair.public_key(), prefix::request, message, signature));
  }
}

TEST_CASE("a signature whose S was raised by the group order is refused") {
  const KeyPair pair = key_of(5);
  Signature signature = pair.sign(prefix::receipt, view_of("x"));
  REQUIRE(verify(pair.public_key(), prefix::receipt, view_of("x"), signature));
  unsigned carry = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    carry += signature.octets[32 + i] + unsigned{group_order[i]};
    signature.octets[32 + i] = static_cast<std::uint8_t>(carry);
    carry >>= 8;
  }
  CHECK_FALSE(verify(pair.public_key(), prefix::receipt, view_of("x"), signature));
}

TEST_CASE("every flipped bit breaks a signature") {
  const KeyPair pair = key_of(6);
  const Signature good = pair.sign(prefix::ticket, view_of("ticket"));
  for (std::size_t bit = 0; bit < 512; ++bit) {
    Signature bad = good;
    bad.octets[bit / 8] = static_cast<std::uint8_t>(bad.octets[bit / 8] ^ (1u << (bit % 8)));
    CAPTURE(bit);
    CHECK_FALSE(verify(pair.public_key(), prefix::ticket, view_of("ticket"), bad));
  }
}

TEST_CASE("keys of small order are unsound and sign nothing") {
  for (const char* text : small_order_keys) {
    CAPTURE(text);
    const Key key = *fixed_from_hex<Key>(text);
    CHECK_FALSE(is_sound_key(key));
    // R = that point and S = 0 would hold for every message if such keys were allowed.
    Signature signature;
    std::memcpy(signature.data(), key.data(), 32);
    CHECK_FALSE(verify(key, prefix::chunk, view_of("anything"), signature));
  }
}

TEST_CASE("keys off the curve or written in a second way are unsound") {
  Key off_curve;
  off_curve.octets[0] = 2;
  CHECK_FALSE(is_sound_key(off_curve));
  for (unsigned low = 0xED; low <= 0xFF; ++low) {  // y from 2^255 - 19 on: 0 to 18 once more
    Key key;
    key.octets.fill(0xFF);
    key.octets[0] = static_cast<std::uint8_t>(low);
    key.octets[31] = 0x7F;
    CAPTURE(low);
    CHECK_FALSE(is_sound_key(key));
  }
}

TEST_CASE("keys that a seed gave are sound") {
  for (unsigned octet = 0; octet < 64; ++octet)
    CHECK(is_sound_key(key_of(static_cast<std::uint8_t>(octet)).public_key()));
}

TEST_CASE("octets are equal with the same length and content only") {
  CHECK(equal_in_constant_time(view_of("token"), view_of("token")));
  CHECK(equal_in_constant_time({}, {}));
  CHECK_FALSE(equal_in_constant_time(view_of("token"), view_of("tokeN")));
  CHECK_FALSE(equal_in_constant_time(view_of("token"), view_of("toke")));
  CHECK_FALSE(equal_in_constant_time({}, view_of("t")));
}

TEST_CASE("a wiped secret is zero") {
  std::array<std::uint8_t, 4> secret{1, 2, 3, 4};
  wipe(secret);
  CHECK(secret == std::array<std::uint8_t, 4>{});
}
