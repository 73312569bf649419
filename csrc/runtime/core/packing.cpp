#include "runtime/core/packing.h"

#include <algorithm>
#include <cstring>

#include "runtime/core/crc32.h"

namespace mapt {
namespace {

constexpr size_t kHead = 24;      // magic, kind, version, CRC, length of the header
constexpr size_t kAfterCrc = 16;  // bytes up to and with the CRC
constexpr size_t kRank = 8;       // dimensions of an array at most

template <class T>
void put(T value, uint8_t* out) {
  for (size_t i = 0; i < sizeof(T); ++i) out[i] = static_cast<uint8_t>(value >> 8 * i);
}

template <class T>
T get(const uint8_t* in) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value |= static_cast<T>(in[i]) << 8 * i;
  return value;
}

int64_t item_size(const std::string& dtype) {
  if (dtype == "uint8") return 1;
  if (dtype == "int32" || dtype == "float32") return 4;
  return dtype == "int64" || dtype == "float64" ? 8 : 0;
}

// Fills an array's type and shape from its entry of the header. Returns false where it is no entry.
bool read_entry(const Json& entry, PackedArray* array) {
  if (entry.kind != Json::kArray || entry.items.size() != 3) return false;
  const Json& shape = entry.items[2];
  if (entry.items[0].kind != Json::kString || entry.items[1].kind != Json::kString || shape.kind != Json::kArray) {
    return false;
  }
  array->name = entry.items[0].text;
  array->dtype = entry.items[1].text;
  for (const Json& side : shape.items) array->shape.push_back(side.kind == Json::kInteger ? side.integer : -1);
  return true;
}

// The bytes of an array, -1 where there cannot be so many in `size`.
int64_t checked_bytes(const PackedArray& array, int64_t size) {
  int64_t bytes = item_size(array.dtype);
  if (!bytes || array.shape.size() > kRank) return -1;
  for (const int64_t side : array.shape) {
    if (side < 0 || side > size || __builtin_mul_overflow(bytes, side, &bytes)) return -1;
  }
  return bytes;
}

}  // namespace

int64_t PackedArray::count() const {
  int64_t count = 1;
  for (const int64_t side : shape) count *= side;
  return count;
}

void Packer::add(const char* name, const char* dtype, std::vector<int64_t> shape, const void* values, int64_t item) {
  PackedArray array;
  array.name = name;
  array.dtype = dtype;
  array.shape = std::move(shape);
  array.data = static_cast<const uint8_t*>(values);
  array.bytes = array.count() * item;
  arrays_.push_back(std::move(array));
}

std::vector<uint8_t> Packer::finish(const char* kind, uint32_t version, const std::string& meta) const {
  std::string header = "{\"meta\": " + meta + ", \"arrays\": [";
  size_t size = kHead;
  for (const PackedArray& array : arrays_) {
    header += (&array == arrays_.data() ? "[\"" : ", [\"") + array.name + "\", \"" + array.dtype + "\", [";
    for (size_t i = 0; i < array.shape.size(); ++i) header += (i ? ", " : "") + std::to_string(array.shape[i]);
    header += "]]";
    size += array.bytes;
  }
  header += "]}";
  std::vector<uint8_t> out(size + header.size());
  std::memcpy(out.data(), "MAPT", 4);
  std::memcpy(out.data() + 4, kind, 4);
  put(version, out.data() + 8);
  put(static_cast<uint64_t>(header.size()), out.data() + kAfterCrc);
  uint8_t* at = std::copy(header.begin(), header.end(), out.data() + kHead);
  for (const PackedArray& array : arrays_) at = std::copy(array.data, array.data + array.bytes, at);
  put(crc32(out.data() + kAfterCrc, out.size() - kAfterCrc), out.data() + 12);
  return out;
}

const PackedArray* Unpacked::find(const char* name) const {
  for (const PackedArray& array : arrays) {
    if (array.name == name) return &array;
  }
  return nullptr;
}

std::string unpack(const char* kind, uint32_t version, const uint8_t* data, size_t size, Unpacked* out) {
  if (size < kHead || std::memcmp(data, "MAPT", 4) || std::memcmp(data + 4, kind, 4)) return "they are something else";
  const auto found = get<uint32_t>(data + 8);
  if (found != version) {
    return "they are of version " + std::to_string(found) + ", this one reads " + std::to_string(version);
  }
  if (crc32(data + kAfterCrc, size - kAfterCrc) != get<uint32_t>(data + 12)) return "they are truncated or damaged";
  const auto length = get<uint64_t>(data + kAfterCrc);
  if (length > size - kHead) return "their header is longer than they are";
  Json header;
  const char* text = reinterpret_cast<const char*>(data) + kHead;
  if (!parse_json(text, length, &header) || header.kind != Json::kObject) return "their header is malformed";
  const Json* meta = header.find("meta");
  const Json* table = header.find("arrays");
  if (!meta || meta->kind != Json::kObject || !table || table->kind != Json::kArray) return "their header is malformed";
  size_t at = kHead + length;
  for (const Json& entry : table->items) {
    PackedArray array;
    if (!read_entry(entry, &array)) return "their header is malformed";
    array.bytes = checked_bytes(array, static_cast<int64_t>(size));
    if (array.bytes < 0 || array.bytes > static_cast<int64_t>(size - at) || out->find(array.name.c_str())) {
      return "their array '" + array.name.substr(0, 40) + "' does not fit";
    }
    array.data = data + at;
    at += array.bytes;
    out->arrays.push_back(std::move(array));
  }
  if (at != size) return "there is more than their header names";
  out->meta = *meta;
  return "";
}

}  // namespace mapt
