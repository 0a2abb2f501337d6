#include "engine/formats/options_json.h"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/formats/json_fields.h"
#include "engine/formats/latency_table_json.h"
#include "engine/formats/quoted.h"
#include "kprune/layout.h"
#include "kprune/rounding.h"
#include "kprune/supported_models.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

// Calls visit(name, field) for every field, in the order of kprune.v1.Options.
template <typename AnyOptions, typename Visitor>
void VisitFields(AnyOptions& options, Visitor&& visit) {
  visit("method", options.method);
  visit("keep_flops", options.keep_flops);
  visit("task", options.task);
  visit("samples", options.samples);
  visit("max_length", options.max_length);
  visit("truncation", options.truncation);
  visit("seed", options.seed);
  visit("device", options.device);
  visit("precision", options.precision);
  visit("predictive", options.predictive);
  visit("scoring", options.scoring);
  visit("lambda_pred", options.lambda_pred);
  visit("lambda_rep", options.lambda_rep);
  visit("mu", options.mu);
  visit("temperature", options.temperature);
  visit("sequence_length", options.sequence_length);
  visit("batch_size", options.batch_size);
  visit("batch_order", options.batch_order);
  visit("threads", options.threads);
  visit("holdout", options.holdout);
  visit("pooling", options.pooling);
  visit("normalize", options.normalize);
  visit("unshare_layers", options.unshare_layers);
  visit("memory_limit_bytes", options.memory_limit_bytes);
  visit("variants", options.variants);
  visit("token_weighting", options.token_weighting);
  visit("damping", options.damping);
  visit("ridge", options.ridge);
  visit("input_ridge", options.input_ridge);
  visit("distill", options.distill);
  visit("auto_lambda_rep", options.auto_lambda_rep);
  visit("auto_mu", options.auto_mu);
  visit("max_drop", options.max_drop);
  visit("export", options.exports);
  visit("require_verified", options.require_verified);
  visit("round", options.round);
  visit("target_latency_ms", options.target_latency_ms);
  visit("latency_table", options.latency_table);
  visit("columns", options.columns);
  visit("measure_every", options.measure_every);
}

// Each Read returns what is accepted where `json` is something else, "" where it was read.

std::string Read(const Json& json, std::string& value) {
  if (!json.is_string()) return "a string";
  value = json.get<std::string>();
  return "";
}

std::string Read(const Json& json, bool& value) {
  if (!json.is_boolean()) return "true or false";
  value = json.get<bool>();
  return "";
}

std::string Read(const Json& json, double& value) {
  double read = std::numeric_limits<double>::quiet_NaN();
  if (json.is_number()) read = json.get<double>();
  if (json.is_string() && !absl::SimpleAtod(json.get_ref<const std::string&>(), &read)) {
    read = std::numeric_limits<double>::quiet_NaN();
  }
  if (!std::isfinite(read)) return "a finite number";
  value = read;
  return "";
}

// proto3 JSON lets integers be written 3, 3.0 and "3"; nothing where it is no whole number of 64 bits.
std::optional<int64_t> WholeNumber(const Json& json) {
  constexpr double kBound = 9223372036854775808.0;  // 2^63
  int64_t parsed = 0;
  if (json.is_string()) {
    if (!absl::SimpleAtoi(json.get_ref<const std::string&>(), &parsed)) return std::nullopt;
    return parsed;
  }
  if (json.is_number_unsigned()) {
    if (json.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      return std::nullopt;
    return json.get<int64_t>();
  }
  if (json.is_number_integer()) return json.get<int64_t>();
  if (!json.is_number_float()) return std::nullopt;
  const double number = json.get<double>();
  if (!(number >= -kBound && number < kBound && number == std::floor(number))) return std::nullopt;
  return static_cast<int64_t>(number);
}

template <std::integral Integer>
std::string Read(const Json& json, Integer& value) {
  const std::optional<int64_t> number = WholeNumber(json);
  if (!number || !std::in_range<Integer>(*number)) {
    return absl::StrCat("a whole number from ", std::numeric_limits<Integer>::min(), " to ",
                        std::numeric_limits<Integer>::max());
  }
  value = static_cast<Integer>(*number);
  return "";
}

std::string Read(const Json& json, LatencyTable& table) {
  absl::StatusOr<LatencyTable> parsed = ParseLatencyTable(json);
  if (!parsed.ok())
    return absl::StrCat("a table that kprune calibrate wrote (", std::string(parsed.status().message()), ")");
  table = *std::move(parsed);
  return "";
}

template <typename Value>
std::string Read(const Json& json, std::optional<Value>& value) {
  return Read(json, value.emplace());
}

// A list, whose order does not matter, or a single value.
template <typename Value>
std::string Read(const Json& json, std::vector<Value>& values) {
  values.clear();
  const auto one_or_all = json.is_array() ? json : Json::array({json});
  for (const Json& item : one_or_all) {
    const std::string accepted = Read(item, values.emplace_back());
    if (!accepted.empty()) return absl::StrCat(accepted, ", or a list of such");
  }
  std::sort(values.begin(), values.end());
  if constexpr (std::is_same_v<Value, double>) std::reverse(values.begin(), values.end());
  return "";
}

absl::Status RefuseField(std::string_view name, const std::string& found, std::string_view accepted) {
  return absl::InvalidArgumentError(
      absl::StrCat("options.", std::string(name), " is ", found, ", accepted is ", std::string(accepted)));
}

std::string NamesOf(const Options& options) {
  std::string names;
  VisitFields(options, [&names](const char* name, const auto&) {
    absl::StrAppend(&names, names.empty() ? "" : ", ", name);
  });
  return names;
}

// Collects the first violation.
class Checker {
 public:
  template <typename Table>
  void OneOf(std::string_view name, const std::string& value, const Table& table, bool or_auto = false) {
    bool known = or_auto && value == "auto";
    for (std::string_view accepted : table) known = known || value == accepted;
    const std::string names = absl::StrJoin(table, ", ", [](std::string* out, std::string_view accepted) {
      absl::StrAppend(out, "\"", std::string(accepted), "\"");
    });
    Require(known, name, Quoted(value), absl::StrCat("one of ", or_auto ? "\"auto\", " : "", names));
  }

  void Require(bool holds, std::string_view name, const std::string& found, std::string_view accepted) {
    if (!holds && status_.ok()) status_ = RefuseField(name, found, accepted);
  }

  // NaN fails every comparison and so is refused.
  void Number(bool holds, std::string_view name, double found, std::string_view accepted) {
    Require(holds && std::isfinite(found), name, absl::StrCat(found), accepted);
  }

  const absl::Status& status() const { return status_; }

 private:
  absl::Status status_;
};

// What limits the model: keep_flops, max_drop or target_latency_ms.
void CheckBudgets(const Options& o, Checker& check) {
  std::set<std::string> folders;
  for (const double keep : o.keep_flops) {
    check.Number(keep > 0 && keep < 1, "keep_flops", keep, "a number above 0 and below 1");
    check.Require(folders.insert(BudgetFolder(keep)).second, "keep_flops", absl::StrCat(keep, " twice"),
                  "each budget once (the first 12 decimals count)");
  }
  check.Require(o.keep_flops.size() <= kMaxBudgets, "keep_flops",
                absl::StrCat("a list of ", o.keep_flops.size()), absl::StrCat("at most ", kMaxBudgets));
  if (o.max_drop) {
    check.Number(*o.max_drop > 0 && *o.max_drop < 100, "max_drop", *o.max_drop,
                 "a number of points above 0 and below 100");
    check.Require(!o.target_latency_ms, "max_drop", "given beside target_latency_ms", "one of the two");
  }
  if (o.target_latency_ms) {
    check.Number(*o.target_latency_ms > 0, "target_latency_ms", *o.target_latency_ms, "a number above 0");
    check.Require(o.latency_table.has_value(), "target_latency_ms", "given without latency_table",
                  "both, the table from kprune calibrate");
  } else {
    check.Require(!o.latency_table, "latency_table", "given without target_latency_ms", "both");
  }
  if (o.has_flops_budgets()) return;
  const char* const given = o.max_drop ? "max_drop" : "target_latency_ms";
  check.Require(o.keep_flops.empty(), given, "given beside keep_flops", "one of the two");
  check.Require(o.method == "refit", given, absl::StrCat("given with method ", Quoted(o.method)),
                "method \"refit\" with it");
}

void CheckColumns(const Options& o, Checker& check) {
  std::set<std::string> roles;
  for (const std::string& column : o.columns) {
    const size_t equals = column.find('=');
    const std::string role = column.substr(0, equals);
    const bool known = std::find(kColumnRoles.begin(), kColumnRoles.end(), role) != kColumnRoles.end();
    check.Require(known && equals != std::string::npos, "columns", Quoted(column),
                  absl::StrCat("\"ROLE=NAME\" with one of the roles ", absl::StrJoin(kColumnRoles, ", ")));
    check.Require(roles.insert(role).second, "columns", absl::StrCat(Quoted(role), " twice"),
                  "each role once");
  }
}

// export and require_verified.
void CheckExports(const Options& o, Checker& check) {
  std::set<std::string> formats;
  for (const std::string& format : o.exports) {
    check.OneOf("export", format, kExports);
    check.Require(formats.insert(format).second, "export", absl::StrCat(Quoted(format), " twice"),
                  "each format once");
  }
  check.Require(!o.has_export("triton") || o.has_export("onnx"), "export", "\"triton\" without \"onnx\"",
                "both, since the repository serves the ONNX model");
  check.OneOf("require_verified", o.require_verified, kRequiredVerifiers);
  check.Require(o.require_verified != "onnxruntime" || o.has_export("onnx"), "require_verified",
                "\"onnxruntime\" without an export \"onnx\"", "\"any\", or that export");
}

// "auto", "cpu" or "cuda:N", N at most three digits without a leading zero.
bool IsDevice(std::string_view device) {
  if (device == "auto" || device == "cpu") return true;
  constexpr std::string_view kCuda = "cuda:";
  if (device.substr(0, kCuda.size()) != kCuda) return false;
  const std::string_view number = device.substr(kCuda.size());
  if (number.empty() || number.size() > 3 || (number[0] == '0' && number.size() > 1)) return false;
  return number.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

absl::StatusOr<Options> ParseOptions(const Json& json) {
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("options is ", Described(json), ", accepted is an object"));
  }
  Options options;
  absl::Status status;
  size_t known = 0;
  VisitFields(options, [&](const char* name, auto& field) {
    const auto found = json.find(name);
    if (found == json.end()) return;
    ++known;
    if (found->is_null() || !status.ok()) return;
    const std::string accepted = Read(*found, field);
    if (!accepted.empty()) status = RefuseField(name, Described(*found), accepted);
  });
  if (!status.ok()) return status;
  if (known != json.size()) {
    for (const auto& [key, value] : json.items()) {
      bool exists = false;
      VisitFields(options, [&, &key = key](const char* name, auto&) { exists = exists || key == name; });
      if (!exists) {
        return absl::InvalidArgumentError(
            absl::StrCat("options has the unknown field ", Quoted(key), ", accepted are ", NamesOf(options)));
      }
    }
  }
  status = ValidateOptions(options);
  if (!status.ok()) return status;
  return options;
}

absl::Status ValidateOptions(const Options& o) {
  Checker check;
  check.OneOf("method", o.method, kMethods);
  CheckBudgets(o, check);
  check.OneOf("task", o.task, kTasks, /*or_auto=*/true);
  CheckColumns(o, check);
  check.Number(o.samples >= 0, "samples", o.samples, "0 (all) or a positive number");
  check.Number(o.max_length >= 0, "max_length", o.max_length, "0 (the model's limit) or a positive number");
  check.Require(IsDevice(o.device), "device", Quoted(o.device), "\"auto\", \"cpu\" or \"cuda:N\"");
  check.OneOf("precision", o.precision, kPrecisions);
  check.OneOf("predictive", o.predictive, kPredictives);
  check.OneOf("scoring", o.scoring, kScorings);
  check.Number(o.lambda_pred >= 0, "lambda_pred", o.lambda_pred, "0 or a positive number");
  check.Number(o.lambda_rep >= 0, "lambda_rep", o.lambda_rep, "0 or a positive number");
  check.Require(o.lambda_pred > 0 || o.lambda_rep > 0, "lambda_pred", "0 and lambda_rep is 0",
                "at least one of them above 0");
  const bool kprune = o.method == "kprune";
  check.Require(!o.auto_lambda_rep || kprune, "auto_lambda_rep", "true", "false, or method \"kprune\"");
  check.Require(!o.auto_mu || kprune, "auto_mu", "true", "false, or method \"kprune\"");
  check.Number(o.measure_every >= 1 && o.measure_every <= 64, "measure_every", o.measure_every,
               "a number from 1 to 64");
  check.Require(o.measure_every == 1 || kprune, "measure_every", absl::StrCat(o.measure_every),
                "1, or method \"kprune\"");
  check.Require(
      !o.auto_lambda_rep || o.lambda_pred > 0, "lambda_pred", "0",
      "a number above 0 with auto_lambda_rep, which weighs one kind of knowledge against the other");
  if (o.mu) check.Number(*o.mu > 0, "mu", *o.mu, "a number above 0");
  check.Number(o.temperature >= 1e-3 && o.temperature <= 1e3, "temperature", o.temperature,
               "a number from 0.001 to 1000");
  check.Number(o.sequence_length == 0 || (o.sequence_length >= 1 && o.sequence_length <= 1e6),
               "sequence_length", o.sequence_length,
               "0 (the mean over the samples) or a number of at least 1 and at most 1000000");
  check.Number(o.batch_size >= 1 && o.batch_size <= 65536, "batch_size", o.batch_size,
               "a number from 1 to 65536");
  check.OneOf("batch_order", o.batch_order, kBatchOrders);
  check.Number(o.threads >= 0 && o.threads <= 1024, "threads", o.threads,
               "0 (the available processors) or a number up to 1024");
  check.Number(o.holdout >= 0 && o.holdout < 1, "holdout", o.holdout, "a number from 0 to below 1");
  check.OneOf("truncation", o.truncation, kTruncations);
  check.OneOf("pooling", o.pooling, kPoolings);
  check.Require(o.memory_limit_bytes == 0 || o.memory_limit_bytes >= kMinMemoryLimitBytes,
                "memory_limit_bytes", absl::StrCat(o.memory_limit_bytes),
                absl::StrCat("0 (no limit) or at least ", kMinMemoryLimitBytes, " (512 MiB)"));
  check.Number(o.variants >= 0 && o.variants <= 16, "variants", o.variants, "a number from 0 to 16");
  check.Number(o.token_weighting >= 0 && o.token_weighting <= 1, "token_weighting", o.token_weighting,
               "a number from 0 to 1");
  check.Number(o.damping >= 1e-9 && o.damping <= 1e3, "damping", o.damping, "a number from 1e-9 to 1000");
  check.Number(o.ridge >= 0 && o.ridge <= 1e3, "ridge", o.ridge, "0 or a number up to 1000");
  check.Number(o.input_ridge >= 0 && o.input_ridge <= 1e3, "input_ridge", o.input_ridge,
               "0 (inputs are not refitted) or a number up to 1000");
  check.Number(o.distill >= 0 && o.distill <= 100000, "distill", o.distill,
               "0 (none) or a number of steps up to 100000");
  check.Require(o.distill == 0 || o.method == "refit", "distill", absl::StrCat(o.distill),
                "0 with method \"kprune\"");
  CheckExports(o, check);
  check.Require(
      std::find(kRoundings.begin(), kRoundings.end(), o.round) != kRoundings.end() || ParseRounding(o.round),
      "round", Quoted(o.round),
      absl::StrCat("\"device\", \"off\", \"auto\" or such as \"heads:2,neurons:16\", from 1 to ",
                   kMostRounding));
  return check.status();
}

Json ToJson(const Options& options) {
  Json json = Json::object();
  VisitFields(options, [&json](const char* name, const auto& field) {
    using Field = std::remove_cvref_t<decltype(field)>;
    if constexpr (std::is_same_v<Field, std::optional<double>> ||
                  std::is_same_v<Field, std::optional<bool>>) {
      if (field) json[name] = *field;
    } else if constexpr (std::is_same_v<Field, std::optional<LatencyTable>>) {
      if (field) json[name] = ToJson(*field);
    } else {
      json[name] = field;
    }
  });
  if (options.has_flops_budgets()) {
    json["keep_flops"] = options.budgets();
  } else {
    json.erase("keep_flops");
  }
  if (options.exports.empty()) json["export"] = kDefaultExports;
  if (options.columns.empty()) json.erase("columns");
  return json;
}

}  // namespace kprune
