#include "worker/inputs.h"

#include <map>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "engine/data/draw.h"
#include "engine/data/image_processor.h"
#include "engine/model/dense_folder.h"
#include "kprune/layout.h"

namespace kprune {
namespace {

LabelKind LabelKindOf(Task task) {
  switch (task) {
    case Task::kSingleLabel:
      return LabelKind::kClass;
    case Task::kMultiLabel:
      return LabelKind::kMultiLabel;
    case Task::kRegression:
      return LabelKind::kRegression;
    case Task::kTokenClassification:
      return LabelKind::kTokenClass;
    case Task::kQuestionAnswering:
      return LabelKind::kSpan;
    case Task::kMaskedLm:
      return LabelKind::kMaskedToken;
    case Task::kMultipleChoice:
      return LabelKind::kChoice;
    case Task::kEmbedding:
      break;
  }
  return LabelKind::kAny;
}

// What a labelled line has.
const char* LabelField(Task task) {
  if (task == Task::kTokenClassification) return "\"tokens\" and \"tags\"";
  return task == Task::kQuestionAnswering ? "\"answers\"" : "\"label\"";
}

// The samples at `indices`, moved out of `set`.
std::vector<Sample> Take(SampleSet& set, absl::Span<const int64_t> indices) {
  std::vector<Sample> taken;
  taken.reserve(indices.size());
  for (int64_t index : indices) taken.push_back(std::move(set.samples[index]));
  return taken;
}

// The fields that options.columns names, by role; ValidateOptions checked them.
std::map<std::string, std::string, std::less<>> ColumnsOf(const Options& options) {
  std::map<std::string, std::string, std::less<>> columns;
  for (const std::string& column : options.columns) {
    const size_t equals = column.find('=');
    columns[column.substr(0, equals)] = column.substr(equals + 1);
  }
  return columns;
}

// A result of several models is none itself.
absl::Status CheckIsOneModel(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::exists(path / "config.json", error)) return absl::OkStatus();
  for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    if (!IsBudgetFolder(entry->path().filename().string())) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        path.string(), " holds several models; name one of them, such as ", entry->path().string()));
  }
  return absl::OkStatus();
}

// All pictures of a model have one size.
absl::Status CheckImageOptions(const ModelConfig& config, const Options& options) {
  if (!config.patches || (options.max_length == 0 && options.sequence_length == 0)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(options.max_length > 0 ? "max_length" : "sequence_length",
                                                 " is of models that read text; this one makes ",
                                                 config.patches->tokens(),
                                                 " tokens of every image: leave it out"));
}

// Each task cuts what it has.
absl::Status CheckTruncation(const ModelConfig& config, const Options& options) {
  const auto refuse = [&](const char* why) {
    return absl::InvalidArgumentError(absl::StrCat("truncation is ", options.truncation, ", but ", why));
  };
  const Truncation truncation = TruncationFromName(options.truncation);
  if (truncation == Truncation::kLongestFirst) return absl::OkStatus();
  if (config.patches) return refuse("this model reads pictures: leave it out");
  if (config.task == Task::kQuestionAnswering && truncation == Truncation::kOnlyFirst)
    return refuse("a question is never cut: its context becomes windows");
  if (config.task == Task::kTokenClassification && truncation == Truncation::kOnlySecond)
    return refuse("a line of token-classification has one text");
  return absl::OkStatus();
}

ImageLimits ImageLimitsOf(const ModelInputs& model) {
  const PatchConfig& patches = *model.folder.config.patches;
  ImageLimits limits{patches.image, static_cast<int32_t>(patches.tokens()), absl::UnknownError("")};
  absl::StatusOr<ImageProcessor> processor = ReadImageProcessor(model.folder.path, patches.image);
  if (processor.ok()) {
    limits.processor = std::make_shared<const ImageProcessor>(*std::move(processor));
  } else {
    limits.processor = processor.status();
  }
  return limits;
}

}  // namespace

absl::StatusOr<ModelInputs> OpenModel(const std::filesystem::path& path, const Options& options) {
  if (absl::Status status = CheckIsOneModel(path); !status.ok()) return status;
  absl::StatusOr<ModelFolder> folder = OpenModelFolder(path.string(), options);
  if (!folder.ok()) return folder.status();
  if (options.has_export("dense")) {
    if (absl::Status status = CheckDense(folder->config); !status.ok()) return status;
  }
  if (absl::Status status = CheckImageOptions(folder->config, options); !status.ok()) return status;
  if (absl::Status status = CheckTruncation(folder->config, options); !status.ok()) return status;
  if (folder->config.patches) return ModelInputs{*std::move(folder), nullptr, absl::OkStatus()};
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadTokenizer(path);
  // Of a kind that is not supported: samples may be token ids.
  const bool unknown = absl::IsUnimplemented(tokenizer.status());
  if (!tokenizer.ok() && !absl::IsNotFound(tokenizer.status()) && !unknown) return tokenizer.status();
  ModelInputs model{*std::move(folder), nullptr, unknown ? tokenizer.status() : absl::OkStatus()};
  if (tokenizer.ok()) model.tokenizer = *std::move(tokenizer);
  if (model.tokenizer != nullptr && model.tokenizer->vocab_size() > model.folder.config.vocab_size) {
    return absl::InvalidArgumentError(
        absl::StrCat("the tokenizer has ids up to ", model.tokenizer->vocab_size() - 1,
                     ", but config.json says vocab_size ", model.folder.config.vocab_size));
  }
  return model;
}

absl::StatusOr<Encoder> OpenEncoder(const std::filesystem::path& path, const Options& options,
                                    at::Device device) {
  absl::StatusOr<ModelInputs> inputs = OpenModel(path, options);
  if (!inputs.ok()) return inputs.status();
  return LoadEncoder(inputs->folder, device);
}

absl::StatusOr<SampleSet> ReadModelSamples(const ModelInputs& model,
                                           const std::vector<std::filesystem::path>& paths,
                                           const Options& options, const LineChoice& choice) {
  for (const std::filesystem::path& path : paths) {
    if (!model.unknown_tokenizer.ok() && path.extension() != ".safetensors") {
      return absl::Status(
          model.unknown_tokenizer.code(),
          absl::StrCat(model.unknown_tokenizer.message(), "; or give token ids as safetensors instead of ",
                       path.filename().string()));
    }
  }
  const ModelConfig& config = model.folder.config;
  SampleLimits limits;
  limits.max_length = options.max_length > 0 ? options.max_length : config.max_sequence;
  limits.truncation = TruncationFromName(options.truncation);
  limits.max_positions = config.max_positions;
  limits.vocab_size = config.vocab_size;
  limits.type_vocab_size = config.type_vocab_size > 1 ? config.type_vocab_size : 0;
  limits.label_kind = LabelKindOf(config.task);
  limits.num_labels = config.num_labels;
  limits.threads = options.threads;
  limits.seed = options.seed;
  if (config.patches) limits.images = ImageLimitsOf(model);
  limits.columns = ColumnsOf(options);
  if (model.tokenizer != nullptr) limits.mask_token_id = model.tokenizer->mask_id();
  for (const auto& [label, id] : config.label2id) limits.label2id[label] = id;
  if (const auto pad = config.json.find("pad_token_id");
      pad != config.json.end() && pad->is_number_integer()) {
    limits.pad_token_id = pad->get<int32_t>();
  }
  return ReadSamples(paths, model.tokenizer.get(), limits, choice);
}

absl::StatusOr<DrawnSamples> DrawModelSamples(const ModelInputs& model,
                                              const std::vector<std::filesystem::path>& paths,
                                              const Options& options, int64_t most_lines) {
  const LineChoice choice = {options.samples, options.holdout, options.seed, most_lines};
  absl::StatusOr<SampleSet> set = ReadModelSamples(model, paths, options, choice);
  if (!set.ok()) return set.status();
  absl::StatusOr<SampleDraw> draw = DrawLines(*set, choice);
  if (!draw.ok()) return draw.status();
  DrawnSamples drawn;
  drawn.pruning = Take(*set, draw->pruning);
  drawn.judging.samples = Take(*set, draw->judging);
  drawn.judging.labelled = set->labelled;
  drawn.available = set->available;
  drawn.left_out = set->left_out;
  return drawn;
}

absl::StatusOr<SampleSet> ReadEvalSamples(const ModelInputs& model,
                                          const std::vector<std::filesystem::path>& paths,
                                          const Options& options) {
  absl::StatusOr<SampleSet> eval = ReadModelSamples(model, paths, options);
  if (eval.ok() && !eval->labelled && model.folder.config.task != Task::kEmbedding) {
    return absl::InvalidArgumentError(absl::StrCat(
        paths[0].filename().string(), " has no labels; evaluation of a ", model.folder.config.task_name(),
        " model needs ", LabelField(model.folder.config.task), " on every line"));
  }
  return eval;
}

std::vector<std::string> LeftOutWarnings(int64_t left_out, std::string_view files) {
  if (left_out == 0) return {};
  return {absl::StrCat("questions of ", std::string(files), " that have no answer are left out: ", left_out)};
}

std::vector<std::string> SampleWarnings(const DrawnSamples& data, const SampleSet& eval,
                                        const Options& options) {
  std::vector<std::string> warnings;
  if (options.samples > data.available) {
    warnings.push_back(absl::StrCat("samples is ", options.samples, ", but the data has ", data.available,
                                    " lines: all are used"));
  }
  for (std::string& warning : LeftOutWarnings(data.left_out, "data")) warnings.push_back(std::move(warning));
  for (std::string& warning : LeftOutWarnings(eval.left_out, "eval")) warnings.push_back(std::move(warning));
  return warnings;
}

double SequenceLength(const Options& options, absl::Span<const Sample> samples) {
  if (options.sequence_length > 0) return options.sequence_length;
  double tokens = 0;
  for (const Sample& sample : samples) tokens += static_cast<double>(sample.tokens());
  return samples.empty() ? 0 : tokens / static_cast<double>(samples.size());
}

}  // namespace kprune
