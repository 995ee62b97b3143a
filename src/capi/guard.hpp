// Decides how the C boundary is kept: no exception crosses it, structs of other sizes are read and written safely,
// errors become records. Never decides what a call does. Called by every capi_*.cpp.
#pragma once

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <type_traits>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "streamr/streamr.h"

namespace streamr::capi {

constexpr std::uint32_t struct_bytes_max = 64 * 1024;  // no struct of any release comes near; larger is garbage

// Fills a caller-owned record, as far as its size allows; null is fine.
void fill_error(streamr_error_t* out, streamr_status_t status, std::string_view text);

// Copies the smaller of both sizes over defaults of zero. INVALID: null or a size that cannot be; VERSION: a newer
// struct whose additional members are not zero.
template <class T>
streamr_status_t read_struct(const T* from, T& to) {
  static_assert(std::is_trivially_copyable_v<T>);
  to = T{};
  if (!from || from->struct_size < 2 * sizeof(std::uint32_t) || from->struct_size > struct_bytes_max)
    return STREAMR_E_INVALID;
  const auto* octets = reinterpret_cast<const std::uint8_t*>(from);
  for (std::size_t at = sizeof(T); at < from->struct_size; ++at)
    if (octets[at] != 0) return STREAMR_E_VERSION;
  std::memcpy(&to, from, std::min<std::size_t>(sizeof(T), from->struct_size));
  to.struct_size = sizeof(T);
  return STREAMR_OK;
}

// Copies as much as the caller's struct holds; what a newer one holds beyond is set to zero.
template <class T>
streamr_status_t write_struct(const T& from, T* to) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (!to || to->struct_size < 2 * sizeof(std::uint32_t) || to->struct_size > struct_bytes_max)
    return STREAMR_E_INVALID;
  const std::uint32_t size = to->struct_size;
  auto* octets = reinterpret_cast<std::uint8_t*>(to);
  std::memset(octets, 0, size);
  std::memcpy(octets, &from, std::min<std::size_t>(sizeof(T), size));
  std::memcpy(octets, &size, sizeof size);
  return STREAMR_OK;
}

// Runs `work` (which gives a status) and turns what it throws into one.
template <class Work>
streamr_status_t guarded(Work&& work) noexcept {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return STREAMR_E_NOMEM;
  } catch (...) {
    return STREAMR_E_INTERNAL;
  }
}

// The same for work that gives a Status with a text; the text goes into `error`.
template <class Work>
streamr_status_t guarded(streamr_error_t* error, Work&& work) noexcept {
  const streamr_status_t status = guarded([&] {
    fill_error(error, STREAMR_OK, {});
    const Status result = work();
    if (result) return streamr_status_t{STREAMR_OK};
    fill_error(error, result.error().status, result.error().text);
    return result.error().status;
  });
  if (status == STREAMR_E_NOMEM || status == STREAMR_E_INTERNAL)
    fill_error(error, status, streamr_status_message(status));
  return status;
}

inline std::string text_of(const char* text) { return text ? text : ""; }

// A zero length may come with a null pointer.
inline bool is_view(const void* bytes, std::size_t len) {
  return bytes || len == 0;
}

template <class Fixed>
Fixed fixed_from(const std::uint8_t* bytes) {
  return Fixed::copy(bytes);
}

template <class Fixed>
void copy_out(const Fixed& value, std::uint8_t* out) {
  std::memcpy(out, value.data(), Fixed::size());
}

inline Error invalid(std::string text) {
  return fail(STREAMR_E_INVALID, std::move(text));
}

}  // namespace streamr::capi
