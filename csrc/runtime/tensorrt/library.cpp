#ifdef MAPT_TENSORRT
#include "runtime/tensorrt/library.h"

#include <dlfcn.h>

#include <cstdlib>

#include "runtime/bundle/errors.h"

namespace mapt {

namespace {

constexpr char kVariable[] = "MAPT_NVINFER";

std::string library_file() {
  const char* named = std::getenv(kVariable);
  return named && *named ? named : "libnvinfer.so." + std::to_string(NV_TENSORRT_MAJOR);
}

template <class Function>
Function function(void* library, const std::string& file, const char* name) {
  const auto found = reinterpret_cast<Function>(dlsym(library, name));
  if (!found) throw InputError("TensorRT's library " + file + " lacks " + name + "; install mapt[trt]");
  return found;
}

}  // namespace

// Every error also comes back from the function that failed, so nothing is printed.
void TensorrtLog::log(Severity, const char*) noexcept {}

bool TensorrtLibrary::built(const std::string& name) const {
  return name == "tensorrt " + version || name == "tensorrt " + build;
}

TensorrtLibrary open_tensorrt_library() {
  static TensorrtLog log;  // lives as long as the library, which is never unloaded
  const std::string file = library_file();
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) throw InputError(std::string("TensorRT is not installed (") + dlerror() + "); install mapt[trt]");
  using Number = std::int32_t (*)();
  const std::int32_t number = function<Number>(library, file, "getInferLibVersion")();
  const std::int32_t major = number / 10000;
  TensorrtLibrary found;
  found.version = std::to_string(major) + "." + std::to_string(number / 100 % 100) + "." + std::to_string(number % 100);
  found.build = found.version;
  if (const auto build = reinterpret_cast<Number>(dlsym(library, "getInferLibBuildVersion")))  // newer ones have it
    found.build += "." + std::to_string(build());
  if (major != NV_TENSORRT_MAJOR)
    throw InputError("TensorRT " + found.version + " does not fit libmapt, which was built for " +
                     std::to_string(NV_TENSORRT_MAJOR) + "; use backend='ort'");
  // It is told its own version: what is called here stands in every release of its major version.
  using Create = void* (*)(void*, std::int32_t);
  const auto create = function<Create>(library, file, "createInferRuntime_INTERNAL");
  void* runtime = create(static_cast<nvinfer1::ILogger*>(&log), number);
  found.runtime.reset(static_cast<nvinfer1::IRuntime*>(runtime));
  if (!found.runtime) throw InputError("TensorRT " + found.version + " does not start on this GPU; use backend='ort'");
  return found;
}

}  // namespace mapt
#endif
