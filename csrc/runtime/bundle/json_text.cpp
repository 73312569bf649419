#include "runtime/bundle/json_text.h"

#include <charconv>
#include <cstdlib>
#include <stdexcept>

namespace mapt {

namespace {

constexpr int kMostItems = 20;  // of a list or an object that a message shows, on three levels

// Python's repr of a finite float: the shortest digits that give it back, with an exponent below 1e-4 and from 1e16 on.
std::string float_text(double value) {
  char digits[64];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::scientific).ptr;
  const std::string text(digits, end);
  const int exponent = std::atoi(text.c_str() + text.find('e') + 1);
  if (exponent < -4 || exponent >= 16) return text;
  char fixed[400];
  std::string plain(fixed, std::to_chars(fixed, fixed + sizeof fixed, value, std::chars_format::fixed).ptr);
  return plain.find('.') == std::string::npos ? plain + ".0" : plain;
}

std::string number_text(const Json& value) {
  if (value.is_number_float()) return float_text(value.get<double>());
  if (value.is_number_unsigned()) return std::to_string(value.get<std::uint64_t>());
  return std::to_string(value.get<std::int64_t>());
}

void write(const Json& value, int depth, std::string& out) {
  const std::string line = "\n" + std::string(static_cast<std::size_t>(depth) + 1, ' ');
  if (value.is_number()) {
    out += number_text(value);
  } else if (!value.is_structured()) {
    out += value.dump(-1, ' ', true);
  } else if (value.empty()) {
    out += value.is_object() ? "{}" : "[]";
  } else {
    out += value.is_object() ? '{' : '[';
    const char* separator = "";
    for (const auto& item : value.items()) {
      out += separator + line;
      if (value.is_object()) out += Json(item.key()).dump(-1, ' ', true) + ": ";
      write(item.value(), depth + 1, out);
      separator = ",";
    }
    out += line.substr(0, line.size() - 1) + (value.is_object() ? '}' : ']');
  }
}

void show(const Json& value, int levels, std::string& out) {
  if (value.is_null()) {
    out += "None";
  } else if (value.is_boolean()) {
    out += value.get<bool>() ? "True" : "False";
  } else if (value.is_number()) {
    out += number_text(value);
  } else if (value.is_string()) {
    out += repr_of(value.get_ref<const std::string&>());
  } else {
    out += value.is_object() ? '{' : '[';
    int count = 0;
    for (const auto& item : value.items()) {
      if (count) out += ", ";
      if (levels == 0 || count++ == kMostItems) {
        out += "...";
        break;
      }
      if (value.is_object()) out += repr_of(item.key()) + ": ";
      show(item.value(), levels - 1, out);
    }
    out += value.is_object() ? '}' : ']';
  }
}

}  // namespace

Json parse_json(std::string_view text) {
  bool deep = false;
  const auto watch = [&deep](int depth, Json::parse_event_t, Json&) {
    deep |= depth > kDeepest;
    return !deep;
  };
  Json value;
  try {
    value = Json::parse(text, watch);
  } catch (const Json::exception& error) {
    std::string reason = error.what();
    const std::size_t known = reason.find("] ");  // behind the library's name of the error
    throw std::runtime_error(known == std::string::npos ? reason : reason.substr(known + 2));
  }
  if (deep) throw std::runtime_error("it is nested too deeply");
  return value;
}

std::string canonical(const Json& value) {
  std::string out;
  write(value, 0, out);
  return out;
}

std::string repr_of(std::string_view text) {
  const bool both = text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
  const char quote = both ? '"' : '\'';
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      constexpr char kHex[] = "0123456789abcdef";
      out += "\\x";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else {
      out += c;
    }
  }
  return out + quote;
}

std::string shown(const Json& value, std::size_t limit) {
  std::string out;
  show(value, 3, out);
  if (out.size() <= limit) return out;
  while (limit > 0 && (static_cast<unsigned char>(out[limit]) & 0xc0) == 0x80) --limit;  // no part of a character
  return out.substr(0, limit);
}

}  // namespace mapt
