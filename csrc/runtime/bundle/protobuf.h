// Reads protobuf messages field by field, without the protobuf library; `runtime/bundle/graphs/protobuf.py`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mapt {

// The bytes are no protobuf message.
struct MalformedError {};

// One field of a message: a whole number, or the bytes of anything else.
struct Field {
  std::uint32_t number = 0;
  bool is_number = false;
  std::uint64_t value = 0;
  std::string_view bytes;
  std::string_view encoded;  // all bytes of the field, with number and length
};

// All fields of a message in their order. Throws MalformedError.
std::vector<Field> read_fields(std::string_view message);

// The bytes of every field of that number that is no whole number.
std::vector<std::string_view> messages(const std::vector<Field>& fields, std::uint32_t number);

// Whether there is any field of that number.
bool has_field(const std::vector<Field>& fields, std::uint32_t number);

// A text that occurs once: if it is repeated the last one counts, a missing one is empty.
std::string_view text_field(const std::vector<Field>& fields, std::uint32_t number);

// A whole number that occurs once: if it is repeated the last one counts, a missing one is 0.
std::uint64_t number_field(const std::vector<Field>& fields, std::uint32_t number);

// What stands in front of a field's bytes: its number, and how many there are.
void append_prefix(std::string& out, std::uint32_t number, std::uint64_t size);

}  // namespace mapt
