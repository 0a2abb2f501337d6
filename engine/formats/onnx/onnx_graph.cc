#include "engine/formats/onnx/onnx_graph.h"

#include <onnx/checker.h>
#include <onnx/onnx_pb.h>

#include <exception>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/formats/file.h"

namespace kprune {
namespace {

// The version of the file format that came with opset 17.
constexpr int kIrVersion = 8;

void SetShape(const std::vector<OnnxGraph::Dimension>& shape, onnx::TypeProto_Tensor& tensor) {
  for (const OnnxGraph::Dimension& dimension : shape) {
    onnx::TensorShapeProto_Dimension& added = *tensor.mutable_shape()->add_dim();
    if (const auto* const size = std::get_if<int64_t>(&dimension)) {
      added.set_dim_value(*size);
    } else {
      added.set_dim_param(std::get<std::string>(dimension));
    }
  }
}

void SetAttribute(const OnnxGraph::Attribute& value, onnx::AttributeProto& attribute) {
  if (const auto* const integer = std::get_if<int64_t>(&value)) {
    attribute.set_type(onnx::AttributeProto::INT);
    attribute.set_i(*integer);
  } else if (const auto* const number = std::get_if<double>(&value)) {
    attribute.set_type(onnx::AttributeProto::FLOAT);
    attribute.set_f(static_cast<float>(*number));
  } else {
    attribute.set_type(onnx::AttributeProto::INTS);
    for (const int64_t item : std::get<std::vector<int64_t>>(value)) attribute.add_ints(item);
  }
}

}  // namespace

struct OnnxGraph::Model {
  onnx::ModelProto proto;
  std::set<Value> constants;  // names of those that Integers and Number made

  onnx::GraphProto& graph() { return *proto.mutable_graph(); }

  // Adds a tensor that is filled by the caller.
  onnx::TensorProto& AddTensor(const std::string& name, const std::vector<int64_t>& shape,
                               onnx::TensorProto::DataType type) {
    onnx::TensorProto& tensor = *graph().add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(type);
    for (const int64_t size : shape) tensor.add_dims(size);
    return tensor;
  }
};

OnnxGraph::OnnxGraph(const std::string& name) : model_(std::make_unique<Model>()) {
  model_->proto.set_ir_version(kIrVersion);
  model_->proto.set_producer_name("kprune");
  model_->proto.set_producer_version(KPRUNE_VERSION);
  onnx::OperatorSetIdProto& opset = *model_->proto.add_opset_import();
  opset.set_domain("");
  opset.set_version(kOnnxOpset);
  model_->graph().set_name(name);
}

OnnxGraph::~OnnxGraph() = default;

OnnxGraph::Value OnnxGraph::AddInput(const std::string& name, const std::vector<Dimension>& shape,
                                     Type type) {
  onnx::ValueInfoProto& input = *model_->graph().add_input();
  input.set_name(name);
  input.mutable_type()->mutable_tensor_type()->set_elem_type(type == Type::kInt64 ? onnx::TensorProto::INT64
                                                                                  : onnx::TensorProto::FLOAT);
  SetShape(shape, *input.mutable_type()->mutable_tensor_type());
  return name;
}

void OnnxGraph::AddOutput(const std::string& name, const std::vector<Dimension>& shape) {
  onnx::ValueInfoProto& output = *model_->graph().add_output();
  output.set_name(name);
  output.mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
  SetShape(shape, *output.mutable_type()->mutable_tensor_type());
}

OnnxGraph::Value OnnxGraph::AddWeight(const std::string& name, const std::vector<int64_t>& shape,
                                      absl::Span<const float> values) {
  model_->AddTensor(name, shape, onnx::TensorProto::FLOAT)
      .set_raw_data(values.data(), values.size() * sizeof(float));
  return name;
}

OnnxGraph::Value OnnxGraph::Integers(const std::vector<int64_t>& values) {
  constexpr size_t kMostNamed = 16;
  const Value name = absl::StrCat("integers.", values.size() <= kMostNamed
                                                   ? absl::StrJoin(values, ".")
                                                   : absl::StrCat("table.", model_->constants.size()));
  if (model_->constants.insert(name).second) {
    model_->AddTensor(name, {static_cast<int64_t>(values.size())}, onnx::TensorProto::INT64)
        .set_raw_data(values.data(), values.size() * sizeof(int64_t));
  }
  return name;
}

OnnxGraph::Value OnnxGraph::Number(float value) {
  const Value name = absl::StrCat("number.", value);
  if (model_->constants.insert(name).second)
    model_->AddTensor(name, {}, onnx::TensorProto::FLOAT).set_raw_data(&value, sizeof(value));
  return name;
}

OnnxGraph::Value OnnxGraph::Add(const std::string& op, const std::string& name,
                                const std::vector<Value>& inputs,
                                const std::map<std::string, Attribute>& attributes, const Value& output) {
  onnx::NodeProto& node = *model_->graph().add_node();
  node.set_op_type(op);
  node.set_name(name);
  for (const Value& input : inputs) node.add_input(input);
  for (const auto& [key, value] : attributes) {
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name(key);
    SetAttribute(value, attribute);
  }
  node.add_output(output.empty() ? absl::StrCat(name, ".output") : output);
  return node.output(0);
}

absl::Status OnnxGraph::Write(const std::filesystem::path& path) const {
  const auto bytes = static_cast<int64_t>(model_->proto.ByteSizeLong());
  if (bytes > kMostOnnxBytes) {
    return absl::FailedPreconditionError(absl::StrCat("the ONNX model would have ", bytes,
                                                      " bytes, and one file holds at most ", kMostOnnxBytes,
                                                      "; leave onnx out of export"));
  }
  try {
    onnx::checker::check_model(model_->proto);
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("the ONNX model is not sound: ", error.what()));
  }
  return WriteFileDurably(path, model_->proto.SerializeAsString());
}

absl::Status CheckOnnx(const std::filesystem::path& path) {
  const absl::StatusOr<std::string> bytes = ReadFile(path, kMostOnnxBytes);
  if (!bytes.ok()) return bytes.status();
  onnx::ModelProto model;
  if (!model.ParseFromString(*bytes))
    return absl::DataLossError(absl::StrCat(path.string(), " is no ONNX model"));
  try {
    onnx::checker::check_model(model);
  } catch (const std::exception& error) {
    return absl::DataLossError(absl::StrCat(path.string(), " is no sound ONNX model: ", error.what()));
  }
  return absl::OkStatus();
}

}  // namespace kprune
