#include "runtime/core/json.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace mapt {
namespace {

constexpr int kDepth = 16;  // of nested values; a blob has five

class Parser {
 public:
  Parser(const char* text, size_t size) : at_(text), end_(text + size) {}

  bool document(Json* value) {
    if (!this->value(value, 0)) return false;
    space();
    return at_ == end_;
  }

 private:
  void space() {
    while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }

  bool take(char wanted) {
    space();
    if (at_ == end_ || *at_ != wanted) return false;
    ++at_;
    return true;
  }

  bool word(const char* wanted) {
    const size_t size = std::strlen(wanted);
    if (static_cast<size_t>(end_ - at_) < size || std::memcmp(at_, wanted, size)) return false;
    at_ += size;
    return true;
  }

  bool value(Json* out, int depth) {
    space();
    if (at_ == end_ || depth > kDepth) return false;
    if (*at_ == '{') return object(out, depth);
    if (*at_ == '[') return array(out, depth);
    if (*at_ == '"') {
      out->kind = Json::kString;
      return string(&out->text);
    }
    if (word("null")) return true;
    out->kind = Json::kOther;
    return word("true") || word("false") || number(out);
  }

  bool object(Json* out, int depth) {
    out->kind = Json::kObject;
    ++at_;
    if (take('}')) return true;
    do {
      std::pair<std::string, Json> member;
      space();
      if (at_ == end_ || *at_ != '"' || !string(&member.first) || !take(':')) return false;
      if (!value(&member.second, depth + 1)) return false;
      out->members.push_back(std::move(member));
    } while (take(','));
    return take('}');
  }

  bool array(Json* out, int depth) {
    out->kind = Json::kArray;
    ++at_;
    if (take(']')) return true;
    do {
      out->items.emplace_back();
      if (!value(&out->items.back(), depth + 1)) return false;
    } while (take(','));
    return take(']');
  }

  bool digits() {
    const char* start = at_;
    while (at_ < end_ && *at_ >= '0' && *at_ <= '9') ++at_;
    return at_ > start;
  }

  bool number(Json* out) {
    const char* start = at_;
    const bool negative = at_ < end_ && *at_ == '-';
    at_ += negative;
    const char* first = at_;
    if (!digits() || (*first == '0' && at_ - first > 1)) return false;
    const char* last = at_;
    if (at_ < end_ && *at_ == '.' && (++at_, !digits())) return false;
    if (at_ < end_ && (*at_ == 'e' || *at_ == 'E')) {
      ++at_;
      if (at_ < end_ && (*at_ == '+' || *at_ == '-')) ++at_;
      if (!digits()) return false;
    }
    if (at_ != last) return true;
    int64_t whole = 0;
    for (const char* digit = start + negative; digit < last; ++digit) {
      if (__builtin_mul_overflow(whole, 10, &whole)) return true;
      const int step = *digit - '0';
      if (__builtin_add_overflow(whole, negative ? -step : step, &whole)) return true;
    }
    out->kind = Json::kInteger;
    out->integer = whole;
    return true;
  }

  bool hex(uint32_t* code) {
    *code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      if (at_ == end_) return false;
      const char c = *at_;
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return false;
      *code = *code << 4 | static_cast<uint32_t>(digit);
    }
    return true;
  }

  bool escape(std::string* out) {
    if (at_ == end_) return false;
    const char c = *at_++;
    static const char kFrom[] = "\"\\/bfnrt";
    static const char kTo[] = "\"\\/\b\f\n\r\t";
    if (const char* found = c ? std::strchr(kFrom, c) : nullptr) {
      out->push_back(kTo[found - kFrom]);
      return true;
    }
    uint32_t code = 0;
    if (c != 'u' || !hex(&code)) return false;
    uint32_t low = 0;
    if (code >= 0xD800 && code < 0xDC00 && word("\\u")) {
      if (!hex(&low) || low < 0xDC00 || low > 0xDFFF) return false;
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    append(code, out);
    return true;
  }

  static void append(uint32_t code, std::string* out) {
    if (code < 0x80) {
      out->push_back(static_cast<char>(code));
      return;
    }
    const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const uint32_t kLead[] = {0, 0xC0, 0xE0, 0xF0};
    out->push_back(static_cast<char>(kLead[more] | code >> 6 * more));
    for (int i = more - 1; i >= 0; --i) out->push_back(static_cast<char>(0x80 | (code >> 6 * i & 0x3F)));
  }

  bool string(std::string* out) {
    ++at_;
    while (at_ < end_ && *at_ != '"') {
      if (static_cast<unsigned char>(*at_) < 0x20) return false;
      if (*at_ != '\\') {
        out->push_back(*at_++);
        continue;
      }
      ++at_;
      if (!escape(out)) return false;
    }
    if (at_ == end_) return false;
    ++at_;
    return true;
  }

  const char* at_;
  const char* end_;
};

// Reads a character of UTF-8, and moves on. A damaged byte stands for itself.
uint32_t next_character(const std::string& text, size_t* at) {
  const auto lead = static_cast<unsigned char>(text[(*at)++]);
  const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
  if (!more || *at + more > text.size()) return lead;
  uint32_t code = lead & (0x3Fu >> more);
  for (int i = 0; i < more; ++i) code = code << 6 | (static_cast<unsigned char>(text[(*at)++]) & 0x3F);
  return code;
}

void append_escaped(uint32_t unit, std::string* out) {
  static const char kDigits[] = "0123456789abcdef";
  *out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out->push_back(kDigits[unit >> shift & 15]);
}

}  // namespace

const Json* Json::find(const char* name) const {
  const Json* found = nullptr;
  for (const auto& member : members) {
    if (member.first == name) found = &member.second;  // the last of several counts, as in Python
  }
  return found;
}

bool parse_json(const char* text, size_t size, Json* value) { return Parser(text, size).document(value); }

std::string quoted(const std::string& utf8) {
  std::string out = "\"";
  for (size_t at = 0; at < utf8.size();) {
    const uint32_t code = next_character(utf8, &at);
    static const char kShort[] = "\"\\\n\r\t\f\b";
    static const char kLetter[] = "\"\\nrtfb";
    const char* found = code && code < 0x80 ? std::strchr(kShort, static_cast<int>(code)) : nullptr;
    if (found) {
      out += {'\\', kLetter[found - kShort]};
    } else if (code >= 0x20 && code < 0x7F) {
      out.push_back(static_cast<char>(code));
    } else if (code < 0x10000) {
      append_escaped(code, &out);
    } else {
      append_escaped(0xD800 + ((code - 0x10000) >> 10), &out);
      append_escaped(0xDC00 + ((code - 0x10000) & 0x3FF), &out);
    }
  }
  return out + "\"";
}

std::string written_number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  char text[32];
  *std::to_chars(text, text + sizeof text - 1, value, std::chars_format::scientific).ptr = '\0';
  const char* at = text;
  std::string out = *at == '-' ? "-" : "";
  at += out.size();
  const char* power = std::strchr(at, 'e');
  const int exponent = std::atoi(power + 1);
  std::string digits(1, *at);
  if (at[1] == '.') digits.append(at + 2, power);
  const auto count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    out += digits.substr(0, 1) + (count > 1 ? "." + digits.substr(1) : "");
    const std::string size = std::to_string(std::abs(exponent));
    return out + (exponent < 0 ? "e-" : "e+") + (size.size() < 2 ? "0" : "") + size;
  }
  if (exponent < 0) return out + "0." + std::string(-exponent - 1, '0') + digits;
  if (count <= exponent + 1) return out + digits + std::string(exponent + 1 - count, '0') + ".0";
  return out + digits.substr(0, exponent + 1) + "." + digits.substr(exponent + 1);
}

}  // namespace mapt
