#include "arguments.h"

#include <cstdlib>
#include <stdexcept>

Arguments parse(int count, char** values) {
  Arguments found;
  std::string* const places[] = {&found.bundle, &found.frames, &found.out};
  int place = 0;
  for (int i = 1; i < count; ++i) {
    const std::string word = values[i];
    const char* next = i + 1 < count ? values[i + 1] : "";
    if (word.rfind("--", 0) != 0 && place < 3) {
      *places[place++] = word;
      continue;
    }
    ++i;  // the others have a value
    if (word == "--fps" && (found.fps = std::atof(next)) > 0) continue;
    if (word == "--threads" && (found.threads = std::atoi(next)) > 0) continue;
    if (word == "--state" && *next) {
      found.state = next;
    } else if (word == "--trust" && i < count) {
      found.trusted = true;
      found.trust = next;
    } else {
      throw std::invalid_argument(word);
    }
  }
  if (place < 3) throw std::invalid_argument("usage");
  return found;
}
