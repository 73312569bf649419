// A plugin's numbers: declared once, read from TensorRT's fields with a reason where they do not fit, and written back.
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

  // Takes every declared field from `given`; what is wrong, or nothing. There are no defaults, so that exporter and
  // library cannot differ in one.
  std::string read(const nvinfer1::PluginFieldCollection* given);

  // Values in the order of the declaration, one field behind the other.
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

// Says what is wrong where the user's TensorRT logger hears it.
void log_error(const std::string& message);

}  // namespace mapt_trt
