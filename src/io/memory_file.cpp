#include "io/memory_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace streamr::io {
namespace {

constexpr std::size_t page_bytes = 4096;
constexpr std::size_t worth_it_bytes = 64 * 1024;  // below it a copy costs less than the calls for a block
constexpr off_t file_bytes = off_t{1} << 60;       // places are not used twice; this lasts for an exabyte

}  // namespace

struct MemoryFile::File {
  int fd = -1;
  ~File() {
    if (fd >= 0) ::close(fd);
  }
};

struct MemoryFile::Block {
  std::shared_ptr<File> file;
  FileSpan span;
  std::uint8_t* mapped = nullptr;
  std::size_t size = 0;

  ~Block() {
    if (mapped == nullptr) return;
    munmap(mapped, size);
    fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(span.offset),
              static_cast<off_t>(size));
  }
};

std::unique_ptr<MemoryFile> MemoryFile::open() {
  auto file = std::make_shared<File>();
  file->fd = memfd_create("streamr-media", MFD_CLOEXEC);
  if (file->fd < 0 || ftruncate(file->fd, file_bytes) != 0) return nullptr;
  return std::unique_ptr<MemoryFile>(new MemoryFile(std::move(file)));
}

std::optional<SharedRoom> MemoryFile::room(std::size_t octets) {
  if (octets < worth_it_bytes) return std::nullopt;
  auto block = std::make_shared<Block>();
  block->file = file_;
  block->size = (octets + page_bytes - 1) / page_bytes * page_bytes;
  block->span.fd = file_->fd;
  block->span.offset = next_;
  // Pages come now or not at all: a mapping that finds none later would end the process.
  if (fallocate(file_->fd, 0, static_cast<off_t>(next_), static_cast<off_t>(block->size)) != 0) return std::nullopt;
  next_ += block->size;
  void* const mapped = mmap(nullptr, block->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file_->fd,
                            static_cast<off_t>(block->span.offset));
  if (mapped == MAP_FAILED) {
    fallocate(file_->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(block->span.offset),
              static_cast<off_t>(block->size));
    return std::nullopt;
  }
  block->mapped = static_cast<std::uint8_t*>(mapped);
  block->span.begin = block->mapped;
  const FileSpan* const span = &block->span;
  std::uint8_t* const fill = block->mapped;
  return SharedRoom{SharedBytes::hold(std::move(block), fill, octets, span), fill};
}

}  // namespace streamr::io
