// Structs of other releases: shorter ones are read as far as they go, longer ones only where the rest is zero.
#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <memory>

#include "streamr/streamr.h"

namespace {

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

// Exactly `size` octets on the heap, so that a sanitizer sees the first one read beyond.
template <class T>
std::unique_ptr<T, Free> cut(const T& from, std::size_t size) {
  auto* memory = static_cast<std::uint8_t*>(std::calloc(1, size));
  std::memcpy(memory, &from, std::min(size, sizeof from));
  const auto told = static_cast<std::uint32_t>(size);
  std::memcpy(memory, &told, sizeof told);
  return std::unique_ptr<T, Free>(reinterpret_cast<T*>(memory));
}

streamr_certificate_t certificate_fields(streamr_key_t* key) {
  streamr_certificate_t fields = STREAMR_CERTIFICATE_INIT;
  streamr_key_public(key, fields.session_key);
  fields.not_before_s = 1000;
  fields.not_after_s = 2000;
  fields.max_kbps = 1;
  return fields;
}

streamr_key_t* some_key() {
  streamr_key_t* key = nullptr;
  REQUIRE(streamr_key_generate(&key) == STREAMR_OK);
  return key;
}

}  // namespace

TEST_CASE("every struct that grows has a size that is a multiple of 8") {
  CHECK(sizeof(streamr_certificate_t) % 8 == 0);
  CHECK(sizeof(streamr_ticket_t) % 8 == 0);
  CHECK(sizeof(streamr_receipt_t) % 8 == 0);
  CHECK(sizeof(streamr_chunk_header_t) % 8 == 0);
  CHECK(sizeof(streamr_request_t) % 8 == 0);
  CHECK(sizeof(streamr_node_options_t) % 8 == 0);
  CHECK(sizeof(streamr_limits_t) % 8 == 0);
  CHECK(sizeof(streamr_publication_options_t) % 8 == 0);
  CHECK(sizeof(streamr_subscription_options_t) % 8 == 0);
  CHECK(sizeof(streamr_part_t) % 8 == 0);
  CHECK(sizeof(streamr_event_t) % 8 == 0);
  CHECK(sizeof(streamr_error_t) % 8 == 0);
}

TEST_CASE("an older, shorter struct is read as far as it goes") {
  streamr_key_t* key = some_key();
  const auto fields = certificate_fields(key);
  std::uint8_t out[184];
  // Without `reserved` at the end, and then without max_kbps, which is then its default and refused.
  CHECK(streamr_certificate_issue(key, cut(fields, sizeof fields - 4).get(), out) == STREAMR_OK);
  CHECK(streamr_certificate_issue(key, cut(fields, offsetof(streamr_certificate_t, max_kbps)).get(), out) ==
        STREAMR_E_INVALID);
  CHECK(streamr_certificate_issue(key, cut(fields, 8).get(), out) == STREAMR_E_INVALID);
  streamr_key_destroy(key);
}

TEST_CASE("a newer, longer struct is taken where its additional members are zero, refused where not") {
  streamr_key_t* key = some_key();
  auto longer = cut(certificate_fields(key), sizeof(streamr_certificate_t) + 16);
  std::uint8_t out[184];
  CHECK(streamr_certificate_issue(key, longer.get(), out) == STREAMR_OK);
  reinterpret_cast<std::uint8_t*>(longer.get())[sizeof(streamr_certificate_t) + 15] = 1;
  CHECK(streamr_certificate_issue(key, longer.get(), out) == STREAMR_E_VERSION);
  streamr_key_destroy(key);

  auto options = cut(streamr_node_options_t STREAMR_NODE_OPTIONS_INIT, sizeof(streamr_node_options_t) + 8);
  streamr_node_t* node = nullptr;
  CHECK(streamr_node_create(options.get(), &node, nullptr) == STREAMR_OK);
  streamr_node_destroy(node);
  reinterpret_cast<std::uint8_t*>(options.get())[sizeof(streamr_node_options_t)] = 1;
  streamr_error_t error = STREAMR_ERROR_INIT;
  CHECK(streamr_node_create(options.get(), &node, &error) == STREAMR_E_VERSION);
  CHECK(node == nullptr);
  CHECK(std::strlen(error.text) > 0);
}

TEST_CASE("a struct without its size is refused") {
  streamr_key_t* key = some_key();
  auto fields = certificate_fields(key);
  fields.struct_size = 0;
  std::uint8_t out[184];
  CHECK(streamr_certificate_issue(key, &fields, out) == STREAMR_E_INVALID);
  fields.struct_size = 1u << 30;
  CHECK(streamr_certificate_issue(key, &fields, out) == STREAMR_E_INVALID);
  streamr_key_destroy(key);
}

TEST_CASE("results are written as far as the caller's struct goes, and zero beyond what the library knows") {
  streamr_key_t* key = some_key();
  const auto fields = certificate_fields(key);
  std::uint8_t bytes[184];
  REQUIRE(streamr_certificate_issue(key, &fields, bytes) == STREAMR_OK);
  auto shorter = cut(streamr_certificate_t{}, offsetof(streamr_certificate_t, epoch));
  REQUIRE(streamr_certificate_check(bytes, sizeof bytes, shorter.get()) == STREAMR_OK);
  CHECK(shorter->struct_size == offsetof(streamr_certificate_t, epoch));
  CHECK(std::memcmp(shorter->session_key, fields.session_key, 32) == 0);
  auto longer = cut(streamr_certificate_t{}, sizeof(streamr_certificate_t) + 8);
  reinterpret_cast<std::uint8_t*>(longer.get())[sizeof(streamr_certificate_t)] = 9;
  REQUIRE(streamr_certificate_check(bytes, sizeof bytes, longer.get()) == STREAMR_OK);
  CHECK(longer->struct_size == sizeof(streamr_certificate_t) + 8);
  CHECK(longer->max_kbps == 1);
  CHECK(reinterpret_cast<std::uint8_t*>(longer.get())[sizeof(streamr_certificate_t)] == 0);
  streamr_key_destroy(key);
}

TEST_CASE("an error record of any size gets text that ends") {
  streamr_key_t* key = nullptr;
  auto shorter = cut(streamr_error_t{}, 24);
  CHECK(streamr_key_load("/nonexistent/key", &key, shorter.get()) == STREAMR_E_NOTFOUND);
  CHECK(shorter->status == STREAMR_E_NOTFOUND);
  CHECK(std::strlen(shorter->text) == 24 - offsetof(streamr_error_t, text) - 1);
  streamr_error_t whole = STREAMR_ERROR_INIT;
  CHECK(streamr_key_load("/nonexistent/key", &key, &whole) == STREAMR_E_NOTFOUND);
  CHECK(std::string(whole.text).find("/nonexistent/key") != std::string::npos);
}
