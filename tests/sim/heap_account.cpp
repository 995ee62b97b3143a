// Counts what operator new takes, in front of each piece who took it: a simulated node is measured, not asked.
#include "heap_account.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace {

struct Front {
  std::uint64_t bytes;
  std::uint64_t owner;
};
static_assert(sizeof(Front) == __STDCPP_DEFAULT_NEW_ALIGNMENT__);

void* take(std::size_t bytes) {
  auto* front = static_cast<Front*>(std::malloc(sizeof(Front) + bytes));
  if (front == nullptr) throw std::bad_alloc();
  using namespace streamr::sim::heap;
  *front = {bytes, owner};
  held[owner] += static_cast<std::int64_t>(bytes);
  most_held[owner] = std::max(most_held[owner], held[owner]);
  return front + 1;
}

void give_back(void* piece) noexcept {
  if (piece == nullptr) return;
  Front* front = static_cast<Front*>(piece) - 1;
  streamr::sim::heap::held[front->owner] -= static_cast<std::int64_t>(front->bytes);
  std::free(front);
}

}  // namespace

void* operator new(std::size_t bytes) { return take(bytes); }
void* operator new[](std::size_t bytes) { return take(bytes); }
void operator delete(void* piece) noexcept { give_back(piece); }
void operator delete[](void* piece) noexcept { give_back(piece); }
void operator delete(void* piece, std::size_t) noexcept { give_back(piece); }
void operator delete[](void* piece, std::size_t) noexcept { give_back(piece); }
