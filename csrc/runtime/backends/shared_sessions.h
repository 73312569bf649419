// Sessions that trackers of a process run at the same time, once for all of them; `runtime/sharing/shared_networks.py`.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "../../../third_party/onnxruntime/onnxruntime_c_api.h"

namespace mapt {

// Closed with the last tracker that holds it.
using SharedSession = std::shared_ptr<OrtSession>;

// The open session of a key, or a new one. The key is of everything that decides what the session gives, and how it
// runs. What `open` throws leaves nothing behind. Other threads that want a session wait.
//
// A forked child has none of them, because the threads that run them stay in its parent.
SharedSession shared_session(const std::string& key, const std::function<SharedSession()>& open);

}  // namespace mapt
