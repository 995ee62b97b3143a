// Never fooled: what a node does with lies that only show across frames, connections and restarts.
#include <algorithm>

#include "line.hpp"

using namespace streamr;
using namespace streamr::test;

namespace {

bool was_refused(MiniNetwork::Host& host, Wire code) {
  return std::any_of(host.events.begin(), host.events.end(), [code](const core::NodeEvent& e) {
    return e.kind == STREAMR_EVENT_REJECTED && e.value == static_cast<int>(code);
  });
}

// The first media CHUNK that a publisher with these keys sends, with another chunk_ref.
ByteVector first_chunk_of(Line& line, std::uint32_t ref) {
  ByteVector found;
  line.on_wire = [&](const std::string& from, const std::string&, ByteVector& message) {
    if (from != "publisher" || !found.empty()) return;
    for (std::size_t at = 0; at + 8 <= message.size(); at += 8 + load_u32(message.data() + at + 4))
      if (message[at] == static_cast<std::uint8_t>(proto::FrameType::chunk) &&
          load_u16(message.data() + at + 16 + 50) != init_part) {
        found.assign(message.begin() + static_cast<std::ptrdiff_t>(at),
                     message.begin() + static_cast<std::ptrdiff_t>(at + 8 + load_u32(message.data() + at + 4)));
        store_u32(found.data() + 8, ref);
        return;
      }
  };
  line.open_publication();
  line.push(proto::init, 700);
  line.stream_parts(1);
  line.on_wire = nullptr;
  return found;
}

}  // namespace

TEST_CASE("two chunks signed for one place: the second is refused [5], proven, and its track goes no further") {
  Line other;
  other.seed = 99;  // the same keys and places, other octets
  const ByteVector lie = first_chunk_of(other, 1'000'000);
  REQUIRE_FALSE(lie.empty());
  Line line;
  line.open_publication();
  line.push(proto::init, 700);
  line.watch();
  line.stream_parts(4);
  line.pass_ms(500);
  const auto heard = line.heard("viewer").size();
  REQUIRE(heard >= 2);
  line.inject("publisher", "origin", lie);
  line.settle();
  CHECK(was_refused(line.host("origin"), Wire::authentication));
  CHECK(line.host("origin").node->stats_json(line.now).find("\"equivocations\":1") != std::string::npos);
  line.stream_parts(6);
  line.pass_ms(2'000);
  CHECK(line.heard("viewer").size() == heard);
}

TEST_CASE("an epoch lower than the highest one is refused [5] after a restart too") {
  Line first;
  first.epoch = 5;
  first.open_publication();
  first.push(proto::init, 700);
  first.stream_parts(2);
  Line::State saved;
  for (const auto& fact : first.host("origin").saved) saved.push_back(fact);  // the newest of a name stands last
  REQUIRE_FALSE(saved.empty());

  Line again(false, saved);
  again.epoch = 4;
  again.open_publication();
  again.pass_ms(500);
  CHECK(was_refused(again.host("origin"), Wire::authentication));
  CHECK(again.count("publisher", STREAMR_EVENT_READY) == 0);

  Line newer(false, saved);
  newer.epoch = 6;
  newer.open_publication();
  newer.pass_ms(500);
  CHECK(newer.count("publisher", STREAMR_EVENT_READY) == 1);
}

TEST_CASE("after a revocation nothing that was under way is stored or passed on, and subscribers are told [12]") {
  Line line;
  line.open_publication();
  line.push(proto::init, 700);
  line.watch();
  line.stream_parts(4);
  line.pass_ms(500);
  const auto heard = line.heard("viewer").size();
  REQUIRE(heard >= 2);
  proto::Revocation fields;
  fields.serial_max = line.epoch;
  fields.at_s = line.now.unix_us / 1'000'000;
  line.inject("publisher", "origin", proto::encode(proto::Revoke{proto::issue_revocation(fields, line.root)}));
  line.settle();
  CHECK(was_refused(line.host("relay1"), Wire::revoked));
  CHECK(was_refused(line.host("relay2"), Wire::revoked));
  CHECK(was_refused(line.host("viewer"), Wire::revoked));
  line.stream_parts(4);
  CHECK(line.heard("viewer").size() == heard);
}

TEST_CASE("a storm of certificates of one stream is refused [4], a few in a row are not") {
  for (const auto& [count, refused] : {std::pair(8, false), std::pair(40, true)}) {
    CAPTURE(count);
    Line line;
    line.open_publication();
    line.push(proto::init, 700);
    for (int at = 1; at <= count; ++at) {
      proto::Certificate fields;
      fields.session_key = line.session.public_key();
      fields.epoch = line.epoch;
      fields.not_before_s = line.now.unix_us / 1'000'000 - 60;
      fields.not_after_s = fields.not_before_s + 3'600;
      fields.track_mask = 1;
      fields.max_kbps = 10'000;
      fields.serial = line.epoch + static_cast<std::uint64_t>(at);
      line.inject("publisher", "origin", proto::encode(proto::CertFrame{proto::issue_certificate(fields, line.root)}));
    }
    line.settle();
    CHECK(line.connected("publisher", "origin") == !refused);
  }
}
