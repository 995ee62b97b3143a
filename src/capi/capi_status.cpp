// Names and sentences of results, the version, and error records.
#include "capi/guard.hpp"

namespace streamr::capi {

void fill_error(streamr_error_t* out, streamr_status_t status, std::string_view text) {
  if (!out || out->struct_size < 2 * sizeof(std::uint32_t) || out->struct_size > struct_bytes_max) return;
  streamr_error_t record{};
  record.status = status;
  const std::size_t size = std::min(text.size(), sizeof record.text - 1);
  for (std::size_t i = 0; i < size; ++i)
    record.text[i] = text[i] == '\n' || text[i] == '\r' || text[i] == '\0' ? ' ' : text[i];
  write_struct(record, out);
  if (out->struct_size > offsetof(streamr_error_t, text) && out->struct_size < sizeof record)
    reinterpret_cast<char*>(out)[out->struct_size - 1] = '\0';
}

}  // namespace streamr::capi

const char* streamr_status_name(streamr_status_t status) {
  switch (status) {
#define STREAMR_X(name, number, text) \
  case number: return #name;
    STREAMR_STATUS_LIST(STREAMR_X)
#undef STREAMR_X
    default: return "E_UNKNOWN";
  }
}

const char* streamr_status_message(streamr_status_t status) {
  switch (status) {
#define STREAMR_X(name, number, text) \
  case number: return text;
    STREAMR_STATUS_LIST(STREAMR_X)
#undef STREAMR_X
    default: return "this number is not a status of this library";
  }
}

const char* streamr_version(void) {
  return STREAMR_VERSION_STRING;
}
