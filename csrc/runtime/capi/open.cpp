// Opening a bundle, and what a tracker says of it.
#include <algorithm>
#include <cstring>
#include <exception>

#include "runtime/backends/choice.h"
#include "runtime/bundle/bundle.h"
#include "runtime/bundle/errors.h"
#include "runtime/bundle/json_text.h"
#include "runtime/capi/handles.h"

namespace mapt {

namespace {

std::string text_or_empty(const char* text) { return text ? text : ""; }

NetworkOptions network_options(const mapt_options& asked) {
  if (asked.threads < 0 || asked.threads > 1024)
    throw InputError("threads is " + std::to_string(asked.threads) + "; give a whole number from 1 to 1024, or 0");
  if (asked.device < MAPT_AUTO || asked.device > MAPT_CUDA)
    throw InputError("device " + std::to_string(asked.device) + " is unknown; give a mapt_device");
  NetworkOptions options;
  options.threads = asked.threads;
  options.device = static_cast<Device>(asked.device);
  options.tf32 = asked.tf32 != 0;
  options.test = asked.test != 0;
  options.cuda_graphs = asked.no_cuda_graphs == 0;
  options.onnxruntime = text_or_empty(asked.onnxruntime);
  options.operators = text_or_empty(asked.operators);
  const std::string backend = asked.backend ? asked.backend : kBackendNames[0];
  const auto* known = std::find(std::begin(kBackendNames), std::end(kBackendNames), backend);
  if (known == std::end(kBackendNames))
    throw InputError("backend " + repr_of(backend) + " is unknown; choose one of auto, ort, tensorrt");
  options.backend = static_cast<Backend>(known - kBackendNames);
  if (asked.say) options.say = [&asked](const std::string& line) { asked.say(asked.context, line.c_str()); };
  return options;
}

TrackerOptions tracker_options(const mapt_options& asked, const std::string& bundle) {
  if (asked.max_objects < 0)
    throw InputError("max_objects is " + std::to_string(asked.max_objects) + "; give at least 1, or 0 for all slots");
  TrackerOptions options;
  options.max_objects = asked.max_objects;
  options.model = bundle;
  if (!asked.association) return options;
  for (int i = 0; i < static_cast<int>(Association::kCount); ++i)
    if (std::strcmp(kAssociationNames[i], asked.association) == 0) {
      options.association = static_cast<Association>(i);
      return options;
    }
  throw InputError("association " + repr_of(asked.association) +
                   " is unknown; choose one of full, motion, appearance, iou");
}

// The folder of the input size that suits the camera's frames; of one size, the bundle.
std::string suitable(const mapt_options& asked, const BundleRequest& request, const NetworkOptions& options) {
  if (asked.frame_height == 0 && asked.frame_width == 0) return request.folder;
  if (asked.frame_height <= 0 || asked.frame_width <= 0)
    throw InputError("frame is " + std::to_string(asked.frame_height) + "x" + std::to_string(asked.frame_width) +
                     "; give height and width of the camera's frames");
  const OfferedSizes offered = read_sizes(request);
  if (!offered.several || offered.sizes.size() == 1) return request.folder;
  const Size frame{asked.frame_height, asked.frame_width};
  const Size best = rank_sizes(frame, offered.sizes).front();
  std::string others;
  for (const Size& size : offered.sizes) others += (others.empty() ? "" : ", ") + written(size);
  if (options.say) options.say("input " + written(best) + " of " + others + " for frames of " + written(frame));
  return joined(normal_path(request.folder), written(best));
}

void describe(mapt_tracker& tracker) {
  const ModelInfo& info = tracker.network->info();
  for (const std::string& name : info.classes) tracker.class_names.push_back(name.c_str());
  mapt_network& about = tracker.about;
  about.size = sizeof about;
  about.bundle = tracker.bundle.c_str();
  about.folder = tracker.folder.c_str();
  about.preset = info.preset.c_str();
  about.provider = tracker.network->provider(0);
  about.library = tracker.library.c_str();
  about.class_names = tracker.class_names.data();
  about.things = info.things.data();
  about.classes = static_cast<std::int32_t>(info.classes.size());
  about.thing_count = static_cast<std::int32_t>(info.things.size());
  about.height = info.height();
  about.width = info.width();
}

std::unique_ptr<mapt_tracker> opened(const mapt_options& asked) {
  const NetworkOptions options = network_options(asked);
  const TrackerOptions checked = tracker_options(asked, "");
  const auto library = OrtLibrary::open(options.onnxruntime);
  BundleRequest request;
  request.folder = text_or_empty(asked.bundle);
  if (asked.trust) request.trust = asked.trust;
  request.onnxruntime = library->version();
  request.folder = suitable(asked, request, options);
  request.target = engine_target(options);
  auto tracker = std::make_unique<mapt_tracker>();
  const Bundle bundle = read_bundle(request);
  tracker->bundle = bundle.id;
  tracker->folder = bundle.folder;
  tracker->library = library->version();
  tracker->network = open_network(library, bundle, options);
  tracker->tracker = std::make_unique<Tracker>(tracker->network.get(), tracker_options(asked, bundle.id));
  describe(*tracker);
  const std::int32_t slots = bundle.info.slots();
  tracker->about.max_objects = checked.max_objects ? std::min(checked.max_objects, slots) : slots;
  return tracker;
}

}  // namespace

mapt_code tell(mapt_code code, const char* text, mapt_error* error) noexcept {
  if (!error) return code;
  error->code = code;
  const std::size_t size = std::min(std::strlen(text), sizeof error->text - 1);
  std::memcpy(error->text, text, size);
  error->text[size] = '\0';
  return code;
}

mapt_code tell(const Status& status, mapt_error* error) noexcept {
  return tell(static_cast<mapt_code>(status.code), status.text, error);
}

}  // namespace mapt

static_assert(static_cast<int>(mapt::Code::kBusy) == MAPT_BUSY, "mapt_code has to number the codes as mapt::Code does");

void mapt_default_options(mapt_options* options, size_t size) {
  const size_t known = std::min(size, sizeof *options);
  std::memset(options, 0, size);
  options->size = known;
  options->test = 1;
}

mapt_code mapt_open(const mapt_options* options, mapt_tracker** tracker, mapt_error* error) {
  *tracker = nullptr;
  mapt_options asked;
  mapt_default_options(&asked, sizeof asked);
  const size_t given = options ? std::min(options->size, sizeof asked) : 0;
  if (given < sizeof options->size)
    return mapt::tell(MAPT_INPUT, "the options have no size; call mapt_default_options first", error);
  std::memcpy(&asked, options, given);
  const std::string where = asked.bundle ? asked.bundle : "the bundle";
  try {
    *tracker = mapt::opened(asked).release();
    return mapt::tell(MAPT_OK, "", error);
  } catch (const mapt::InputError& mistake) {
    return mapt::tell(MAPT_INPUT, mistake.what(), error);
  } catch (const mapt::OrtError& failure) {
    return mapt::tell(MAPT_INPUT, (where + ": cannot be loaded (" + failure.text + "); load it elsewhere").c_str(),
                      error);
  } catch (const std::exception& failure) {
    return mapt::tell(MAPT_INPUT, (where + ": cannot be loaded (" + failure.what() + "); free memory").c_str(), error);
  }
}

void mapt_close(mapt_tracker* tracker) { delete tracker; }

const mapt_network* mapt_describe(const mapt_tracker* tracker) { return &tracker->about; }

int32_t mapt_api_version(void) { return MAPT_API_VERSION; }

const char* mapt_version(void) { return "0.1.0"; }
