// Names of files that every bundle has; `runtime/bundle/format.py`. Format numbers are in core/contract.h.
#pragma once

namespace mapt {

constexpr char kManifest[] = "manifest.json";
constexpr char kSignature[] = "manifest.sig";
constexpr char kGolden[] = "golden.npz";
constexpr char kWeights[] = "weights.safetensors";
constexpr char kParameters[] = "parameters.bin";  // what the graphs of several sizes share

}  // namespace mapt
