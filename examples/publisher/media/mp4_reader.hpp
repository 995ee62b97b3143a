// Decides: where the boxes of a growing fragmented MP4 begin and end, and hands out init section and fragments.
// Never: keeps more than one fragment, and never crashes on what a broken source writes.
// Called by: media_pipeline, with bytes as they come out of ffmpeg.
#pragma once

#include <deque>
#include <memory>
#include <variant>

#include "publisher/media/fragment.hpp"

namespace streamr::publisher {

struct BadFragment {
  std::string reason;
};
using Mp4Item = std::variant<std::shared_ptr<const InitSection>, std::vector<TrackSamples>, BadFragment>;

class Mp4Reader {
 public:
  static constexpr std::size_t max_moov_bytes = 1 << 20;
  static constexpr std::size_t max_moof_bytes = 4 << 20;
  static constexpr std::size_t max_mdat_bytes = 64 << 20;

  // False once the bytes cannot be followed any more; failure() says why. A fragment that contradicts itself only
  // costs that fragment.
  bool feed(ByteSpan bytes);
  std::optional<Mp4Item> poll();
  const std::string& failure() const { return failure_; }

 private:
  bool fail(std::string reason);
  bool take_box(const BoxHead& head, ByteSpan box);
  bool on_moov(ByteSpan box, std::size_t header_bytes);
  void on_mdat(ByteSpan box, std::size_t header_bytes);

  Bytes pending_;
  Bytes ftyp_;
  Bytes moof_;
  std::shared_ptr<const InitSection> init_;
  std::deque<Mp4Item> items_;
  std::string failure_;
};

}  // namespace streamr::publisher
