// The part of JSON that blobs hold: objects, arrays, strings, whole numbers and null.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace mapt {

struct Json {
  enum Kind { kNull, kInteger, kOther, kString, kArray, kObject };  // kOther: a number with a fraction, true or false

  Kind kind = kNull;
  int64_t integer = 0;  // 64 bits hold it; else the value is kOther
  std::string text;     // UTF-8
  std::vector<Json> items;
  std::vector<std::pair<std::string, Json>> members;

  const Json* find(const char* name) const;  // null where an object has no such member
};

// Reads a text that holds one value. Returns false where it does not.
bool parse_json(const char* text, size_t size, Json* value);

// A string with quotation marks, in ASCII as Python's json.dumps writes it.
std::string quoted(const std::string& utf8);

// A number as Python's json.dumps writes it: the fewest digits that give it back.
std::string written_number(double value);

}  // namespace mapt
