// Compiled once for each instruction set with KPRUNE_KERNELS naming the function that gives the table.
// Includes nothing with inline functions of external linkage: the linker would keep one copy for all sets.
#include <cstdint>

#include "engine/kernels/kernels.h"
#include "engine/kernels/small_gemm.h"
#include "engine/kernels/vector_types.h"

namespace {

using kprune::AttentionShape;
using kprune::Kernels;
using kprune::TypedKernels;

int64_t RoundUp(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

int64_t Least(int64_t a, int64_t b) { return a < b ? a : b; }

// --- Rows and columns ---

template <typename E>
void Convert(int64_t count, const float* x, void* out) {
  E* to = static_cast<E*>(out);
  for (int64_t i = 0; i < count; i += kLanes) StoreUpTo(to + i, LoadUpTo(x + i, count - i), count - i);
}

template <typename E>
void Gelu(int64_t count, const void* h_elements, void* z_elements, void* derivative_elements) {
  const E* h = static_cast<const E*>(h_elements);
  E* z = static_cast<E*>(z_elements);
  E* derivative = static_cast<E*>(derivative_elements);
  for (int64_t i = 0; i < count; i += kLanes) {
    const Vec x = LoadUpTo(h + i, count - i);
    const Vec magnitude = (x < 0 ? -x : x) * 0.70710678118654752f;
    const Vec t = 1.0f / (1.0f + 0.3275911f * magnitude);
    const Vec gauss = Exp(-magnitude * magnitude);  // exp(-x^2 / 2)
    Vec p = Splat(1.061405429f);
    p = p * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    const Vec tail = 0.5f * (p * t) * gauss;  // of the normal distribution beyond |x|
    const Vec phi = x < 0 ? tail : 1.0f - tail;
    StoreUpTo(z + i, x * phi, count - i);
    if (derivative != nullptr) StoreUpTo(derivative + i, phi + x * (0.39894228040143268f * gauss), count - i);
  }
}

template <typename E>
void AddNorm(int64_t rows, int64_t d, const float* x, const void* branch_elements, const float* weight,
             const float* bias, double eps, float* y, float* statistics, float* out, void* out_elements) {
  const E* branch = static_cast<const E*>(branch_elements);
  E* out_element = static_cast<E*>(out_elements);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t row = r * d;
    Vec sum{};
    for (int64_t c = 0; c < d; c += kLanes) {
      const Vec value = LoadUpTo(x + row + c, d - c) + LoadUpTo(branch + row + c, d - c);
      StoreUpTo(y + row + c, value, d - c);
      sum += value;
    }
    const float mean = Sum(sum) / static_cast<float>(d);
    Vec squares{};
    for (int64_t c = 0; c < d; c += kLanes) {
      const Vec centred = KeepLanes(LoadUpTo(y + row + c, d - c) - mean, d - c);
      squares += centred * centred;
    }
    const double variance = static_cast<double>(Sum(squares)) / static_cast<double>(d);
    const float rstd = static_cast<float>(1.0 / __builtin_sqrt(variance + eps));
    statistics[2 * r] = mean;
    statistics[2 * r + 1] = rstd;
    for (int64_t c = 0; c < d; c += kLanes) {
      const Vec value = (LoadUpTo(y + row + c, d - c) - mean) * rstd * LoadUpTo(weight + c, d - c) +
                        LoadUpTo(bias + c, d - c);
      StoreUpTo(out + row + c, value, d - c);
      if (out_element != nullptr) StoreUpTo(out_element + row + c, value, d - c);
    }
  }
}

template <typename E>
void NormBackward(int64_t rows, int64_t d, const float* gradient, const void* branch_elements, const float* y,
                  const float* statistics, const float* weight, float* out, void* out_elements) {
  const E* branch = static_cast<const E*>(branch_elements);
  E* out_element = static_cast<E*>(out_elements);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t row = r * d;
    const float mean = statistics[2 * r], rstd = statistics[2 * r + 1];
    Vec sum{}, product{};
    for (int64_t c = 0; c < d; c += kLanes) {
      Vec g = LoadUpTo(gradient + row + c, d - c);
      if (branch != nullptr) g += LoadUpTo(branch + row + c, d - c);
      g *= LoadUpTo(weight + c, d - c);  // beyond the row: zero
      StoreUpTo(out + row + c, g, d - c);
      sum += g;
      product += g * ((LoadUpTo(y + row + c, d - c) - mean) * rstd);
    }
    const float mean_gradient = Sum(sum) / static_cast<float>(d);
    const float mean_product = Sum(product) / static_cast<float>(d);
    for (int64_t c = 0; c < d; c += kLanes) {
      const Vec normal = (LoadUpTo(y + row + c, d - c) - mean) * rstd;
      const Vec g = (LoadUpTo(out + row + c, d - c) - mean_gradient - normal * mean_product) * rstd;
      StoreUpTo(out + row + c, g, d - c);
      if (out_element != nullptr) StoreUpTo(out_element + row + c, g, d - c);
    }
  }
}

template <typename E>
void SegmentDot(int64_t begin, int64_t end, int64_t units, int64_t sequences, const int64_t* offsets,
                const void* z_elements, void* gradient_elements, const void* derivative_elements,
                float* sums) {
  const E* z = static_cast<const E*>(z_elements);
  E* gradient = static_cast<E*>(gradient_elements);
  const E* derivative = static_cast<const E*>(derivative_elements);
  constexpr int64_t kWidth = 4 * kLanes;  // columns at a time: whole cache lines of elements
  for (int64_t u = begin; u < end; u += kWidth) {
    const int64_t stop = Least(u + kWidth, end);
    for (int64_t n = 0; n < sequences; ++n) {
      Vec totals[4] = {};
      for (int64_t t = offsets[n]; t < offsets[n + 1]; ++t) {
        for (int64_t v = 0, c = u; c < stop; ++v, c += kLanes) {
          const int64_t at = t * units + c, lanes = stop - c;
          const Vec g = LoadUpTo(gradient + at, lanes);
          totals[v] += g * LoadUpTo(z + at, lanes);
          if (derivative != nullptr) StoreUpTo(gradient + at, g * LoadUpTo(derivative + at, lanes), lanes);
        }
      }
      for (int64_t v = 0, c = u; c < stop; ++v, c += kLanes)
        StoreUpTo(sums + n * units + c, totals[v], stop - c);
    }
  }
}

template <typename E>
void ColumnSquares(int64_t begin, int64_t end, int64_t rows, int64_t units, const void* z_elements,
                   float* sums) {
  const E* z = static_cast<const E*>(z_elements);
  constexpr int64_t kWidth = 4 * kLanes;
  for (int64_t u = begin; u < end; u += kWidth) {
    const int64_t stop = Least(u + kWidth, end);
    Vec totals[4] = {};
    for (int64_t t = 0; t < rows; ++t) {
      for (int64_t v = 0, c = u; c < stop; ++v, c += kLanes) {
        const Vec x = LoadUpTo(z + t * units + c, stop - c);
        totals[v] += x * x;
      }
    }
    for (int64_t v = 0, c = u; c < stop; ++v, c += kLanes)
      StoreUpTo(sums + c, totals[v] + LoadUpTo(sums + c, stop - c), stop - c);
  }
}

// to [rows, padded] = scale * the columns begin .. begin + width - 1 of from [., stride], padded with zeros.
template <typename E>
void Pack(int64_t rows, int64_t width, int64_t padded, const E* from, int64_t stride, float scale,
          float* to) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < padded; c += kLanes) {
      const Vec x = c < width ? LoadUpTo(from + r * stride + c, width - c) : Vec{};
      Store(to + r * padded + c, x * scale);
    }
  }
}

template <typename E>
void Unpack(int64_t rows, int64_t width, int64_t padded, const float* from, float scale, E* to,
            int64_t stride) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < width; c += kLanes)
      StoreUpTo(to + r * stride + c, Load(from + r * padded + c) * scale, width - c);
  }
}

constexpr int64_t kGramRows = 256;

int64_t GramScratch(int64_t width) { return (kGramRows + width) * RoundUp(width); }

template <typename E>
void ColumnGram(int64_t begin, int64_t width, int64_t rows, int64_t units, const void* z_elements,
                float* gram, float* scratch) {
  const E* z = static_cast<const E*>(z_elements) + begin;
  const int64_t padded = RoundUp(width);
  float* const sums = scratch + kGramRows * padded;
  for (int64_t first = 0; first < rows; first += kGramRows) {
    const int64_t count = Least(kGramRows, rows - first);
    Pack(count, width, padded, z + first * units, units, 1.0f, scratch);
    SmallGemm(width, padded, count, {scratch, 1, padded}, scratch, padded, sums, padded, first > 0);
  }
  if (rows == 0) Pack(width, 0, padded, sums, padded, 0.0f, sums);
  Unpack(width, width, padded, sums, 1.0f, gram, width);
}

// --- Attention of one head of one sequence ---

constexpr int64_t kQueries = 48;  // rows of scores at a time

// What one (sequence, head) pair works in, cut out of the scratch floats.
struct Panels {
  int64_t tokens, width, padded_tokens, padded_width;
  float *query, *key, *value;                               // [tokens, padded_width]; the query scaled
  float *key_columns, *value_columns;                       // transposed, [width, padded_tokens]
  float *scores, *score_gradient;                           // [kQueries, padded_tokens]
  float *context, *query_gradient;                          // [kQueries, padded_width]
  float *key_gradient, *value_gradient, *context_gradient;  // [tokens, padded_width]
};

int64_t AttentionScratch(const AttentionShape& shape) {
  const int64_t s = RoundUp(shape.longest), h = RoundUp(shape.head_dim);
  return 6 * s * h + 2 * shape.head_dim * s + 2 * kQueries * s + 2 * kQueries * h;
}

Panels Cut(const AttentionShape& shape, int64_t tokens, float* scratch) {
  Panels p{};
  p.tokens = tokens;
  p.width = shape.head_dim;
  p.padded_tokens = RoundUp(tokens);
  p.padded_width = RoundUp(shape.head_dim);
  const auto take = [&](int64_t rows, int64_t columns) {
    float* const begin = scratch;
    scratch += rows * columns;
    return begin;
  };
  float** const of_tokens[] = {&p.query,           &p.key, &p.value, &p.key_gradient, &p.value_gradient,
                               &p.context_gradient};
  for (float** rows : of_tokens) *rows = take(p.padded_tokens, p.padded_width);
  p.key_columns = take(p.width, p.padded_tokens);
  p.value_columns = take(p.width, p.padded_tokens);
  p.scores = take(kQueries, p.padded_tokens);
  p.score_gradient = take(kQueries, p.padded_tokens);
  p.context = take(kQueries, p.padded_width);
  p.query_gradient = take(kQueries, p.padded_width);
  return p;
}

// to [width, padded_tokens] = the transpose of rows, zeros beyond the tokens.
void Transpose(const Panels& p, const float* rows, float* to) {
  for (int64_t c = 0; c < p.width; ++c) {
    for (int64_t t = p.tokens; t < p.padded_tokens; ++t) to[c * p.padded_tokens + t] = 0;
  }
  for (int64_t t = 0; t < p.tokens; ++t) {
    for (int64_t c = 0; c < p.width; ++c) to[c * p.padded_tokens + t] = rows[t * p.padded_width + c];
  }
}

// Reads query, key and value of the sequence that begins at row `qkv`.
template <typename E>
void ReadPanels(const AttentionShape& shape, const E* qkv, Panels& p) {
  const int64_t units = shape.heads * shape.head_dim;
  const float scale = static_cast<float>(1.0 / __builtin_sqrt(static_cast<double>(shape.head_dim)));
  Pack(p.tokens, p.width, p.padded_width, qkv, 3 * units, scale, p.query);
  Pack(p.tokens, p.width, p.padded_width, qkv + units, 3 * units, 1.0f, p.key);
  Pack(p.tokens, p.width, p.padded_width, qkv + 2 * units, 3 * units, 1.0f, p.value);
  Transpose(p, p.key, p.key_columns);
}

// scores = softmax of queries first .. first + count - 1 over the tokens; zero in the padding.
void Softmax(const Panels& p, int64_t first, int64_t count) {
  const int64_t s = p.padded_tokens;
  SmallGemm(count, s, p.width, {p.query + first * p.padded_width, p.padded_width, 1}, p.key_columns, s,
            p.scores, s, false);
  for (int64_t i = 0; i < count; ++i) {
    float* const row = p.scores + i * s;
    for (int64_t j = p.tokens; j < s; ++j) row[j] = row[0];  // no influence on the maximum
    Vec largest = Load(row);
    for (int64_t j = kLanes; j < s; j += kLanes) largest = Max(largest, Load(row + j));
    float top = largest[0];
    for (int64_t lane = 1; lane < kLanes; ++lane) top = largest[lane] > top ? largest[lane] : top;
    Vec sums{};
    for (int64_t j = 0; j < s; j += kLanes) {
      const Vec e = Exp(Load(row + j) - top);
      Store(row + j, e);
      sums += e;
    }
    float padding = 0;
    for (int64_t j = p.tokens; j < s; ++j) {
      padding += row[j];
      row[j] = 0;
    }
    const float inverse = 1.0f / (Sum(sums) - padding);
    for (int64_t j = 0; j < s; j += kLanes) Store(row + j, Load(row + j) * inverse);
  }
}

template <typename E>
void Attention(int64_t begin, int64_t end, const AttentionShape& shape, const void* qkv_elements,
               void* context_elements, float* scratch) {
  const int64_t units = shape.heads * shape.head_dim;
  for (int64_t pair = begin; pair < end; ++pair) {
    const int64_t n = pair / shape.heads, column = pair % shape.heads * shape.head_dim;
    const int64_t first = shape.offsets[n];
    Panels p = Cut(shape, shape.offsets[n + 1] - first, scratch);
    ReadPanels(shape, static_cast<const E*>(qkv_elements) + first * 3 * units + column, p);
    E* const context = static_cast<E*>(context_elements) + first * units + column;
    for (int64_t i = 0; i < p.tokens; i += kQueries) {
      const int64_t count = Least(kQueries, p.tokens - i);
      Softmax(p, i, count);
      SmallGemm(count, p.padded_width, p.tokens, {p.scores, p.padded_tokens, 1}, p.value, p.padded_width,
                p.context, p.padded_width, false);
      Unpack(count, p.width, p.padded_width, p.context, 1.0f, context + i * units, units);
    }
  }
}

// score_gradient = scores * (G - rowsum(scores * G)), G = context_gradient V^T: the gradient at the scaled
// products.
void SoftmaxBackward(const Panels& p, int64_t first, int64_t count) {
  const int64_t s = p.padded_tokens;
  SmallGemm(count, s, p.width, {p.context_gradient + first * p.padded_width, p.padded_width, 1},
            p.value_columns, s, p.score_gradient, s, false);
  for (int64_t i = 0; i < count; ++i) {
    const float* const scores = p.scores + i * s;
    float* const gradient = p.score_gradient + i * s;
    Vec sums{};
    for (int64_t j = 0; j < s; j += kLanes) sums += Load(scores + j) * Load(gradient + j);
    const float total = Sum(sums);
    for (int64_t j = 0; j < s; j += kLanes)
      Store(gradient + j, Load(scores + j) * (Load(gradient + j) - total));
  }
}

template <typename E>
void AttentionBackward(int64_t begin, int64_t end, const AttentionShape& shape, const void* qkv_elements,
                       const void* context_elements, void* qkv_gradients, void* first_query_elements,
                       float* scratch) {
  const int64_t units = shape.heads * shape.head_dim;
  const float scale = static_cast<float>(1.0 / __builtin_sqrt(static_cast<double>(shape.head_dim)));
  E* const first_query = static_cast<E*>(first_query_elements);
  for (int64_t pair = begin; pair < end; ++pair) {
    const int64_t n = pair / shape.heads, column = pair % shape.heads * shape.head_dim;
    const int64_t first = shape.offsets[n];
    Panels p = Cut(shape, shape.offsets[n + 1] - first, scratch);
    ReadPanels(shape, static_cast<const E*>(qkv_elements) + first * 3 * units + column, p);
    Transpose(p, p.value, p.value_columns);
    const int64_t queries = first_query == nullptr ? p.tokens : Least(1, p.tokens);
    const int64_t context_row = first_query == nullptr ? first : n;
    Pack(queries, p.width, p.padded_width,
         static_cast<const E*>(context_elements) + context_row * units + column, units, 1.0f,
         p.context_gradient);
    E* const gradient = static_cast<E*>(qkv_gradients) + first * 3 * units + column;
    E* const query_rows = first_query == nullptr ? gradient : first_query + n * units + column;
    const int64_t query_stride = first_query == nullptr ? 3 * units : units;
    for (int64_t i = 0; i < queries; i += kQueries) {
      const int64_t count = Least(kQueries, queries - i);
      Softmax(p, i, count);
      SoftmaxBackward(p, i, count);
      SmallGemm(count, p.padded_width, p.tokens, {p.score_gradient, p.padded_tokens, 1}, p.key,
                p.padded_width, p.query_gradient, p.padded_width, false);
      Unpack(count, p.width, p.padded_width, p.query_gradient, scale, query_rows + i * query_stride,
             query_stride);
      // The stored query is scaled already.
      SmallGemm(p.tokens, p.padded_width, count, {p.score_gradient, 1, p.padded_tokens},
                p.query + i * p.padded_width, p.padded_width, p.key_gradient, p.padded_width, i > 0);
      SmallGemm(p.tokens, p.padded_width, count, {p.scores, 1, p.padded_tokens},
                p.context_gradient + i * p.padded_width, p.padded_width, p.value_gradient, p.padded_width,
                i > 0);
    }
    Unpack(p.tokens, p.width, p.padded_width, p.key_gradient, 1.0f, gradient + units, 3 * units);
    Unpack(p.tokens, p.width, p.padded_width, p.value_gradient, 1.0f, gradient + 2 * units, 3 * units);
  }
}

template <typename E>
constexpr TypedKernels Typed() {
  return {Convert<E>,       Gelu<E>,       AddNorm<E>,   NormBackward<E>,     SegmentDot<E>,
          ColumnSquares<E>, ColumnGram<E>, Attention<E>, AttentionBackward<E>};
}

}  // namespace

namespace kprune {

const Kernels& KPRUNE_KERNELS();

const Kernels& KPRUNE_KERNELS() {
  static constexpr Kernels kKernels = {KPRUNE_KERNELS_NAME, Typed<float>(), Typed<BFloat16>(),
                                       AttentionScratch, GramScratch};
  return kKernels;
}

}  // namespace kprune
