#include "publisher/rtmp/amf0.hpp"

#include <bit>

#include "publisher/media/boxes.hpp"

namespace streamr::publisher {
namespace {

enum Marker : std::uint8_t {
  mark_number = 0x00,
  mark_boolean = 0x01,
  mark_text = 0x02,
  mark_object = 0x03,
  mark_null = 0x05,
  mark_undefined = 0x06,
  mark_ecma_array = 0x08,
  mark_end = 0x09,
  mark_strict_array = 0x0A,
  mark_date = 0x0B,
  mark_long_text = 0x0C,
};

class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> bytes) : fields_(bytes) {}

  bool at_end() const { return fields_.left() == 0; }
  std::optional<AmfValue> value(std::size_t depth);

 private:
  std::optional<std::string> text(std::size_t length);
  std::optional<AmfValue> members(std::size_t depth);
  std::optional<AmfValue> items(std::size_t depth);

  FieldReader fields_;
  std::size_t count_ = 0;
};

std::optional<std::string> Reader::text(std::size_t length) {
  if (!fields_.ok() || length > amf_limits::text_bytes || length > fields_.left()) return std::nullopt;
  std::string result(reinterpret_cast<const char*>(fields_.rest().data()), length);
  fields_.skip(length);
  return result;
}

std::optional<AmfValue> Reader::members(std::size_t depth) {
  AmfValue::Members found;
  while (true) {
    const std::size_t length = fields_.u16();
    auto name = text(length);
    if (!name) return std::nullopt;
    if (name->empty() && fields_.left() > 0 && fields_.rest()[0] == mark_end) {
      fields_.skip(1);
      return AmfValue::object(std::move(found));
    }
    auto member = value(depth + 1);
    if (!member) return std::nullopt;
    found.emplace_back(std::move(*name), std::move(*member));
  }
}

std::optional<AmfValue> Reader::items(std::size_t depth) {
  const std::uint32_t count = fields_.u32();
  if (!fields_.ok() || count > amf_limits::values) return std::nullopt;
  AmfValue::Members found;
  for (std::uint32_t i = 0; i < count; ++i) {
    auto item = value(depth + 1);
    if (!item) return std::nullopt;
    found.emplace_back(std::to_string(i), std::move(*item));
  }
  return AmfValue::object(std::move(found));
}

std::optional<AmfValue> Reader::value(std::size_t depth) {
  if (depth > amf_limits::depth || ++count_ > amf_limits::values) return std::nullopt;
  const std::uint8_t marker = fields_.u8();
  if (!fields_.ok()) return std::nullopt;
  std::optional<AmfValue> result;
  switch (marker) {
    case mark_number: result = AmfValue::number(std::bit_cast<double>(fields_.u64())); break;
    case mark_boolean: result = AmfValue::boolean(fields_.u8() != 0); break;
    case mark_null:
    case mark_undefined: result = AmfValue(); break;
    case mark_date:
      result = AmfValue::number(std::bit_cast<double>(fields_.u64()));
      fields_.skip(2);
      break;
    case mark_text:
    case mark_long_text: {
      const std::size_t length = marker == mark_text ? fields_.u16() : fields_.u32();
      if (const auto read = text(length)) result = AmfValue::text(*read);
      break;
    }
    case mark_ecma_array: fields_.skip(4); [[fallthrough]];  // the count there is only a hint
    case mark_object: result = members(depth); break;
    case mark_strict_array: result = items(depth); break;
    default: break;
  }
  return fields_.ok() ? result : std::nullopt;
}

void write_text(std::string_view text, std::vector<std::uint8_t>& out) {
  BoxWriter writer(out);
  writer.u16(static_cast<std::uint16_t>(text.size()));
  out.insert(out.end(), text.begin(), text.end());
}

}  // namespace

AmfValue AmfValue::number(double value) {
  AmfValue result;
  result.kind_ = Kind::number;
  result.number_ = value;
  return result;
}

AmfValue AmfValue::boolean(bool value) {
  AmfValue result;
  result.kind_ = Kind::boolean;
  result.number_ = value ? 1.0 : 0.0;
  return result;
}

AmfValue AmfValue::text(std::string_view value) {
  AmfValue result;
  result.kind_ = Kind::text;
  result.text_ = value;
  return result;
}

AmfValue AmfValue::object(Members members) {
  AmfValue result;
  result.kind_ = Kind::object;
  result.members_ = std::move(members);
  return result;
}

const AmfValue* AmfValue::find(std::string_view name) const {
  for (const auto& [member, value] : members_) {
    if (member == name) return &value;
  }
  return nullptr;
}

std::optional<std::vector<AmfValue>> read_amf0(std::span<const std::uint8_t> bytes) {
  Reader reader(bytes);
  std::vector<AmfValue> values;
  while (!reader.at_end()) {
    auto value = reader.value(0);
    if (!value) return std::nullopt;
    values.push_back(std::move(*value));
  }
  return values;
}

void write_amf0(const AmfValue& value, std::vector<std::uint8_t>& out) {
  BoxWriter writer(out);
  switch (value.kind()) {
    case AmfValue::Kind::null: writer.u8(mark_null); break;
    case AmfValue::Kind::number:
      writer.u8(mark_number);
      writer.u64(std::bit_cast<std::uint64_t>(value.as_number()));
      break;
    case AmfValue::Kind::boolean:
      writer.u8(mark_boolean);
      writer.u8(value.as_boolean() ? 1 : 0);
      break;
    case AmfValue::Kind::text:
      writer.u8(mark_text);
      write_text(value.as_text(), out);
      break;
    case AmfValue::Kind::object:
      writer.u8(mark_object);
      for (const auto& [name, member] : value.members()) {
        write_text(name, out);
        write_amf0(member, out);
      }
      writer.u16(0);
      writer.u8(mark_end);
      break;
  }
}

}  // namespace streamr::publisher
