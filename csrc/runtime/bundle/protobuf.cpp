#include "runtime/bundle/protobuf.h"

#include <algorithm>

namespace mapt {

namespace {

constexpr int kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;  // wire types; ONNX has none of the others

// Reads a varint of at most ten bytes. What exceeds 64 bits is refused, as no message of ONNX has it.
std::uint64_t varint(std::string_view message, std::size_t& at) {
  std::uint64_t value = 0;
  for (int place = 0; place < 10 && at < message.size(); ++place) {
    const auto byte = static_cast<unsigned char>(message[at++]);
    if (place == 9 && byte > 1) break;
    value |= std::uint64_t{byte & 127u} << (7 * place);
    if (byte < 128) return value;
  }
  throw MalformedError{};
}

void append_varint(std::string& out, std::uint64_t value) {
  for (; value > 127; value >>= 7) out += static_cast<char>(value | 128);
  out += static_cast<char>(value);
}

Field read_field(std::string_view message, std::size_t& at) {
  const std::size_t start = at;
  const std::uint64_t tag = varint(message, at);
  const auto wire = static_cast<int>(tag & 7);
  if (tag >> 3 == 0 || tag >> 3 >= 1u << 29) throw MalformedError{};
  Field field;
  field.number = static_cast<std::uint32_t>(tag >> 3);
  if (wire == kVarint) {
    field.is_number = true;
    field.value = varint(message, at);
  } else {
    if (wire != kFixed64 && wire != kBytes && wire != kFixed32) throw MalformedError{};
    const std::uint64_t size = wire == kFixed64 ? 8 : wire == kFixed32 ? 4 : varint(message, at);
    if (size > message.size() - at) throw MalformedError{};
    field.bytes = message.substr(at, size);
    at += size;
  }
  field.encoded = message.substr(start, at - start);
  return field;
}

}  // namespace

std::vector<Field> read_fields(std::string_view message) {
  std::vector<Field> found;
  for (std::size_t at = 0; at < message.size();) found.push_back(read_field(message, at));
  return found;
}

std::vector<std::string_view> messages(const std::vector<Field>& fields, std::uint32_t number) {
  std::vector<std::string_view> found;
  for (const Field& field : fields)
    if (field.number == number && !field.is_number) found.push_back(field.bytes);
  return found;
}

bool has_field(const std::vector<Field>& fields, std::uint32_t number) {
  return std::any_of(fields.begin(), fields.end(), [&](const Field& field) { return field.number == number; });
}

std::string_view text_field(const std::vector<Field>& fields, std::uint32_t number) {
  const auto found = messages(fields, number);
  return found.empty() ? std::string_view() : found.back();
}

std::uint64_t number_field(const std::vector<Field>& fields, std::uint32_t number) {
  std::uint64_t value = 0;
  for (const Field& field : fields)
    if (field.number == number && field.is_number) value = field.value;
  return value;
}

void append_prefix(std::string& out, std::uint32_t number, std::uint64_t size) {
  append_varint(out, std::uint64_t{number} << 3 | kBytes);
  append_varint(out, size);
}

}  // namespace mapt
