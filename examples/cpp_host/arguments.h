// The command line of mapt_host.
#pragma once

#include <string>

struct Arguments {
  std::string bundle, frames, out, state;
  std::string trust;
  bool trusted = false;  // a key was named; an empty one is a mistake, never "no key"
  double fps = 10;
  int threads = 0;  // 0: as many as cores
};

// Throws std::invalid_argument where the words are others than `usage` tells.
Arguments parse(int count, char** values);

constexpr const char* kUsage = "BUNDLE FRAMES_FOLDER OUT [--fps N] [--trust KEY] [--state FILE] [--threads N]";
