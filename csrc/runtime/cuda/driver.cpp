#include "runtime/cuda/driver.h"

#include <dlfcn.h>

#include "runtime/backends/device_memory.h"

namespace mapt {

namespace {

constexpr char kLibrary[] = "libcuda.so.1";
constexpr int kCapabilityMajor = 75, kCapabilityMinor = 76;  // CUdevice_attribute

CudaDriver load() {
  void* library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);  // never unloaded
  if (!library) throw DeviceError{std::string("NVIDIA's driver is not installed (") + dlerror() + ")"};
  CudaDriver driver;
#define MAPT_LOOK_UP(symbol, name, parameters)                                   \
  driver.name = reinterpret_cast<decltype(driver.name)>(dlsym(library, symbol)); \
  if (!driver.name) throw DeviceError{"NVIDIA's driver is too old, it lacks " symbol};
  MAPT_CUDA_FUNCTIONS(MAPT_LOOK_UP)
#undef MAPT_LOOK_UP
  return driver;
}

}  // namespace

std::string CudaDriver::text_of(CuResult result) const {
  if (result == 0) return "";
  const char* text = nullptr;
  error_string(result, &text);
  return text ? text : "unknown error";
}

const CudaDriver& cuda_driver() {
  static const CudaDriver driver = load();
  int count = 0;
  CuResult result = driver.init(0);
  if (result == 0) result = driver.device_count(&count);
  if (result != 0) throw DeviceError{"NVIDIA's driver gives no GPU (" + driver.text_of(result) + ")"};
  if (count == 0) throw DeviceError{"NVIDIA's driver finds no GPU"};
  return driver;
}

std::string cuda_target() {
  const CudaDriver& driver = cuda_driver();
  int major = 0, minor = 0;
  CuResult result = driver.device_attribute(&major, kCapabilityMajor, 0);
  if (result == 0) result = driver.device_attribute(&minor, kCapabilityMinor, 0);
  if (result != 0) throw DeviceError{"NVIDIA's driver does not tell the GPU's kind (" + driver.text_of(result) + ")"};
  return "sm" + std::to_string(major) + std::to_string(minor);
}

}  // namespace mapt
