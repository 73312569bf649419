// The functions that ONNX Runtime and `runtime/backends/ort.py` call.
#include "onnxruntime/custom_op.h"

#define MAPT_EXPORT extern "C" __attribute__((visibility("default")))

// The version of the domain `mapt`. Raise it here and in mapt/ops/nodes.py when the meaning of an existing node
// changes.
MAPT_EXPORT int64_t mapt_operator_version() { return 1; }

// ONNX Runtime's names of the providers for which the library has operators, separated by commas.
MAPT_EXPORT const char* mapt_operator_providers() {
  static const std::string names = [] {
    std::string found;
    mapt_ort::for_each_device([&](auto device) {
      const char* name = decltype(device)::kProvider;
      found += (found.empty() ? "" : ",") + std::string(name ? name : "CPUExecutionProvider");
    });
    return found;
  }();
  return names.c_str();
}

namespace {

OrtCustomOpDomain* make_domain(const OrtApi* found) {
  using namespace mapt_ort;
  api = found;
  OrtCustomOpDomain* domain = nullptr;
  check(api->CreateCustomOpDomain("mapt", &domain));
  for (const OrtCustomOp* op : custom_ops()) check(api->CustomOpDomain_Add(domain, op));
  return domain;
}

}  // namespace

MAPT_EXPORT OrtStatus* ORT_API_CALL RegisterCustomOps(OrtSessionOptions* options, const OrtApiBase* base) {
  using namespace mapt_ort;
  static const OrtApi* const found = base->GetApi(kApiVersion);
  if (found == nullptr) {
    const std::string text =
        std::string("MAPT's operators need ONNX Runtime 1.20 or newer, this is ") + base->GetVersionString();
    return base->GetApi(1)->CreateStatus(ORT_FAIL, text.c_str());
  }
  return guarded("library", [&] {
    static OrtCustomOpDomain* const domain = make_domain(found);  // sessions point to it, so it stays
    check(api->AddCustomOpDomain(options, domain));
  });
}
