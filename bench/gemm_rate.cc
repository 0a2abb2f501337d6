#include "bench/gemm_rate.h"

#include <ATen/ATen.h>

#include <chrono>
#include <vector>

#include "engine/model/matrix_product.h"

// LibTorch's own call of oneDNN, exported but without a public header; the version is pinned
// (cmake/FindLibTorch.cmake). result = beta * result + alpha * mat1 mat2.
namespace at::native {
void mkldnn_matmul(const Tensor& mat1, const Tensor& mat2, const Tensor& result, float beta, float alpha);
}

namespace kprune {
namespace {

constexpr int kRounds = 3;

// Waits for everything that was started on the tensor's device.
void Wait(const at::Tensor& tensor) { tensor.select(0, 0).select(0, 0).to(at::kCPU); }

struct Product {
  at::Tensor a, b, out;
};

// Random values: the power that a GPU draws, and so its clock, depends on what it multiplies.
Product MakeProduct(int64_t rows, int64_t inner, int64_t columns, at::ScalarType type, at::Device device) {
  const at::TensorOptions options = at::TensorOptions(at::kFloat).device(device);
  Product product{
      at::randn({rows, inner}, options).to(type), at::randn({inner, columns}, options).to(type), {}};
  product.out = at::mm(product.a, product.b);  // the warm-up
  Wait(product.out);
  return product;
}

using Multiply = void (*)(const at::Tensor&, const at::Tensor&, const at::Tensor&);

void OwnProduct(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out) { MatrixProduct(a, b, out); }

void PlainProduct(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out) {
  at::Tensor result = out;
  at::mm_out(result, a, b);
}

void OneDnnProduct(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out) {
  at::native::mkldnn_matmul(a, b, out, /*beta=*/0, /*alpha=*/1);
}

// LibTorch refuses the call, for float32 too, where it would refuse bfloat16.
bool OneDnnMultiplies(at::Device device) {
#ifdef __x86_64__
  return device.is_cpu() && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq");
#else
  return false;
#endif
}

// FLOP/s of one product, repeated until `seconds` have passed. The clock is read once a doubling, so that a
// GPU is not kept waiting.
double TimeProduct(Product& product, Multiply multiply, double seconds) {
  const double flops = 2.0 * product.a.size(0) * product.a.size(1) * product.b.size(1);
  int64_t done = 0, batch = 1;
  const auto start = std::chrono::steady_clock::now();
  while (true) {
    for (int64_t i = 0; i < batch; ++i) multiply(product.a, product.b, product.out);
    Wait(product.out);
    done += batch;
    const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (elapsed >= seconds) return flops * static_cast<double>(done) / elapsed;
    batch = done;
  }
}

}  // namespace

GemmRate MeasureBestGemmRate(int64_t hidden, int64_t intermediate, at::ScalarType type, at::Device device,
                             double seconds) {
  std::vector<int64_t> row_counts = {256, 1024, 4096};
  if (!device.is_cpu()) row_counts.push_back(16384);
  std::vector<Product> products;
  for (const int64_t rows : row_counts) {
    products.push_back(MakeProduct(rows, hidden, intermediate, type, device));
    products.push_back(MakeProduct(rows, intermediate, hidden, type, device));
    products.push_back(MakeProduct(rows, hidden, 3 * hidden, type, device));
  }
  GemmRate best;
  for (int round = 0; round < kRounds; ++round) {
    for (Product& product : products) {
      std::vector<Multiply> libraries = {&OwnProduct, &PlainProduct};
      if (OneDnnMultiplies(device)) libraries.push_back(&OneDnnProduct);
      for (const Multiply multiply : libraries) {
        const double rate = TimeProduct(product, multiply, seconds);
        if (rate > best.flops_per_second)
          best = {rate, product.a.size(0), product.a.size(1), product.b.size(1)};
      }
    }
  }
  return best;
}

}  // namespace kprune
