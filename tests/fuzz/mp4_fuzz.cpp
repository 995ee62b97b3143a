// Feeds arbitrary bytes to the fragmented MP4 reader and whatever comes out of it to the packager.
#include "publisher/media/mp4_reader.hpp"
#include "publisher/media/packager.hpp"

using namespace streamr::publisher;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Mp4Reader reader;
  Packager packager;
  // Two pieces, so that box borders fall on both sides of a call.
  const ByteSpan bytes(data, size);
  for (const ByteSpan piece : {bytes.first(size / 3), bytes.subspan(size / 3)}) {
    const bool followed = reader.feed(piece);
    while (auto item = reader.poll()) {
      if (auto* init = std::get_if<std::shared_ptr<const InitSection>>(&*item)) packager.on_init(*init);
      if (auto* tracks = std::get_if<std::vector<TrackSamples>>(&*item)) packager.on_samples(std::move(*tracks));
    }
    if (!followed) break;
  }
  packager.finish();
  while (const auto event = packager.poll()) {
    const auto* part = std::get_if<MediaPart>(&*event);
    if (part != nullptr && !part->gap && part->bytes.empty()) __builtin_trap();
  }
  return 0;
}
