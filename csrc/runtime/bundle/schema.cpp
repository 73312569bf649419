#include "runtime/bundle/schema.h"

#include <algorithm>
#include <optional>
#include <set>

#include "runtime/bundle/errors.h"
#include "runtime/core/contract.h"

namespace mapt {

namespace {

constexpr std::size_t kMostInputs = 100;

// A value of a manifest and where it stands, which messages name. What is asked for in another form throws InputError.
class Value {
 public:
  Value(const std::string& file, std::string key, const Json& json) : file_(file), key_(std::move(key)), json_(json) {}

  const Json& json() const { return json_; }
  std::string text() const {
    require(json_.is_string(), "Input should be a valid string");
    return json_.get<std::string>();
  }
  std::int64_t whole() const {
    require(json_.is_number_integer(), "Input should be a valid integer");
    return json_.get<std::int64_t>();
  }
  std::int64_t whole(std::int64_t low, std::int64_t high) const {
    const std::int64_t value = whole();
    require(value >= low, "Input should be greater than or equal to " + std::to_string(low));
    require(value <= high, "Input should be less than or equal to " + std::to_string(high));
    return value;
  }
  std::string one_of(const std::vector<std::string>& names) const {
    std::string all;
    for (std::size_t i = 0; i < names.size(); ++i)
      all += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + ("'" + names[i] + "'");
    const bool known = json_.is_string() && std::find(names.begin(), names.end(), json_) != names.end();
    require(known, "Input should be " + all);
    return json_.get<std::string>();
  }
  const Value& object() const {
    require(json_.is_object(), "Input should be a valid dictionary");
    return *this;
  }
  const Value& list() const {
    require(json_.is_array(), "Input should be a valid list");
    return *this;
  }
  // Of a class with named fields.
  const Value& entry(const char* kind) const {
    require(json_.is_object(), std::string("Input should be a valid dictionary or instance of ") + kind);
    return *this;
  }
  Value at(const char* name) const {
    const auto found = json_.find(name);
    if (found == json_.end())
      throw InputError(file_ + ": is malformed: the key " + repr_of(dotted(below(name))) +
                       " is missing; export the bundle again");
    return {file_, below(name), *found};
  }
  std::optional<Value> maybe(const char* name) const {
    const auto found = json_.find(name);
    if (found == json_.end()) return std::nullopt;
    return Value(file_, below(name), *found);
  }
  std::vector<Value> items() const {
    std::vector<Value> found;
    if (json_.is_array())
      for (std::size_t i = 0; i < json_.size(); ++i) found.emplace_back(file_, below(std::to_string(i)), json_[i]);
    else
      for (const auto& item : json_.items()) found.emplace_back(file_, below(item.key()), item.value());
    return found;
  }
  std::string name() const { return key_.substr(key_.rfind('\n') + 1); }
  void only(const std::set<std::string>& known) const {
    for (const auto& item : json_.items())
      if (!known.count(item.key()))
        throw InputError(file_ + ": has the unknown key " + repr_of(dotted(below(item.key()))) +
                         "; export it with this version");
  }
  void require(bool holds, const std::string& message) const {
    if (!holds)
      throw InputError(file_ + ": is malformed: " + repr_of(dotted(key_)) + " is " + shown(json_) + " (" + message +
                       "); export the bundle again");
  }

 private:
  // Keys may hold dots, so parts are kept apart by line ends until they are shown.
  std::string below(const std::string& name) const { return key_.empty() ? name : key_ + "\n" + name; }
  static std::string dotted(std::string key) {
    std::replace(key.begin(), key.end(), '\n', '.');
    return key;
  }

  const std::string& file_;
  std::string key_;
  const Json& json_;
};

template <class Read>
auto read_map(const Value& value, Read read) {
  std::map<std::string, decltype(read(value))> found;
  for (const Value& item : value.object().items()) found[item.name()] = read(item);
  return found;
}

std::string read_text(const Value& value) { return value.text(); }
std::int64_t read_whole(const Value& value) { return value.whole(); }

void check_tensor(const Value& value) {
  value.entry("TensorEntry");
  value.at("name").text();
  value.at("dtype").text();
  for (const Value& side : value.at("shape").list().items()) side.whole();
  value.only({"name", "dtype", "shape"});
}

GraphEntry read_graph(const Value& value) {
  value.entry("SubgraphEntry");
  GraphEntry found;
  found.file = value.at("file").text();
  found.sha256 = value.at("sha256").text();
  found.precision = value.at("precision").text();
  for (const char* side : {"inputs", "outputs"})
    for (const Value& tensor : value.at(side).list().items()) check_tensor(tensor);
  value.only({"file", "sha256", "precision", "inputs", "outputs"});
  return found;
}

EngineEntry read_engine(const Value& value) {
  value.entry("EngineEntry");
  EngineEntry found;
  found.file = value.at("file").text();
  found.sha256 = value.at("sha256").text();
  found.library = value.at("library").text();
  found.status = value.at("status").one_of({"built", "ran", "unproven"});
  read_map(value.at("layers"), [](const Value& layer) { return read_map(layer, read_whole); });
  value.only({"file", "sha256", "library", "status", "layers"});
  return found;
}

std::vector<std::string> read_texts(const Value& value) {
  std::vector<std::string> found;
  for (const Value& item : value.list().items()) found.push_back(item.text());
  return found;
}

Manifest read_one(const Value& value, bool named) {
  value.entry(named ? "NamedManifest" : "Manifest");
  Manifest found;
  value.at("format").whole();
  found.id = value.at("id").text();
  found.preset = value.at("preset").text();
  found.height = value.at("height").whole(1, kLargest);
  found.width = value.at("width").whole(1, kLargest);
  found.classes = read_texts(value.at("classes"));
  found.things = value.at("things").list().json();
  found.sizes = value.at("sizes").object().json();
  found.thresholds = value.at("thresholds").object().json();
  found.lowering = value.at("lowering").one_of({"custom", "standard", "gridsample"});
  found.operators = read_map(value.at("operators"), read_whole);
  found.needed = value.at("requires").object().json();
  found.precision = value.at("precision").one_of({"fp32", "fp16", "int8"});
  found.subgraphs = read_map(value.at("subgraphs"), read_graph);
  found.files = read_map(value.at("files"), read_text);
  read_map(value.at("versions"), read_text);
  found.engines = read_map(value.at("engines"), [](const Value& target) { return read_map(target, read_engine); });
  const Value bound = value.at("int8").entry("Int8Bound");
  if (const auto limit = bound.maybe("limit")) found.pair_limit = limit->json();
  if (const auto sums = bound.maybe("pair_sums")) found.pair_sums = sums->object().json();
  bound.only({"limit", "pair_sums"});
  std::set<std::string> known{"format",    "id",        "preset",     "height",   "width",     "classes",
                              "things",    "sizes",     "thresholds", "lowering", "operators", "requires",
                              "precision", "subgraphs", "files",      "versions", "engines",   "int8"};
  if (named) {
    known.insert("name");
    found.name = value.at("name").text();
  }
  value.only(known);
  if (named && found.name != found.size() && found.name != found.size() + "-" + found.lowering)
    value.require(false, "Value error, the size " + found.size() + " cannot be called " + repr_of(found.name));
  return found;
}

SizesManifest read_several(const Value& value) {
  SizesManifest found;
  found.several = true;
  value.at("format").whole();
  value.at("id").text();
  const Value weights = value.at("weights").entry("WeightsEntry");
  weights.at("name").text();
  found.licence = weights.at("licence").text();
  weights.at("sha256").text();
  weights.only({"name", "licence", "sha256"});
  found.files = read_map(value.at("files"), read_text);
  const Value inputs = value.at("inputs");
  const auto entries = inputs.list().items();
  inputs.require(entries.size() <= kMostInputs, "List should have at most " + std::to_string(kMostInputs) +
                                                    " items after validation, not " + std::to_string(entries.size()));
  for (const Value& entry : entries) found.inputs.push_back(read_one(entry, true));
  inputs.require(!entries.empty(), "List should have at least 1 item after validation, not 0");
  value.only({"format", "id", "weights", "files", "inputs"});
  std::set<std::string> names;
  for (const Manifest& entry : found.inputs) names.insert(entry.name);
  value.require(names.size() == found.inputs.size(), "Value error, two inputs have the same name");
  return found;
}

}  // namespace

SizesManifest parse_manifest(const std::string& path, const Json& values) {
  Json content = values;
  content.erase("sha256");
  const Value value(path, "", content);
  if (content.at("format") == kBundleBatchFormat)
    throw InputError(path +
                     ": its graphs take several images at a time, which only TrackerGroup of mapt.runtime runs; export "
                     "it without --batch for one camera");
  if (content.at("format") == kBundleSizesFormat) return read_several(value);
  SizesManifest found;
  found.inputs.push_back(read_one(value, false));
  return found;
}

}  // namespace mapt
