// ONNX Runtime, loaded when it is wanted: any build of it from the last years, also the libonnxruntime.so of
// the Python package. Nothing is linked to it.
//
// Source: onnxruntime_c_api.h. The functions used here are all of its version 1, whose table is frozen.
#ifndef KPRUNE_ENGINE_FORMATS_ONNXRUNTIME_H_
#define KPRUNE_ENGINE_FORMATS_ONNXRUNTIME_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace kprune {

// One loaded library; it stays loaded until the process ends. Thread-safe.
class OnnxRuntime {
 public:
  // Of one input, row by row.
  using Values = std::variant<absl::Span<const int64_t>, absl::Span<const float>>;

  // One model, ready to run. Thread-safe. Must not outlive its OnnxRuntime.
  class Session {
   public:
    virtual ~Session() = default;

    // Runs the model on `inputs`, each of such a shape, and returns the float32 outputs that `outputs` names.
    // INTERNAL with ONNX Runtime's own words: it refuses.
    virtual absl::StatusOr<std::vector<std::vector<float>>> Run(
        const std::map<std::string, Values>& inputs, absl::Span<const int64_t> shape,
        absl::Span<const std::string> outputs) const = 0;
  };

  virtual ~OnnxRuntime() = default;

  // `library` is a path, or a name that the dynamic loader knows. NOT_FOUND: it cannot be loaded, or is no
  // ONNX Runtime.
  static absl::StatusOr<std::unique_ptr<OnnxRuntime>> Load(const std::string& library);

  // "1.20.1".
  virtual std::string version() const = 0;

  // Reads a model and optimises it for `threads` threads of the CPU. INTERNAL: ONNX Runtime refuses it.
  virtual absl::StatusOr<std::unique_ptr<Session>> Open(const std::filesystem::path& model,
                                                        int threads) const = 0;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_FORMATS_ONNXRUNTIME_H_
