// SHA-256 (FIPS 180-4), with the processor's instructions where it has them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace mapt {

class Sha256 {
 public:
  Sha256& update(std::string_view data);
  // The digest in hexadecimal. Nothing may be added after it.
  std::string hex();

 private:
  void compress(const unsigned char* blocks, std::size_t count);

  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> block_{};
  std::size_t held_ = 0;     // bytes of `block_`
  std::uint64_t total_ = 0;  // bytes in all
};

inline std::string sha256_hex(std::string_view data) { return Sha256().update(data).hex(); }

// The same without the processor's instructions, for tests.
std::string sha256_hex_portable(std::string_view data);

}  // namespace mapt
