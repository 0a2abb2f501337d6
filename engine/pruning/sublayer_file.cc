#include "engine/pruning/sublayer_file.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/formats/json.h"
#include "engine/formats/json_fields.h"
#include "engine/formats/quoted.h"
#include "engine/formats/sha256.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

constexpr size_t kDigestBytes = 64;                   // in hexadecimal digits
constexpr int64_t kMaxMatrixSide = int64_t{1} << 24;  // that a file may claim; two of them multiply safely

struct Header {
  SublayerCheckpoint record;  // without the tensors
  int64_t hidden = 0;
  int64_t features = 0;
  int64_t in_rows = 0;  // of the refitted input projection; 0: none
};

std::string DoubleJson(double value) { return absl::StrFormat("%016x", std::bit_cast<uint64_t>(value)); }

double Double(JsonFields& fields, std::string_view key) {
  const std::string digits = fields.String(key, "");
  uint64_t bits = 0;
  if (digits.size() != 16 || !absl::SimpleHexAtoi(digits, &bits)) {
    fields.Refuse(key, "is not the 16 hexadecimal digits of a double");
  }
  return std::bit_cast<double>(bits);
}

int Count(JsonFields& fields, std::string_view key) {
  return static_cast<int>(fields.Int(key, -1, 0, INT32_MAX));
}

// -1 for each entry that is none.
std::vector<int64_t> Positions(const Json& json) {
  std::vector<int64_t> positions;
  for (const Json& position : json)
    positions.push_back(position.is_number_unsigned() ? position.get<int64_t>() : -1);
  return positions;
}

bool Rises(const std::vector<int64_t>& positions) {
  for (size_t i = 0; i < positions.size(); ++i) {
    if (positions[i] < (i == 0 ? 0 : positions[i - 1] + 1)) return false;
  }
  return true;
}

// Both ways by position, so that a new field of SublayerPruned does not compile before it is saved.
Json HeaderJson(const SublayerCheckpoint& record, const std::string& previous) {
  // keep_flops is not written: whoever tells of several models knows which one this belongs to.
  const auto& [keep_flops, index, total, layer, layers, kind, units, kept, budget_left_flops, measure_seconds,
               search_seconds, tune_seconds, solver, condition, reconstruction_error] = record.pruned;
  return {{"previous", previous},
          {"index", index},
          {"total", total},
          {"layer", layer},
          {"layers", layers},
          {"attention", kind == SublayerKind::kAttention},
          {"units", units},
          {"kept", kept},
          {"budget_left_flops", DoubleJson(budget_left_flops)},
          {"measure_seconds", DoubleJson(measure_seconds)},
          {"search_seconds", DoubleJson(search_seconds)},
          {"tune_seconds", DoubleJson(tune_seconds)},
          {"solver", solver},
          {"condition", DoubleJson(condition)},
          {"reconstruction_error", DoubleJson(reconstruction_error)},
          {"kept_positions", record.kept_positions},
          {"next_positions", record.next_positions},
          {"batch_tokens", record.batch_tokens},
          {"hidden", record.out.weight.size(0)},
          {"features", record.out.weight.size(1)},
          {"in_rows", record.in.weight.defined() ? record.in.weight.size(0) : 0}};
}

absl::StatusOr<Header> ParseHeader(std::string_view line, const std::string& previous) {
  absl::StatusOr<Json> json = ParseJson(line, "its header");
  if (!json.ok()) return json.status();
  JsonFields fields(*json, "its header");
  if (fields.String("previous", "") != previous) {
    fields.Refuse("previous", "is not the digest of the file before it: it belongs to another run");
  }
  Header header;
  auto& [keep_flops, index, total, layer, layers, kind, units, kept, budget_left_flops, measure_seconds,
         search_seconds, tune_seconds, solver, condition, reconstruction_error] = header.record.pruned;
  index = Count(fields, "index");
  total = Count(fields, "total");
  layer = Count(fields, "layer");
  layers = Count(fields, "layers");
  kind = fields.Bool("attention", false) ? SublayerKind::kAttention : SublayerKind::kFeedForward;
  units = Count(fields, "units");
  kept = Count(fields, "kept");
  budget_left_flops = Double(fields, "budget_left_flops");
  measure_seconds = Double(fields, "measure_seconds");
  search_seconds = Double(fields, "search_seconds");
  tune_seconds = Double(fields, "tune_seconds");
  solver = fields.String("solver", "");
  condition = Double(fields, "condition");
  reconstruction_error = Double(fields, "reconstruction_error");
  if (const Json* positions = fields.Require("kept_positions"))
    header.record.kept_positions = Positions(*positions);
  if (const Json* next = fields.Require("next_positions")) {
    for (const Json& positions : *next) header.record.next_positions.push_back(Positions(positions));
  }
  header.record.batch_tokens = fields.Int("batch_tokens", 0, 0, INT64_MAX);
  header.hidden = fields.Int("hidden", 0, 0, kMaxMatrixSide);
  header.features = fields.Int("features", 0, 0, kMaxMatrixSide);
  header.in_rows = fields.Int("in_rows", 0, 0, kMaxMatrixSide);
  if (!fields.status().ok()) return fields.status();
  return header;
}

bool IsFloatOnCpu(const at::Tensor& tensor, int64_t dimensions) {
  return tensor.defined() && tensor.device().is_cpu() && tensor.scalar_type() == at::kFloat &&
         tensor.dim() == dimensions;
}

bool IsFloatOnCpu(const Linear& linear) {
  return IsFloatOnCpu(linear.weight, 2) && IsFloatOnCpu(linear.bias, 1) &&
         linear.weight.size(0) == linear.bias.size(0);
}

void AppendBytes(const Linear& linear, std::string& contents) {
  for (const at::Tensor& tensor : {linear.weight.contiguous(), linear.bias.contiguous()})
    contents.append(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes());
}

// A float32 tensor from the front of `bytes`, which has enough of them.
at::Tensor TakeTensor(at::IntArrayRef shape, std::string_view& bytes) {
  at::Tensor tensor = at::empty(shape, at::kFloat);
  if (tensor.nbytes() > 0) std::memcpy(tensor.mutable_data_ptr(), bytes.data(), tensor.nbytes());
  bytes.remove_prefix(tensor.nbytes());
  return tensor;
}

Linear TakeLinear(int64_t outputs, int64_t inputs, std::string_view& bytes) {
  at::Tensor weight = TakeTensor({outputs, inputs}, bytes);
  return {std::move(weight), TakeTensor({outputs}, bytes)};
}

}  // namespace

absl::Status CheckSublayer(const SublayerCheckpoint& record, int index) {
  const SublayerPruned& pruned = record.pruned;
  const auto refuse = [&](const std::string& problem) {
    return absl::InvalidArgumentError(
        absl::StrCat("the checkpoint of sublayer ", index, " cannot have ", problem));
  };
  if (pruned.index != index || index >= pruned.total) {
    return refuse(absl::StrCat("the index ", pruned.index, " of ", pruned.total));
  }
  const std::vector<int64_t>& kept = record.kept_positions;
  if (static_cast<int64_t>(kept.size()) != pruned.kept) {
    return refuse(absl::StrCat(kept.size(), " kept positions for ", pruned.kept, " kept units"));
  }
  if (!Rises(kept) || (!kept.empty() && kept.back() >= pruned.units))
    return refuse(absl::StrCat("kept positions that do not rise within its ", pruned.units, " units"));
  const auto& next = record.next_positions;
  if (index + static_cast<int64_t>(next.size()) >= pruned.total ||
      !std::all_of(next.begin(), next.end(), Rises))
    return refuse("what it says of the sublayers above: more than there are, or positions that do not rise");
  if (!IsFloatOnCpu(record.out)) {
    return refuse("an output projection that is not a float32 matrix and a vector as long on the CPU");
  }
  const int64_t hidden = record.out.weight.size(0), features = record.out.weight.size(1);
  const bool whole_units = kept.empty() ? features == 0 : features > 0 && features % pruned.kept == 0;
  if (!whole_units) {
    return refuse(
        absl::StrCat("an output projection of ", features, " features for ", pruned.kept, " kept units"));
  }
  if (record.in.weight.defined()) {
    if (!IsFloatOnCpu(record.in) || record.in.weight.size(1) != hidden || features == 0 ||
        record.in.weight.size(0) % features != 0) {
      return refuse(
          "an input projection that is not float32 on the CPU, or of other sizes than its output projection");
    }
  }
  if (pruned.layer < 0) return refuse(absl::StrCat("the layer ", pruned.layer));
  if (record.batch_tokens < 0) return refuse(absl::StrCat("the batch_tokens ", record.batch_tokens));
  return absl::OkStatus();
}

absl::StatusOr<SublayerFile> MakeSublayerFile(const SublayerCheckpoint& record, int index,
                                              const std::string& previous) {
  if (absl::Status status = CheckSublayer(record, index); !status.ok()) return status;
  SublayerFile file;
  try {
    file.contents = HeaderJson(record, previous).dump();
  } catch (const Json::type_error&) {
    return absl::InvalidArgumentError(absl::StrCat("the solver ", Quoted(record.pruned.solver),
                                                   " of sublayer ", index, " is not valid UTF-8"));
  }
  file.contents += '\n';
  AppendBytes(record.out, file.contents);
  if (record.in.weight.defined()) AppendBytes(record.in, file.contents);
  file.digest = Sha256OfBytes(file.contents);
  return file;
}

absl::StatusOr<ParsedSublayer> ParseSublayerFile(std::string_view file, int index,
                                                 const std::string& previous) {
  if (file.size() < kDigestBytes) {
    return absl::InvalidArgumentError(absl::StrCat("it has only ", file.size(), " bytes"));
  }
  ParsedSublayer parsed{std::string(file.substr(0, kDigestBytes)), {}};
  file.remove_prefix(kDigestBytes);
  if (parsed.digest != Sha256OfBytes(file)) return absl::InvalidArgumentError("it does not fit its digest");
  const size_t header_bytes = file.find('\n');
  if (header_bytes == file.npos) return absl::InvalidArgumentError("it has no header");
  absl::StatusOr<Header> header = ParseHeader(file.substr(0, header_bytes), previous);
  if (!header.ok()) return header.status();
  file.remove_prefix(header_bytes + 1);
  const auto expected =
      static_cast<size_t>(header->hidden * (header->features + 1) + header->in_rows * (header->hidden + 1)) *
      sizeof(float);
  if (file.size() != expected) {
    return absl::InvalidArgumentError(
        absl::StrCat("it has ", file.size(), " bytes of weights, not ", expected));
  }
  parsed.record = std::move(header->record);
  parsed.record.out = TakeLinear(header->hidden, header->features, file);
  if (header->in_rows > 0) parsed.record.in = TakeLinear(header->in_rows, header->hidden, file);
  if (absl::Status status = CheckSublayer(parsed.record, index); !status.ok()) return status;
  return parsed;
}

}  // namespace kprune
