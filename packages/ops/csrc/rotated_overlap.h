// Intersection of two rotated boxes without branches, for the vector lanes of the CPU and the threads of the GPU.
//
// The boundary of the intersection consists of the parts of each box's edges inside the other box. By Green's theorem,
// its area is half the sum of (length of a part) * (signed distance of its edge from the origin). In the frame of a
// box, an edge of the other box is clipped by two slabs, so that every part has a closed form. Coincident edges would
// be counted twice, or not at all after rounding: edges of the first box are therefore clipped by the second box
// enlarged by a margin (`hair`), and edges of the second by the first box shrunk by the same margin, so that each is
// counted once.
#pragma once

#if defined(__CUDACC__)
#define DETECTORY_DEVICE __host__ __device__
#else
#define DETECTORY_DEVICE
#endif

namespace detectory {

// A prepared (cx, cy, w, h, degrees counter-clockwise, y down): half sides, area (0 if a side is not positive) and
// radius of the circumscribed circle.
struct RotatedBox {
  double cx, cy, cosine, sine, half_w, half_h, area, radius;
};

constexpr int kRotatedColumns = 8;

DETECTORY_DEVICE inline double least(double a, double b) { return a < b ? a : b; }
DETECTORY_DEVICE inline double most(double a, double b) { return a > b ? a : b; }

// Length of the part of a segment inside |x| <= half_x, |y| <= half_y. The segment starts at (x, y); its direction has
// length 1 and is given by its inverse components.
DETECTORY_DEVICE inline double length_inside(double x, double y, double inverse_x, double inverse_y, double half_x,
                                             double half_y, double length) {
  const double ax = (-half_x - x) * inverse_x, bx = (half_x - x) * inverse_x;
  const double ay = (-half_y - y) * inverse_y, by = (half_y - y) * inverse_y;
  const double enter = most(most(least(ax, bx), least(ay, by)), 0.0);
  const double leave = least(least(most(ax, bx), most(ay, by)), length);
  return most(leave - enter, 0.0);
}

// Intersection over union; 0 for boxes with zero area or a non-finite value.
DETECTORY_DEVICE inline double rotated_iou(const RotatedBox& a, const RotatedBox& b) {
  const double dx = b.cx - a.cx, dy = b.cy - a.cy;
  // The direction of b's axes and its centre in a's frame, then a's centre in b's frame.
  const double c = a.cosine * b.cosine + a.sine * b.sine, s = a.cosine * b.sine - a.sine * b.cosine;
  const double u = dx * a.cosine - dy * a.sine, v = dx * a.sine + dy * a.cosine;
  const double p = -(dx * b.cosine - dy * b.sine), q = -(dx * b.sine + dy * b.cosine);
  const double inverse_c = 1 / (c == 0 ? 1e-300 : c), inverse_s = 1 / (s == 0 ? 1e-300 : s);
  // The clipping points of nearly parallel edges differ by rounding of about 1e-16 / hair.
  const double hair = 3e-9 * (a.half_w + a.half_h + b.half_w + b.half_h);

  // Edges of a in b's frame: a's x axis is (c, s) there, its y axis (-s, c).
  const double bw = b.half_w + hair, bh = b.half_h + hair;
  const double wx = a.half_w * c, wy = a.half_w * s, hx = -a.half_h * s, hy = a.half_h * c;
  const double along_w = length_inside(p - wx - hx, q - wy - hy, inverse_c, inverse_s, bw, bh, 2 * a.half_w) +
                         length_inside(p - wx + hx, q - wy + hy, inverse_c, inverse_s, bw, bh, 2 * a.half_w);
  const double along_h = length_inside(p - wx - hx, q - wy - hy, -inverse_s, inverse_c, bw, bh, 2 * a.half_h) +
                         length_inside(p + wx - hx, q + wy - hy, -inverse_s, inverse_c, bw, bh, 2 * a.half_h);

  // Edges of b in a's frame: b's x axis is (c, -s) there, its y axis (s, c). Distances from a's centre are signed.
  const double aw = a.half_w - hair, ah = a.half_h - hair;
  const double ex = b.half_w * c, ey = -b.half_w * s, fx = b.half_h * s, fy = b.half_h * c;
  const double top = length_inside(u - ex - fx, v - ey - fy, inverse_c, -inverse_s, aw, ah, 2 * b.half_w);
  const double bottom = length_inside(u - ex + fx, v - ey + fy, inverse_c, -inverse_s, aw, ah, 2 * b.half_w);
  const double left = length_inside(u - ex - fx, v - ey - fy, inverse_s, inverse_c, aw, ah, 2 * b.half_h);
  const double right = length_inside(u + ex - fx, v + ey - fy, inverse_s, inverse_c, aw, ah, 2 * b.half_h);

  const double twice = a.half_h * along_w + a.half_w * along_h + (b.half_h + q) * top + (b.half_h - q) * bottom +
                       (b.half_w + p) * left + (b.half_w - p) * right;
  const double inter = least(twice / 2, least(a.area, b.area));
  // 0 * x is NaN if x is not finite, which makes the comparison false.
  const double joint = a.area + b.area - inter + 0 * (u + v + c + s);
  // Touching boxes share an edge that does not bound an area: separating-axis test along the four box axes.
  const double c_size = c < 0 ? -c : c, s_size = s < 0 ? -s : s;
  const double depth_a = least(a.half_w + b.half_w * c_size + b.half_h * s_size - (u < 0 ? -u : u),
                               a.half_h + b.half_w * s_size + b.half_h * c_size - (v < 0 ? -v : v));
  const double depth_b = least(b.half_w + a.half_w * c_size + a.half_h * s_size - (p < 0 ? -p : p),
                               b.half_h + a.half_w * s_size + a.half_h * c_size - (q < 0 ? -q : q));
  return (inter > 0) & (joint > 0) & (least(depth_a, depth_b) > 2 * hair) ? inter / joint : 0.0;
}

}  // namespace detectory
