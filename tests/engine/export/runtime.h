#ifndef KPRUNE_TESTS_ENGINE_EXPORT_RUNTIME_H_
#define KPRUNE_TESTS_ENGINE_EXPORT_RUNTIME_H_

#include <memory>
#include <stdexcept>

#include "absl/status/statusor.h"
#include "engine/formats/onnxruntime.h"

namespace kprune {

// The library that scripts/setup.sh fetches.
inline const OnnxRuntime& Runtime() {
  static const auto* const runtime =
      new absl::StatusOr<std::unique_ptr<OnnxRuntime>>(OnnxRuntime::Load(KPRUNE_ONNXRUNTIME));
  if (!runtime->ok()) throw std::runtime_error(runtime->status().ToString());
  return ***runtime;
}

}  // namespace kprune

#endif  // KPRUNE_TESTS_ENGINE_EXPORT_RUNTIME_H_
