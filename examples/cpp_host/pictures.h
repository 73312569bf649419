// Frames from PNG and JPEG files, with the pixels that `mapt track` reads, and labels into STEP's PNGs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pictures {

struct Picture {
  int height = 0, width = 0;
  std::vector<std::uint8_t> rgb;
};

// One frame of a folder.
struct FrameFile {
  std::string path, stem;
  std::int64_t stamp_ns = 0;
};

// The PNG and JPEG files of a folder in the order of their numbers, with their times from the first one on. Throws
// std::runtime_error where there is none.
std::vector<FrameFile> list_frames(const std::string& folder, double fps);

// Makes `out`/step/<name of the frames' folder>, and gives its path.
std::string make_folder(const std::string& out, const std::string& frames);

// A picture as 8-bit RGB, turned upright as its EXIF says. Throws std::runtime_error, which names the file.
Picture read(const std::string& path);

// R is the class, and G * 256 + B the id, of every pixel. The file appears whole or not at all.
void write_step(const std::string& path, const std::uint8_t* semantic, const std::int32_t* instance, int height,
                int width);

}  // namespace pictures
