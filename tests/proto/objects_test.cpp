// Certificate, ticket, receipt, revocation: what they carry, and every form that is refused.
#include <doctest/doctest.h>

#include "proto/fixtures.hpp"

using namespace streamr;
using namespace streamr::proto;
using namespace streamr::proto::test;

namespace {

template <class Raw>
ByteVector changed(const Raw& raw, std::size_t at, std::uint8_t octet) {
  ByteVector out(raw.begin(), raw.end());
  out.at(at) = octet;
  return out;
}

template <class T>
Wire code(const Result<T>& result) {
  return result.ok() ? Wire::none : result.error().wire;
}

}  // namespace

TEST_CASE("a certificate comes back with every field that was issued") {
  const Certificate made = certificate();
  const auto read = parse_certificate(made.raw);
  REQUIRE(read.ok());
  CHECK(read->raw == made.raw);
  CHECK(read->stream_id == root_key().public_key());
  CHECK(read->session_key == session_key().public_key());
  CHECK(read->epoch == 77);
  CHECK(read->not_before_s == start_s);
  CHECK(read->not_after_s == start_s + 86'400);
  CHECK(read->track_mask == 0x0F);
  CHECK(read->max_kbps == 25'000);
  CHECK(read->serial == 7);
  CHECK(read->min_segment == 10);
  CHECK(verify_certificate(*read).ok());
}

TEST_CASE("certificate of the wrong length, magic, version or algorithm: refused with 2") {
  const auto raw = certificate().raw;
  CHECK(code(parse_certificate(ByteView(raw).first(183))) == Wire::malformed);
  ByteVector one_more(raw.begin(), raw.end());
  one_more.push_back(0);
  CHECK(code(parse_certificate(one_more)) == Wire::malformed);
  CHECK(code(parse_certificate({})) == Wire::malformed);
  CHECK(code(parse_certificate(changed(raw, 3, '2'))) == Wire::malformed);
  CHECK(code(parse_certificate(changed(raw, 4, 2))) == Wire::malformed);
  CHECK(code(parse_certificate(changed(raw, 4, 0))) == Wire::malformed);
  CHECK(code(parse_certificate(changed(raw, 5, 2))) == Wire::malformed);
}

TEST_CASE("certificate over 24 h or that ends before it begins: refused with 5") {
  Certificate fields = certificate_fields();
  fields.not_after_s = fields.not_before_s + 86'401;
  CHECK(code(verify_certificate(issue_certificate(fields, root_key()))) == Wire::authentication);
  fields.not_after_s = fields.not_before_s - 1;
  CHECK(code(verify_certificate(issue_certificate(fields, root_key()))) == Wire::authentication);
  fields.not_before_s = 0;
  fields.not_after_s = UINT64_MAX;
  CHECK(code(verify_certificate(issue_certificate(fields, root_key()))) == Wire::authentication);
}

TEST_CASE("certificate with another signature than its root's: refused with 5") {
  const auto raw = certificate().raw;
  for (const std::size_t at : {6u, 8u, 40u, 79u, 87u, 99u, 103u, 111u, 119u, 120u, 183u}) {
    CAPTURE(at);
    const auto read = parse_certificate(changed(raw, at, static_cast<std::uint8_t>(raw[at] ^ 1)));
    REQUIRE(read.ok());
    CHECK(code(verify_certificate(*read)) == Wire::authentication);
  }
}

TEST_CASE("the reserved octets of a certificate are read as they are and stay under the signature") {
  auto raw = certificate().raw;
  raw[6] = 0xAB;
  const Signature signature = root_key().sign(crypto::prefix::certificate, ByteView(raw).first(120));
  std::memcpy(raw.data() + 120, signature.data(), 64);
  const auto read = parse_certificate(raw);
  REQUIRE(read.ok());
  CHECK(read->raw == raw);
  CHECK(verify_certificate(*read).ok());
  CHECK(read->id() != certificate().id());
}

TEST_CASE("a certificate allows the tracks of its mask and none above 31") {
  const Certificate held = certificate();
  CHECK(held.allows_track(0));
  CHECK(held.allows_track(3));
  CHECK_FALSE(held.allows_track(4));
  CHECK_FALSE(held.allows_track(32));
  CHECK_FALSE(held.allows_track(64));
  CHECK_FALSE(held.allows_track(65'535));
}

TEST_CASE("ticket of the wrong length, magic or version: refused with 2, of the wrong signer: with 6") {
  const auto raw = ticket().raw;
  CHECK(code(parse_ticket(ByteView(raw).first(247))) == Wire::malformed);
  CHECK(code(parse_ticket(changed(raw, 0, 'X'))) == Wire::malformed);
  CHECK(code(parse_ticket(changed(raw, 4, 2))) == Wire::malformed);
  const auto read = parse_ticket(raw);
  REQUIRE(read.ok());
  CHECK(verify_ticket(*read, root_key().public_key()).ok());
  CHECK(code(verify_ticket(*read, session_key().public_key())) == Wire::ticket);
  for (const std::size_t at :
       {5u, 6u, 8u, 47u, 79u, 111u, 127u, 135u, 143u, 147u, 151u, 155u, 156u, 183u, 184u, 247u}) {
    CAPTURE(at);
    const auto bad = parse_ticket(changed(raw, at, static_cast<std::uint8_t>(raw[at] ^ 0x40)));
    REQUIRE(bad.ok());
    CHECK(code(verify_ticket(*bad, root_key().public_key())) == Wire::ticket);
  }
}

TEST_CASE("receipt of the wrong length, magic or version: refused with 2, of the wrong signer: with 5") {
  const auto raw = receipt().raw;
  CHECK(code(parse_receipt(ByteView(raw).first(271))) == Wire::malformed);
  CHECK(code(parse_receipt(changed(raw, 3, '2'))) == Wire::malformed);
  CHECK(code(parse_receipt(changed(raw, 4, 2))) == Wire::malformed);
  CHECK(verify_receipt(*parse_receipt(raw)).ok());
  for (const std::size_t at :
       {5u, 8u, 47u, 79u, 111u, 127u, 131u, 135u, 143u, 151u, 159u, 167u, 171u, 175u, 179u, 183u, 200u, 208u}) {
    CAPTURE(at);
    const auto bad = parse_receipt(changed(raw, at, static_cast<std::uint8_t>(raw[at] ^ 0x40)));
    REQUIRE(bad.ok());
    CHECK(code(verify_receipt(*bad)) == Wire::authentication);
  }
}

TEST_CASE("a receipt without a viewer key is issued with the signer's, one with a key keeps it") {
  Receipt fields = receipt();
  fields.viewer_key = {};
  CHECK(issue_receipt(fields, viewer_key()).viewer_key == viewer_key().public_key());
  fields.viewer_key = relay_key().public_key();
  CHECK_FALSE(verify_receipt(issue_receipt(fields, viewer_key())).ok());
}

TEST_CASE("revocation of the wrong length, magic, version or algorithm: refused with 2, of the wrong signer: with 5") {
  const auto raw = revocation().raw;
  const auto read = parse_revocation(raw);
  REQUIRE(read.ok());
  CHECK(read->stream_id == root_key().public_key());
  CHECK(read->serial_max == 6);
  CHECK(read->at_s == start_s + 100);
  CHECK(verify_revocation(*read).ok());
  CHECK(code(parse_revocation(ByteView(raw).first(119))) == Wire::malformed);
  CHECK(code(parse_revocation(changed(raw, 3, '2'))) == Wire::malformed);
  CHECK(code(parse_revocation(changed(raw, 4, 2))) == Wire::malformed);
  CHECK(code(parse_revocation(changed(raw, 5, 2))) == Wire::malformed);
  CHECK(code(verify_revocation(*parse_revocation(changed(raw, 47, 9)))) == Wire::authentication);
  CHECK(code(verify_revocation(*parse_revocation(changed(raw, 119, 9)))) == Wire::authentication);
}
