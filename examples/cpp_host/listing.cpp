#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <stdexcept>

#include "pictures.h"

namespace pictures {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_number(const std::string& text) { return !text.empty() && std::all_of(text.begin(), text.end(), is_digit); }

// A number of any length without the zeros in front of it.
std::string significant(const std::string& digits) {
  const std::size_t first = digits.find_first_not_of('0');
  return first == std::string::npos ? "" : digits.substr(first);
}

bool smaller_number(const std::string& a, const std::string& b) {
  const std::string left = significant(a), right = significant(b);
  return left.size() != right.size() ? left.size() < right.size() : left < right;
}

// Names as people count: 2.png before 10.png.
bool natural_less(const std::string& a, const std::string& b) {
  for (std::size_t i = 0, j = 0;;) {
    const auto run = [](const std::string& text, std::size_t at, bool digits) {
      std::size_t end = at;
      while (end < text.size() && is_digit(text[end]) == digits) ++end;
      return text.substr(at, end - at);
    };
    for (const bool digits : {false, true}) {
      const std::string left = run(a, i, digits), right = run(b, j, digits);
      i += left.size();
      j += right.size();
      if (digits && smaller_number(left, right)) return true;
      if (digits && smaller_number(right, left)) return false;
      if (left != right) return left < right;
    }
    if (i >= a.size() || j >= b.size()) return i >= a.size() && j < b.size();
  }
}

bool is_picture(const std::string& name) {
  std::string suffix = name.substr(std::min(name.size(), name.rfind('.')));
  for (char& c : suffix) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name[0] != '.' && (suffix == ".png" || suffix == ".jpg" || suffix == ".jpeg");
}

// Numbered frames by number, before those that have only a name.
bool frame_less(const FrameFile& a, const FrameFile& b) {
  if (is_number(a.stem) != is_number(b.stem)) return is_number(a.stem);
  if (is_number(a.stem) && (smaller_number(a.stem, b.stem) || smaller_number(b.stem, a.stem)))
    return smaller_number(a.stem, b.stem);
  return natural_less(a.path, b.path);
}

// The part of a name in front of its last number.
std::string head_of(const std::string& stem) { return stem.substr(0, stem.find_last_not_of("0123456789") + 1); }

// The unit in ns of names that are all times since 1970 of one length; 0: they are not.
std::int64_t unix_unit(const std::vector<FrameFile>& frames) {
  const std::size_t digits = frames[0].stem.size();
  const bool all = std::all_of(frames.begin(), frames.end(), [&](const FrameFile& frame) {
    return is_number(frame.stem) && frame.stem.size() == digits;
  });
  if (!all) return 0;
  return digits == 19 ? 1 : digits == 16 ? 1'000 : digits == 13 ? 1'000'000 : 0;
}

}  // namespace

std::vector<FrameFile> list_frames(const std::string& folder, double fps) {
  std::vector<FrameFile> frames;
  DIR* open = opendir(folder.c_str());
  if (!open) throw std::runtime_error(folder + ": cannot be read; give a folder of frames");
  while (const dirent* entry = readdir(open)) {
    const std::string name = entry->d_name;
    if (is_picture(name) && entry->d_type != DT_DIR)
      frames.push_back({folder + "/" + name, name.substr(0, name.rfind('.')), 0});
  }
  closedir(open);
  if (frames.empty()) throw std::runtime_error(folder + ": holds no .png, .jpg, .jpeg files; give a folder of frames");
  std::sort(frames.begin(), frames.end(), frame_less);
  const std::string head = head_of(frames[0].stem);
  const bool numbered = std::all_of(frames.begin(), frames.end(), [&](const FrameFile& frame) {
    return head_of(frame.stem) == head && frame.stem.size() > head.size() && frame.stem.size() < head.size() + 20;
  });
  const std::int64_t unit = unix_unit(frames);
  std::vector<std::int64_t> numbers;
  for (std::size_t i = 0; i < frames.size(); ++i)
    numbers.push_back(numbered ? std::stoll(frames[i].stem.substr(head.size())) : static_cast<std::int64_t>(i));
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (i && frames[i].stem == frames[i - 1].stem)
      throw std::runtime_error(folder + ": has frame " + frames[i].stem + " in two formats; remove all but one");
    const std::int64_t since = numbers[i] - numbers[0];
    frames[i].stamp_ns = unit ? since * unit : static_cast<std::int64_t>(std::nearbyint(since * 1e9 / fps));
  }
  return frames;
}

std::string make_folder(const std::string& out, const std::string& frames) {
  char real[PATH_MAX];
  if (!realpath(frames.c_str(), real)) throw std::runtime_error(frames + ": cannot be read; give a folder of frames");
  std::string home = real;
  if (home.size() > 5 && home.compare(home.size() - 5, 5, "/img1") == 0) home.resize(home.size() - 5);  // MOTChallenge
  const std::string folder = out + "/step" + home.substr(home.rfind('/'));
  for (std::size_t at = folder.find('/', 1); at != std::string::npos; at = folder.find('/', at + 1))
    mkdir(folder.substr(0, at).c_str(), 0777);
  struct stat about{};
  mkdir(folder.c_str(), 0777);
  if (stat(folder.c_str(), &about) != 0 || !S_ISDIR(about.st_mode))
    throw std::runtime_error(folder + ": cannot be made; choose another folder");
  return folder;
}

}  // namespace pictures
