// Builds an ONNX model node by node, checks it and writes it. The only room that sees libonnx.
#ifndef KPRUNE_ENGINE_FORMATS_ONNX_ONNX_GRAPH_H_
#define KPRUNE_ENGINE_FORMATS_ONNX_ONNX_GRAPH_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace kprune {

// The operators' version, and the largest file that protocol buffers write.
inline constexpr int kOnnxOpset = 17;
inline constexpr int64_t kMostOnnxBytes = (int64_t{2} << 30) - (int64_t{1} << 20);

// Not thread-safe. Values are named by strings, as in ONNX. Weights are copied.
class OnnxGraph {
 public:
  using Value = std::string;
  using Attribute = std::variant<int64_t, double, std::vector<int64_t>>;
  using Dimension = std::variant<int64_t, std::string>;  // a size, or the name of one that is not fixed

  explicit OnnxGraph(const std::string& name);
  ~OnnxGraph();
  OnnxGraph(const OnnxGraph&) = delete;
  OnnxGraph& operator=(const OnnxGraph&) = delete;

  enum class Type { kInt64, kFloat32 };

  // An input, or an output of float32.
  Value AddInput(const std::string& name, const std::vector<Dimension>& shape, Type type = Type::kInt64);
  void AddOutput(const std::string& name, const std::vector<Dimension>& shape);

  // Constants; of equal integers and numbers there is one.
  Value AddWeight(const std::string& name, const std::vector<int64_t>& shape, absl::Span<const float> values);
  Value Integers(const std::vector<int64_t>& values);
  Value Number(float value);

  // A node `name` of the operator `op` of ONNX's own domain, and its one output: `output`, or one that is
  // named after the node.
  Value Add(const std::string& op, const std::string& name, const std::vector<Value>& inputs,
            const std::map<std::string, Attribute>& attributes = {}, const Value& output = "");

  // Checks the model as the ONNX checker does and writes it durably; the bytes depend on what was added
  // alone. FAILED_PRECONDITION: it would have more than kMostOnnxBytes. INTERNAL: it is no sound model.
  absl::Status Write(const std::filesystem::path& path) const;

 private:
  struct Model;
  const std::unique_ptr<Model> model_;
};

// Whether the file is a model that the ONNX checker finds sound. DATA_LOSS says what it found.
absl::Status CheckOnnx(const std::filesystem::path& path);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_FORMATS_ONNX_ONNX_GRAPH_H_
