// Ed25519 signatures of a manifest, which names the hash of every other file; `runtime/bundle/signature.py`.
#pragma once

#include <string>
#include <string_view>

namespace mapt {

// Checks that the owner of a public Ed25519 key (PEM) signed `content`, the bytes of the file `path`. OpenSSL's
// libcrypto is loaded for it. Throws InputError: no signature, another's or a damaged one, not a key, or no libcrypto.
void check_signature(std::string_view content, const std::string& path, const std::string& trust,
                     const std::string& signature);

}  // namespace mapt
