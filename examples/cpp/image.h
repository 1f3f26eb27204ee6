// Reading and resizing of images as in Python: JPEG files, Pillow's bilinear filter, planar float pixels.
#pragma once

#include <jpeglib.h>

#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

// Pixels of shape (height, width, 3), RGB, from 0 to 255.
struct Image {
  int height = 0, width = 0;
  std::vector<float> pixels;
};

struct JpegError {
  jpeg_error_mgr manager;
  std::jmp_buf jump;
};

inline Image read_jpeg(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (!file) throw std::runtime_error(path + ": file cannot be opened");
  jpeg_decompress_struct decoder;
  JpegError error;
  Image image;
  std::vector<unsigned char> row;
  decoder.err = jpeg_std_error(&error.manager);
  error.manager.error_exit = [](j_common_ptr info) { std::longjmp(reinterpret_cast<JpegError*>(info->err)->jump, 1); };
  if (setjmp(error.jump)) {
    jpeg_destroy_decompress(&decoder);
    std::fclose(file);
    throw std::runtime_error(path + ": not a readable JPEG image");
  }
  jpeg_create_decompress(&decoder);
  jpeg_stdio_src(&decoder, file);
  jpeg_read_header(&decoder, TRUE);
  decoder.out_color_space = JCS_RGB;
  jpeg_start_decompress(&decoder);
  image.height = decoder.output_height;
  image.width = decoder.output_width;
  row.resize(3 * static_cast<size_t>(image.width));
  image.pixels.reserve(row.size() * image.height);
  while (decoder.output_scanline < decoder.output_height) {
    JSAMPROW pointer = row.data();
    jpeg_read_scanlines(&decoder, &pointer, 1);
    image.pixels.insert(image.pixels.end(), row.begin(), row.end());
  }
  jpeg_finish_decompress(&decoder);
  jpeg_destroy_decompress(&decoder);
  std::fclose(file);
  return image;
}

// Resizes one axis: `outer` blocks of `size` elements, each element of `inner` floats. The support of the triangle
// filter grows with the reduction, and each pass is rounded to integers, as in Pillow.
inline std::vector<float> resize_axis(const std::vector<float>& in, int outer, int size, int new_size, int inner) {
  const double scale = static_cast<double>(size) / new_size, filter = std::max(scale, 1.0);
  std::vector<float> out(static_cast<size_t>(outer) * new_size * inner);
  for (int x = 0; x < new_size; ++x) {
    const double center = (x + 0.5) * scale;
    const int first = std::max(static_cast<int>(center - filter + 0.5), 0);
    const int last = std::min(static_cast<int>(center + filter + 0.5), size);
    std::vector<double> weights;
    double sum = 0;
    for (int i = first; i < last; ++i) {
      weights.push_back(std::max(1.0 - std::abs((i - center + 0.5) / filter), 0.0));
      sum += weights.back();
    }
    for (int block = 0; block < outer; ++block)
      for (int c = 0; c < inner; ++c) {
        double value = 0;
        for (int i = first; i < last; ++i)
          value += weights[i - first] * in[(static_cast<size_t>(block) * size + i) * inner + c];
        out[(static_cast<size_t>(block) * new_size + x) * inner + c] = std::floor(value / sum + 0.5);
      }
  }
  return out;
}

// Scales the shorter side to `shortest`, with the longer side at most `longest`, as ResizeShortestEdge does.
inline Image resize_shortest_edge(const Image& image, int shortest, int longest) {
  const double scale = static_cast<double>(shortest) / std::min(image.height, image.width);
  double height = image.height < image.width ? shortest : image.height * scale;
  double width = image.height < image.width ? image.width * scale : shortest;
  if (std::max(height, width) > longest) {
    const double shrink = longest / std::max(height, width);
    height *= shrink;
    width *= shrink;
  }
  Image out;
  out.height = std::max(static_cast<int>(height + 0.5), 1);
  out.width = std::max(static_cast<int>(width + 0.5), 1);
  const auto wide = resize_axis(image.pixels, image.height, image.width, out.width, 3);
  out.pixels = resize_axis(wide, 1, image.height, out.height, 3 * out.width);
  return out;
}

// Returns pixels of shape (3, height, width) in the channel order "RGB" or "BGR".
inline std::vector<float> planar(const Image& image, const std::string& channel_order) {
  const size_t area = static_cast<size_t>(image.height) * image.width;
  std::vector<float> out(3 * area);
  for (int c = 0; c < 3; ++c) {
    const int source = channel_order == "BGR" ? 2 - c : c;
    for (size_t i = 0; i < area; ++i) out[c * area + i] = image.pixels[3 * i + source];
  }
  return out;
}
