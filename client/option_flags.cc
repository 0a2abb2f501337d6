#include "client/option_flags.h"

#include <google/protobuf/descriptor.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/quantities.h"
#include "kprune/options.h"
#include "kprune/rounding.h"

namespace kprune::client {
namespace {

using google::protobuf::FieldDescriptor;

template <typename Array>
std::vector<std::string> Names(const Array& array) {
  return {array.begin(), array.end()};
}

std::vector<std::string> AutoAnd(std::vector<std::string> names) {
  names.insert(names.begin(), "auto");
  return names;
}

std::string NumberText(double value) { return absl::StrCat(value); }

std::vector<OptionFlag> MakeTable() {
  const kprune::Options defaults;
  return {
      {"--method", "method", "Pruning method", Names(kMethods), defaults.method, false},
      {"--keep-flops",
       "keep_flops",
       "Share of the prunable FLOPs to keep, in (0, 1); several, such as 0.7,0.5,0.3, give a model each and "
       "a "
       "table that compares them, with --method refit from one measurement",
       {},
       NumberText(kDefaultKeepFlops),
       false},
      {"--max-drop",
       "max_drop",
       "Instead of --keep-flops: give the smallest model that loses at most so many points (of the metric "
       "where the samples that judge have labels, else of the agreement) by the 95 % interval; method refit",
       {},
       "not set",
       false},
      {"--task", "task", "Task; auto reads config.json and modules.json", AutoAnd(Names(kTasks)),
       defaults.task, true},
      {"--samples",
       "samples",
       "Lines of data to draw by --seed; 0 means all",
       {},
       NumberText(defaults.samples),
       true},
      {"--max-length",
       "max_length",
       "Longest sequence in tokens, special tokens included; 0 means the model's limit",
       {},
       NumberText(defaults.max_length),
       true},
      {"--seed", "seed", "Seed of every random choice", {}, NumberText(defaults.seed), true},
      {"--device", "device", "auto, cpu or cuda:N", {}, defaults.device, true},
      {"--precision", "precision",
       "Precision of the matrix products; auto is bf16 where the processor (AMX, AVX512-BF16) or the GPU has "
       "it, else "
       "fp32",
       Names(kPrecisions), defaults.precision, true},
      {"--predictive", "predictive", "Estimator of predictive knowledge", Names(kPredictives),
       defaults.predictive, false},
      {"--scoring", "scoring", "The paper's equations, or the means of the paper's own code",
       Names(kScorings), defaults.scoring, false},
      {"--lambda-pred",
       "lambda_pred",
       "Weight of predictive knowledge",
       {},
       NumberText(defaults.lambda_pred),
       false},
      {"--lambda-rep",
       "lambda_rep",
       "Method kprune: weight of representational knowledge; auto tries several on samples held out of the "
       "pruning",
       {},
       NumberText(defaults.lambda_rep),
       false,
       "auto_lambda_rep"},
      {"--mu",
       "mu",
       "Method kprune: weight of attention heads against neurons; auto as with --lambda-rep",
       {},
       "1, or 64 with --scoring paper-code",
       false,
       "auto_mu"},
      {"--temperature", "temperature", "Softmax temperature", {}, NumberText(defaults.temperature), false},
      {"--sequence-length",
       "sequence_length",
       "Tokens a sequence at which FLOPs are counted; 0 means the mean over the samples",
       {},
       NumberText(defaults.sequence_length),
       true},
      {"--batch-size",
       "batch_size",
       "Sequences whose mean gradient --predictive kl-gradient squares; fisher does not depend on it",
       {},
       NumberText(defaults.batch_size),
       false},
      {"--batch-order", "batch_order",
       "How kl-gradient puts sequences together: by length, or as in the file", Names(kBatchOrders),
       defaults.batch_order, false},
      {"--threads",
       "threads",
       "Threads; 0 means the processors available",
       {},
       NumberText(defaults.threads),
       true},
      {"--memory-limit",
       "memory_limit_bytes",
       "Most memory that the worker may use, e.g. 4GiB, at least 512MiB; 0 means no limit",
       {},
       NumberText(static_cast<double>(defaults.memory_limit_bytes)),
       false},
      {"--holdout",
       "holdout",
       "Share of the lines (at most 512) that only judges the result, in [0, 1)",
       {},
       NumberText(defaults.holdout),
       false},
      {"--variants",
       "variants",
       "Method refit: variants of every sample made up for measuring and refitting, 0 to 16",
       {},
       NumberText(defaults.variants),
       false},
      {"--token-weighting",
       "token_weighting",
       "Method refit: how much more the tokens count that the output cares about, 0 to 1",
       {},
       NumberText(defaults.token_weighting),
       false},
      {"--damping",
       "damping",
       "Method refit: share of the mean diagonal added to the Gram matrices that decide what leaves",
       {},
       NumberText(defaults.damping),
       false},
      {"--ridge",
       "ridge",
       "Method refit: the same for the refit of output projections",
       {},
       NumberText(defaults.ridge),
       false},
      {"--input-ridge",
       "input_ridge",
       "Method refit: the same for the refit of input projections; 0 leaves it out",
       {},
       NumberText(defaults.input_ridge),
       false},
      {"--distill",
       "distill",
       "Method refit: steps of a short training without labels at the end, for the smallest budgets",
       {},
       NumberText(defaults.distill),
       false},
      {"--pooling", "pooling", "Pooling of feature extraction; auto reads modules.json, else mean",
       Names(kPoolings), defaults.pooling, true},
      {"--export", "export",
       "What the result has, such as onnx,dense; safetensors is always there, triton needs onnx",
       Names(kExports), absl::StrJoin(kDefaultExports, ","), false},
      {"--round",
       "round",
       "Multiples that kept heads and neurons of a layer are rounded to, such as heads:2,neurons:32; device "
       "is a "
       "table, auto measures, off is none",
       {},
       defaults.round,
       false},
      {"--require-verified", "require_verified",
       "Who must have run an exported model: with onnxruntime the job fails where there is none",
       Names(kRequiredVerifiers), defaults.require_verified, false},
      {"--normalize",
       "normalize",
       "Scale embeddings to length 1, or with --no-normalize not",
       {},
       "from modules.json, else no",
       true},
  };
}

// The accepted values of --device are a pattern, not a list.
std::string CheckDevice(const std::string& value) {
  if (value == "auto" || value == "cpu") return "";
  if (value.rfind("cuda:", 0) == 0 && value.size() > 5 && value.size() < 9 &&
      value.find_first_not_of("0123456789", 5) == std::string::npos) {
    return "";
  }
  return absl::StrCat(value, " is not a device; accepted are auto, cpu and cuda:N");
}

std::string CheckRounding(const std::string& value) {
  if (std::find(kRoundings.begin(), kRoundings.end(), value) != kRoundings.end() || ParseRounding(value))
    return "";
  return absl::StrCat(value, " is not accepted; accepted are ", absl::StrJoin(kRoundings, ", "),
                      " and such as heads:2,neurons:16");
}

std::string CheckNumberOrAuto(const std::string& value) {
  double number = 0;
  if (value == "auto" || absl::SimpleAtod(value, &number)) return "";
  return absl::StrCat(value, " is not accepted; accepted are a number and auto");
}

std::string CheckBytes(const std::string& value) {
  if (ParseBytes(value)) return "";
  return absl::StrCat(value, " is no number of bytes; accepted are e.g. 4294967296, 512MiB, 1.5GiB and 4GB");
}

// The numbers of a list such as "0.7,0.5"; nothing where one is no number.
std::optional<std::vector<double>> ParseNumbers(const std::string& text) {
  std::vector<double> numbers;
  for (const absl::string_view item : absl::StrSplit(text, ',')) {
    if (!absl::SimpleAtod(item, &numbers.emplace_back())) return std::nullopt;
  }
  return numbers;
}

std::string CheckNumbers(const std::string& value) {
  if (ParseNumbers(value)) return "";
  return absl::StrCat(value, " is no list of numbers; accepted are e.g. 0.5 and 0.7,0.5,0.3");
}

// What is wrong with a list such as "onnx,dense" of names that must all be accepted; "" if nothing is.
std::string CheckNames(const std::vector<std::string>& accepted, const std::string& value) {
  for (const absl::string_view name : absl::StrSplit(value, ',')) {
    if (std::find(accepted.begin(), accepted.end(), name) == accepted.end())
      return absl::StrCat(name, " is not accepted; accepted are ", absl::StrJoin(accepted, ", "));
  }
  return "";
}

std::string HelpText(const OptionFlag& flag) {
  std::string text = flag.help;
  if (!flag.accepted.empty()) absl::StrAppend(&text, ": ", absl::StrJoin(flag.accepted, " | "));
  return absl::StrCat(text, " (default: ", flag.default_text, ")");
}

const FieldDescriptor& Field(const std::string& name) {
  return *kprune::v1::Options::descriptor()->FindFieldByName(name);
}

// A number, or "auto" for the field that has the run choose.
CLI::Option* AddNumberOrAuto(const OptionFlag& flag, CLI::App& app, kprune::v1::Options& options) {
  const FieldDescriptor *number_field = &Field(flag.field), *auto_field = &Field(flag.auto_field);
  const auto* reflection = kprune::v1::Options::GetReflection();
  CLI::Option* option = app.add_option_function<std::string>(
      flag.flag,
      [=, target = &options](const std::string& value) {
        double number = 0;
        if (value == "auto") {
          reflection->SetBool(target, auto_field, true);
        } else if (absl::SimpleAtod(value, &number)) {  // CheckNumberOrAuto came first
          reflection->SetDouble(target, number_field, number);
        }
      },
      HelpText(flag));
  return option->check(CLI::Validator(CheckNumberOrAuto, "", "number or auto"));
}

void AddFlag(const OptionFlag& flag, CLI::App& app, kprune::v1::Options& options) {
  const FieldDescriptor* field = &Field(flag.field);
  const auto* reflection = kprune::v1::Options::GetReflection();
  kprune::v1::Options* target = &options;
  CLI::Option* option = nullptr;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_DOUBLE:
      if (field->is_repeated()) {
        option = app.add_option_function<std::string>(
            flag.flag,
            [=](const std::string& value) {
              const std::vector<double> numbers = *ParseNumbers(value);  // CheckNumbers came first
              for (const double number : numbers) reflection->AddDouble(target, field, number);
            },
            HelpText(flag));
        option->check(CLI::Validator(CheckNumbers, "", "numbers"));
        break;
      }
      if (!flag.auto_field.empty()) {
        option = AddNumberOrAuto(flag, app, options);
        break;
      }
      option = app.add_option_function<double>(
          flag.flag, [=](double value) { reflection->SetDouble(target, field, value); }, HelpText(flag));
      break;
    case FieldDescriptor::CPPTYPE_INT32:
      option = app.add_option_function<int32_t>(
          flag.flag, [=](int32_t value) { reflection->SetInt32(target, field, value); }, HelpText(flag));
      break;
    case FieldDescriptor::CPPTYPE_UINT32:
      option = app.add_option_function<uint32_t>(
          flag.flag, [=](uint32_t value) { reflection->SetUInt32(target, field, value); }, HelpText(flag));
      break;
    case FieldDescriptor::CPPTYPE_INT64:
      option = app.add_option_function<std::string>(
          flag.flag,
          [=](const std::string& value) {
            reflection->SetInt64(target, field, ParseBytes(value).value_or(0));  // CheckBytes came first
          },
          HelpText(flag));
      option->check(CLI::Validator(CheckBytes, "", "bytes"));
      break;
    case FieldDescriptor::CPPTYPE_BOOL:
      option = app.add_flag_function(
          absl::StrCat(flag.flag, ",!--no-", flag.flag.substr(2)),
          [=](int64_t count) { reflection->SetBool(target, field, count > 0); }, HelpText(flag));
      break;
    default:
      option = app.add_option_function<std::string>(
          flag.flag,
          [=](const std::string& value) {
            if (!field->is_repeated()) return reflection->SetString(target, field, value);
            for (const absl::string_view name : absl::StrSplit(value, ','))
              reflection->AddString(target, field, std::string(name));
          },
          HelpText(flag));
      if (field->name() == "device") option->check(CLI::Validator(CheckDevice, "", "device"));
      if (field->name() == "round") option->check(CLI::Validator(CheckRounding, "", "rounding"));
  }
  if (!flag.accepted.empty()) {
    option->check(CLI::Validator(
        [accepted = flag.accepted, several = field->is_repeated()](const std::string& value) -> std::string {
          if (several || value.find(',') == std::string::npos) return CheckNames(accepted, value);
          return absl::StrCat(value, " is not accepted; accepted is one of ", absl::StrJoin(accepted, ", "));
        },
        "", field->is_repeated() ? "names" : "name"));
  }
  option->group("Options of the method");
}

}  // namespace

const std::vector<OptionFlag>& OptionFlags() {
  static const auto* table = new std::vector<OptionFlag>(MakeTable());
  return *table;
}

void AddOptionFlags(OptionScope scope, CLI::App& app, kprune::v1::Options& options) {
  for (const OptionFlag& flag : OptionFlags()) {
    if (scope == OptionScope::kInference && !flag.for_inference) continue;
    AddFlag(flag, app, options);
  }
  if (scope == OptionScope::kPruning) app.get_option("--max-drop")->excludes("--keep-flops");
}

}  // namespace kprune::client
