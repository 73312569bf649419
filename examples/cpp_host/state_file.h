// Where a run leaves its tracks for the next one: the last frame's time, then the bytes of mapt_save.
#pragma once

#include <mapt.h>

#include <cstdint>
#include <string>

namespace state_file {

// Lets a tracker go on from a file. Returns the time of the last frame of the run that wrote it; -1 where the path is
// empty or there is no file yet. Throws std::runtime_error where its bytes are refused.
std::int64_t restore(mapt_tracker* tracker, const std::string& path);

// Replaces the file as a whole; an empty path is none. Throws std::runtime_error where it cannot be written.
void save(const mapt_tracker* tracker, const std::string& path, std::int64_t stamp_ns);

}  // namespace state_file
