// Attention of one head of one sequence, and its backward pass. For vector_kernels.cc alone.
#ifndef KPRUNE_ENGINE_KERNELS_ATTENTION_H_
#define KPRUNE_ENGINE_KERNELS_ATTENTION_H_

#include "engine/kernels/kernels.h"
#include "engine/kernels/small_gemm.h"
#include "engine/kernels/vector_types.h"

namespace {

using kprune::AttentionShape;

inline int64_t RoundUp(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

// to [rows, padded] = scale * (from + bias) for columns 0 .. width - 1 of from [., stride]; zeros beyond.
// `bias` may be null. Asks for the next `width` columns: rows are too far apart for processors to see them
// coming.
template <typename E>
void Pack(int64_t rows, int64_t width, int64_t padded, const E* from, int64_t stride, const E* bias,
          float scale, float* to) {
  const int64_t whole = width / kLanes * kLanes;
  for (int64_t c = 0; c < padded; c += kLanes) {
    const int64_t lanes = c < width ? width - c : 0;
    const Vec shift = bias == nullptr ? Vec{} : LoadUpTo(bias + c, lanes);
    for (int64_t r = 0; r < rows; ++r) {
      __builtin_prefetch(from + r * stride + c + width);
      const Vec x = c < whole ? Load(from + r * stride + c) : LoadPart(from + r * stride + c, lanes);
      Store(to + r * padded + c, (x + shift) * scale);
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

inline int64_t AttentionScratch(const AttentionShape& shape) {
  const int64_t s = RoundUp(shape.longest), h = RoundUp(shape.head_dim);
  return 6 * s * h + 2 * shape.head_dim * s + 2 * kQueries * s + 2 * kQueries * h;
}

inline Panels Cut(const AttentionShape& shape, int64_t tokens, float* scratch) {
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

// to [width, padded_tokens] = the transpose of rows [tokens, padded_width], zeros beyond the tokens.
inline void Transpose(const Panels& p, const float* rows, float* to) {
  for (int64_t t = 0; t < p.padded_tokens; t += kLanes) {
    for (int64_t c = 0; c < p.padded_width; c += kLanes) {
      BitVec square[kLanes];
      for (int64_t i = 0; i < kLanes; ++i)
        square[i] = t + i < p.tokens ? LoadWords(rows + (t + i) * p.padded_width + c) : BitVec{};
      TransposeSquare(square);
      for (int64_t i = 0; i < kLanes && c + i < p.width; ++i)
        StoreWords(to + (c + i) * p.padded_tokens + t, square[i]);
    }
  }
}

// Where a (sequence, head) pair is: pairs are numbered sequence * heads + head.
struct Place {
  int64_t sequence, head, first_token, tokens, column;
};

inline Place PlaceOf(const AttentionShape& shape, int64_t pair) {
  const int64_t n = pair / shape.heads, head = pair % shape.heads, first = shape.offsets[n];
  return {n, head, first, shape.offsets[n + 1] - first, head * shape.head_dim};
}

inline float ScaleOf(const AttentionShape& shape) {
  return static_cast<float>(1.0 / __builtin_sqrt(static_cast<double>(shape.head_dim)));
}

// Reads query, key and value of one pair.
template <typename E>
Panels ReadPanels(const AttentionShape& shape, const Place& place, const void* qkv_elements,
                  const void* bias_elements, float* scratch) {
  Panels p = Cut(shape, place.tokens, scratch);
  const int64_t units = shape.heads * shape.head_dim;
  const E* const qkv = static_cast<const E*>(qkv_elements) + place.first_token * 3 * units + place.column;
  const E* const bias = static_cast<const E*>(bias_elements) + place.column;
  Pack(p.tokens, p.width, p.padded_width, qkv, 3 * units, bias, ScaleOf(shape), p.query);
  Pack(p.tokens, p.width, p.padded_width, qkv + units, 3 * units, bias + units, 1.0f, p.key);
  Pack(p.tokens, p.width, p.padded_width, qkv + 2 * units, 3 * units, bias + 2 * units, 1.0f, p.value);
  Transpose(p, p.key, p.key_columns);
  return p;
}

// And the gradient at the context of rows `row` .. row + rows - 1.
template <typename E>
Panels ReadPanelsAndGradient(const AttentionShape& shape, const Place& place, const void* qkv_elements,
                             const void* bias_elements, const void* gradient_elements, int64_t row,
                             int64_t rows, float* scratch) {
  Panels p = ReadPanels<E>(shape, place, qkv_elements, bias_elements, scratch);
  const int64_t units = shape.heads * shape.head_dim;
  Transpose(p, p.value, p.value_columns);
  Pack<E>(rows, p.width, p.padded_width,
          static_cast<const E*>(gradient_elements) + row * units + place.column, units, nullptr, 1.0f,
          p.context_gradient);
  return p;
}

// scores = softmax of queries first .. first + count - 1 over the tokens; zero in the padding.
inline void Softmax(const Panels& p, int64_t first, int64_t count) {
  const int64_t s = p.padded_tokens;
  SmallGemm(count, s, p.width, {p.query + first * p.padded_width, p.padded_width, 1}, p.key_columns, s,
            p.scores, s, false);
  for (int64_t i = 0; i < count; ++i) {
    float* const row = p.scores + i * s;
    constexpr float kLowest = -3.4e38f;
    Vec largest = Splat(kLowest);
    for (int64_t j = 0; j < s; j += kLanes)
      largest = Max(largest, KeepLanes(Load(row + j), p.tokens - j, kLowest));
    const float top = Largest(largest);
    Vec sums{};
    for (int64_t j = 0; j < s; j += kLanes) {
      const Vec e = KeepLanes(Exp(Load(row + j) - top), p.tokens - j);
      Store(row + j, e);
      sums += e;
    }
    const float inverse = 1.0f / Sum(sums);
    for (int64_t j = 0; j < s; j += kLanes) Store(row + j, Load(row + j) * inverse);
  }
}

template <typename E>
void Attention(int64_t begin, int64_t end, const AttentionShape& shape, const void* qkv, const void* bias,
               void* context_elements, float* scratch) {
  const int64_t units = shape.heads * shape.head_dim;
  for (int64_t pair = begin; pair < end; ++pair) {
    const Place place = PlaceOf(shape, pair);
    const Panels p = ReadPanels<E>(shape, place, qkv, bias, scratch);
    E* const context = static_cast<E*>(context_elements) + place.first_token * units + place.column;
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
inline void SoftmaxBackward(const Panels& p, int64_t first, int64_t count) {
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
void AttentionBackward(int64_t begin, int64_t end, const AttentionShape& shape, const void* qkv,
                       const void* bias, const void* context_gradient, void* qkv_gradients, float* scratch) {
  const int64_t units = shape.heads * shape.head_dim;
  const float scale = ScaleOf(shape);
  for (int64_t pair = begin; pair < end; ++pair) {
    const Place place = PlaceOf(shape, pair);
    const Panels p = ReadPanelsAndGradient<E>(shape, place, qkv, bias, context_gradient, place.first_token,
                                              place.tokens, scratch);
    E* const gradient = static_cast<E*>(qkv_gradients) + place.first_token * 3 * units + place.column;
    for (int64_t i = 0; i < p.tokens; i += kQueries) {
      const int64_t count = Least(kQueries, p.tokens - i);
      Softmax(p, i, count);
      SoftmaxBackward(p, i, count);
      SmallGemm(count, p.padded_width, p.tokens, {p.score_gradient, p.padded_tokens, 1}, p.key,
                p.padded_width, p.query_gradient, p.padded_width, false);
      Unpack(count, p.width, p.padded_width, p.query_gradient, scale, gradient + i * 3 * units, 3 * units);
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
void FirstQueryBackward(int64_t begin, int64_t end, const AttentionShape& shape, const void* qkv,
                        const void* bias, const void* context_gradient, float* query, float* query_gradient,
                        float* multiples, float* scratch) {
  const int64_t units = shape.heads * shape.head_dim;
  const float scale = ScaleOf(shape);
  for (int64_t pair = begin; pair < end; ++pair) {
    const Place place = PlaceOf(shape, pair);
    if (place.tokens == 0) continue;
    const Panels p =
        ReadPanelsAndGradient<E>(shape, place, qkv, bias, context_gradient, place.sequence, 1, scratch);
    const int64_t row = place.sequence * units + place.column;
    Softmax(p, 0, 1);
    SoftmaxBackward(p, 0, 1);
    SmallGemm(1, p.padded_width, p.tokens, {p.score_gradient, p.padded_tokens, 1}, p.key, p.padded_width,
              p.query_gradient, p.padded_width, false);
    Unpack(1, p.width, p.padded_width, p.query, 1.0f, query + row, units);
    Unpack(1, p.width, p.padded_width, p.query_gradient, scale, query_gradient + row, units);
    for (int64_t t = 0; t < p.tokens; ++t) {
      float* const multiple = multiples + (place.first_token + t) * 2 * shape.heads + place.head;
      multiple[0] = p.score_gradient[t];
      multiple[shape.heads] = p.scores[t];
    }
  }
}

}  // namespace

#endif  // KPRUNE_ENGINE_KERNELS_ATTENTION_H_
