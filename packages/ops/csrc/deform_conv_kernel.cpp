#include "deform_conv_kernel.h"

#include "vec.h"

namespace detectory::DETECTORY_ISA {

namespace {

// The four pixels around a sampling position with their bilinear weights. Pixels outside the map are replaced by pixel
// 0 with weight 0.
template <typename T>
struct Sample {
  int64_t pixel[4];
  T weight[4], valid[4];
  T fy, fx, mask;
  bool inside;
};

template <typename T>
Sample<T> sample_at(const DeformImage<T>& d, int64_t offset_group, int64_t k, int64_t pixel) {
  const int64_t K = d.KH * d.KW, pixels = d.OH * d.OW, oh = pixel / d.OW, ow = pixel % d.OW;
  const T* offset = d.offset + (offset_group * K + k) * 2 * pixels + pixel;
  const T y = T(oh * d.stride_h - d.pad_h + k / d.KW * d.dilation_h) + offset[0];
  const T x = T(ow * d.stride_w - d.pad_w + k % d.KW * d.dilation_w) + offset[pixels];
  Sample<T> s{};
  s.mask = d.mask ? d.mask[(offset_group * K + k) * pixels + pixel] : T(1);
  s.inside = y > -1 && y < T(d.H) && x > -1 && x < T(d.W);
  if (!s.inside) return s;
  const int64_t top = int64_t(y + 1) - 1, left = int64_t(x + 1) - 1;  // floor, since both are > -1
  s.fy = y - T(top), s.fx = x - T(left);
  for (int corner = 0; corner < 4; ++corner) {
    const int64_t row = top + corner / 2, column = left + corner % 2;
    const bool valid = row >= 0 && row < d.H && column >= 0 && column < d.W;
    const T weight = (corner / 2 ? s.fy : 1 - s.fy) * (corner % 2 ? s.fx : 1 - s.fx);
    s.pixel[corner] = valid ? row * d.W + column : 0;
    s.weight[corner] = valid ? weight : T(0);
    s.valid[corner] = T(valid);
  }
  return s;
}

// Calls body(offset group, k, first channel, channels, position in the columns) for each range of channels within
// [c_begin, c_end) that belongs to the same offset group and convolution group.
template <typename T, typename Body>
inline void each_segment(const DeformImage<T>& d, PixelRun run, int64_t i, int64_t c_begin, int64_t c_end,
                         const Body& body) {
  const int64_t K = d.KH * d.KW, per_offset = d.C / d.offset_groups, per_group = d.C / d.groups;
  for (int64_t og = c_begin / per_offset; og * per_offset < c_end; ++og) {
    const int64_t from = og * per_offset > c_begin ? og * per_offset : c_begin;
    const int64_t to = (og + 1) * per_offset < c_end ? (og + 1) * per_offset : c_end;
    for (int64_t k = 0; k < K; ++k) {
      const Sample<T> sample = sample_at(d, og, k, run.first + i);
      for (int64_t c = from; c < to;) {
        const int64_t group = c / per_group, stop = (group + 1) * per_group < to ? (group + 1) * per_group : to;
        body(og, k, sample, c, stop - c, ((group * run.count + i) * K + k) * per_group + c - group * per_group);
        c = stop;
      }
    }
  }
}

template <typename T>
void columns(const DeformImage<T>& d, PixelRun run, int64_t begin, int64_t end, T* out) {
  for (int64_t i = begin; i < end; ++i) {
    each_segment(d, run, i, 0, d.C, [&](int64_t, int64_t, const Sample<T>& s, int64_t c, int64_t count, int64_t at) {
      T* __restrict to = out + at;
      const T *a = d.image + s.pixel[0] * d.C + c, *b = d.image + s.pixel[1] * d.C + c;
      const T *e = d.image + s.pixel[2] * d.C + c, *f = d.image + s.pixel[3] * d.C + c;
      const T wa = s.weight[0] * s.mask, wb = s.weight[1] * s.mask, we = s.weight[2] * s.mask,
              wf = s.weight[3] * s.mask;
      if (s.inside) {
        for (int64_t j = 0; j < count; ++j) to[j] = wa * a[j] + wb * b[j] + we * e[j] + wf * f[j];
      } else {
        for (int64_t j = 0; j < count; ++j) to[j] = 0;
      }
    });
  }
}

template <typename T>
inline T dot(const T* a, const T* b, int64_t count) {
  Vec<T> sums = {};
  int64_t j = 0;
  for (; j + kLanes<T> <= count; j += kLanes<T>) sums += load(a + j) * load(b + j);
  T sum = 0;
  for (int lane = 0; lane < kLanes<T>; ++lane) sum += sums[lane];
  for (; j < count; ++j) sum += a[j] * b[j];
  return sum;
}

template <typename T>
void offset_grads(const DeformImage<T>& d, PixelRun run, int64_t begin, int64_t end, const T* column_grads,
                  T* offset_grad, T* mask_grad) {
  const int64_t K = d.KH * d.KW, pixels = d.OH * d.OW;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t pixel = run.first + i;
    for (int64_t og = 0; og < d.offset_groups * K; ++og) {
      offset_grad[2 * og * pixels + pixel] = offset_grad[(2 * og + 1) * pixels + pixel] = 0;
      if (mask_grad) mask_grad[og * pixels + pixel] = 0;
    }
    each_segment(
        d, run, i, 0, d.C, [&](int64_t og, int64_t k, const Sample<T>& s, int64_t c, int64_t count, int64_t at) {
          if (!s.inside) return;
          T sums[4];
          for (int corner = 0; corner < 4; ++corner) {
            sums[corner] = s.valid[corner] * dot(column_grads + at, d.image + s.pixel[corner] * d.C + c, count);
          }
          const int64_t plane = og * K + k;
          T* to = offset_grad + 2 * plane * pixels + pixel;
          to[0] += s.mask * ((1 - s.fx) * (sums[2] - sums[0]) + s.fx * (sums[3] - sums[1]));
          to[pixels] += s.mask * ((1 - s.fy) * (sums[1] - sums[0]) + s.fy * (sums[3] - sums[2]));
          if (!mask_grad) return;
          for (int corner = 0; corner < 4; ++corner)
            mask_grad[plane * pixels + pixel] += s.weight[corner] * sums[corner];
        });
  }
}

template <typename T>
void image_grads(const DeformImage<T>& d, PixelRun run, int64_t c_begin, int64_t c_end, const T* column_grads,
                 T* image_grad) {
  for (int64_t i = 0; i < run.count; ++i) {
    each_segment(d, run, i, c_begin, c_end,
                 [&](int64_t, int64_t, const Sample<T>& s, int64_t c, int64_t count, int64_t at) {
                   if (!s.inside) return;
                   const T* __restrict from = column_grads + at;
                   for (int corner = 0; corner < 4; ++corner) {
                     const T weight = s.weight[corner] * s.mask;
                     T* __restrict to = image_grad + s.pixel[corner] * d.C + c;
                     for (int64_t j = 0; j < count; ++j) to[j] += weight * from[j];
                   }
                 });
  }
}

}  // namespace

void deform_columns_f32(const DeformImage<float>& d, PixelRun run, int64_t begin, int64_t end, float* out) {
  columns(d, run, begin, end, out);
}

void deform_columns_f64(const DeformImage<double>& d, PixelRun run, int64_t begin, int64_t end, double* out) {
  columns(d, run, begin, end, out);
}

void deform_offset_grads_f32(const DeformImage<float>& d, PixelRun run, int64_t begin, int64_t end,
                             const float* column_grads, float* offset_grad, float* mask_grad) {
  offset_grads(d, run, begin, end, column_grads, offset_grad, mask_grad);
}

void deform_offset_grads_f64(const DeformImage<double>& d, PixelRun run, int64_t begin, int64_t end,
                             const double* column_grads, double* offset_grad, double* mask_grad) {
  offset_grads(d, run, begin, end, column_grads, offset_grad, mask_grad);
}

void deform_image_grads_f32(const DeformImage<float>& d, PixelRun run, int64_t c_begin, int64_t c_end,
                            const float* column_grads, float* image_grad) {
  image_grads(d, run, c_begin, c_end, column_grads, image_grad);
}

void deform_image_grads_f64(const DeformImage<double>& d, PixelRun run, int64_t c_begin, int64_t c_end,
                            const double* column_grads, double* image_grad) {
  image_grads(d, run, c_begin, c_end, column_grads, image_grad);
}

}  // namespace detectory::DETECTORY_ISA
