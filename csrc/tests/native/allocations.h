// Counts the program's allocations.
#pragma once

namespace scripted {

// How often memory was asked for since the start. Under a sanitizer, which has its own allocator, always 0.
long allocations();

}  // namespace scripted
