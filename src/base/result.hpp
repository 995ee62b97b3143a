// Decides how a failure travels inside the library: a value or an Error, never both.
// Never throws and never logs; the text is for a person, the status and wire code are for programs.
// Called by every layer; capi turns the Error into a streamr_error_t.
#pragma once

#include <cassert>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>

#include "streamr/streamr.h"

namespace streamr {

// Error codes of the relay protocol (protocol §3, "Errors"); none means that nothing goes to the peer.
enum class Wire : std::uint16_t {
  none = 0,
  version = 1,
  malformed = 2,
  unknown_critical = 3,
  limit = 4,
  authentication = 5,
  ticket = 6,
  not_found = 7,
  overloaded = 8,
  receipt_overdue = 9,
  bad_slice = 10,
  loop = 11,
  revoked = 12,
  shutting_down = 13,
};

struct Error {
  streamr_status_t status = STREAMR_E_INTERNAL;
  Wire wire = Wire::none;
  std::string text;
};

inline Error fail(streamr_status_t status, std::string text) { return Error{status, Wire::none, std::move(text)}; }
inline Error refuse(Wire wire, std::string text) { return Error{STREAMR_E_REFUSED, wire, std::move(text)}; }

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { assert(ok()); return std::get<0>(state_); }
  const T& value() const& { assert(ok()); return std::get<0>(state_); }
  // Out of a temporary the value comes by value: a range-for or a reference bound to it keeps it alive.
  T value() && { assert(ok()); return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const& { assert(!ok()); return std::get<1>(state_); }
  Error error() && { assert(!ok()); return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : failed_(true), error_(std::move(error)) {}

  bool ok() const { return !failed_; }
  explicit operator bool() const { return ok(); }
  const Error& error() const& { assert(failed_); return error_; }
  Error error() && { assert(failed_); return std::move(error_); }

 private:
  bool failed_ = false;
  Error error_;
};

using Status = Result<void>;

}  // namespace streamr
