/* One pass of a Llama-like decoder over a few tokens of many rows, in one call: embedding, all layers, logits, draw.

   It reads the model's own weights where they lie (row-major, as torch keeps them): nothing is packed or copied, so
   nothing can be stale. Keys and values lie in blocks of 16 tokens that rows may share. It allocates nothing, checks
   nothing (decode.py does) and keeps no state.

   Lanes are tokens: activations are stored in panels of VL tokens as [panel][feature][lane], so that a matrix product
   is "broadcast a weight, multiply a vector of tokens": no horizontal sums, and a token's result does not depend on
   which tokens stand beside it.
   Rounding: products of bfloat16 are summed in float32; the residual stream, attention and sampling are float32.

   Compiled twice: BF16=1 (bfloat16 weights) and BF16=0 (float32). Plain C with GCC/Clang vector extensions; the one
   intrinsic is AVX512-BF16's dot product.
   Letters: n tokens, K inputs, D head size, G key heads, R query heads a key head, V vocabulary. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif
#ifdef __AVX512F__
#include <immintrin.h>
#endif
#if BF16 && defined(__AVX512BF16__)
#define DOT 1
#else
#define DOT 0
#endif
#if defined(__AVX512F__)
#define VL 16
#define ROWS 16 /* weights' rows that one kernel takes with one panel, half as many with two */
#elif defined(__AVX__)
#define VL 8
#define ROWS 8
#else
#define VL 4
#define ROWS 8
#endif
#define BLOCK 16 /* tokens a block of keys and values */
#define CHUNK 32 /* rows of a matrix that one thread takes at a time; every size but V is a multiple */
#define PART 64  /* vocabulary entries whose probabilities are summed together */
#define HEAD_CHUNK 192
#define LARGEST 256 /* head */
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

typedef float vf __attribute__((vector_size(4 * VL)));
typedef int32_t vi __attribute__((vector_size(4 * VL)));
typedef uint32_t vu __attribute__((vector_size(4 * VL)));
typedef float any_f __attribute__((vector_size(4 * VL), aligned(4), may_alias)); /* as they lie in memory */
typedef uint32_t any_u __attribute__((vector_size(4 * VL), aligned(4), may_alias));
typedef uint16_t any_h __attribute__((vector_size(2 * VL), aligned(2), may_alias));
#if BF16
typedef uint16_t W;
#else
typedef float W;
#endif
#if DOT
typedef uint16_t A; /* activations that enter a product: [feature / 2][lane][2] */
#else
typedef float A; /* [feature][lane] */
#endif

typedef struct {
  const W *norm, *q, *k, *v, *q_bias, *k_bias, *v_bias, *q_norm, *k_norm, *o, *norm2, *gate, *up, *down;
} Layer;

typedef struct {
  int32_t layers, hidden, inner, heads, key_heads, head_size, vocabulary;
  float eps, scale;
  const W *embedding, *norm, *head;
  const float *cosine, *sine; /* [position][D / 2] */
  const Layer *layer;
} Model;

typedef struct {
  W *keys;              /* [layer][block][G][D][BLOCK] */
  W *values;            /* [layer][block][G][BLOCK][D] */
  int64_t blocks;       /* blocks a layer */
  const int32_t *table; /* [row][width]: the blocks of each row in order */
  int32_t width;
} Pages;

typedef struct {
  int32_t n;
  const int32_t *id, *position, *row;
  const int32_t *slot_from, *slot; /* token i's key goes to slot[slot_from[i]] .. slot[slot_from[i + 1] - 1] */
  int32_t wanted;
  const int32_t *want; /* tokens after which one is drawn */
  int32_t apart;       /* no two tokens are of one row */
} Tokens;

typedef struct {
  float temperature, top_p;
  const float *uniform; /* [wanted] */
  int32_t *token;
  float *logp;
} Draw;

typedef struct {
  float *hidden, *wide, *gate, *up, *last, *logits; /* panels of hidden, (H + 2G) D, inner, inner, hidden, V up */
  A *in, *mixed, *mid;                              /* panels: [thread] of hidden; of H D; of inner */
  float *score;                                     /* [thread][4][longest] */
  float *part_max, *part_sum, *row_max;             /* panels of V / PART, V / PART, 1 */
  float *candidate;                                 /* [thread][V up][2] */
  int32_t longest, threads;
} Space;

INLINE float one(W w) {
#if BF16
  uint32_t bits = (uint32_t)w << 16;
  float x;
  memcpy(&x, &bits, 4);
  return x;
#else
  return w;
#endif
}

INLINE uint16_t rounded(float x) { /* to bfloat16, ties to even */
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

INLINE W narrow(float x) {
#if BF16
  return rounded(x);
#else
  return x;
#endif
}

INLINE vf load(const float *p) { return *(const any_f *)p; }
INLINE void store(float *p, vf x) { *(any_f *)p = x; }
INLINE vf all(float x) { return x - (vf){0}; }
INLINE vf larger(vf a, vf b) {
  vi more = a > b;
  return (vf)(((vi)a & more) | ((vi)b & ~more));
}

INLINE vf wide(const W *p) {
#if BF16 && defined(__AVX512F__) /* what GCC makes of the next line is far slower */
  return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)), 16);
#elif BF16
  return (vf)(__builtin_convertvector(*(const any_h *)p, vu) << 16);
#else
  return load(p);
#endif
}

INLINE vf exponential(vf x) { /* Cephes expf; 0 below -87 */
  vi alive = x > -87.0f;
  x = -larger(-x, all(-88.0f));
  vf n = (x * 1.44269504f + 12582912.0f) - 12582912.0f;
  vf r = x - n * 0.693359375f + n * 2.12194440e-4f;
  vf y = ((((1.9875691500e-4f * r + 1.3981999507e-3f) * r + 8.3334519073e-3f) * r + 4.1665795894e-2f) * r +
          1.6666665459e-1f) * r + 5.0000001201e-1f;
  y = y * r * r + r + 1.0f;
  return (vf)((vi)(y * (vf)((__builtin_convertvector(n, vi) + 127) << 23)) & alive);
}

/* Features f (even) and f + 1 of a panel, as the next product reads them. */
INLINE void put_pair(A *panel, int f, vf even, vf odd) {
#if DOT
  vu lo = (vu)even, hi = (vu)odd;
  lo = lo + 0x7fff + (lo >> 16 & 1);
  hi = hi + 0x7fff + (hi >> 16 & 1);
  *(any_u *)(panel + (size_t)f * VL) = (lo >> 16) | (hi & 0xffff0000u);
#else
  store(panel + (size_t)f * VL, even);
  store(panel + (size_t)(f + 1) * VL, odd);
#endif
}

INLINE void put(A *panel, int f, int lane, float x) {
#if DOT
  panel[((size_t)(f / 2) * VL + lane) * 2 + (f & 1)] = rounded(x);
#else
  panel[(size_t)f * VL + lane] = x;
#endif
}

INLINE void ahead(const void *p) { /* as asm: GCC's own prefetch makes it keep the sums in memory */
#if defined(__x86_64__)
  __asm__ volatile("prefetcht0 (%0)" ::"r"(p));
#else
  __builtin_prefetch(p);
#endif
}

/* R rows of a matrix times P panels. */
INLINE void kernel(const int R, const int P, const W *w, int K, const A *x, float *y, size_t y_next, const W *bias,
                   int add) {
  vf sum[ROWS];
  const char *next = (const char *)(w + (size_t)R * K);
  UNROLL for (int i = 0; i < R * P; i++) sum[i] = (vf){0};
  for (int k = 0; k < K; k += 1 + DOT, next += R * (1 + DOT) * sizeof(W)) {
    vf in[2];
    if (R > 1) ahead(next);
    UNROLL for (int p = 0; p < P; p++) in[p] = load((const float *)(x + ((size_t)p * K + k) * VL));
    UNROLL for (int r = 0; r < R; r++) {
#if DOT
      int32_t pair;
      memcpy(&pair, w + (size_t)r * K + k, 4);
      __m512bh weight = (__m512bh)_mm512_set1_epi32(pair);
      UNROLL for (int p = 0; p < P; p++) 
        sum[r * P + p] = (vf)_mm512_dpbf16_ps((__m512)sum[r * P + p], (__m512bh)in[p], weight);
#else
      float weight = one(w[(size_t)r * K + k]);
      UNROLL for (int p = 0; p < P; p++) sum[r * P + p] += in[p] * weight;
#endif
    }
  }
  UNROLL for (int r = 0; r < R; r++) UNROLL for (int p = 0; p < P; p++) {
    float *to = y + p * y_next + (size_t)r * VL;
    vf value = sum[r * P + p] + (bias ? one(bias[r]) : 0.0f);
    if (add) value += load(to);
    store(to, value);
  }
}

/* y[panel][at + o] (+)= sum over k of w[o][k] x[panel][k] for o in from .. to - 1; y has `width` features a panel. */
static void product(const W *w, const W *bias, int K, int from, int to, const A *x, int panels, float *y, int width,
                    int at, int add) {
  const size_t y_next = (size_t)width * VL;
  for (int p = 0; p < panels;) {
    int pair = p + 2 <= panels, step = pair ? ROWS / 2 : ROWS, o = from;
    const A *xp = x + (size_t)p * K * VL;
    float *yp = y + p * y_next + (size_t)at * VL;
    for (; o + step <= to; o += step) {
      const W *wo = w + (size_t)o * K, *b = bias ? bias + o : bias;
      if (pair) kernel(ROWS / 2, 2, wo, K, xp, yp + (size_t)o * VL, y_next, b, add);
      else kernel(ROWS, 1, wo, K, xp, yp + (size_t)o * VL, y_next, b, add);
    }
    for (; o < to; o++) { /* only at the end of a vocabulary of odd size */
      const W *wo = w + (size_t)o * K, *b = bias ? bias + o : bias;
      kernel(1, 1, wo, K, xp, yp + (size_t)o * VL, y_next, b, add);
      if (pair) kernel(1, 1, wo, K, xp + (size_t)K * VL, yp + y_next + (size_t)o * VL, y_next, b, add);
    }
    p += 1 + pair;
  }
}

/* Root-mean-square norm of every panel, each thread for itself: cheaper than to wait for each other. */
static void normalise(const float *x, const W *weight, int size, float eps, int panels, A *to) {
  for (int p = 0; p < panels; p++, x += (size_t)size * VL, to += (size_t)size * VL) {
    vf a = {0}, b = {0};
    for (int f = 0; f < size; f += 2) {
      vf even = load(x + (size_t)f * VL), odd = load(x + (size_t)(f + 1) * VL);
      a += even * even;
      b += odd * odd;
    }
    vf scale = (a + b) / (float)size + eps;
    for (int i = 0; i < VL; i++) scale[i] = 1.0f / sqrtf(scale[i]);
    for (int f = 0; f < size; f += 2)
      put_pair(to, f, load(x + (size_t)f * VL) * scale * one(weight[f]),
               load(x + (size_t)(f + 1) * VL) * scale * one(weight[f + 1]));
  }
}

/* One head of one token out of its panel: normed where the model norms it, and rotated to its position. */
INLINE void take(float *x, const float *from, const Model *m, const W *norm, int position) {
  const int D = m->head_size, half = D / 2;
  const float *cosine = m->cosine + (size_t)position * half, *sine = m->sine + (size_t)position * half;
  for (int d = 0; d < D; d++) x[d] = from[(size_t)d * VL];
  if (norm) {
    float squares = 0;
    for (int d = 0; d < D; d++) squares += x[d] * x[d];
    float scale = 1.0f / sqrtf(squares / (float)D + m->eps);
    for (int d = 0; d < D; d++) x[d] *= scale * one(norm[d]);
  }
  for (int d = 0; d < half; d++) {
    float a = x[d], b = x[d + half];
    x[d] = a * cosine[d] - b * sine[d];
    x[d + half] = b * cosine[d] + a * sine[d];
  }
}

/* Store key and value of key head g of token i wherever rows look for them. */
static void keep(const Model *m, const Layer *l, const Pages *pages, const Tokens *t, const Space *s, int layer, int i,
                 int g) {
  const int D = m->head_size, H = m->heads, G = m->key_heads;
  const float *from = s->wide + ((size_t)(i / VL) * (H + 2 * G) + H + g) * D * VL + i % VL;
  const float *value = from + (size_t)G * D * VL;
  float key[LARGEST];
  take(key, from, m, l->k_norm, t->position[i]);
  for (int at = t->slot_from[i]; at < t->slot_from[i + 1]; at++) {
    const int block = t->slot[at] / BLOCK, offset = t->slot[at] % BLOCK;
    const size_t start = ((layer * pages->blocks + block) * G + g) * (size_t)D * BLOCK;
    W *keys = pages->keys + start + offset, *values = pages->values + start + (size_t)offset * D;
    for (int d = 0; d < D; d++) keys[d * BLOCK] = narrow(key[d]);
    for (int d = 0; d < D; d++) values[d] = narrow(value[(size_t)d * VL]);
  }
}

INLINE void scores(const int R, const W *key, const W *next, const float *q, int D, float *to, int longest) {
  vf sum[4][BLOCK / VL];
  UNROLL for (int r = 0; r < R; r++) UNROLL for (int j = 0; j < BLOCK / VL; j++) sum[r][j] = (vf){0};
  for (int d = 0; d < D; d++) {
    ahead(next + d * BLOCK);
    UNROLL for (int j = 0; j < BLOCK / VL; j++) {
      vf k = wide(key + d * BLOCK + j * VL);
      UNROLL for (int r = 0; r < R; r++) sum[r][j] += k * q[r * D + d];
    }
  }
  UNROLL for (int r = 0; r < R; r++) UNROLL for (int j = 0; j < BLOCK / VL; j++)
    store(to + (size_t)r * longest + j * VL, sum[r][j]);
}

/* J vectors of the values' columns, from column d on, weighted by p. */
INLINE void mix(const int R, const int J, const W *pool, size_t stride, const int32_t *blocks, int length, int D, int d,
                const float *p, int longest, const float *total, float *to) {
  vf sum[4][4];
  UNROLL for (int r = 0; r < R; r++) UNROLL for (int j = 0; j < J; j++) sum[r][j] = (vf){0};
  for (int first = 0; first < length; first += BLOCK) {
    const W *value = pool + blocks[first / BLOCK] * stride + d;
    const W *next = first + BLOCK < length ? pool + blocks[first / BLOCK + 1] * stride + d : value;
    const int count = length - first < BLOCK ? length - first : BLOCK;
    for (int t = 0; t < count; t++) {
      UNROLL for (int j = 0; j < J * VL * (int)sizeof(W); j += 64) ahead((const char *)(next + (size_t)t * D) + j);
      UNROLL for (int j = 0; j < J; j++) {
        vf v = wide(value + (size_t)t * D + j * VL);
        UNROLL for (int r = 0; r < R; r++) sum[r][j] += v * p[(size_t)r * longest + first + t];
      }
    }
  }
  UNROLL for (int r = 0; r < R; r++) UNROLL for (int j = 0; j < J; j++)
    store(to + r * D + d + j * VL, sum[r][j] / total[r]);
}

/* R query heads from `head` on, which share key head g, of one token. */
INLINE void attend(const int R, const Model *m, const Layer *l, const Pages *pages, const Tokens *t, const Space *s,
                   int layer, int i, int g, int head, float *score) {
  const int D = m->head_size, H = m->heads, G = m->key_heads, lane = i % VL, length = t->position[i] + 1;
  const size_t stride = (size_t)G * D * BLOCK, start = (size_t)layer * pages->blocks * stride + (size_t)g * D * BLOCK;
  const float *x = s->wide + ((size_t)(i / VL) * (H + 2 * G) + head) * D * VL + lane;
  const int32_t *blocks = pages->table + (size_t)t->row[i] * pages->width;
  const W *keys = pages->keys + start, *values = pages->values + start;
  float q[4 * LARGEST], total[4];
  for (int r = 0; r < R; r++) take(q + r * D, x + (size_t)r * D * VL, m, l->q_norm, t->position[i]);
  for (int d = 0; d < R * D; d++) q[d] *= m->scale;
  for (int b = 0; b * BLOCK < length; b++)
    scores(R, keys + blocks[b] * stride, keys + blocks[(b + 1) * BLOCK < length ? b + 1 : b] * stride, q, D,
           score + b * BLOCK, s->longest);
  int end = (length + BLOCK - 1) / BLOCK * BLOCK;
  for (int r = 0; r < R; r++) {
    float *p = score + (size_t)r * s->longest, largest = -INFINITY;
    for (int at = length; at < end; at++) p[at] = -INFINITY;
    vf top = load(p), sum = {0};
    for (int at = VL; at < end; at += VL) top = larger(load(p + at), top);
    for (int j = 0; j < VL; j++) largest = top[j] > largest ? top[j] : largest;
    for (int at = 0; at < end; at += VL) {
      vf e = exponential(load(p + at) - largest);
      store(p + at, e);
      sum += e;
    }
    total[r] = 0;
    for (int j = 0; j < VL; j++) total[r] += sum[j];
  }
  int d = 0;
  for (; d + 4 * VL <= D; d += 4 * VL)
    mix(R, 4, values, stride, blocks, length, D, d, score, s->longest, total, q);
  for (; d < D; d += VL) mix(R, 1, values, stride, blocks, length, D, d, score, s->longest, total, q);
  A *to = s->mixed + (size_t)(i / VL) * H * D * VL;
  for (d = 0; d < R * D; d++) put(to, head * D + d, lane, q[d]);
}

static void attention(const Model *m, const Layer *l, const Pages *pages, const Tokens *t, const Space *s, int layer,
                      int i, int g, float *score) {
  int R = m->heads / m->key_heads, head = g * R, end = head + R;
  for (; head + 4 <= end; head += 4) attend(4, m, l, pages, t, s, layer, i, g, head, score);
  if (end - head == 3) attend(3, m, l, pages, t, s, layer, i, g, head, score);
  if (end - head == 2) attend(2, m, l, pages, t, s, layer, i, g, head, score);
  if (end - head == 1) attend(1, m, l, pages, t, s, layer, i, g, head, score);
}

typedef struct {
  float p;
  int32_t id;
} Candidate;

static int falling(const void *left, const void *right) {
  const Candidate *a = left, *b = right;
  return a->p != b->p ? (a->p < b->p) - (a->p > b->p) : a->id - b->id;
}

/* The fewest tokens that hold `needed` of the mass, the most likely first; their number, and what they hold. */
static int nucleus(const float *e, const float *largest, int parts, double needed, Candidate *found, double *kept) {
  int count, most = 0;
  for (float cut = 1e-2f;; cut = cut > 1e-30f ? cut * 1e-2f : -1.0f) {
    double mass = count = 0;
    for (int c = 0; c < parts; c++)
      if (largest[(size_t)c * VL] > cut)
        for (int v = c * PART; v < (c + 1) * PART; v++)
          if (e[(size_t)v * VL] > cut) mass += found[count].p = e[(size_t)v * VL], found[count++].id = v;
    if (mass >= needed || cut < 0) break;
  }
  qsort(found, count, sizeof *found, falling);
  for (*kept = 0; most < count && (most == 0 || *kept < needed); most++) *kept += found[most].p;
  return most;
}

/* Token of wanted row b: greedy, or by inverse transform in the order of the vocabulary (top_p < 1: of falling
   probability) from its uniform number. If the logits are not numbers, so is its log-probability. Sampling finds exp((logit - largest) /
   temperature) in place of the logits. */
static void choose(const Model *m, const Space *s, const Draw *draw, int parts, int b, Candidate *found) {
  const size_t panel = b / VL, lane = b % VL;
  const float *e = s->logits + panel * parts * PART * VL + lane, top = s->row_max[b];
  const float *largest = s->part_max + panel * parts * VL + lane, *sums = s->part_sum + panel * parts * VL + lane;
  double kept = 0, reached = 0, total = 0;
  float weight = 1;
  int32_t pick = -1;
  for (int c = 0; c < parts; c++) total += sums[(size_t)c * VL];
  kept = total;
  if (!(top > -INFINITY) || !(total > 0)) {
  } else if (draw->temperature <= 0) {
    int c = 0;
    while (largest[(size_t)c * VL] != top) c++;
    for (pick = c * PART; e[(size_t)pick * VL] != top;) pick++;
  } else if (draw->top_p < 1) {
    int count = nucleus(e, largest, parts, draw->top_p * total, found, &kept), i = 0;
    for (; i < count - 1 && !((reached += found[i].p) > draw->uniform[b] * kept);) i++;
    pick = found[i].id, weight = found[i].p;
  } else {
    double target = draw->uniform[b] * total;
    int c = 0;
    for (; c < parts - 1 && !(reached + sums[(size_t)c * VL] > target); c++) reached += sums[(size_t)c * VL];
    /* Rounding may lay the target behind the last part's last token: then it is the last that is possible at all. */
    while (sums[(size_t)c * VL] == 0) c--;
    for (int v = c * PART; v < (c + 1) * PART && !(reached > target && pick >= 0); v++)
      if (e[(size_t)v * VL] > 0) reached += weight = e[(size_t)v * VL], pick = v;
  }
  int found_one = pick >= 0 && pick < m->vocabulary;
  draw->token[b] = found_one ? pick : 0;
  draw->logp[b] = found_one ? (float)log(weight / kept) : NAN;
}

static void project(const Model *m, const Layer *l, const Space *s, const A *in, int panels, int from) {
  const int HD = m->heads * m->head_size, GD = m->key_heads * m->head_size, K = m->hidden, width = HD + 2 * GD;
  const int part = from < HD ? 0 : from < HD + GD ? 1 : 2, at = part == 0 ? 0 : part == 1 ? HD : HD + GD;
  const W *w = part == 0 ? l->q : part == 1 ? l->k : l->v;
  const W *bias = part == 0 ? l->q_bias : part == 1 ? l->k_bias : l->v_bias;
  product(w, bias, K, from - at, from - at + CHUNK, in, panels, s->wide, width, at, 0);
}

static void gated(const Model *m, const Layer *l, const Space *s, const A *in, int panels, int from) {
  product(l->gate, NULL, m->hidden, from, from + CHUNK, in, panels, s->gate, m->inner, 0, 0);
  product(l->up, NULL, m->hidden, from, from + CHUNK, in, panels, s->up, m->inner, 0, 0);
  for (int p = 0; p < panels; p++)
    for (int f = from; f < from + CHUNK; f += 2) {
      vf both[2];
      for (int j = 0; j < 2; j++) {
        size_t at = ((size_t)p * m->inner + f + j) * VL;
        vf g = load(s->gate + at);
        both[j] = g / (1.0f + exponential(-g)) * load(s->up + at);
      }
      put_pair(s->mid + (size_t)p * m->inner * VL, f, both[0], both[1]);
    }
}

/* Logits of some of the vocabulary, and the largest of each part of it. */
static void head(const Model *m, const Space *s, const A *in, int panels, int parts, int from) {
  int end = from + HEAD_CHUNK < parts * PART ? from + HEAD_CHUNK : parts * PART;
  int real = end < m->vocabulary ? end : m->vocabulary;
  product(m->head, NULL, m->hidden, from, real, in, panels, s->logits, parts * PART, 0, 0);
  for (int p = 0; p < panels; p++) {
    float *logits = s->logits + (size_t)p * parts * PART * VL;
    for (int v = real; v < end; v++) store(logits + (size_t)v * VL, all(-INFINITY));
    for (int c = from / PART; c < end / PART; c++) {
      vf top = all(-INFINITY);
      for (int v = c * PART; v < (c + 1) * PART; v++) top = larger(load(logits + (size_t)v * VL), top);
      store(s->part_max + ((size_t)p * parts + c) * VL, top);
    }
  }
}

/* Sum of exp((logit - largest) / temperature) over a part of the vocabulary. */
static void weigh(const Space *s, const Draw *draw, int parts, int p, int c) {
  const int sampled = draw->temperature > 0;
  const float inverse = sampled ? 1.0f / draw->temperature : 1.0f;
  float *logits = s->logits + ((size_t)p * parts + c) * PART * VL;
  vf top = load(s->row_max + (size_t)p * VL), sum = {0}, most = {0};
  for (int v = 0; v < PART; v++) {
    vf e = exponential((load(logits + (size_t)v * VL) - top) * inverse);
    if (sampled) store(logits + (size_t)v * VL, e);
    most = larger(e, most);
    sum += e;
  }
  store(s->part_sum + ((size_t)p * parts + c) * VL, sum);
  if (sampled) store(s->part_max + ((size_t)p * parts + c) * VL, most);
}

void gnomon_step(const Model *m, const Pages *pages, const Tokens *t, const Draw *draw, const Space *s) {
  const int D = m->head_size, H = m->heads, G = m->key_heads, hidden = m->hidden;
  const int panels = (t->n + VL - 1) / VL, last = (t->wanted + VL - 1) / VL, parts = (m->vocabulary + PART - 1) / PART;
#pragma omp parallel num_threads(s->threads)
  {
    int thread = 0;
#ifdef _OPENMP
    thread = omp_get_thread_num();
#endif
    A *in = s->in + (size_t)thread * (panels > last ? panels : last) * hidden * VL;
    float *score = s->score + (size_t)thread * 4 * s->longest;
    Candidate *found = (Candidate *)s->candidate + (size_t)thread * parts * PART;
#pragma omp for
    for (int i = 0; i < panels * VL; i++) {
      const W *row = m->embedding + (i < t->n ? (size_t)t->id[i] * hidden : 0);
      for (int f = 0; f < hidden; f++) s->hidden[((size_t)(i / VL) * hidden + f) * VL + i % VL] = one(row[f]);
    }
    for (int layer = 0; layer < m->layers; layer++) {
      const Layer *l = m->layer + layer;
      normalise(s->hidden, l->norm, hidden, m->eps, panels, in);
#pragma omp for
      for (int from = 0; from < (H + 2 * G) * D; from += CHUNK) project(m, l, s, in, panels, from);
#pragma omp for schedule(static) nowait
      for (int i = 0; i < t->n * G; i++) keep(m, l, pages, t, s, layer, i / G, i % G);
      if (!t->apart) { /* else each token looks at what the same thread has stored, and at older ones */
#pragma omp barrier
      }
#pragma omp for schedule(static)
      for (int i = 0; i < t->n * G; i++) attention(m, l, pages, t, s, layer, i / G, i % G, score);
#pragma omp for
      for (int from = 0; from < hidden; from += CHUNK)
        product(l->o, NULL, H * D, from, from + CHUNK, s->mixed, panels, s->hidden, hidden, 0, 1);
      normalise(s->hidden, l->norm2, hidden, m->eps, panels, in);
#pragma omp for
      for (int from = 0; from < m->inner; from += CHUNK) gated(m, l, s, in, panels, from);
#pragma omp for
      for (int from = 0; from < hidden; from += CHUNK)
        product(l->down, NULL, m->inner, from, from + CHUNK, s->mid, panels, s->hidden, hidden, 0, 1);
    }
#pragma omp for
    for (int b = 0; b < last * VL; b++) {
      int i = b < t->wanted ? t->want[b] : t->want[0];
      for (int f = 0; f < hidden; f++)
        s->last[((size_t)(b / VL) * hidden + f) * VL + b % VL] = s->hidden[((size_t)(i / VL) * hidden + f) * VL + i % VL];
    }
    normalise(s->last, m->norm, hidden, m->eps, last, in);
#pragma omp for
    for (int from = 0; from < (last ? parts * PART : 0); from += HEAD_CHUNK) head(m, s, in, last, parts, from);
#pragma omp for
    for (int p = 0; p < last; p++) {
      vf top = all(-INFINITY);
      for (int c = 0; c < parts; c++) top = larger(load(s->part_max + ((size_t)p * parts + c) * VL), top);
      store(s->row_max + (size_t)p * VL, top);
    }
#pragma omp for
    for (int i = 0; i < last * parts; i++) weigh(s, draw, parts, i / parts, i % parts);
#pragma omp for schedule(dynamic)
    for (int b = 0; b < t->wanted; b++) choose(m, s, draw, parts, b, found);
  }
}

/* What decode.py must know of this build: lanes of a panel, bytes of an activation. */
int gnomon_lanes(void) { return VL; }
int gnomon_activation(void) { return sizeof(A); }
