// What a call of the tracker or of a network came to: a code and one line of text. Nothing here allocates or throws.
#pragma once

#include <cstdarg>
#include <cstdio>

namespace mapt {

// The errors of `runtime/errors.py`, one code a class.
enum class Code {
  kOk = 0,
  kInput,    // InputError: the caller's image or deadline
  kStamp,    // StampError
  kState,    // StateError: saved bytes that cannot be restored
  kStep,     // StepError: no memory, ids used up
  kBackend,  // BackendError: a subgraph failed
  kOutput,   // OutputError: a subgraph's output breaks the contract
  kBusy,     // BusyError: another thread is in `step`, `reset` or `restore`
};

struct Status {
  static constexpr int kRoom = 512;  // bytes of a message; a longer one is cut

  Code code = Code::kOk;
  char text[kRoom] = "";

  bool ok() const { return code == Code::kOk; }

  // A status with a message, as printf writes it.
  __attribute__((format(printf, 2, 3))) static Status of(Code code, const char* format, ...) {
    Status status;
    status.code = code;
    va_list values;
    va_start(values, format);
    std::vsnprintf(status.text, kRoom, format, values);
    va_end(values);
    return status;
  }
};

}  // namespace mapt
