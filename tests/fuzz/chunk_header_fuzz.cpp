// Any octets as the signed objects of protocol §2: what parses keeps its octets, gives the same when signed again, and
// a chunk header that parses describes slices that add up to its payload.
#include <cstdlib>

#include "proto/objects.hpp"

using namespace streamr;
using namespace streamr::proto;

namespace {

void require(bool held) {
  if (!held) std::abort();
}

const crypto::KeyPair& key() {
  static const crypto::KeyPair pair = [] {
    std::array<std::uint8_t, 32> seed;
    seed.fill(2);
    return crypto::KeyPair::from_seed(seed);
  }();
  return pair;
}

const Certificate& certificate() {
  static const Certificate issued = [] {
    Certificate fields;
    fields.session_key = key().public_key();
    fields.not_before_s = 1'759'999'000;
    fields.not_after_s = fields.not_before_s + 3600;
    fields.track_mask = UINT32_MAX;
    return issue_certificate(fields, key());
  }();
  return issued;
}

void check_slices(const ChunkHeader& header) {
  std::uint64_t sum = 0;
  for (std::uint16_t i = 0; i < header.slice_count; ++i) {
    const std::uint32_t bytes = header.slice_bytes(i);
    require(bytes >= 1 && bytes <= 65'536);
    sum += bytes;
  }
  require(sum == header.payload_length);
  require(header.slice_count <= limits::slices);
  require(header.slice_bytes(header.slice_count) == 0);
  require(header.slice_bytes(0xFFFF) == 0);
}

void check_header(ByteView bytes) {
  const auto read = parse_chunk_header(bytes);
  if (!read) return;
  require(ByteView(read->raw).size() == bytes.size() && std::memcmp(read->raw.data(), bytes.data(), bytes.size()) == 0);
  check_slices(*read);
  // Only the signature, which is not ours, can be new.
  const ChunkHeader again = sign_chunk_header(*read, key());
  require(std::memcmp(again.raw.data(), read->raw.data(), 160) == 0);
  // As the fuzzer cannot sign, it gets a sound signature and tries the rest of the judgement.
  ChunkHeader ours = *read;
  ours.stream_id = certificate().stream_id;
  ours.cert_id = certificate().id();
  ours.epoch = certificate().epoch;
  ours = sign_chunk_header(ours, key());
  const bool captured_inside = ours.capture_time_us >= s_to_us(certificate().not_before_s - 120) &&
                               ours.capture_time_us <= s_to_us(certificate().not_after_s + 120);
  require(verify_chunk_header(ours, certificate()).ok() == (captured_inside && ours.track < 32));
}

template <class Object>
void check_object(ByteView bytes, const Result<Object>& read) {
  if (read) require(std::memcmp(read->raw.data(), bytes.data(), Object::size) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  check_header(bytes);
  check_object(bytes, parse_certificate(bytes));
  check_object(bytes, parse_ticket(bytes));
  check_object(bytes, parse_receipt(bytes));
  check_object(bytes, parse_revocation(bytes));
  if (const auto read = parse_certificate(bytes); read && verify_certificate(*read).ok()) {
    require(read->not_after_s - read->not_before_s <= limits::certificate_s);
  }
  if (size == 448) require(!verify_equivocation(bytes, certificate()).ok());
  return 0;
}
