// A user's mistake, as mapt.errors has it: one line that says what is wrong, where, and what to do.
#pragma once

#include <stdexcept>
#include <string>

namespace mapt {

// Thrown while a bundle is opened. No step throws, and nothing is thrown across the C interface.
class InputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace mapt
