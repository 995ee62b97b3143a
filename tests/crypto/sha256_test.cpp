#include <doctest/doctest.h>

#include "crypto/crypto.hpp"

using namespace streamr;
using namespace streamr::crypto;

TEST_CASE("SHA-256 gives the published values") {
  CHECK(to_hex(sha256({}).view()) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(to_hex(sha256(view_of("abc")).view()) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("a hasher starts anew after each message") {
  Hasher hasher;
  const Hash first = hasher.update(view_of("a")).update(view_of("bc")).finish();
  CHECK(first == sha256(view_of("abc")));
  CHECK(hasher.finish() == sha256({}));
  CHECK(hasher.update_octet('a').update(view_of("bc")).update({}).finish() == first);
}

TEST_CASE("messages cut anywhere hash alike") {
  ByteVector message(1000);
  for (std::size_t i = 0; i < message.size(); ++i) message[i] = static_cast<std::uint8_t>(i * 7);
  const Hash whole = sha256(message);
  Hasher hasher;
  for (std::size_t cut = 0; cut <= message.size(); cut += 37) {
    CAPTURE(cut);
    CHECK(hasher.update(ByteView(message).first(cut)).update(ByteView(message).subspan(cut)).finish() == whole);
  }
}
