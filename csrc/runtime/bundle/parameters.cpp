#include "runtime/bundle/parameters.h"

#include <algorithm>
#include <map>

#include "runtime/bundle/errors.h"
#include "runtime/bundle/format.h"
#include "runtime/bundle/graph_fields.h"
#include "runtime/bundle/protobuf.h"

namespace mapt {

namespace {

constexpr std::uint32_t kKey = 1, kValue = 2;  // of StringStringEntryProto
constexpr std::size_t kDigits = 18;            // of an offset

// The content of `parameters.bin`, of which a graph takes as much again at most twice over. Otherwise a small file
// could refer to the same megabytes a million times.
class Parameters {
 public:
  explicit Parameters(std::string_view content) : content_(content), left_(2 * content.size()) {}

  std::string_view take(std::uint64_t offset, std::uint64_t length) {
    if (length > left_ || offset > content_.size() || length > content_.size() - offset) throw MalformedError{};
    left_ -= length;
    return content_.substr(offset, length);
  }

 private:
  std::string_view content_;
  std::uint64_t left_;
};

std::uint64_t whole(const std::map<std::string_view, std::string_view>& entries, std::string_view key) {
  const auto found = entries.find(key);
  const std::string_view text = found == entries.end() ? std::string_view() : found->second;
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.empty() || text.size() > kDigits || !std::all_of(text.begin(), text.end(), digit)) throw MalformedError{};
  std::uint64_t value = 0;
  for (const char c : text) value = 10 * value + static_cast<std::uint64_t>(c - '0');
  return value;
}

std::map<std::string_view, std::string_view> entries_of(const std::vector<Field>& tensor) {
  std::map<std::string_view, std::string_view> found;
  for (const Field& field : tensor) {
    if (field.number != kTensorEntries) continue;
    if (field.is_number) throw MalformedError{};
    const auto entry = read_fields(field.bytes);
    for (const Field& part : entry)
      if ((part.number == kKey || part.number == kValue) && part.is_number) throw MalformedError{};
    found[text_field(entry, kKey)] = text_field(entry, kValue);
  }
  return found;
}

void append_field(std::string& out, std::uint32_t number, std::string_view content) {
  append_prefix(out, number, content.size());
  out += content;
}

std::string restored_tensor(std::string_view tensor, Parameters& parameters) {
  const auto fields = read_fields(tensor);
  const auto entries = entries_of(fields);
  if (entries.empty()) return std::string(tensor);
  const auto location = entries.find("location");
  if (location == entries.end() || location->second != kParameters) throw MalformedError{};
  const std::uint64_t offset = whole(entries, "offset");
  const std::string_view content = parameters.take(offset, whole(entries, "length"));
  std::string out, after;
  for (const Field& field : fields) {
    if (field.number == kTensorEntries || field.number == kTensorLocation || field.number == kTensorRaw) continue;
    (field.number < kTensorRaw ? out : after) += field.encoded;
  }
  append_field(out, kTensorRaw, content);
  return out + after;
}

std::string restored_graph(std::string_view graph, Parameters& parameters) {
  std::string out;
  for (const Field& field : read_fields(graph)) {
    if (field.number == kGraphTensor && !field.is_number)
      append_field(out, kGraphTensor, restored_tensor(field.bytes, parameters));
    else
      out += field.encoded;
  }
  return out;
}

}  // namespace

std::string restore_parameters(const std::string& user, std::string_view graph, std::string_view parameters) {
  Parameters content(parameters);
  try {
    std::string out;
    for (const Field& field : read_fields(graph)) {
      if (field.number == kModelGraph && !field.is_number)
        append_field(out, kModelGraph, restored_graph(field.bytes, content));
      else
        out += field.encoded;
    }
    return out;
  } catch (const MalformedError&) {
    throw InputError(user + ": is not an ONNX file with parameters in " + kParameters + "; export the bundle again");
  }
}

}  // namespace mapt
