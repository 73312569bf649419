// Names and values that every bundle has; `runtime/bundle/format.py`.
#pragma once

namespace mapt {

constexpr int kFormat = 6;       // of a bundle with one input size
constexpr int kSizesFormat = 7;  // of a bundle with several
constexpr char kManifest[] = "manifest.json";
constexpr char kSignature[] = "manifest.sig";
constexpr char kGolden[] = "golden.npz";
constexpr char kWeights[] = "weights.safetensors";
constexpr char kParameters[] = "parameters.bin";  // what the graphs of several sizes share
constexpr int kPairLimit = (1 << 15) - 1;         // largest sum of two int8 products that every processor holds

}  // namespace mapt
