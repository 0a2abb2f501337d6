#include "client/option_flags.h"

#include <google/protobuf/descriptor.h>

#include <CLI/CLI.hpp>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/flag_values.h"
#include "client/quantities.h"
#include "kprune/options.h"
#include "kprune/supported_models.h"

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
       "a table that compares them, with --method refit from one measurement",
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
      {"--target-latency",
       "target_latency_ms",
       "Instead of --keep-flops: give the best model that takes at most so long, such as 5ms, by "
       "--latency-table; method refit",
       {},
       "not set",
       false},
      {"--latency-table",
       "latency_table",
       "With --target-latency: what kprune calibrate measured where the model will be served",
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
      {"--columns",
       "columns",
       "Fields of the data by other names than the usual ones, such as text=review,label=stars; label= "
       "leaves "
       "labels out, and a file without names has 1, 2, ...",
       {},
       "by name",
       true},
      {"--max-length",
       "max_length",
       "Longest sequence in tokens, special tokens included; 0 means the model's limit",
       {},
       NumberText(defaults.max_length),
       true},
      {"--truncation", "truncation", "Which text of a pair gives way where the sequence is longer",
       Names(kTruncations), defaults.truncation, true},
      {"--seed", "seed", "Seed of every random choice", {}, NumberText(defaults.seed), true},
      {"--device", "device", "auto, cpu or cuda:N", {}, defaults.device, true},
      {"--precision", "precision",
       "Precision of the matrix products; auto is bf16 where the processor (AMX, AMD's AVX512-BF16) or the "
       "GPU is faster with it, else fp32",
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
      {"--measure-every",
       "measure_every",
       "Method kprune: measure before every N-th sublayer alone; 2 is once a layer, in two thirds of the "
       "time",
       {},
       NumberText(defaults.measure_every),
       false},
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
       "is a table, auto measures, off is none",
       {},
       defaults.round,
       false},
      {"--require-verified", "require_verified",
       "Who must have run an exported model: with onnxruntime the job fails where there is none",
       Names(kRequiredVerifiers), defaults.require_verified, false},
      {"--unshare-layers",
       "unshare_layers",
       "Give layers that share their weights (ALBERT) weights of their own: more accurate, a larger file",
       {},
       "no",
       false},
      {"--normalize",
       "normalize",
       "Scale embeddings to length 1, or with --no-normalize not",
       {},
       "from modules.json, else no",
       true},
  };
}

std::string HelpText(const OptionFlag& flag) {
  std::string text = flag.help;
  if (!flag.accepted.empty()) absl::StrAppend(&text, ": ", absl::StrJoin(flag.accepted, " | "));
  return absl::StrCat(text, " (default: ", flag.default_text, ")");
}

const FieldDescriptor& Field(const std::string& name) {
  return *kprune::v1::Options::descriptor()->FindFieldByName(name);
}

// How the texts of a flag's value are checked, and what --help calls them.
CLI::Validator ValidatorOf(const OptionFlag& flag, const FieldDescriptor& field) {
  if (!flag.accepted.empty()) {
    return field.is_repeated() ? CLI::Validator(EachItem(OneOf(flag.accepted)), "", "names")
                               : CLI::Validator(OneOf(flag.accepted), "", "name");
  }
  if (!flag.auto_field.empty()) return {CheckNumberOrAuto, "", "number or auto"};
  if (flag.field == "target_latency_ms") return {CheckMilliseconds, "", "time"};
  if (flag.field == "latency_table") return {CheckLatencyTable, "", "file"};
  if (flag.field == "device") return {CheckDevice, "", "device"};
  if (flag.field == "round") return {CheckRounding, "", "rounding"};
  if (flag.field == "columns") return {EachItem(CheckColumn), "", "columns"};
  if (field.is_repeated()) return {EachItem(CheckNumber), "", "numbers"};
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_INT64) return {CheckBytes, "", "bytes"};
  return CLI::Validator("");
}

// Sets the field from a text that passed its check: a list, a quantity, "auto", or the text itself.
void SetFromText(const OptionFlag& flag, const FieldDescriptor* field, const std::string& value,
                 kprune::v1::Options& options) {
  const auto* reflection = kprune::v1::Options::GetReflection();
  const bool number = field->cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE;
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    *options.mutable_latency_table() = *ReadLatencyTable(value);
  } else if (flag.field == "target_latency_ms") {
    options.set_target_latency_ms(*ParseMilliseconds(value));
  } else if (field->is_repeated()) {
    for (const std::string& item : ItemsOf(value)) {
      number ? reflection->AddDouble(&options, field, NumberIn(item))
             : reflection->AddString(&options, field, item);
    }
  } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_INT64) {
    reflection->SetInt64(&options, field, ParseBytes(value).value_or(0));
  } else if (!number) {
    reflection->SetString(&options, field, value);
  } else if (value == "auto") {
    reflection->SetBool(&options, &Field(flag.auto_field), true);
  } else {
    reflection->SetDouble(&options, field, NumberIn(value));
  }
}

void AddFlag(const OptionFlag& flag, CLI::App& app, kprune::v1::Options& options) {
  const FieldDescriptor* field = &Field(flag.field);
  const auto* reflection = kprune::v1::Options::GetReflection();
  kprune::v1::Options* target = &options;
  CLI::Option* option = nullptr;
  const std::string help = HelpText(flag);
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      option = app.add_option_function<int32_t>(
          flag.flag, [=](int32_t value) { reflection->SetInt32(target, field, value); }, help);
      break;
    case FieldDescriptor::CPPTYPE_UINT32:
      option = app.add_option_function<uint32_t>(
          flag.flag, [=](uint32_t value) { reflection->SetUInt32(target, field, value); }, help);
      break;
    case FieldDescriptor::CPPTYPE_BOOL:
      option = app.add_flag_function(
          absl::StrCat(flag.flag, ",!--no-", flag.flag.substr(2)),
          [=](int64_t count) { reflection->SetBool(target, field, count > 0); }, help);
      break;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      if (!field->is_repeated() && flag.auto_field.empty() && flag.field != "target_latency_ms") {
        option = app.add_option_function<double>(
            flag.flag, [=](double value) { reflection->SetDouble(target, field, value); }, help);
        break;
      }
      [[fallthrough]];
    default:
      option = app.add_option_function<std::string>(
          flag.flag, [=](const std::string& value) { SetFromText(flag, field, value, *target); }, help);
      option->check(ValidatorOf(flag, *field));
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
  if (scope != OptionScope::kPruning) return;
  CLI::Option* const latency = app.get_option("--target-latency");
  app.get_option("--max-drop")->excludes("--keep-flops");
  latency->excludes("--keep-flops")->excludes("--max-drop")->needs("--latency-table");
  app.get_option("--latency-table")->needs(latency);
}

}  // namespace kprune::client
