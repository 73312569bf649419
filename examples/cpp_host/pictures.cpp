#include "pictures.h"

#include <png.h>
#include <unistd.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

#ifdef HOST_HAS_JPEG
#include <jpeglib.h>
#endif

namespace pictures {

namespace {

[[noreturn]] void refuse(const std::string& path) {
  throw std::runtime_error(path + ": is truncated or not a readable image; copy it again");
}

std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

// Whether a PNG's chunks reach its end: libpng reads the pixels of one that is cut behind them.
bool is_whole_png(const std::string& data) {
  for (std::size_t at = 8; at + 12 <= data.size();) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < 4; ++i) size = size << 8 | static_cast<unsigned char>(data[at + i]);
    if (data.compare(at + 4, 4, "IEND") == 0) return at + 12 + size <= data.size();
    at += 12 + size;
  }
  return false;
}

Picture read_png(const std::string& path, const std::string& data) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  if (data.size() > 24 && data[24] == 16)
    throw std::runtime_error(path + ": has 16 bits a channel, frames have 8; convert it with one scale for all frames");
  if (!is_whole_png(data) || !png_image_begin_read_from_memory(&image, data.data(), data.size())) refuse(path);
  const bool alpha = image.format & PNG_FORMAT_FLAG_ALPHA;
  image.format = alpha ? PNG_FORMAT_RGBA : PNG_FORMAT_RGB;
  std::vector<std::uint8_t> pixels(PNG_IMAGE_SIZE(image));
  if (!png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr)) refuse(path);
  Picture out{static_cast<int>(image.height), static_cast<int>(image.width), std::move(pixels)};
  if (!alpha) return out;
  const std::size_t count = out.rgb.size() / 4;  // alpha is left out, as `mapt track` does
  for (std::size_t i = 0; i < count; ++i) std::memmove(&out.rgb[3 * i], &out.rgb[4 * i], 3);
  out.rgb.resize(3 * count);
  return out;
}

#ifdef HOST_HAS_JPEG
struct JpegError : jpeg_error_mgr {
  std::jmp_buf back;
};

// The orientation that EXIF states, 1 to 8; 1 where it states none.
int orientation(const jpeg_decompress_struct& jpeg) {
  for (auto marker = jpeg.marker_list; marker; marker = marker->next) {
    const std::uint8_t* data = marker->data;
    const unsigned size = marker->data_length;
    if (marker->marker != JPEG_APP0 + 1 || size < 14 || std::memcmp(data, "Exif\0\0", 6) != 0) continue;
    const bool little = data[6] == 'I';
    const auto number = [&](std::size_t at, int bytes) {
      std::size_t value = 0;
      for (int i = 0; i < bytes && at + 6 + i < size; ++i)
        value |= std::size_t{data[at + 6 + (little ? i : bytes - 1 - i)]} << (8 * i);
      return value;
    };
    const std::size_t first = number(4, 4), count = std::min<std::size_t>(number(first, 2), 1000);
    for (std::size_t i = 0; i < count; ++i)
      if (number(first + 2 + 12 * i, 2) == 0x0112) return static_cast<int>(number(first + 10 + 12 * i, 2));
  }
  return 1;
}

Picture turned(const Picture& in, int how) {
  if (how < 2 || how > 8) return in;
  Picture out;
  const bool transposed = how >= 5;
  out.height = transposed ? in.width : in.height;
  out.width = transposed ? in.height : in.width;
  out.rgb.resize(in.rgb.size());
  const bool flip_x = how == 2 || how == 3 || how == 7 || how == 8;
  const bool flip_y = how == 3 || how == 4 || how == 6 || how == 7;
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x) {
      int from_x = transposed ? y : x, from_y = transposed ? x : y;
      if (flip_x) from_x = in.width - 1 - from_x;
      if (flip_y) from_y = in.height - 1 - from_y;
      std::memcpy(&out.rgb[3 * (std::size_t(y) * out.width + x)],
                  &in.rgb[3 * (std::size_t(from_y) * in.width + from_x)], 3);
    }
  return out;
}

Picture read_jpeg(const std::string& path, const std::string& data) {
  jpeg_decompress_struct jpeg{};
  JpegError error;
  jpeg.err = jpeg_std_error(&error);
  error.error_exit = [](j_common_ptr info) { std::longjmp(static_cast<JpegError*>(info->err)->back, 1); };
  error.output_message = [](j_common_ptr) {};
  Picture out;
  jpeg_create_decompress(&jpeg);
  if (setjmp(error.back)) {
    jpeg_destroy_decompress(&jpeg);
    refuse(path);
  }
  jpeg_mem_src(&jpeg, reinterpret_cast<const unsigned char*>(data.data()), data.size());
  jpeg_save_markers(&jpeg, JPEG_APP0 + 1, 0xffff);
  jpeg_read_header(&jpeg, TRUE);
  jpeg.out_color_space = JCS_RGB;
  jpeg_start_decompress(&jpeg);
  out.height = static_cast<int>(jpeg.output_height);
  out.width = static_cast<int>(jpeg.output_width);
  out.rgb.resize(3 * std::size_t(out.height) * out.width);
  while (jpeg.output_scanline < jpeg.output_height) {
    JSAMPROW row = &out.rgb[3 * std::size_t(jpeg.output_scanline) * out.width];
    jpeg_read_scanlines(&jpeg, &row, 1);
  }
  const int how = orientation(jpeg);
  jpeg_finish_decompress(&jpeg);
  const bool whole = error.num_warnings == 0;
  jpeg_destroy_decompress(&jpeg);
  if (!whole) refuse(path);
  return turned(out, how);
}
#else
Picture read_jpeg(const std::string& path, const std::string&) {
  throw std::runtime_error(path + ": is a JPEG, and this program was built without libjpeg; give PNG files");
}
#endif

void append(png_structp png, png_bytep data, png_size_t size) {
  static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<const char*>(data), size);
}

std::string encode(const std::vector<std::uint8_t>& rgb, int height, int width) {
  std::string out;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  if (setjmp(png_jmpbuf(png))) {
    png_destroy_write_struct(&png, &info);
    return "";
  }
  png_set_write_fn(png, &out, append, nullptr);
  png_set_compression_level(png, 1);
  png_set_IHDR(png, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), 8, PNG_COLOR_TYPE_RGB,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  // By this text a later `mapt track` knows that it may replace the file.
  char key[] = "Software", text[] = "MAPT";
  png_text author{};
  author.compression = PNG_TEXT_COMPRESSION_NONE;
  author.key = key;
  author.text = text;
  author.text_length = 4;
  png_set_text(png, info, &author, 1);
  png_write_info(png, info);
  for (int y = 0; y < height; ++y) png_write_row(png, &rgb[3 * std::size_t(y) * width]);
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return out;
}

}  // namespace

Picture read(const std::string& path) {
  const std::string data = read_bytes(path);
  const auto* bytes = reinterpret_cast<const unsigned char*>(data.data());
  if (data.size() > 8 && png_sig_cmp(bytes, 0, 8) == 0) return read_png(path, data);
  if (data.size() > 2 && bytes[0] == 0xff && bytes[1] == 0xd8) return read_jpeg(path, data);
  refuse(path);
}

void write_step(const std::string& path, const std::uint8_t* semantic, const std::int32_t* instance, int height,
                int width) {
  const std::size_t count = std::size_t(height) * width;
  std::vector<std::uint8_t> rgb(3 * count);
  for (std::size_t i = 0; i < count; ++i) {
    if (instance[i] > 65535) throw std::runtime_error(path + ": a track is beyond STEP's 65535; split the sequence");
    rgb[3 * i] = semantic[i];
    rgb[3 * i + 1] = static_cast<std::uint8_t>(instance[i] >> 8);
    rgb[3 * i + 2] = static_cast<std::uint8_t>(instance[i] & 255);
  }
  const std::string data = encode(rgb, height, width), unfinished = path + ".unfinished";
  std::ofstream file(unfinished, std::ios::binary);
  file << data;
  file.close();
  if (data.empty() || !file || std::rename(unfinished.c_str(), path.c_str()) != 0) {
    unlink(unfinished.c_str());
    throw std::runtime_error(path + ": cannot be written; free space, or choose another folder");
  }
}

}  // namespace pictures
