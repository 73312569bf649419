// A plugin's numbers. They are declared once, read from TensorRT's fields or refused with a reason, and written back.
#pragma once

#include <NvInferRuntime.h>

#include <string>
#include <vector>

namespace mapt_trt {

// `length` integers (int32) from `min` to `max`.
struct Field {
  const char* name;
  int32_t length, min, max;
};

class Fields {
 public:
  Fields(const Field* declared, int32_t count) : declared_(declared), count_(count) {}

  // Reads every declared field from `given`. Returns what is wrong, or an empty text. There are no defaults, because
  // those of exporter and library might differ.
  std::string read(const nvinfer1::PluginFieldCollection* given);

  // The values of all fields, in the order of their declaration.
  int32_t operator[](int32_t i) const { return values_[i]; }

  // For the plugin's serialisation; points into this object.
  const nvinfer1::PluginFieldCollection* written();

  // Names and types, for the creator.
  const nvinfer1::PluginFieldCollection* names();

 private:
  std::string read_one(const Field& field, const nvinfer1::PluginField& given);
  const nvinfer1::PluginFieldCollection* collect(bool with_values);

  const Field* declared_;
  int32_t count_;
  std::vector<int32_t> values_;
  std::vector<nvinfer1::PluginField> listed_;
  nvinfer1::PluginFieldCollection collection_;
};

// Reports what is wrong to the user's TensorRT logger.
void log_error(const std::string& message);

}  // namespace mapt_trt
