#include "engine/pruning/gram.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "engine/kernels/kernels.h"
#include "engine/model/matrix_product.h"
#include "engine/model/share_out.h"

namespace kprune {
namespace {

constexpr int64_t kBlock = 256;  // columns of a block where LibTorch multiplies
constexpr int64_t kRows = 256;   // rows that are packed at a time: a panel of them stays in the first cache

}  // namespace

GramAccumulator::GramAccumulator(int64_t columns, int64_t targets, at::Device device, Products products)
    : products_(products),
      lower_UU_(at::zeros({columns, columns}, at::TensorOptions(at::kDouble).device(device))),
      cross_Ud_(at::zeros({columns, targets}, lower_UU_.options())) {}

void GramAccumulator::Add(const at::Tensor& rows_TU, const at::Tensor& targets_Td,
                          const at::Tensor& weights_T) {
  const int64_t columns = lower_UU_.size(0);
  TORCH_CHECK(rows_TU.size(1) == columns && targets_Td.size(1) == cross_Ud_.size(1) &&
                  rows_TU.size(0) == targets_Td.size(0),
              "rows and targets of other sizes");
  const bool single = products_ != Products::kDouble;
  // Half of a row's weight goes to each factor.
  const at::Tensor scale_T = weights_T.defined() ? weights_T.sqrt() : weights_T;
  if (rows_TU.is_cpu()) {
    const at::Tensor rows = rows_TU.contiguous(), targets = targets_Td.contiguous();
    const Kernels& kernels = CpuKernels();
    if (products_ == Products::kBFloat16 && kernels.pair_gram != nullptr)
      return AddByKernels(*kernels.pair_gram, rows, targets, scale_T);
    if (single) return AddByKernels(kernels.single_gram, rows, targets, scale_T);
    return AddByKernels(kernels.double_gram, rows, targets, scale_T);
  }
  const at::ScalarType type = !single                            ? at::kDouble
                              : products_ == Products::kBFloat16 ? at::kBFloat16
                                                                 : at::kFloat;
  at::Tensor rows = rows_TU.to(type), targets = targets_Td.to(type);
  if (scale_T.defined()) {
    const at::Tensor scale = scale_T.to(single ? at::kFloat : at::kDouble).unsqueeze(1);
    rows = (rows * scale).to(type);
    targets = (targets * scale).to(type);
  }
  for (int64_t begin = 0; begin < columns; begin += kBlock) {
    const int64_t width = std::min(kBlock, columns - begin);
    at::Tensor block = lower_UU_.narrow(0, begin, width).narrow(1, 0, begin + width);
    const at::Tensor left = rows.narrow(1, begin, width).t(), right = rows.narrow(1, 0, begin + width);
    if (single) {
      block.add_(SumsOfProducts(left, right));
    } else {
      block.addmm_(left, right);
    }
  }
  if (single) {
    cross_Ud_.add_(SumsOfProducts(rows.t(), targets));
  } else {
    cross_Ud_.addmm_(rows.t(), targets);
  }
}

template <typename S>
void GramAccumulator::AddByKernels(const GramKernels<S>& kernels, const at::Tensor& rows_TU,
                                   const at::Tensor& targets_Td, const at::Tensor& scale_T) {
  const auto pack_of = [&kernels](const at::Tensor& x) {
    TORCH_CHECK(at::isFloatingType(x.scalar_type()) && x.scalar_type() != at::kHalf,
                "rows and targets are float32, bfloat16 or float64");
    return x.scalar_type() == at::kDouble     ? kernels.pack_float64
           : x.scalar_type() == at::kBFloat16 ? kernels.pack_bfloat16
                                              : kernels.pack_float32;
  };
  const auto pack = pack_of(rows_TU), pack_target = pack_of(targets_Td);
  const int64_t columns = lower_UU_.size(0), targets = cross_Ud_.size(1), width = kernels.columns;
  const int64_t panels = (columns + width - 1) / width, target_panels = (targets + width - 1) / width;
  double *const gram = lower_UU_.mutable_data_ptr<double>(), *const cross =
                                                                 cross_Ud_.mutable_data_ptr<double>();
  const int64_t most_rows = std::min(kRows, rows_TU.size(0));
  const int64_t panel_size = (most_rows + kernels.depth - 1) / kernels.depth * width;
  const int64_t needed = (panels + target_panels) * panel_size * static_cast<int64_t>(sizeof(S));
  if (!packed_.defined() || packed_.size(0) < needed)
    packed_ = at::empty({needed}, lower_UU_.options().dtype(at::kByte));
  const auto packed = [&](int64_t panel) {
    return reinterpret_cast<S*>(packed_.mutable_data_ptr<uint8_t>()) + panel * panel_size;
  };
  for (int64_t first = 0; first < rows_TU.size(0); first += kRows) {
    const int64_t rows = std::min(kRows, rows_TU.size(0) - first);
    const at::Tensor z = rows_TU.narrow(0, first, rows), r = targets_Td.narrow(0, first, rows);
    const double* const scale = scale_T.defined() ? scale_T.const_data_ptr<double>() + first : nullptr;
    ShareOut(panels + target_panels, 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        if (p < panels) {
          pack(rows, columns, p, z.const_data_ptr(), z.stride(0), scale, packed(p));
        } else {
          pack_target(rows, targets, p - panels, r.const_data_ptr(), r.stride(0), scale, packed(p));
        }
      }
    });
    // Tiles are numbered panel by panel: panel i meets panels 0 .. i, then the targets.
    const auto tiles_below = [&](int64_t i) { return i * (i + 1) / 2 + i * target_panels; };
    ShareOut(tiles_below(panels), 1, [&](int64_t begin, int64_t end) {
      int64_t i = 0;
      for (int64_t tile = begin; tile < end; ++tile) {
        while (tiles_below(i + 1) <= tile) ++i;
        const int64_t j = tile - tiles_below(i), height = std::min(width, columns - i * width);
        if (j <= i) {
          kernels.tile(rows, packed(i), packed(j), height, columns - j * width,
                       gram + i * width * columns + j * width, columns);
        } else {
          const int64_t q = j - i - 1;
          kernels.tile(rows, packed(i), packed(panels + q), height, targets - q * width,
                       cross + i * width * targets + q * width, targets);
        }
      }
    });
  }
}

at::Tensor GramAccumulator::Matrix() const {
  const at::Tensor strictly_lower = lower_UU_.tril(-1);
  return strictly_lower + strictly_lower.t() + lower_UU_.diagonal().diag();
}

}  // namespace kprune
