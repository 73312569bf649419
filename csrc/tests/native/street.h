// Frames of objects that move over a street: what a network would say of them, for programs without Python.
#pragma once

#include <random>
#include <vector>

#include "tests/native/scripted.h"

namespace scripted {

// A description of a network of this size, with three classes of which two are things.
mapt::ModelInfo street_info(int32_t height, int32_t width, int32_t slots);

class Street {
 public:
  Street(const mapt::ModelInfo& info, int32_t objects, unsigned seed);

  // The next frame, valid until the one after it.
  const Script& next();

 private:
  struct Object {
    float x, y, width, height, speed;
    int32_t label;
  };

  void draw(int32_t row, const Object& object);

  const mapt::ModelInfo& info_;
  std::mt19937 random_;
  std::vector<Object> objects_;
  std::vector<uint8_t> pixels_, labels_;
  std::vector<float> margins_, logits_, features_, boxes_, scores_, mask_logits_, masks8_, noise_, embeddings_;
  std::vector<int32_t> classes_;
  Script script_;
};

}  // namespace scripted
