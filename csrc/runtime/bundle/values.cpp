#include "runtime/bundle/values.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "runtime/bundle/errors.h"

namespace mapt {

namespace {

std::string type_name(const Json& value) {
  if (value.is_null()) return "NoneType";
  if (value.is_string()) return "str";
  return value.is_array() ? "list" : "dict";
}

// A number as Python's `:g` writes it.
std::string general(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

// Every symbol of the contract has to be there before a shape can be computed.
void check_resolves(const Json& sizes, const TensorSpec* tensors, int count) {
  for (int t = 0; t < count; ++t) {
    for (int d = 0; d < tensors[t].rank; ++d) {
      const char symbol = tensors[t].shape[d].symbol;
      if (!symbol) continue;
      const auto found = sizes.find(std::string(1, symbol));
      if (found == sizes.end()) throw ValueError(repr_of(std::string(1, symbol)), "KeyError");
      if (!found->is_number() && !found->is_boolean())
        throw ValueError("unsupported operand type(s) for //: '" + type_name(*found) + "' and 'int'", "TypeError");
    }
  }
}

Sizes read_sizes_table(const Json& stated) {
  Sizes sizes;
  for (const SizeSymbol& known : kSymbols) {
    const auto found = stated.find(std::string(1, known.symbol));
    const bool good = found != stated.end() && found->is_number_integer() && *found >= 1 && *found <= kLargest;
    if (!good)
      throw ValueError(std::string("the size ") + known.symbol + " is " +
                       (found == stated.end() ? "None" : shown(*found)) + ", not a whole number within 1.." +
                       std::to_string(kLargest));
    sizes.*known.size = found->get<std::int32_t>();
  }
  return sizes;
}

void check_sizes(const ModelInfo& info, const Manifest& manifest) {
  const std::pair<const char*, std::int64_t> stated[] = {
      {"H", manifest.height}, {"W", manifest.width}, {"K", static_cast<std::int64_t>(info.classes.size())}};
  for (const auto& [symbol, value] : stated) {
    const Json& size = manifest.sizes[symbol];
    if (size != value)
      throw ValueError(std::string("sizes say ") + symbol + " = " + shown(size) + ", the rest of it " +
                       std::to_string(value));
  }
  for (const char* symbol : {"H", "W"})
    if (manifest.sizes[symbol].get<int>() % 32)
      throw ValueError(std::string("the size ") + symbol + " is " + shown(manifest.sizes[symbol]) +
                       ", not a multiple of 32");
}

std::vector<std::int32_t> read_things(const Json& stated, std::size_t classes) {
  std::vector<std::int32_t> things;
  for (const Json& thing : stated) {
    const bool inside = thing.is_number_integer() && thing >= 0 && thing < classes;
    const std::int32_t id = inside ? thing.get<std::int32_t>() : -1;
    if (!inside || std::count(things.begin(), things.end(), id))
      throw ValueError("things are " + shown(stated, 60) + ", not different train ids within 0.." +
                       std::to_string(static_cast<long>(classes) - 1));
    things.push_back(id);
  }
  return things;
}

// All thresholds must be stated: the default of one that was added later would change the bundle's decisions.
Thresholds read_thresholds(const Json& stated) {
  std::set<std::string> missing;
  for (const ThresholdRange& range : kRanges)
    if (!stated.contains(range.name)) missing.insert(range.name);
  if (!missing.empty()) throw ValueError("the threshold '" + *missing.begin() + "' is missing");
  for (const auto& item : stated.items()) {
    const auto known = [&](const ThresholdRange& range) { return item.key() == range.name; };
    if (std::none_of(std::begin(kRanges), std::end(kRanges), known))
      throw ValueError("Thresholds.__init__() got an unexpected keyword argument '" + item.key() + "'", "TypeError");
  }
  Thresholds found;
  for (const ThresholdRange& range : kRanges) {
    const Json& value = stated[range.name];
    const bool kind = range.whole ? value.is_number_integer() : value.is_number();
    if (!kind || value < range.low || value > range.high)
      throw ValueError(std::string("the threshold ") + range.name + " is " + shown(value) + ", not " +
                       (range.whole ? "a whole number" : "a number") + " within " + general(range.low) + ".." +
                       general(range.high));
    if (range.whole)
      found.*range.whole = value.get<std::int64_t>();
    else
      found.*range.number = value.get<double>();
  }
  return found;
}

bool is_shown(std::uint32_t c) {
  constexpr std::pair<std::uint32_t, std::uint32_t> kHidden[] = {
      {0x00, 0x1f},     {0x7f, 0xa0},     {0xad, 0xad},     {0x600, 0x605},     {0x61c, 0x61c},   {0x6dd, 0x6dd},
      {0x1680, 0x1680}, {0x180e, 0x180e}, {0x2000, 0x200f}, {0x2028, 0x202f},   {0x205f, 0x206f}, {0x3000, 0x3000},
      {0xd800, 0xf8ff}, {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xe0000, 0x10ffff}};
  return std::none_of(std::begin(kHidden), std::end(kHidden),
                      [&](const auto& range) { return range.first <= c && c <= range.second; });
}

}  // namespace

ModelInfo read_model_info(const Manifest& manifest) {
  for (const SubgraphSpec& spec : kSubgraphs) {
    check_resolves(manifest.sizes, spec.inputs, spec.input_count);
    check_resolves(manifest.sizes, spec.outputs, spec.output_count);
  }
  ModelInfo info;
  info.thresholds = read_thresholds(manifest.thresholds);
  info.preset = manifest.preset;
  info.classes = manifest.classes;
  info.sizes = read_sizes_table(manifest.sizes);
  check_sizes(info, manifest);
  if (info.classes.size() > static_cast<std::size_t>(kVoid))
    throw ValueError("it has " + std::to_string(info.classes.size()) + " classes, labels tell " +
                     std::to_string(kVoid) + " apart");
  if (info.classes.empty() || !std::all_of(info.classes.begin(), info.classes.end(), is_printable))
    throw ValueError("classes are not names");
  info.things = read_things(manifest.things, info.classes.size());
  if (static_cast<std::size_t>(info.sizes.T) != info.things.size())
    throw ValueError("sizes say T = " + std::to_string(info.sizes.T) + ", the things are " +
                     std::to_string(info.things.size()));
  return info;
}

void check_precision(const std::string& subgraph, const std::string& own, const std::string& asked) {
  if (own == "fp32" || own == asked) return;
  const std::string known = asked == "fp32" ? "fp32" : "fp32, " + asked;
  throw ValueError("the precision of " + subgraph + " is " + repr_of(own) + ", not one of " + known);
}

void check_pair_sums(const std::string& path, const Manifest& manifest) {
  for (const auto& [name, entry] : manifest.subgraphs) {
    if (entry.precision != "int8") continue;
    const auto worst = manifest.pair_sums.find(name);
    if (worst == manifest.pair_sums.end() || !worst->is_number_integer() || *worst < 0 ||
        manifest.pair_limit != kPairLimit)
      throw InputError(path + ": states no bound on int8 products of " + repr_of(name) +
                       "; export it with this version");
    if (*worst > kPairLimit)
      throw InputError(path + ": two int8 products of " + repr_of(name) + " add up to " + shown(*worst) +
                       ", more than the " + std::to_string(kPairLimit) +
                       " that every processor holds; export it with this version");
  }
}

bool is_printable(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at++]);
    if (first >= 0x80 && first < 0xc0) return false;  // no UTF-8
    const int more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    std::uint32_t c = more == 0 ? first : first & (0x3f >> more);
    for (int i = 0; i < more; ++i) {
      if (at == text.size()) return false;
      c = c << 6 | (static_cast<unsigned char>(text[at++]) & 0x3f);
    }
    if (!is_shown(c)) return false;
  }
  return true;
}

}  // namespace mapt
