#include "runtime/bundle/signature.h"

#include <dlfcn.h>

#include <array>
#include <cstring>

#include "runtime/bundle/errors.h"
#include "runtime/bundle/files.h"

namespace mapt {

namespace {

constexpr char kHowToMake[] =
    "openssl genpkey -algorithm ed25519 -out key.pem; openssl pkey -in key.pem -pubout -out trusted.pem";
constexpr char kBegin[] = "-----BEGIN PUBLIC KEY-----";
constexpr char kEnd[] = "-----END PUBLIC KEY-----";
constexpr int kEd25519 = 1087;  // OpenSSL's number of the algorithm
// What stands in front of the 32 bytes of such a key (RFC 8410).
constexpr unsigned char kHeader[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
constexpr std::size_t kKeySize = 32, kSignatureSize = 64;

// The bytes of base64 text with white space in it; empty where it is none.
std::string from_base64(std::string_view text) {
  std::string out;
  unsigned bits = 0;
  int held = 0;
  for (const char c : text) {
    if (std::strchr(" \t\r\n=", c)) continue;
    constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char* digit = std::strchr(kDigits, c);
    if (!c || !digit) return "";
    bits = bits << 6 | static_cast<unsigned>(digit - kDigits);
    held += 6;
    if (held >= 8) out += static_cast<char>(bits >> (held -= 8));
  }
  return out;
}

std::string read_public_key(const std::string& key) {
  if (name_of(normal_path(key)).empty())
    throw InputError("the trusted key is an empty path; name a public key's file, or ask for no signature");
  Bytes text;
  try {
    text = read_regular(key, [&](std::size_t size) {
      if (size > 1 << 20) throw FileError{"it is too large for a key"};
    });
  } catch (const FileError& error) {
    throw InputError(key + ": cannot be read (" + error.reason + "); give a public key: " + kHowToMake);
  }
  const std::size_t begin = text.find(kBegin), end = text.find(kEnd);
  const bool framed = begin != Bytes::npos && end != Bytes::npos && begin < end;
  const std::string der =
      framed ? from_base64(std::string_view(text).substr(begin + sizeof kBegin - 1, end - begin - sizeof kBegin + 1))
             : "";
  if (der.empty()) throw InputError(key + ": is not a public key (no PEM of one); make one: " + kHowToMake);
  if (der.size() != sizeof kHeader + kKeySize || std::memcmp(der.data(), kHeader, sizeof kHeader) != 0)
    throw InputError(key + ": is not an Ed25519 key; make one: " + kHowToMake);
  return der.substr(sizeof kHeader);
}

// The functions of libcrypto that check a signature. They are the same in OpenSSL 1.1.1 and 3.
class Crypto {
 public:
  explicit Crypto(const std::string& user) {
    for (const char* name : {"libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so"})
      if ((library_ = dlopen(name, RTLD_NOW | RTLD_LOCAL))) break;
    const bool whole = library_ && load(new_key_, "EVP_PKEY_new_raw_public_key") && load(free_key_, "EVP_PKEY_free") &&
                       load(new_context_, "EVP_MD_CTX_new") && load(free_context_, "EVP_MD_CTX_free") &&
                       load(start_, "EVP_DigestVerifyInit") && load(verify_, "EVP_DigestVerify");
    if (!whole) throw InputError(user + ": signatures need OpenSSL's libcrypto; install libssl3, or leave out the key");
  }

  bool verify(const std::string& key, std::string_view signature, std::string_view content) const {
    const auto bytes = [](std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); };
    void* owner = new_key_(kEd25519, nullptr, bytes(key), key.size());
    void* context = new_context_();
    const bool good = owner && context && start_(context, nullptr, nullptr, nullptr, owner) == 1 &&
                      verify_(context, bytes(signature), signature.size(), bytes(content), content.size()) == 1;
    free_context_(context);
    free_key_(owner);
    return good;
  }

 private:
  template <class Function>
  bool load(Function*& function, const char* name) {
    function = reinterpret_cast<Function*>(dlsym(library_, name));
    return function != nullptr;
  }

  void* library_ = nullptr;  // stays loaded, as OpenSSL wants it
  void* (*new_key_)(int, void*, const unsigned char*, std::size_t) = nullptr;
  void (*free_key_)(void*) = nullptr;
  void* (*new_context_)() = nullptr;
  void (*free_context_)(void*) = nullptr;
  int (*start_)(void*, void**, const void*, void*, void*) = nullptr;
  int (*verify_)(void*, const unsigned char*, std::size_t, const unsigned char*, std::size_t) = nullptr;
};

}  // namespace

void check_signature(std::string_view content, const std::string& path, const std::string& trust,
                     const std::string& signature) {
  const std::string key = read_public_key(trust);
  const Crypto crypto(trust);
  Bytes given;
  try {
    if (!is_file(signature))
      throw InputError(signature +
                       ": is missing, the bundle is not signed; export it with --sign, or leave out --trust");
    given = read_regular(signature);
  } catch (const FileError& error) {
    throw InputError(signature + ": cannot be read (" + error.reason + "); check its permissions");
  }
  if (given.size() != kSignatureSize || !crypto.verify(key, given, content))
    throw InputError(path + ": was not signed by the owner of " + trust +
                     ", or was changed since; do not use this bundle");
}

}  // namespace mapt
