// What ONNX Runtime and `runtime/ort.py` call.
#include "operators.h"

#define MAPT_EXPORT extern "C" __attribute__((visibility("default")))

// Of the domain `mapt`, as the nodes in mapt/ops/nodes.py write it; raised with any change of their meaning.
MAPT_EXPORT int64_t mapt_operator_version() { return 1; }

MAPT_EXPORT OrtStatus* ORT_API_CALL RegisterCustomOps(OrtSessionOptions* options, const OrtApiBase* base) {
  using namespace mapt_ort;
  api = base->GetApi(kApiVersion);
  if (api == nullptr) {
    const std::string text =
        std::string("MAPT's operators need ONNX Runtime 1.20 or newer, this is ") + base->GetVersionString();
    return base->GetApi(1)->CreateStatus(ORT_FAIL, text.c_str());
  }
  return guarded("library", [&] {
    OrtCustomOpDomain* domain = nullptr;
    check(api->CreateCustomOpDomain("mapt", &domain));  // the options point to it, so it stays
    for (const OrtCustomOp* op : {deform_conv2d(), multiscale_roi_align(), propagate_masks(), propagated_features()}) {
      check(api->CustomOpDomain_Add(domain, op));
    }
    check(api->AddCustomOpDomain(options, domain));
  });
}
