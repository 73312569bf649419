// The five subgraphs on ONNX Runtime, with every tensor in a buffer that is laid out once.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "runtime/backends/ort_sessions.h"
#include "runtime/backends/resize.h"
#include "runtime/core/network.h"

namespace mapt {

class OrtNetwork final : public Network {
 public:
  // Throws InputError; see `OrtSessions` and `self_test`.
  OrtNetwork(std::shared_ptr<const OrtLibrary> library, const Bundle& bundle, const NetworkOptions& options);

  const ModelInfo& info() const override { return info_; }
  Status prepare(const Image& image, const Letterbox& letterbox, const uint8_t** pixels) noexcept override;
  Status backbone() noexcept override;
  Status semantic(int features, Perception* seen) noexcept override;
  Status instance(Perception* seen) noexcept override;
  Status logits(const float** planes) noexcept override;
  Status motion(const MotionCall& call, const float** propagated) noexcept override;
  Status appearance(const AppearanceCall& call, const float** embeddings) noexcept override;
  Status read_features(int slot, float* out) noexcept override;
  Status write_features(int slot, const float* in) noexcept override;
  const char* provider(int) const noexcept override { return sessions_.provider(); }

 private:
  // A tensor of the contract.
  struct Named {
    const char* name;
    Shape shape;
    Tensor tensor;
  };

  // What a session is given: where each tensor of the contract lies.
  struct Bound {
    std::vector<Tensor*> tensors;
    std::vector<OrtValue*> values;
  };

  void lay_out();
  Tensor& named(const TensorSpec& spec);
  // Tensors of a subgraph by name.
  Tensor* input(Subgraph subgraph, const char* name) noexcept;
  Tensor* output(Subgraph subgraph, const char* name) noexcept;
  // Lets a subgraph read or write another buffer under that name.
  void bind_input(Subgraph subgraph, const char* name, const Tensor& tensor) noexcept;
  void bind_output(Subgraph subgraph, const char* name, const Tensor& tensor) noexcept;
  // Tells a head which detections a call is about.
  void select(Subgraph subgraph, const std::int32_t* rows) noexcept;
  Status run(Subgraph subgraph) noexcept;
  Status check(Subgraph subgraph, const char* name, const Tensor& tensor) const noexcept;

  ModelInfo info_;
  OrtSessions sessions_;
  std::deque<Named> tensors_;
  std::vector<Tensor> features_;    // s of kFeatureSlots frames
  std::vector<Tensor> propagated_;  // f_p of every chunk of detections
  Bound inputs_[kSubgraphCount];
  Bound outputs_[kSubgraphCount];
  LinearResize resize_;
};

}  // namespace mapt
