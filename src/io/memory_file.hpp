// Decides how large payloads live in a file of memory: mapped, so that they are read as any octets, and with a place in
// the file, so that sendfile hands their pages to a socket without a copy. A place is used once: pages that a socket
// still holds are never written again. Any thread may drop what came from here. Called by runtime, for core/store.
#pragma once

#include <memory>

#include "base/buffer_source.hpp"

namespace streamr::io {

class MemoryFile final : public BufferSource {
 public:
  // Null where the system has no such files.
  static std::unique_ptr<MemoryFile> open();
  std::optional<SharedRoom> room(std::size_t octets) override;

 private:
  struct File;
  struct Block;
  explicit MemoryFile(std::shared_ptr<File> file) : file_(std::move(file)) {}

  std::shared_ptr<File> file_;
  std::uint64_t next_ = 0;
};

}  // namespace streamr::io
