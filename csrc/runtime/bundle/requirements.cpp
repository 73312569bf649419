#include "runtime/bundle/requirements.h"

#include "runtime/bundle/errors.h"
#include "runtime/bundle/values.h"

namespace mapt {

namespace {

constexpr char kLibrary[] = "onnxruntime";
constexpr std::size_t kDigits = 9;  // of a number
// The lowest ONNX Runtime whose CPU kernels run a lowering to standard operators.
constexpr char kStandard[] = "1.25", kGridsample[] = "1.20";

std::size_t digits_at(std::string_view text, std::size_t at) {
  std::size_t count = 0;
  while (at + count < text.size() && text[at + count] >= '0' && text[at + count] <= '9') ++count;
  return count;
}

bool older(const std::string& version, std::string_view lowest) {
  return version_numbers(version) < version_numbers(lowest);
}

}  // namespace

std::vector<int> version_numbers(std::string_view text) {
  std::vector<int> numbers;
  for (std::size_t at = 0;;) {
    const std::size_t count = digits_at(text, at);
    if (count == 0 || count > kDigits) break;
    numbers.push_back(std::stoi(std::string(text.substr(at, count))));
    at += count;
    if (at >= text.size() || text[at] != '.') break;
    ++at;
  }
  if (numbers.empty()) throw ValueError(repr_of(text) + " is no version");
  return numbers;
}

std::map<std::string, std::string> read_requirements(const Json& stated) {
  std::map<std::string, std::string> found;
  for (const auto& item : stated.items()) {
    if (item.key() != kLibrary) throw ValueError("it requires " + repr_of(item.key()) + ", not one of " + kLibrary);
    if (!item.value().is_string())
      throw ValueError("the version of " + item.key() + " is " + shown(item.value(), std::string::npos));
    found[item.key()] = item.value().get<std::string>();
    version_numbers(found[item.key()]);
  }
  return found;
}

bool runs_on(const Json& stated, const std::string& version) {
  const auto lowest = stated.find(kLibrary);
  if (lowest == stated.end() || !lowest->is_string()) return true;
  try {
    return !older(version, lowest->get<std::string>());
  } catch (const ValueError&) {
    return true;  // refused where the manifest is read
  }
}

void check_requirements(const std::map<std::string, std::string>& stated, const std::string& version,
                        const std::string& user) {
  const auto lowest = stated.find(kLibrary);
  if (lowest == stated.end() || !older(version, lowest->second)) return;
  std::string instead;
  if (!older(version, kGridsample))
    instead = std::string(", or export with --ops ") + (older(version, kStandard) ? "gridsample" : "standard") +
              ", which runs on " + version;
  throw InputError(user + ": needs ONNX Runtime " + lowest->second + " or newer, " + version +
                   " is installed; update it" + instead);
}

}  // namespace mapt
