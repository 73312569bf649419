#include "runtime/bundle/golden.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "runtime/bundle/values.h"

namespace mapt {

namespace {

constexpr std::size_t kHeader = 256;  // bytes in front of an array, at most: NumPy takes 128
constexpr std::uint32_t kEndMark = 0x06054b50, kEntryMark = 0x02014b50, kLocalMark = 0x04034b50;
constexpr std::size_t kEndSize = 22, kEntrySize = 46, kLocalSize = 30;
constexpr std::uint32_t kStored = 0, kDeflated = 8;

[[noreturn]] void damaged(const char* what) { throw ValueError(what, "BadZipFile"); }

// A number of `size` bytes at a place, lowest byte first.
std::uint32_t number(std::string_view data, std::size_t at, std::size_t size) {
  if (at > data.size() || data.size() - at < size) damaged("the file ends too early");
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size; ++i)
    value |= static_cast<std::uint32_t>(static_cast<unsigned char>(data[at + i])) << (8 * i);
  return value;
}

std::string_view part(std::string_view data, std::size_t at, std::size_t size) {
  if (at > data.size() || data.size() - at < size) damaged("the file ends too early");
  return data.substr(at, size);
}

struct Entry {
  std::string name;
  std::uint32_t method, crc, packed, size, offset;
};

std::vector<Entry> directory(std::string_view archive) {
  if (archive.size() < kEndSize) damaged("File is not a zip file");
  std::size_t end = archive.size() - kEndSize;
  const std::size_t lowest = end > 65535 ? end - 65535 : 0;
  while (number(archive, end, 4) != kEndMark) {
    if (end == lowest) damaged("File is not a zip file");
    --end;
  }
  const std::uint32_t count = number(archive, end + 10, 2);
  std::size_t at = number(archive, end + 16, 4);
  std::vector<Entry> found;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (number(archive, at, 4) != kEntryMark) damaged("Bad magic number for central directory");
    const std::uint32_t name = number(archive, at + 28, 2);
    found.push_back({std::string(part(archive, at + kEntrySize, name)), number(archive, at + 10, 2),
                     number(archive, at + 16, 4), number(archive, at + 20, 4), number(archive, at + 24, 4),
                     number(archive, at + 42, 4)});
    at += kEntrySize + name + number(archive, at + 30, 2) + number(archive, at + 32, 2);
  }
  return found;
}

std::string inflated(std::string_view packed, std::size_t size) {
  std::string out(size, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) damaged("no memory to unpack it");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = inflate(&stream, Z_FINISH);
  const bool whole = result == Z_STREAM_END && stream.total_out == size;
  inflateEnd(&stream);
  if (!whole) damaged("its data is damaged");
  return out;
}

std::string unpacked(std::string_view archive, const Entry& entry) {
  if (number(archive, entry.offset, 4) != kLocalMark) damaged("Bad magic number for file header");
  const std::size_t begin = std::size_t{entry.offset} + kLocalSize + number(archive, entry.offset + 26, 2) +
                            number(archive, entry.offset + 28, 2);
  const std::string_view packed = part(archive, begin, entry.packed);
  if (entry.method == kStored && entry.packed != entry.size) damaged("its sizes differ");
  std::string data = entry.method == kStored ? std::string(packed) : inflated(packed, entry.size);
  if (crc32(0, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size())) != entry.crc)
    damaged("Bad CRC-32");
  return data;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string out = "(";
  for (const std::int64_t side : shape) out += (out.size() > 1 ? ", " : "") + std::to_string(side);
  return out + (shape.size() == 1 ? ",)" : ")");
}

std::string array_of(const std::string& name, const ArrayLayout& layout, const std::string& data) {
  if (data.size() < 10 || data.compare(0, 6, "\x93NUMPY") != 0) throw ValueError(name + " is no array of NumPy's");
  if (data[6] != 1 || data[7] != 0) throw ValueError(name + " has another version of NumPy's format");
  const std::size_t length = number(data, 8, 2);
  std::string header(part(data, 10, length));
  header.erase(header.find_last_not_of(" \n") + 1);
  const char* type = layout.dtype == "uint8" ? "|u1" : layout.dtype == "int32" ? "<i4" : "<f4";
  const std::string wanted =
      "{'descr': '" + std::string(type) + "', 'fortran_order': False, 'shape': " + shape_text(layout.shape) + ", }";
  if (header != wanted || data.size() - 10 - length != layout.bytes())
    throw ValueError(name + " is another array than " + layout.dtype + " " + shape_text(layout.shape));
  return data.substr(10 + length);
}

}  // namespace

std::size_t ArrayLayout::bytes() const {
  std::size_t size = dtype == "uint8" ? 1 : 4;
  for (const std::int64_t side : shape) size *= static_cast<std::size_t>(side);
  return size;
}

Arrays read_arrays(std::string_view archive, const ArrayLayouts& layouts) {
  const std::vector<Entry> entries = directory(archive);
  for (const auto& [name, layout] : layouts) {
    const auto same = [file = name + ".npy"](const Entry& entry) { return entry.name == file; };
    if (std::none_of(entries.begin(), entries.end(), same)) throw ValueError(name + ".npy is missing");
  }
  if (entries.size() > layouts.size())
    throw ValueError("it holds " + std::to_string(entries.size()) + " arrays, not " + std::to_string(layouts.size()));
  Arrays found;
  for (const Entry& entry : entries) {
    const std::string name = entry.name.substr(0, entry.name.size() - 4);
    const ArrayLayout& layout = layouts.at(name);
    if (entry.method != kStored && entry.method != kDeflated)
      throw ValueError(name + " is packed by method " + std::to_string(entry.method));
    if (entry.size <= layout.bytes() || entry.size > layout.bytes() + kHeader)
      throw ValueError(name + " unpacks to " + std::to_string(entry.size) + " bytes, its array has " +
                       std::to_string(layout.bytes()));
    found[name] = array_of(name, layout, unpacked(archive, entry));
  }
  return found;
}

}  // namespace mapt
