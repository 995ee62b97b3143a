#include "publisher/media/mp4_reader.hpp"

#include <utility>

namespace streamr::publisher {
namespace {

std::size_t limit_of(std::uint32_t type) {
  if (type == fourcc("mdat")) return Mp4Reader::max_mdat_bytes;
  return type == fourcc("moof") ? Mp4Reader::max_moof_bytes : Mp4Reader::max_moov_bytes;
}

}  // namespace

bool Mp4Reader::fail(std::string reason) {
  failure_ = std::move(reason);
  pending_.clear();
  return false;
}

bool Mp4Reader::feed(ByteSpan bytes) {
  if (!failure_.empty()) return false;
  pending_.insert(pending_.end(), bytes.begin(), bytes.end());
  std::size_t at = 0;
  while (true) {
    const ByteSpan rest = ByteSpan(pending_).subspan(at);
    BoxHead head;
    const HeadState state = read_box_head(rest, head);
    if (state == HeadState::needs_more) break;
    if (state == HeadState::malformed) return fail("a box of the media is shorter than its own header");
    if (head.total_bytes > limit_of(head.type) + head.header_bytes) {
      return fail("a box \"" + fourcc_text(head.type) + "\" of " + std::to_string(head.total_bytes) +
                  " bytes is over the limit");
    }
    const auto total = static_cast<std::size_t>(head.total_bytes);
    if (rest.size() < total) break;
    if (!take_box(head, rest.first(total))) return false;
    at += total;
  }
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(at));
  return true;
}

bool Mp4Reader::take_box(const BoxHead& head, ByteSpan box) {
  if (head.type == fourcc("ftyp")) {
    ftyp_.assign(box.begin(), box.end());
  } else if (head.type == fourcc("moov")) {
    return on_moov(box, head.header_bytes);
  } else if (head.type == fourcc("moof")) {
    moof_.assign(box.begin(), box.end());
  } else if (head.type == fourcc("mdat")) {
    on_mdat(box, head.header_bytes);
  }
  return true;
}

bool Mp4Reader::on_moov(ByteSpan box, std::size_t header_bytes) {
  auto tracks = read_moov(box.subspan(header_bytes));
  if (!tracks) return fail("the init section is not one of a fragmented MP4");
  auto init = std::make_shared<InitSection>();
  init->tracks = std::move(*tracks);
  init->bytes = ftyp_;
  init->bytes.insert(init->bytes.end(), box.begin(), box.end());
  init_ = init;
  items_.emplace_back(std::shared_ptr<const InitSection>(init));
  return true;
}

void Mp4Reader::on_mdat(ByteSpan box, std::size_t header_bytes) {
  if (moof_.empty()) {
    items_.emplace_back(BadFragment{"media without a fragment header before it"});
    return;
  }
  const Bytes moof = std::exchange(moof_, {});
  if (!init_) {
    items_.emplace_back(BadFragment{"a fragment before the init section"});
    return;
  }
  auto tracks = read_fragment(*init_, moof, box.subspan(header_bytes), header_bytes);
  if (tracks) {
    items_.emplace_back(std::move(*tracks));
  } else {
    items_.emplace_back(BadFragment{"a fragment whose header contradicts itself or its media"});
  }
}

std::optional<Mp4Item> Mp4Reader::poll() {
  if (items_.empty()) return std::nullopt;
  Mp4Item item = std::move(items_.front());
  items_.pop_front();
  return item;
}

}  // namespace streamr::publisher
