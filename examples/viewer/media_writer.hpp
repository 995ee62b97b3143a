// Decides: which bytes of a stream make a file that plays: the init section at the start and where it changed, then parts.
// Never: writes a second track, a gap, or an init section that the file already stands under.
// Called by: streamr-watch with every chunk, in order.
#pragma once

#include <streamr/streamr.h>

#include <cstdint>
#include <string>
#include <vector>

namespace streamr::viewer {

class MediaWriter {
 public:
  MediaWriter() = default;
  ~MediaWriter();
  MediaWriter(const MediaWriter&) = delete;
  MediaWriter& operator=(const MediaWriter&) = delete;

  // "-" is standard output. False: `trouble` says why.
  bool open(const std::string& path);
  // False: the bytes cannot be written; `trouble` and `reader_gone` say why.
  bool on_chunk(const streamr_chunk_header_t& header, const std::uint8_t* bytes, std::size_t len);
  bool close();

  bool is_open() const { return fd_ >= 0; }
  bool reader_gone() const { return reader_gone_; }
  const std::string& trouble() const { return trouble_; }
  std::uint64_t written_bytes() const { return written_bytes_; }

 private:
  bool write_all(const std::uint8_t* bytes, std::size_t len);

  int fd_ = -1;
  bool owned_ = false;
  bool reader_gone_ = false;
  bool has_track_ = false;
  std::uint16_t track_ = 0;
  std::vector<std::uint8_t> init_;
  std::uint64_t written_bytes_ = 0;
  std::string path_;
  std::string trouble_;
};

}  // namespace streamr::viewer
