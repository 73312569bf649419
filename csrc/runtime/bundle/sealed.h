// Reads the text of a manifest, which states the SHA-256 of itself; `runtime/bundle/sealed.py`.
#pragma once

#include <string>

#include "runtime/bundle/files.h"
#include "runtime/bundle/json_text.h"

namespace mapt {

// The bytes of a manifest. Throws InputError where it is not there or cannot be read.
Bytes open_manifest(const std::string& path);

// The content of a manifest, as it was written to the last byte. Throws InputError where it is none, of another format,
// or was changed.
Json read_sealed(const std::string& path, const Bytes& data);

}  // namespace mapt
