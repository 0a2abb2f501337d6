// The inner loops of a forward and backward pass on a CPU, compiled once for each instruction set that pays
// (AVX-512 with and without float16, bfloat16 and matrix tiles, AVX2, baseline x86-64) and chosen when the
// program runs.
//
// Shapes: T tokens, d hidden size, U features (heads * head_dim, or neurons), N sequences. Matrices are
// row-major. Activations are float32 or bfloat16 (Element); hidden states and sums are float32. All loops
// compute in float32, but for sums of products of columns (GramKernels). Every function
// works on a range of rows, columns or (sequence, head) pairs, so that callers share them out among threads;
// a result does not depend on how. Thread-safe; nothing here allocates.
#ifndef KPRUNE_ENGINE_KERNELS_KERNELS_H_
#define KPRUNE_ENGINE_KERNELS_KERNELS_H_

#include <cstdint>

namespace kprune {

struct AttentionShape {
  const int64_t* offsets;  // [N + 1] where each sequence begins
  int64_t heads;
  int64_t head_dim;
  int64_t longest;  // tokens of the longest sequence
};

// c [rows, columns] = a [rows, inner] b [inner, columns], or b [columns, inner] where it is transposed.
// Strides are of rows, in elements.
struct ProductShape {
  int64_t rows, inner, columns;
  int64_t a_stride, b_stride, c_stride;
  bool b_transposed;
};

// Part of a product: some of the rows, and some of the panels of `panel_columns` columns of B each.
struct ProductBlock {
  int64_t first_row, end_row, first_panel, end_panel;
};

// c = gelu(product + bias), a bias for each column; `derivative`, of the shape of c, is gelu' there, or null.
// Unless it is null, squares[column] += sum over the block's rows of c^2, before c is rounded.
struct GeluEpilogue {
  const void* bias;
  void* derivative;
  float* squares = nullptr;
};

// Functions for one element type of activations; `void` pointers point to elements of it.
struct TypedKernels {
  // With x = h + bias, a bias for each column: z = gelu(x) = x Phi(x) and, unless `derivative` is null,
  // gelu'(x). Both may be h itself. Phi is within 1e-7 of the normal distribution function (Abramowitz and
  // Stegun, 7.1.26).
  void (*gelu)(int64_t rows, int64_t columns, const void* h, const void* bias, void* z, void* derivative);

  // y = x + branch + branch_bias.
  void (*add_branch)(int64_t rows, int64_t d, const float* x, const void* branch, const void* branch_bias,
                     float* y);

  // The same y, or x itself where `branch` is null; out = LayerNorm(y), as float32 and, unless `out_element`
  // is null, as elements. Unless it is null, statistics[2 r] is the mean of row r of y, statistics[2 r + 1]
  // one over its standard deviation.
  void (*add_norm)(int64_t rows, int64_t d, const float* x, const void* branch, const void* branch_bias,
                   const float* weight, const float* bias, double eps, float* y, float* statistics,
                   float* out, void* out_element);

  // The gradient at y of LayerNorm, given the gradient at its output: `gradient` plus, unless it is null,
  // `branch`. `out` may be `gradient`.
  void (*norm_backward)(int64_t rows, int64_t d, const float* gradient, const void* branch, const float* y,
                        const float* statistics, const float* weight, float* out, void* out_element);

  // Columns begin .. end - 1: sums[n, u] = sum over the tokens of sequence n of z * gradient; then, unless
  // `derivative` is null, gradient *= derivative.
  void (*segment_dot)(int64_t begin, int64_t end, int64_t units, int64_t sequences, const int64_t* offsets,
                      const void* z, void* gradient, const void* derivative, float* sums);

  // Columns begin .. end - 1: sums[u] += sum over rows of z[., u]^2.
  void (*column_squares)(int64_t begin, int64_t end, int64_t rows, int64_t units, const void* z, float* sums);

  // gram [width, width] = Z^T Z of columns begin .. begin + width - 1 of z. `scratch` has gram_scratch
  // floats.
  void (*column_gram)(int64_t begin, int64_t width, int64_t rows, int64_t units, const void* z, float* gram,
                      float* scratch);

  // Pairs begin .. end - 1, numbered sequence * heads + head: context = softmax(Q K^T / sqrt(head_dim)) V of
  // query, key and value side by side in qkv + bias [T, 3U]. `scratch` has attention_scratch floats.
  void (*attention)(int64_t begin, int64_t end, const AttentionShape& shape, const void* qkv,
                    const void* bias, void* context, float* scratch);

  // The gradient at qkv, given that at the context [T, U].
  void (*attention_backward)(int64_t begin, int64_t end, const AttentionShape& shape, const void* qkv,
                             const void* bias, const void* gradient_context, void* gradient_qkv,
                             float* scratch);

  // The same for the context of the first token of every sequence alone, whose gradient is gradient_context
  // [N, U]. The gradient at a token's key is then a multiple of the first token's query, and that at its
  // value a multiple of gradient_context: `query` [N, U] gets the queries (scaled by 1/sqrt(head_dim)),
  // `multiples` [T, 2 heads] the factors of keys and of values. `query_gradient` [N, U] gets the gradient at
  // the queries in qkv. All but qkv, its bias and gradient_context are float32. `scratch` has
  // attention_scratch floats.
  void (*first_query_backward)(int64_t begin, int64_t end, const AttentionShape& shape, const void* qkv,
                               const void* bias, const void* gradient_context, float* query,
                               float* query_gradient, float* multiples, float* scratch);

  // Panels first .. end - 1 of b, as `product` reads them: packed_panel(inner) floats each, aligned to 64
  // bytes.
  int64_t (*packed_panel)(int64_t inner);
  void (*pack)(const ProductShape& shape, int64_t first, int64_t end, const void* b, float* packed);

  // One block of a product, whose panels are in `packed`; sums are float32. `gelu` may be null. `scratch` has
  // product_scratch(inner) floats and is aligned to 64 bytes.
  void (*product)(const ProductShape& shape, const ProductBlock& block, const void* a, const float* packed,
                  void* c, const GeluEpilogue* gelu, float* scratch);
};

// bfloat16 of two rows that stand one below the other: the upper in the low half.
struct BFloat16Pair {
  uint32_t bits;
};

// Sums of products of columns. S is what is multiplied: double, float, or pairs of bfloat16, whose products
// are float32. Sums over the rows of one call are double with double, else float.
template <typename S>
struct GramKernels {
  int64_t columns;  // of a packed panel
  int64_t depth;    // rows that stand in one S
  // packed [rows / depth, rounded up, columns] = columns panel * columns .. of z [rows, all], every row times
  // its scale unless `scale` is null, zeros beyond the last column and row.
  void (*pack_float32)(int64_t rows, int64_t all, int64_t panel, const void* z, int64_t stride,
                       const double* scale, S* packed);
  void (*pack_bfloat16)(int64_t rows, int64_t all, int64_t panel, const void* z, int64_t stride,
                        const double* scale, S* packed);
  void (*pack_float64)(int64_t rows, int64_t all, int64_t panel, const void* z, int64_t stride,
                       const double* scale, S* packed);
  // c [height, width] += A^T B of two packed panels, height and width at most `columns`.
  void (*tile)(int64_t rows, const S* a, const S* b, int64_t height, int64_t width, double* c,
               int64_t stride);
};

struct Kernels {
  // "avx512-bf16-amx", "avx512-bf16", "avx512-fp16", "avx512", "avx2" or "baseline".
  const char* instructions;
  TypedKernels float32;
  TypedKernels bfloat16;
  int64_t (*attention_scratch)(const AttentionShape& shape);
  int64_t (*gram_scratch)(int64_t width);
  // Rows begin .. end - 1 of out [T, d]: row t = sum over j < count of multiples[t, j] * vectors[j], rows of
  // d floats that lie `stride` floats apart.
  void (*combine)(int64_t begin, int64_t end, int64_t count, int64_t d, const float* multiples,
                  const float* vectors, int64_t stride, float* out);
  // residual = y - x - bias, a bias for each column; returns the sum of its squares.
  double (*residual)(int64_t rows, int64_t d, const float* y, const float* x, const float* bias,
                     float* residual);
  GramKernels<double> double_gram;
  GramKernels<float> single_gram;
  bool fast_bfloat16;  // products of bfloat16 take less time than those of float32
  const GramKernels<BFloat16Pair>* pair_gram;  // null where these kernels do not multiply pairs
  int64_t panel_columns;
  int64_t tile_rows;  // a product takes so many rows at a time
  int64_t (*product_scratch)(int64_t inner);
};

// The fastest set that this processor runs.
const Kernels& CpuKernels();

// A set by name, or null when this processor cannot run it.
const Kernels* FindCpuKernels(const char* instructions);

// Whether CpuKernels() multiply bfloat16 faster than float32.
bool HasFastBFloat16();

}  // namespace kprune

#endif  // KPRUNE_ENGINE_KERNELS_KERNELS_H_
