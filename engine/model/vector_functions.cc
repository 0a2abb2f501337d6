#include "engine/model/vector_functions.h"

#include <ATen/ATen.h>

#include <mutex>

namespace kprune {

void SettleVectorFunctions() {
  static std::once_flag once;
  std::call_once(once, [] {
    for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
      const at::Tensor x = at::full({1}, 0.5, type);  // one number: one thread
      for (const auto function :
           {at::acos, at::asin, at::atan, at::cos, at::erf, at::erfc, at::erfinv, at::exp, at::log, at::log10,
            at::log2, at::sin, at::sqrt, at::tan, at::tanh, at::trunc})
        function(x);
    }
  });
}

}  // namespace kprune
