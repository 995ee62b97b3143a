// Decides: how AMF0 values are read and written, with limits on depth, count and length.
// Never: understands a command.
// Called by: session.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace streamr::publisher {

class AmfValue {
 public:
  enum class Kind : std::uint8_t { null, number, boolean, text, object };
  using Members = std::vector<std::pair<std::string, AmfValue>>;

  AmfValue() = default;
  static AmfValue number(double value);
  static AmfValue boolean(bool value);
  static AmfValue text(std::string_view value);
  static AmfValue object(Members members);

  Kind kind() const { return kind_; }
  // What the value is not reads as 0, false or empty.
  double as_number() const { return kind_ == Kind::number ? number_ : 0.0; }
  bool as_boolean() const { return kind_ == Kind::boolean && number_ != 0.0; }
  const std::string& as_text() const { return text_; }
  const Members& members() const { return members_; }
  const AmfValue* find(std::string_view name) const;

 private:
  Kind kind_ = Kind::null;
  double number_ = 0.0;
  std::string text_;
  Members members_;
};

namespace amf_limits {
inline constexpr std::size_t depth = 8;
inline constexpr std::size_t values = 512;
inline constexpr std::size_t text_bytes = 4096;
}  // namespace amf_limits

// All values of a command or data message. Nothing where the bytes are cut short, of an unknown type or over a limit.
std::optional<std::vector<AmfValue>> read_amf0(std::span<const std::uint8_t> bytes);
void write_amf0(const AmfValue& value, std::vector<std::uint8_t>& out);

}  // namespace streamr::publisher
