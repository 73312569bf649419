// Compares what the network gives with the contract; what breaks it never reaches the tracks.
// `runtime/perception/output_checks.py`
#pragma once

#include "runtime/core/network.h"

namespace mapt {

Status check_semantic(const Perception& seen, const ModelInfo& info);
Status check_instance(const Perception& seen, const ModelInfo& info);
Status check_logits(const float* logits, const LogitRows& wanted, const ModelInfo& info);
Status check_propagated(const float* propagated, const ModelInfo& info);
Status check_embeddings(const float* embeddings, const ModelInfo& info);

}  // namespace mapt
