#include "engine/model/matrix_product.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>

#include "engine/kernels/kernels.h"
#include "engine/model/portable_steps.h"
#include "engine/model/share_out.h"
#include "engine/model/steps.h"
#include "engine/model/thread_scratch.h"
#include "engine/model/typed_kernels.h"

namespace kprune {
namespace {

bool UsesKernels(const at::Tensor& a) {
  if (!a.is_cpu()) return false;
  if (a.scalar_type() == at::kBFloat16) return true;
  constexpr char kAvx512[] = "avx512";
  return a.scalar_type() == at::kFloat &&
         std::strncmp(CpuKernels().instructions, kAvx512, sizeof(kAvx512) - 1) == 0;
}

int64_t MostParts() { return at::in_parallel_region() ? 1 : kPartsPerThread * at::get_num_threads(); }

// Parts of a product's rows that threads share out.
int64_t RowPartsOf(int64_t rows) {
  constexpr int64_t kLeastTiles = 4;
  const int64_t tiles = (rows + CpuKernels().tile_rows - 1) / CpuKernels().tile_rows;
  return std::clamp<int64_t>(tiles / kLeastTiles, 1, MostParts());
}

// Of a product by b, without what is a matter of the other matrices.
ProductShape ShapeOf(const at::Tensor& b) {
  const bool transposed = b.stride(1) != 1;
  return {0, b.size(0), b.size(1), 0, transposed ? b.stride(1) : b.stride(0), 0, transposed};
}

int64_t PanelsOf(const ProductShape& shape) {
  return (shape.columns + CpuKernels().panel_columns - 1) / CpuKernels().panel_columns;
}

// Panels first .. first + count - 1 of b.
void PackPanels(const at::Tensor& b, const ProductShape& shape, int64_t first, int64_t count, float* packed) {
  const TypedKernels& kernels = KernelsOf(b);
  const int64_t panel_size = kernels.packed_panel(shape.inner);
  ShareOut(count, 1, [&](int64_t begin, int64_t end) {
    kernels.pack(shape, first + begin, first + end, b.const_data_ptr(), packed + begin * panel_size);
  });
}

// What one thread multiplies at a time.
struct Block {
  const TypedKernels& kernels;
  const ProductShape& shape;
  ProductBlock block;
  int64_t row_part;  // of RowPartsOf
  const float* packed;
  float* scratch;

  void Multiply(const at::Tensor& a, const at::Tensor& out, const GeluEpilogue* gelu) const {
    kernels.product(shape, block, a.const_data_ptr(), packed, out.mutable_data_ptr(), gelu, scratch);
  }
};

// Calls run(Block) for all blocks of out = a b, from several threads.
template <typename Run>
void ForEachBlock(const at::Tensor& a, const Factor& b, const at::Tensor& out, const Run& run) {
  if (out.numel() == 0) return;
  ProductShape shape = ShapeOf(b.matrix);
  shape.rows = a.size(0);
  shape.a_stride = a.stride(0);
  shape.c_stride = out.stride(0);
  const Kernels& kernels = CpuKernels();
  const TypedKernels& typed = KernelsOf(a);
  const int64_t panels = PanelsOf(shape), panel_size = typed.packed_panel(shape.inner);
  const int64_t tiles = (shape.rows + kernels.tile_rows - 1) / kernels.tile_rows;
  const int64_t row_parts = RowPartsOf(shape.rows);
  constexpr int64_t kMostPacked = 4 << 20;  // floats: of a vocabulary's weights, some at a time
  const bool is_packed = b.panels.defined();
  const int64_t together =
      is_packed ? panels : std::clamp<int64_t>(kMostPacked / std::max<int64_t>(1, panel_size), 1, panels);
  const at::Tensor memory = is_packed ? b.panels : at::empty({together * panel_size}, at::kFloat);
  float* const packed = memory.mutable_data_ptr<float>();
  for (int64_t first = 0; first < panels; first += together) {
    const int64_t count = std::min(together, panels - first);
    if (!is_packed) PackPanels(b.matrix, shape, first, count, packed);
    // Panels are in parts, too, where the rows are few.
    const int64_t panel_parts = std::min(count, (MostParts() + row_parts - 1) / row_parts);
    const auto row = [&](int64_t part) {
      return std::min(shape.rows, tiles * part / row_parts * kernels.tile_rows);
    };
    const auto panel = [&](int64_t part) { return count * part / panel_parts; };
    ShareOut(row_parts * panel_parts, 1, [&](int64_t begin, int64_t end) {
      float* const scratch = ThreadScratch(kernels.product_scratch(shape.inner));
      for (int64_t part = begin; part < end; ++part) {
        const int64_t r = part / panel_parts, p = part % panel_parts;
        const ProductBlock block{row(r), row(r + 1), first + panel(p), first + panel(p + 1)};
        run(Block{typed, shape, block, r, packed + panel(p) * panel_size, scratch});
      }
    });
  }
}

}  // namespace

Factor Factor::Packed(const at::Tensor& b) {
  Factor result(b);
  if (!UsesKernels(b)) return result;
  const ProductShape shape = ShapeOf(b);
  const int64_t panels = PanelsOf(shape);
  result.panels = at::empty({panels * KernelsOf(b).packed_panel(shape.inner)}, at::kFloat);
  PackPanels(b, shape, 0, panels, result.panels.mutable_data_ptr<float>());
  return result;
}

void MatrixProduct(const at::Tensor& a, const Factor& b, const at::Tensor& out) {
  if (UsesKernels(a)) {
    return ForEachBlock(a, b, out, [&](const Block& block) { block.Multiply(a, out, /*gelu=*/nullptr); });
  }
  at::Tensor result = out;
  at::mm_out(result, a, b.matrix);
}

void ActivatedProduct(const std::string& activation, const at::Tensor& x_Td, const Factor& weight_dU,
                      const at::Tensor& bias_U, const at::Tensor& z_TU, const at::Tensor& derivative_TU,
                      const at::Tensor& squares_U) {
  if (activation == "gelu" && UsesKernels(x_Td)) {
    const int64_t units = z_TU.size(1);
    // Of each part's rows: they are added in their order.
    at::Tensor part_squares_PU, squares = squares_U;
    if (squares.defined()) part_squares_PU = at::zeros({RowPartsOf(x_Td.size(0)), units}, squares.options());
    void* const derivative = derivative_TU.defined() ? derivative_TU.mutable_data_ptr() : nullptr;
    ForEachBlock(x_Td, weight_dU, z_TU, [&](const Block& block) {
      GeluEpilogue gelu{bias_U.const_data_ptr(), derivative};
      if (squares.defined())
        gelu.squares = part_squares_PU.mutable_data_ptr<float>() + block.row_part * units;
      block.Multiply(x_Td, z_TU, &gelu);
    });
    if (squares.defined()) at::sum_out(squares, part_squares_PU, 0);
    return;
  }
  if (!x_Td.is_cpu()) {  // adds the bias on the way out of the product
    at::Tensor h = derivative_TU.defined() ? derivative_TU : z_TU;
    at::addmm_out(h, bias_U, x_Td, weight_dU.matrix);
    portable::ActivateBiased(activation, h, z_TU, derivative_TU);
  } else {
    MatrixProduct(x_Td, weight_dU, z_TU);
    Activate(activation, z_TU, bias_U, z_TU, derivative_TU);
  }
  if (squares_U.defined()) squares_U.copy_(ColumnSquares(z_TU));
}

at::Tensor SumsOfProducts(const at::Tensor& a, const at::Tensor& b) {
  if (a.is_cuda() && a.scalar_type() == at::kBFloat16 && a.numel() > 0 && b.numel() > 0)
    return at::mm(a, b, at::kFloat);
  const at::ScalarType type = a.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return a.to(type).mm(b.to(type));
}

}  // namespace kprune
