#include "engine/model/steps.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "engine/kernels/kernels.h"
#include "engine/model/portable_steps.h"
#include "engine/model/share_out.h"
#include "engine/model/thread_scratch.h"
#include "engine/model/typed_kernels.h"

namespace kprune {
namespace {

// Elements a thread should have at least: less work than waking it costs is not shared out.
constexpr int64_t kGrain = 16384;

bool HasKernels(const at::Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

int64_t GrainOf(int64_t elements_each) {
  return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, elements_each));
}

template <typename T>
T* At(const at::Tensor& x, int64_t element) {
  return x.defined() ? x.mutable_data_ptr<T>() + element : nullptr;
}

// Address of an element of either type, or null.
void* Bytes(const at::Tensor& x, int64_t element) {
  if (!x.defined()) return nullptr;
  return static_cast<char*>(x.mutable_data_ptr()) + element * x.element_size();
}

AttentionShape ShapeOf(const at::Tensor& qkv, int64_t heads, const Batch& batch) {
  return {batch.offsets.data(), heads, qkv.size(1) / (3 * heads), batch.longest};
}

// Runs body(begin, end, scratch) over all (sequence, head) pairs.
template <typename Body>
void ForEachPair(const AttentionShape& shape, const Batch& batch, const Body& body) {
  const int64_t pair_elements = batch.tokens() / std::max<int64_t>(1, batch.size()) * shape.head_dim;
  ShareOut(batch.size() * shape.heads, GrainOf(pair_elements), [&](int64_t begin, int64_t end) {
    body(begin, end, ThreadScratch(CpuKernels().attention_scratch(shape)));
  });
}

}  // namespace

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  return at::layer_norm(x, {weight.size(0)}, weight, bias, eps);
}

void Activate(const std::string& name, const at::Tensor& h_TU, const at::Tensor& bias_U,
              const at::Tensor& z_TU, const at::Tensor& derivative_TU) {
  if (name != "gelu" || !HasKernels(h_TU)) return portable::Activate(name, h_TU, bias_U, z_TU, derivative_TU);
  const TypedKernels& kernels = KernelsOf(h_TU);
  const int64_t columns = h_TU.size(1);
  ShareOut(h_TU.size(0), GrainOf(columns), [&](int64_t begin, int64_t end) {
    const int64_t from = begin * columns;
    kernels.gelu(end - begin, columns, Bytes(h_TU, from), Bytes(bias_U, 0), Bytes(z_TU, from),
                 Bytes(derivative_TU, from));
  });
}

void ActivateGated(const std::string& name, const at::Tensor& h_T2U, const at::Tensor& bias_2U,
                   const at::Tensor& z_TU, const at::Tensor& derivatives_T2U) {
  const int64_t units = z_TU.size(1);
  const at::Tensor a = h_T2U.narrow(1, 0, units).clone(at::MemoryFormat::Contiguous);
  const at::Tensor b = h_T2U.narrow(1, units, units) + bias_2U.narrow(0, units, units);
  const at::Tensor slope = derivatives_T2U.defined() ? at::empty_like(a) : at::Tensor();
  Activate(name, a, bias_2U.narrow(0, 0, units), a, slope);
  at::Tensor z = z_TU;
  at::mul_out(z, a, b);
  if (!slope.defined()) return;
  at::Tensor of_a = derivatives_T2U.narrow(1, 0, units), of_b = derivatives_T2U.narrow(1, units, units);
  at::mul_out(of_a, slope, b);
  of_b.copy_(a);
}

void GatedBackward(const at::Tensor& gradient_TU, const at::Tensor& derivatives_T2U,
                   const at::Tensor& gradient_T2U) {
  const int64_t units = gradient_TU.size(1);
  for (const int64_t block : {int64_t{0}, units}) {
    at::Tensor out = gradient_T2U.narrow(1, block, units);
    at::mul_out(out, gradient_TU, derivatives_T2U.narrow(1, block, units));
  }
}

void AddBranch(const at::Tensor& x_Td, const at::Tensor& branch_Td, const at::Tensor& branch_bias_d,
               const at::Tensor& y_Td) {
  if (!HasKernels(branch_Td)) return portable::AddBranch(x_Td, branch_Td, branch_bias_d, y_Td);
  const int64_t d = x_Td.size(1);
  ShareOut(x_Td.size(0), GrainOf(d), [&](int64_t begin, int64_t end) {
    const int64_t from = begin * d;
    KernelsOf(branch_Td).add_branch(end - begin, d, At<float>(x_Td, from), Bytes(branch_Td, from),
                                    Bytes(branch_bias_d, 0), At<float>(y_Td, from));
  });
}

void Residual(const at::Tensor& y_Td, const at::Tensor& x_Td, const at::Tensor& bias_d,
              const at::Tensor& residual_Td, const at::Tensor& squared_sum) {
  const auto is_single = [](const at::Tensor& x) { return x.is_cpu() && x.scalar_type() == at::kFloat; };
  if (!is_single(y_Td) || !is_single(x_Td) || !is_single(bias_d) || !is_single(residual_Td))
    return portable::Residual(y_Td, x_Td, bias_d, residual_Td, squared_sum);
  const int64_t rows = y_Td.size(0), d = y_Td.size(1);
  // Sums of some rows each, added in their order: they do not depend on the threads.
  constexpr int64_t kRows = 64;
  std::vector<double> sums((rows + kRows - 1) / kRows);
  ShareOut(static_cast<int64_t>(sums.size()), GrainOf(kRows * d), [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * kRows, from = first * d;
      sums[block] =
          CpuKernels().residual(std::min(kRows, rows - first), d, At<float>(y_Td, from),
                                At<float>(x_Td, from), At<float>(bias_d, 0), At<float>(residual_Td, from));
    }
  });
  at::Tensor sum = squared_sum;
  sum.add_(std::accumulate(sums.begin(), sums.end(), 0.0));
}

void AddNorm(const at::Tensor& x_Td, const at::Tensor& branch_Td, const at::Tensor& branch_bias_d,
             const LayerNorm& norm, const NormResult& result) {
  if (!HasKernels(branch_Td)) return portable::AddNorm(x_Td, branch_Td, branch_bias_d, norm, result);
  const TypedKernels& kernels = KernelsOf(branch_Td);
  const int64_t d = x_Td.size(1);
  ShareOut(x_Td.size(0), GrainOf(d), [&](int64_t begin, int64_t end) {
    const int64_t from = begin * d;
    kernels.add_norm(end - begin, d, At<float>(x_Td, from), Bytes(branch_Td, from), Bytes(branch_bias_d, 0),
                     At<float>(norm.weight, 0), At<float>(norm.bias, 0), norm.eps,
                     At<float>(result.y_Td, from), At<float>(result.statistics_T2, 2 * begin),
                     At<float>(result.out_Td, from), Bytes(result.out_element_Td, from));
  });
}

void Normalize(const at::Tensor& y_Td, const LayerNorm& norm, const at::Tensor& out_Td) {
  at::Tensor out = out_Td;
  if (!y_Td.is_cpu() || y_Td.scalar_type() != at::kFloat) {
    out.copy_(norm(y_Td));
    return;
  }
  const int64_t d = y_Td.size(1);
  ShareOut(y_Td.size(0), GrainOf(d), [&](int64_t begin, int64_t end) {
    const int64_t from = begin * d;
    CpuKernels().float32.add_norm(end - begin, d, At<float>(y_Td, from), /*branch=*/nullptr,
                                  /*branch_bias=*/nullptr, At<float>(norm.weight, 0), At<float>(norm.bias, 0),
                                  norm.eps, At<float>(out, from), /*statistics=*/nullptr,
                                  At<float>(out, from),
                                  /*out_element=*/nullptr);
  });
}

void NormBackward(const at::Tensor& gradient_Td, const at::Tensor& branch_Td, const LayerNorm& norm,
                  const NormResult& forward, const at::Tensor& out_Td, const at::Tensor& out_element_Td) {
  const at::Tensor& element = branch_Td.defined()        ? branch_Td
                              : out_element_Td.defined() ? out_element_Td
                                                         : out_Td;
  if (!HasKernels(element)) {
    return portable::NormBackward(gradient_Td, branch_Td, norm, forward, out_Td, out_element_Td);
  }
  const TypedKernels& kernels = KernelsOf(element);
  const int64_t d = out_Td.size(1);
  ShareOut(out_Td.size(0), GrainOf(d), [&](int64_t begin, int64_t end) {
    const int64_t from = begin * d;
    kernels.norm_backward(end - begin, d, At<float>(gradient_Td, from), Bytes(branch_Td, from),
                          At<float>(forward.y_Td, from), At<float>(forward.statistics_T2, 2 * begin),
                          At<float>(norm.weight, 0), At<float>(out_Td, from), Bytes(out_element_Td, from));
  });
}

at::Tensor SegmentDot(const at::Tensor& z_TU, const at::Tensor& gradient_TU, const at::Tensor& derivative_TU,
                      const Segments& segments) {
  if (!HasKernels(z_TU)) return portable::SegmentDot(z_TU, gradient_TU, derivative_TU, segments);
  const TypedKernels& kernels = KernelsOf(z_TU);
  const int64_t units = z_TU.size(1);
  at::Tensor sums_NU = at::empty({segments.size(), units}, z_TU.options().dtype(at::kFloat));
  // Neighbours of what is read are read next: a segment's rows, many columns of them.
  constexpr int64_t kColumns = 512;
  const int64_t blocks = (units + kColumns - 1) / kColumns, count = segments.size() * blocks;
  const int64_t elements = z_TU.size(0) * units / std::max<int64_t>(1, count);
  ShareOut(count, GrainOf(elements), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = i / blocks, column = i % blocks * kColumns;
      kernels.segment_dot(column, std::min(column + kColumns, units), units, 1, segments.offsets.data() + n,
                          Bytes(z_TU, 0), Bytes(gradient_TU, 0), Bytes(derivative_TU, 0),
                          At<float>(sums_NU, n * units));
    }
  });
  return sums_NU;
}

at::Tensor ColumnSquares(const at::Tensor& z_TU) {
  if (!HasKernels(z_TU)) return portable::ColumnSquares(z_TU);
  const int64_t rows = z_TU.size(0), units = z_TU.size(1);
  // A sum for some rows each: they lie next to each other.
  constexpr int64_t kRows = 128;
  const int64_t blocks = (rows + kRows - 1) / kRows;
  at::Tensor sums_BU = at::zeros({blocks, units}, z_TU.options().dtype(at::kFloat));
  ShareOut(blocks, GrainOf(kRows * units), [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * kRows;
      KernelsOf(z_TU).column_squares(0, units, std::min(kRows, rows - first), units,
                                     Bytes(z_TU, first * units), At<float>(sums_BU, block * units));
    }
  });
  return sums_BU.sum(0);
}

at::Tensor HeadGrams(const at::Tensor& z_TU, int64_t heads) {
  if (!HasKernels(z_TU)) return portable::HeadGrams(z_TU, heads);
  const int64_t width = z_TU.size(1) / heads;
  at::Tensor grams_Hhh = at::empty({heads, width, width}, z_TU.options().dtype(at::kFloat));
  ShareOut(heads, GrainOf(z_TU.size(0) * width * width), [&](int64_t begin, int64_t end) {
    for (int64_t head = begin; head < end; ++head) {
      KernelsOf(z_TU).column_gram(head * width, width, z_TU.size(0), z_TU.size(1), Bytes(z_TU, 0),
                                  At<float>(grams_Hhh, head * width * width),
                                  ThreadScratch(CpuKernels().gram_scratch(width)));
    }
  });
  return grams_Hhh;
}

void Attend(const at::Tensor& qkv, const at::Tensor& bias, int64_t heads, const Batch& batch,
            const at::Tensor& context_TU, const AttentionForm& form) {
  if (!HasKernels(qkv) || !form.is_plain())
    return portable::Attend(qkv, bias, heads, batch, context_TU, form);
  const AttentionShape shape = ShapeOf(qkv, heads, batch);
  ForEachPair(shape, batch, [&](int64_t begin, int64_t end, float* scratch) {
    KernelsOf(qkv).attention(begin, end, shape, Bytes(qkv, 0), Bytes(bias, 0), Bytes(context_TU, 0), scratch);
  });
}

void AttendBackward(const at::Tensor& qkv, const at::Tensor& bias, int64_t heads, const Batch& batch,
                    const at::Tensor& gradient_TU, const at::Tensor& gradient_qkv,
                    const AttentionForm& form) {
  if (!HasKernels(qkv) || !form.is_plain())
    return portable::AttendBackward(qkv, bias, heads, batch, gradient_TU, gradient_qkv, form);
  const AttentionShape shape = ShapeOf(qkv, heads, batch);
  ForEachPair(shape, batch, [&](int64_t begin, int64_t end, float* scratch) {
    KernelsOf(qkv).attention_backward(begin, end, shape, Bytes(qkv, 0), Bytes(bias, 0), Bytes(gradient_TU, 0),
                                      Bytes(gradient_qkv, 0), scratch);
  });
}

// With the first token's query q and the gradient g at its context, the gradient at key t is a_t q and that
// at value t is p_t g, for every head: x_t gets sum over heads of a_t (q W_K) + p_t (g W_V), far less work
// than the products of all gradients with W_K and W_V.
void FirstQueryBackward(const at::Tensor& qkv, const at::Tensor& bias, const at::Tensor& weight,
                        int64_t heads, const Batch& batch, const at::Tensor& gradient_NU,
                        const at::Tensor& gradient_Td, const AttentionForm& form) {
  if (!HasKernels(qkv) || !form.is_plain())
    return portable::FirstQueryBackward(qkv, bias, weight, heads, batch, gradient_NU, gradient_Td, form);
  const int64_t width = gradient_NU.size(1), head_dim = width / heads, d = weight.size(1);
  const at::TensorOptions f32 = qkv.options().dtype(at::kFloat);
  const at::Tensor query_NU = at::empty(gradient_NU.sizes(), f32), at_query_NU = at::empty_like(query_NU);
  const at::Tensor multiples_T2H = at::empty({batch.tokens(), 2 * heads}, f32);
  const AttentionShape shape = ShapeOf(qkv, heads, batch);
  ForEachPair(shape, batch, [&](int64_t begin, int64_t end, float* scratch) {
    KernelsOf(qkv).first_query_backward(begin, end, shape, Bytes(qkv, 0), Bytes(bias, 0),
                                        Bytes(gradient_NU, 0), At<float>(query_NU, 0),
                                        At<float>(at_query_NU, 0), At<float>(multiples_T2H, 0), scratch);
  });
  const at::Tensor wide_weight = weight.to(at::kFloat);
  const auto of_head = [&](int64_t part) {
    return wide_weight.narrow(0, part * width, width).view({heads, head_dim, d});
  };
  const at::Tensor by_head_HNh = gradient_NU.to(at::kFloat).view({-1, heads, head_dim}).transpose(0, 1);
  // Some sequences at a time: a sequence has 2 heads vectors of d floats.
  constexpr int64_t kSequences = 64;
  for (int64_t first = 0; first < batch.size(); first += kSequences) {
    const int64_t count = std::min(kSequences, batch.size() - first);
    const at::Tensor query_Hnh =
        query_NU.narrow(0, first, count).view({count, heads, head_dim}).transpose(0, 1);
    const at::Tensor vectors =
        at::cat({query_Hnh.bmm(of_head(1)), by_head_HNh.narrow(1, first, count).bmm(of_head(2))});
    ShareOut(count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        CpuKernels().combine(batch.offsets[first + n], batch.offsets[first + n + 1], 2 * heads, d,
                             At<float>(multiples_T2H, 0), At<float>(vectors, n * d), count * d,
                             At<float>(gradient_Td, 0));
      }
    });
  }
  at::Tensor gradient = gradient_Td;
  gradient.index_add_(0, batch.offsets_device.narrow(0, 0, batch.size()),
                      at_query_NU.mm(wide_weight.narrow(0, 0, width)));
}

}  // namespace kprune
