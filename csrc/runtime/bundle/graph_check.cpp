#include "runtime/bundle/graph_check.h"

#include <cstring>
#include <map>
#include <vector>

#include "runtime/bundle/errors.h"
#include "runtime/bundle/graph_fields.h"
#include "runtime/bundle/protobuf.h"

namespace mapt {

namespace {

constexpr std::int64_t kMostRounds = 1 << 14;  // of a Loop; suppression takes one for each candidate box

using Fields = std::vector<Field>;
using Rounds = std::map<std::string_view, std::int64_t>;  // integer constants by name

// The graph holds what no bundle has.
struct RefusedError {
  std::string what;
};

// The fields of a message that occurs once. If it is written in several parts they are joined, as protobuf does.
struct Merged {
  std::string held;
  Fields fields;
};

Merged merged(const Fields& fields, std::uint32_t number) {
  const auto parts = messages(fields, number);
  Merged out;
  if (parts.size() == 1) {
    out.fields = read_fields(parts.front());
    return out;
  }
  for (const auto part : parts) out.held += part;
  out.fields = read_fields(out.held);
  return out;
}

// All weights, also sparse ones, lie in the file itself.
void check_tensor(std::string_view tensor) {
  for (const Field& field : read_fields(tensor)) {
    const bool given = field.is_number ? field.value != 0 : !field.bytes.empty();
    if ((field.number == kTensorEntries || field.number == kTensorLocation) && given)
      throw RefusedError{"weights that lie in another file (external data)"};
  }
}

void check_sparse(const Fields& message, std::uint32_t number) {
  for (const auto both : messages(message, number)) {
    const Fields fields = read_fields(both);
    for (const std::uint32_t inner : kSparseTensors)
      for (const auto tensor : messages(fields, inner)) check_tensor(tensor);
  }
}

// The value of a tensor that is one int64 as it lies in memory; -1: it is another.
std::int64_t number_of(const Fields& tensor) {
  const auto raw = messages(tensor, kTensorRaw);
  if (number_field(tensor, kTensorType) != kInt64 || raw.size() != 1 || raw[0].size() != 8) return -1;
  if (has_field(tensor, kTensorInt64)) return -1;
  std::int64_t value = 0;
  std::memcpy(&value, raw[0].data(), sizeof value);
  return value;
}

Rounds constants(const Fields& graph, const std::vector<Fields>& nodes) {
  Rounds found;
  for (const auto content : messages(graph, kGraphTensor)) {
    const Fields tensor = read_fields(content);
    found[text_field(tensor, kTensorName)] = number_of(tensor);
  }
  for (const Fields& node : nodes) {
    const auto attributes = messages(node, kNodeAttribute);
    if (text_field(node, kNodeKind) != "Constant" || attributes.size() != 1) continue;
    const Fields attribute = read_fields(attributes[0]);
    const auto name = text_field(attribute, kAttributeName);
    if (name == "value_int")
      found[text_field(node, kNodeOutput)] = static_cast<std::int64_t>(number_field(attribute, kAttributeInt));
    if (name == "value") found[text_field(node, kNodeOutput)] = number_of(merged(attribute, kAttributeTensor).fields);
  }
  return found;
}

std::vector<Fields> nodes_of(const Fields& graph) {
  std::vector<Fields> nodes;
  for (const auto node : messages(graph, kGraphNode)) nodes.push_back(read_fields(node));
  return nodes;
}

void check_fields(const Fields& graph, const std::vector<Fields>& nodes, const Rounds* rounds);

void check_loop(const Fields& node, const Fields& attribute, const Rounds* rounds) {
  const bool loop = text_field(node, kNodeKind) == "Loop" && text_field(node, kNodeDomain).empty();
  if (!rounds || !loop || has_field(attribute, kAttributeGraphs))
    throw RefusedError{"control flow other than a Loop over plain operators"};
  const auto inputs = messages(node, kNodeInput);
  const auto count = rounds->find(inputs.empty() ? std::string_view() : inputs.front());
  if (count == rounds->end() || count->second < 0 || count->second > kMostRounds)
    throw RefusedError{"a Loop that does not end after a written number of rounds, " + std::to_string(kMostRounds) +
                       " at most"};
  const Merged body = merged(attribute, kAttributeGraph);
  check_fields(body.fields, nodes_of(body.fields), nullptr);
}

// Tensors, attributes and loops of a graph. `rounds` is null for a Loop's body.
void check_fields(const Fields& graph, const std::vector<Fields>& nodes, const Rounds* rounds) {
  for (const auto tensor : messages(graph, kGraphTensor)) check_tensor(tensor);
  check_sparse(graph, kGraphSparse);
  for (const Fields& node : nodes) {
    for (const auto content : messages(node, kNodeAttribute)) {
      const Fields attribute = read_fields(content);
      for (const std::uint32_t number : {kAttributeTensor, kAttributeTensors})
        for (const auto tensor : messages(attribute, number)) check_tensor(tensor);
      for (const std::uint32_t number : kAttributeSparse) check_sparse(attribute, number);
      if (has_field(attribute, kAttributeGraphs) || has_field(attribute, kAttributeGraph))
        check_loop(node, attribute, rounds);
    }
  }
}

void check_model(std::string_view content) {
  const Fields model = read_fields(content);
  if (has_field(model, kModelTraining) || has_field(model, kModelFunctions))
    throw RefusedError{"a function or a training graph"};
  const Merged graph = merged(model, kModelGraph);
  const std::vector<Fields> nodes = nodes_of(graph.fields);
  const Rounds rounds = constants(graph.fields, nodes);
  check_fields(graph.fields, nodes, &rounds);
}

}  // namespace

void check_graph(const std::string& user, std::string_view content) {
  try {
    check_model(content);
  } catch (const MalformedError&) {
    throw InputError(user + ": is not an ONNX file; export the bundle again");
  } catch (const RefusedError& error) {
    throw InputError(user + ": holds " + error.what + ", which no bundle has; do not use this bundle");
  }
}

}  // namespace mapt
