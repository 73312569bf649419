#include "tensorrt/fields.h"

#include <cstring>

namespace mapt_trt {

using nvinfer1::PluginField;
using nvinfer1::PluginFieldCollection;
using nvinfer1::PluginFieldType;

std::string Fields::read(const PluginFieldCollection* given) {
  values_.clear();
  const int32_t count = given ? given->nbFields : 0;
  for (int32_t i = 0; i < count; ++i) {
    bool known = false;
    for (int32_t k = 0; k < count_; ++k) known |= std::strcmp(declared_[k].name, given->fields[i].name) == 0;
    if (!known) return std::string("has no field ") + given->fields[i].name;
  }
  for (int32_t k = 0; k < count_; ++k) {
    const PluginField* found = nullptr;
    for (int32_t i = 0; i < count; ++i) {
      if (std::strcmp(declared_[k].name, given->fields[i].name) != 0) continue;
      if (found) return std::string("field ") + declared_[k].name + " is there twice";
      found = given->fields + i;
    }
    if (!found) return std::string("field ") + declared_[k].name + " is missing";
    const std::string wrong = read_one(declared_[k], *found);
    if (!wrong.empty()) return wrong;
  }
  return "";
}

std::string Fields::read_one(const Field& field, const PluginField& given) {
  const std::string name = std::string("field ") + field.name;
  if (given.type != PluginFieldType::kINT32 || given.data == nullptr) return name + " is no int32";
  if (given.length != field.length) {
    return name + " has " + std::to_string(given.length) + " numbers, not " + std::to_string(field.length);
  }
  const int32_t* values = static_cast<const int32_t*>(given.data);
  for (int32_t i = 0; i < field.length; ++i) {
    if (values[i] < field.min) {
      return name + " is " + std::to_string(values[i]) + ", below " + std::to_string(field.min);
    }
    if (values[i] > field.max) {
      return name + " is " + std::to_string(values[i]) + ", above " + std::to_string(field.max);
    }
    values_.push_back(values[i]);
  }
  return "";
}

const PluginFieldCollection* Fields::written() { return collect(true); }
const PluginFieldCollection* Fields::names() { return collect(false); }

const PluginFieldCollection* Fields::collect(bool with_values) {
  listed_.clear();
  int32_t at = 0;
  for (int32_t k = 0; k < count_; at += declared_[k++].length) {
    listed_.emplace_back(declared_[k].name, with_values ? values_.data() + at : nullptr, PluginFieldType::kINT32,
                         with_values ? declared_[k].length : 0);
  }
  collection_.nbFields = count_;
  collection_.fields = listed_.data();
  return &collection_;
}

}  // namespace mapt_trt
