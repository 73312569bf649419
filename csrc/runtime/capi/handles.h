// What stands behind the handles of mapt.h, and how a status becomes an error.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mapt.h"
#include "runtime/core/tracker.h"

struct mapt_frame {
  mapt::Frame frame;
  std::vector<mapt_track> tracks;
  std::vector<mapt_decision> decisions;
  mapt_labels labels{};
};

struct mapt_tracker {
  std::unique_ptr<mapt::Network> network;
  std::unique_ptr<mapt::Tracker> tracker;
  std::vector<uint8_t> record;  // the bytes that were given last
  std::string bundle, folder, library;
  std::vector<const char*> class_names;
  mapt_network about{};
};

namespace mapt {

// Writes a message, which may be cut, and gives the code.
mapt_code tell(mapt_code code, const char* text, mapt_error* error) noexcept;
mapt_code tell(const Status& status, mapt_error* error) noexcept;

}  // namespace mapt
