#include "engine/model/task_config.h"

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/formats/json_fields.h"
#include "engine/model/config_error.h"
#include "kprune/supported_models.h"

namespace kprune {
namespace {

using nlohmann::json;

// Of text and image classification, by "problem_type" and the number of labels.
absl::Status SettleClassification(const json& config, ModelConfig& model) {
  const json problem = config.value("problem_type", json());
  if (problem.is_null()) {
    model.task = model.num_labels == 1 ? Task::kRegression : Task::kSingleLabel;
  } else if (problem == "single_label_classification") {
    model.task = Task::kSingleLabel;
  } else if (problem == "multi_label_classification") {
    model.task = Task::kMultiLabel;
  } else if (problem == "regression") {
    model.task = Task::kRegression;
  } else {
    return ConfigError(absl::StrCat(
        "\"problem_type\" is ", Described(problem),
        "; accepted are single_label_classification, multi_label_classification and regression"));
  }
  if (model.task == Task::kRegression && model.num_labels != 1) {
    return ConfigError(absl::StrCat("\"problem_type\" is regression with ", model.num_labels,
                                    " labels; accepted is one label"));
  }
  if (model.task == Task::kSingleLabel && model.num_labels < 2) {
    return ConfigError(
        "single-label classification with one label predicts always the same; accepted are two or more "
        "labels, or \"problem_type\": \"regression\"");
  }
  return absl::OkStatus();
}

// What stands where the class is named that the checkpoint was saved from; and the class, "" where it is
// none.
json FirstArchitecture(const json& config) {
  const json architectures = config.value("architectures", json());
  return architectures.is_array() && !architectures.empty() ? architectures[0] : architectures;
}

std::string Architecture(const json& config) {
  const json architecture = FirstArchitecture(config);
  return architecture.is_string() ? architecture.get<std::string>() : "";
}

// The task's public name: the one that was asked for, or what the folder itself implies.
absl::StatusOr<std::string> TaskName(const json& config, const std::string& requested, bool has_modules,
                                     const Family& family) {
  if (requested != "auto") return requested;
  const char* const embeddings = NamesOf(Task::kEmbedding, family.patches != nullptr).name;
  if (has_modules) return embeddings;
  const std::string name = Architecture(config);
  if (name == BaseClass(family)) return embeddings;
  for (const TaskNames& task : kTaskNames) {
    if (task.classes == nullptr) continue;
    const std::string classes = absl::StrCat("For", task.classes);
    if (absl::EndsWith(name, classes) || absl::EndsWith(name, classes + kWithTeacher)) return task.name;
  }
  return ConfigError(
      absl::StrCat("\"architectures\" is ", Described(FirstArchitecture(config)),
                   ", which says no task; name one with --task: ", absl::StrJoin(kTasks, ", ")));
}

}  // namespace

absl::Status SettleTask(const json& config, const std::string& requested, bool has_modules,
                        ModelConfig& model) {
  const absl::StatusOr<std::string> name = TaskName(config, requested, has_modules, *model.family);
  if (!name.ok()) return name.status();
  bool known = false;
  for (const TaskNames& task : kTaskNames) {
    if (*name != task.name || (task.images != model.patches.has_value() && task.classes != nullptr)) continue;
    model.task = task.task;
    known = true;
  }
  model.with_teacher = model.task != Task::kEmbedding && absl::EndsWith(Architecture(config), kWithTeacher);
  const TaskHead* const head = model.head();
  if (!known || (head != nullptr && !head->output && !head->tied_bias)) {
    return ConfigError(absl::StrCat("\"model_type\" is ", model.family->model_type,
                                    ", of which there are no models for ", *name,
                                    "; accepted are other tasks"));
  }
  switch (model.task) {
    case Task::kSingleLabel:
    case Task::kMultiLabel:
    case Task::kRegression:
      return SettleClassification(config, model);
    case Task::kTokenClassification:
      if (model.num_labels > 1) return absl::OkStatus();
      return ConfigError(
          "token-classification with one label predicts always the same; accepted are two or more");
    case Task::kQuestionAnswering:
      if (model.num_labels == 2) return absl::OkStatus();
      return ConfigError(absl::StrCat("question-answering has ", model.num_labels,
                                      " labels; accepted are two, the start and the end"));
    case Task::kMaskedLm:
      model.num_labels = model.vocab_size;
      if (config.value("tie_word_embeddings", json(true)) == true) return absl::OkStatus();
      return ConfigError("\"tie_word_embeddings\" is not true; accepted for fill-mask is true");
    case Task::kMultipleChoice:
      model.num_labels = 1;
      return absl::OkStatus();
    case Task::kEmbedding:
      model.num_labels = model.hidden_size;
      break;
  }
  return absl::OkStatus();
}

}  // namespace kprune
