// Decides: how the bytes of one run of a source travel: ffmpeg, box reader, packager.
// Never: knows what becomes of a part.
// Called by: the program's loop. One pipeline per run; a source that restarts gets a new one.
#pragma once

#include "publisher/media/mp4_reader.hpp"
#include "publisher/media/packager.hpp"
#include "publisher/source/ffmpeg_child.hpp"

namespace streamr::publisher {

// Arguments for FLV on standard input: no address is ever opened.
std::vector<std::string> ffmpeg_for_flv();
// Arguments for a file or address; `pace` reads a file as fast as it plays, `adts` takes AAC out of its transport framing
// (harmless where there is none, but ffmpeg refuses it for any other sound).
std::vector<std::string> ffmpeg_for_input(const std::string& input, bool pace, bool adts);

class MediaPipeline {
 public:
  // `own_arrival`: arrival times are taken where media leaves ffmpeg, as no better ones exist.
  explicit MediaPipeline(bool own_arrival) : own_arrival_(own_arrival) {}

  bool start(const std::vector<std::string>& arguments, std::string& reason) {
    return child_.start(arguments, !own_arrival_, reason);
  }
  FfmpegChild& child() { return child_; }
  const FfmpegChild& child() const { return child_; }
  Packager& packager() { return packager_; }
  const Packager& packager() const { return packager_; }
  void on_ready(std::span<const pollfd> ready, std::uint64_t now_us);
  // The output ended and everything went through the packager.
  bool over() const { return over_; }
  bool gave_media() const { return gave_media_; }
  std::uint64_t bad_fragments() const { return bad_fragments_; }

 private:
  void feed(std::span<const std::uint8_t> media, std::uint64_t now_us);
  void note_arrival(const std::vector<TrackSamples>& tracks, std::uint64_t now_us);

  bool own_arrival_;
  FfmpegChild child_;
  Mp4Reader reader_;
  Packager packager_;
  ArrivalEstimate arrival_;
  std::shared_ptr<const InitSection> init_;
  std::vector<std::uint8_t> media_;
  bool gave_media_ = false;
  bool over_ = false;
  std::uint64_t bad_fragments_ = 0;
};

}  // namespace streamr::publisher
