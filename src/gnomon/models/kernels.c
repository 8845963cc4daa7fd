/* The passes of a training step that are not matrix products, each over its memory once: norm, gate, rotation, softmax.

   kernels.py calls them and has each of them in torch, too; it checks shapes, allocates and decides who computes.
   Numbers are read in the model's type, computed in float32 and rounded once. Compiled twice: BF16=1 and BF16=0 (float).
   Letters: n rows, d numbers of a row; `threads` is what torch uses, and the pool is torch's own. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#if BF16
typedef uint16_t T;
INLINE float up(T x) {
  uint32_t bits = (uint32_t)x << 16;
  float out;
  memcpy(&out, &bits, 4);
  return out;
}
INLINE T down(float x) { /* to the nearest, ties to even */
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return (T)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
#else
typedef float T;
INLINE float up(T x) { return x; }
INLINE T down(float x) { return x; }
#endif

/* e^x to 2 units in the last place; 0 below -87, infinite above 88. Source: Cephes, expf. */
INLINE float exponential(float x) {
  const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
  float kept = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
  float turns = kept * 1.44269504f + magic;
  int32_t power;
  memcpy(&power, &turns, 4);
  turns -= magic;
  float r = kept - turns * 0.693359375f;
  r -= turns * -2.12194440e-4f;
  float y = 1.9875691500e-4f;
  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * r * r + r + 1.0f;
  int32_t bits;
  memcpy(&bits, &y, 4);
  bits += (int32_t)((uint32_t)power << 23);
  memcpy(&y, &bits, 4);
  return x < -87.0f ? 0.0f : x > 88.0f ? INFINITY : y;
}

/* y = x * r * w with r = (mean(x^2) + eps)^-1/2, which is kept for the way back. Squares that overflow would silently give
   zeros, here and in the gradient: they give no number instead, so that the run stops. */
void norm(const T *x, const T *w, float eps, int64_t n, int64_t d, T *y, float *r, int threads) {
#pragma omp parallel for num_threads(threads)
  for (int64_t i = 0; i < n; i++) {
    const T *row = x + i * d;
    T *out = y + i * d;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < d; j++) sum += up(row[j]) * up(row[j]);
    float scale = r[i] = isfinite(sum) ? 1.0f / sqrtf(sum / (float)d + eps) : NAN;
#pragma omp simd
    for (int64_t j = 0; j < d; j++) out[j] = down(up(row[j]) * scale * up(w[j]));
  }
}

/* to_x = r (w dy - x r^2 mean(w dy x)); to_w, one row a thread and zero before, gathers sum of dy x r. */
void norm_back(const T *dy, const T *x, const T *w, const float *r, int64_t n, int64_t d, T *to_x, float *to_w, int threads) {
#pragma omp parallel for num_threads(threads)
  for (int t = 0; t < threads; t++) {
    float *mine = to_w + t * d;
    for (int64_t i = n * t / threads; i < n * (t + 1) / threads; i++) {
      const T *row = x + i * d, *up_row = dy + i * d;
      T *out = to_x + i * d;
      float dot = 0, scale = r[i];
#pragma omp simd reduction(+ : dot)
      for (int64_t j = 0; j < d; j++) {
        float part = up(up_row[j]) * up(row[j]);
        mine[j] += part * scale;
        dot += part * up(w[j]);
      }
      float pull = scale * scale * scale * dot / (float)d;
#pragma omp simd
      for (int64_t j = 0; j < d; j++) out[j] = down(up(up_row[j]) * up(w[j]) * scale - up(row[j]) * pull);
    }
  }
}

/* a = silu(g) u */
void gate(const T *g, const T *u, int64_t n, T *a, int threads) {
#pragma omp parallel for simd num_threads(threads)
  for (int64_t i = 0; i < n; i++) {
    float x = up(g[i]);
    a[i] = down(x / (1.0f + exponential(-x)) * up(u[i]));
  }
}

void gate_back(const T *da, const T *g, const T *u, int64_t n, T *to_g, T *to_u, int threads) {
#pragma omp parallel for simd num_threads(threads)
  for (int64_t i = 0; i < n; i++) {
    float x = up(g[i]), s = 1.0f / (1.0f + exponential(-x)), y = x * s, d = up(da[i]);
    to_u[i] = down(d * y);
    to_g[i] = down(d * up(u[i]) * (s + y * (1.0f - s)));
  }
}

/* out[i] = the sum of in[c] over c = index[start[i]] .. index[start[i + 1] - 1], or in[index[i]] without `start`; an index
   below 0 gives zeros. With a cosine the sum is rotated by the angle of its token, row / heads of the source (turn 1) or
   back by that of the result (turn -1). */
void gather(const T *in, const int64_t *start, const int64_t *index, int64_t n, int64_t d, int64_t heads, const T *cosine,
            const T *sine, int turn, T *out, int threads) {
  int64_t half = d / 2;
#pragma omp parallel for num_threads(threads)
  for (int64_t i = 0; i < n; i++) {
    int64_t first = start ? start[i] : i, last = start ? start[i + 1] : i + 1;
    T *to = out + i * d;
    float sum[1024];
    int64_t from = last > first ? index[first] : -1;
    if (!start && from < 0) {
      memset(to, 0, d * sizeof(T));
      continue;
    }
    if (last - first == 1 && from >= 0) {
      const T *row = in + from * d;
      if (!cosine) {
        memcpy(to, row, d * sizeof(T));
        continue;
      }
#pragma omp simd
      for (int64_t j = 0; j < d; j++) sum[j] = up(row[j]);
    } else {
      memset(sum, 0, d * sizeof(float));
      for (int64_t c = first; c < last; c++)
        if (index[c] >= 0) {
          const T *row = in + index[c] * d;
#pragma omp simd
          for (int64_t j = 0; j < d; j++) sum[j] += up(row[j]);
        }
    }
    if (!cosine) {
#pragma omp simd
      for (int64_t j = 0; j < d; j++) to[j] = down(sum[j]);
      continue;
    }
    int64_t token = (turn > 0 ? from : i) / heads;
    const T *c = cosine + token * d, *s = sine + token * d;
    if (turn > 0) {
#pragma omp simd
      for (int64_t j = 0; j < half; j++) {
        to[j] = down(sum[j] * up(c[j]) - sum[j + half] * up(s[j]));
        to[j + half] = down(sum[j + half] * up(c[j + half]) + sum[j] * up(s[j + half]));
      }
    } else {
#pragma omp simd
      for (int64_t j = 0; j < half; j++) {
        to[j] = down(sum[j] * up(c[j]) + sum[j + half] * up(s[j + half]));
        to[j + half] = down(sum[j + half] * up(c[j + half]) - sum[j] * up(s[j]));
      }
    }
  }
}

/* Rows of scores to softmax(scale * scores + mask), in place; the mask has a row for each of `length` queries and repeats
   for every head: row i of n belongs to mask row (i / (length * heads)) * length + i % length. */
void softmax(T *scores, const T *mask, float scale, int64_t n, int64_t d, int64_t length, int64_t heads, int threads) {
#pragma omp parallel for num_threads(threads)
  for (int64_t i = 0; i < n; i++) {
    T *row = scores + i * d;
    const T *seen = mask + (i / (length * heads) * length + i % length) * d;
    float most = -INFINITY, sum = 0;
#pragma omp simd reduction(max : most)
    for (int64_t j = 0; j < d; j++) {
      float x = up(row[j]) * scale + up(seen[j]);
      most = x > most ? x : most;
    }
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < d; j++) sum += exponential(up(row[j]) * scale + up(seen[j]) - most);
    float part = 1.0f / sum;
#pragma omp simd
    for (int64_t j = 0; j < d; j++) row[j] = down(exponential(up(row[j]) * scale + up(seen[j]) - most) * part);
  }
}

/* to_weights becomes scale * w (to_w - sum(w to_w)), row by row. */
void softmax_back(const T *weights, T *to_weights, float scale, int64_t n, int64_t d, int threads) {
#pragma omp parallel for num_threads(threads)
  for (int64_t i = 0; i < n; i++) {
    const T *w = weights + i * d;
    T *to = to_weights + i * d;
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t j = 0; j < d; j++) dot += up(w[j]) * up(to[j]);
#pragma omp simd
    for (int64_t j = 0; j < d; j++) to[j] = down(scale * up(w[j]) * (up(to[j]) - dot));
  }
}

/* Rows of logits to probabilities of logits / temperature, `out` possibly the same memory or NULL; lse is their
   logarithm's sum. */
void probabilities(const T *logits, float scale, int64_t n, int64_t d, T *out, float *lse, int threads) {
#pragma omp parallel for num_threads(threads)
  for (int64_t i = 0; i < n; i++) {
    const T *row = logits + i * d;
    float most = -INFINITY, sum = 0;
#pragma omp simd reduction(max : most)
    for (int64_t j = 0; j < d; j++) most = up(row[j]) > most ? up(row[j]) : most;
    most *= scale;
    for (int64_t a = 0; a < d; a += 4096) { /* sums of parts: thousands of small numbers lose nothing */
      int64_t b = a + 4096 < d ? a + 4096 : d;
      float some = 0;
#pragma omp simd reduction(+ : some)
      for (int64_t j = a; j < b; j++) some += exponential(up(row[j]) * scale - most);
      sum += some;
    }
    lse[i] = most + logf(sum);
    if (!out) continue;
    T *to = out + i * d;
    float part = 1.0f / sum;
#pragma omp simd
    for (int64_t j = 0; j < d; j++) to[j] = down(exponential(up(row[j]) * scale - most) * part);
  }
}
