#include "runtime/backends/ort_library.h"

#include <dlfcn.h>
#include <glob.h>

#include <cstdlib>
#include <map>
#include <mutex>

#include "runtime/bundle/errors.h"
#include "runtime/bundle/files.h"

namespace mapt {

namespace {

constexpr std::uint32_t kOldest = 20;  // the interface of 1.20, the oldest release that is supported
constexpr char kVariable[] = "MAPT_ONNXRUNTIME";
constexpr char kTelemetry[] = "ORT_DISABLE_TELEMETRY";

// The folder of the library or program that this code is in.
std::string own_folder() {
  Dl_info about{};
  if (dladdr(reinterpret_cast<void*>(&own_folder), &about) == 0 || !about.dli_fname) return ".";
  return parent_of(about.dli_fname);
}

// Files that fit a pattern, the last version first.
std::vector<std::string> matching(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> files;
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0)
    for (std::size_t i = found.gl_pathc; i-- > 0;) files.emplace_back(found.gl_pathv[i]);
  globfree(&found);
  return files;
}

// What to do where a library does not load.
std::string advice(const std::string& said) {
  for (const char* sign : {"failed to map segment", "annot allocate memory"})
    if (said.find(sign) != std::string::npos) return "free memory";
  return std::string("install onnxruntime, or name the file with ") + kVariable;
}

std::vector<std::string> places(const std::string& path) {
  if (!path.empty()) return {path};
  const char* named = std::getenv(kVariable);
  if (named && *named) return {named};
  std::vector<std::string> all;
  const std::string here = own_folder();
  for (const std::string& folder : {here, here + "/../../onnxruntime/capi"})
    for (const std::string& file : matching(folder + "/libonnxruntime.so*")) all.push_back(file);
  all.emplace_back("libonnxruntime.so.1");
  all.emplace_back("libonnxruntime.so");
  return all;
}

}  // namespace

std::shared_ptr<const OrtLibrary> OrtLibrary::open(const std::string& path) {
  static std::mutex lock;
  static std::map<std::string, std::shared_ptr<const OrtLibrary>> opened;  // libraries are never unloaded
  const std::lock_guard<std::mutex> held(lock);
  // Unless somebody wants them, ONNX Runtime shall write no device id and no reports into the user's folders.
  setenv(kTelemetry, "1", 0);
  std::string said;
  void* handle = nullptr;
  std::string taken;
  for (const std::string& place : places(path)) {
    handle = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
    taken = place;
    if (handle) break;
    if (said.empty()) said = dlerror();
  }
  if (!handle) throw InputError("ONNX Runtime's library does not load (" + said + "); " + advice(said));
  auto& known = opened[taken];
  if (known) return known;
  using GetBase = const OrtApiBase* (*)();
  const auto get_base = reinterpret_cast<GetBase>(dlsym(handle, "OrtGetApiBase"));
  if (!get_base) throw InputError(taken + ": is not ONNX Runtime's library; name another file with " + kVariable);
  std::shared_ptr<OrtLibrary> library(new OrtLibrary);
  library->path_ = taken;
  library->base_ = get_base();
  library->version_ = library->base_->GetVersionString();
  library->api_ = library->base_->GetApi(kOldest);
  if (!library->api_)
    throw InputError(taken + ": is ONNX Runtime " + library->version_ + ", 1.20 or newer is needed; update it");
  try {
    library->check(library->api_->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "mapt", &library->environment_));
  } catch (const OrtError& error) {
    throw InputError(taken + ": ONNX Runtime does not start (" + error.text + "); start the process again");
  }
  return known = library;
}

std::vector<std::string> OrtLibrary::providers() const {
  char** names = nullptr;
  int count = 0;
  check(api_->GetAvailableProviders(&names, &count));
  const std::vector<std::string> found(names, names + count);
  check(api_->ReleaseAvailableProviders(names, count));
  return found;
}

bool OrtLibrary::well(OrtStatus* status, std::string* said) const {
  if (!status) return true;
  if (said) *said = brief(api_->GetErrorMessage(status));
  api_->ReleaseStatus(status);
  return false;
}

void OrtLibrary::check(OrtStatus* status) const {
  std::string said;
  if (!well(status, &said)) throw OrtError{said};
}

std::string brief(const std::string& text) {
  const std::size_t cuda = text.find("CUDA failure ");
  const std::size_t begin = cuda == std::string::npos ? 0 : cuda;
  std::string part = text.substr(begin, text.find_first_of(cuda == std::string::npos ? "\n" : ";\n", begin) - begin);
  const std::size_t end = part.find_last_not_of(' ');
  part.resize(end == std::string::npos ? 0 : end + 1);
  return part.empty() ? "no message" : part;
}

}  // namespace mapt
