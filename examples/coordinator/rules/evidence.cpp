#include "coordinator/rules/evidence.hpp"

#include <cstring>

#include "coordinator/rules/errors.hpp"
#include "streamr/streamr.h"

namespace coordinator {
namespace {

const uint8_t* octets(const std::string& bytes) {
  return reinterpret_cast<const uint8_t*>(bytes.data());
}

void need_count(const std::vector<std::string>& objects, size_t count) {
  if (objects.size() != count) {
    throw out_of_range("expected " + std::to_string(count) + " objects of this kind, " +
                       std::to_string(objects.size()) + " came");
  }
}

void need_certificate(const std::string& bytes) {
  streamr_certificate_t fields = STREAMR_CERTIFICATE_INIT;
  if (streamr_certificate_check(octets(bytes), bytes.size(), &fields) != STREAMR_OK) {
    throw out_of_range("expected a stream key certificate as the first object, its form or signature is wrong");
  }
}

streamr_chunk_header_t need_header(const std::string& header, const std::string& certificate) {
  streamr_chunk_header_t fields = STREAMR_CHUNK_HEADER_INIT;
  if (streamr_chunk_header_check(octets(header), header.size(), octets(certificate), certificate.size(), &fields) !=
      STREAMR_OK) {
    throw out_of_range("expected a chunk header that its certificate vouches for, its form or signature is wrong");
  }
  return fields;
}

void check_equivocation(const std::vector<std::string>& objects) {
  need_count(objects, 2);
  need_certificate(objects[0]);
  if (objects[1].size() != 2 * STREAMR_HEADER_BYTES) throw out_of_range("expected two headers of 448 octets in all");
  const std::string first = objects[1].substr(0, STREAMR_HEADER_BYTES);
  const std::string second = objects[1].substr(STREAMR_HEADER_BYTES);
  const auto a = need_header(first, objects[0]);
  const auto b = need_header(second, objects[0]);
  const bool same_place = std::memcmp(a.stream_id, b.stream_id, 32) == 0 && a.epoch == b.epoch && a.track == b.track &&
                          a.segment == b.segment && a.part == b.part;
  if (!same_place || first == second) {
    throw out_of_range("expected two different headers of one stream, epoch, track, segment and part");
  }
}

// A claim: the slice must at least be one that the header's leaf refutes.
void check_bad_slice(const std::vector<std::string>& objects) {
  need_count(objects, 3);
  need_certificate(objects[0]);
  if (objects[1].size() < STREAMR_HEADER_BYTES)
    throw out_of_range("expected a header and its leaves as the second object");
  const auto header = need_header(objects[1].substr(0, STREAMR_HEADER_BYTES), objects[0]);
  if (objects[1].size() != STREAMR_HEADER_BYTES + size_t{32} * header.slice_count) {
    throw out_of_range("expected a leaf of 32 octets for each slice behind the header");
  }
  const std::string& piece = objects[2];
  if (piece.size() < 2) throw out_of_range("expected an index of 2 octets and the slice as the third object");
  const size_t index = static_cast<size_t>(static_cast<uint8_t>(piece[0])) << 8 | static_cast<uint8_t>(piece[1]);
  if (index >= header.slice_count) throw out_of_range("expected the index of a slice of this chunk, a higher one came");
  const std::string leaf_input = std::string(1, '\0') + piece.substr(2);
  uint8_t leaf[32] = {};
  streamr_control_hash(octets(leaf_input), leaf_input.size(), leaf);
  if (std::memcmp(leaf, objects[1].data() + STREAMR_HEADER_BYTES + 32 * index, 32) == 0) {
    throw out_of_range("expected a slice that its leaf refutes, this one is good");
  }
}

void check_late(const std::vector<std::string>& objects) {
  need_count(objects, 1);
  if (objects[0].size() != STREAMR_HEADER_BYTES || objects[0].compare(0, 4, "SRC1") != 0) {
    throw out_of_range("expected a chunk header of 224 octets");
  }
}

void check_refused_receipt(const std::vector<std::string>& objects) {
  need_count(objects, 1);
  if (objects[0].size() != STREAMR_RECEIPT_BYTES || objects[0].compare(0, 4, "SRR1") != 0) {
    throw out_of_range("expected a receipt of 272 octets");
  }
}

}  // namespace

void check_evidence(const std::string& kind, const std::vector<std::string>& objects) {
  if (kind == "equivocation") return check_equivocation(objects);
  if (kind == "bad_slice") return check_bad_slice(objects);
  if (kind == "late") return check_late(objects);
  if (kind == "refused_receipt") return check_refused_receipt(objects);
  throw out_of_range("expected \"kind\" bad_slice, equivocation, late or refused_receipt, another word came");
}

}  // namespace coordinator
