// The functions that TensorRT's plugin registry calls when it loads this library.
#include <cstdio>

#include "tensorrt/plugin.h"

#define MAPT_EXPORT extern "C" __attribute__((visibility("default")))

namespace mapt_trt {
namespace {

nvinfer1::ILoggerFinder* logger_finder = nullptr;

}  // namespace

void log_error(const std::string& message) {
  const std::string text = "mapt: " + message;
  nvinfer1::ILogger* logger = logger_finder ? logger_finder->findLogger() : nullptr;
  if (logger) {
    logger->log(nvinfer1::ILogger::Severity::kERROR, text.c_str());
  } else {
    std::fprintf(stderr, "%s\n", text.c_str());
  }
}

}  // namespace mapt_trt

MAPT_EXPORT void setLoggerFinder(nvinfer1::ILoggerFinder* finder) { mapt_trt::logger_finder = finder; }

MAPT_EXPORT nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& count) {
  const std::vector<nvinfer1::IPluginCreatorInterface*>& all = mapt_trt::creators();
  count = static_cast<int32_t>(all.size());
  return all.data();
}
