// Any bytes as the parts of a bundle: they are read, or refused with one line. Built by `make fuzz`.
//
// The first byte of an input chooses the part. A manifest's own SHA-256 is left out, which no fuzzer gets past.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "runtime/bundle/errors.h"
#include "runtime/bundle/golden.h"
#include "runtime/bundle/graph_check.h"
#include "runtime/bundle/parameters.h"
#include "runtime/bundle/requirements.h"
#include "runtime/bundle/sealed.h"
#include "runtime/bundle/values.h"

namespace {

void read_manifest(const std::string& text) {
  mapt::Json values;
  try {
    values = mapt::parse_json(text);
  } catch (const std::runtime_error&) {
    return;
  }
  mapt::canonical(values);
  if (!values.is_object() || !values.contains("format")) return;
  const mapt::SizesManifest manifest = mapt::parse_manifest("manifest.json", values);
  for (const mapt::Manifest& entry : manifest.inputs) {
    mapt::read_model_info(entry);
    mapt::read_requirements(entry.needed);
    mapt::check_pair_sums("manifest.json", entry);
  }
}

void read_golden(const std::string& archive) {
  mapt::read_arrays(archive, {{"image", {"uint8", {1, 4, 6, 3}}}, {"boxes", {"float32", {2, 4}}}});
}

void restore_graph(const std::string& data) {
  const std::string parameters(4096, 'w');
  const std::string graph = mapt::restore_parameters("graph.onnx", data, parameters);
  if (graph.size() > 3 * (data.size() + parameters.size())) std::abort();  // a small file must not become a large one
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    switch (data[0] % 4) {
      case 0:
        read_manifest(rest);
        break;
      case 1:
        mapt::check_graph("graph.onnx", rest);
        break;
      case 2:
        restore_graph(rest);
        break;
      default:
        read_golden(rest);
    }
  } catch (const mapt::InputError& error) {
    if (std::string(error.what()).find('\n') != std::string::npos) std::abort();  // more than one line
  } catch (const mapt::ValueError&) {
  }
  return 0;
}
