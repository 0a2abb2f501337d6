// RunTokenize: what the model sees of every sample.
#include "absl/strings/str_cat.h"
#include "engine/formats/file.h"
#include "kprune/worker_protocol.h"
#include "worker/inputs.h"
#include "worker/jobs.h"
#include "worker/result_folder.h"

namespace kprune {

absl::Status RunTokenize(const WorkerJob& job, ProgressObserver& observer) {
  absl::StatusOr<ModelInputs> model = OpenModel(job.model, job.options);
  if (!model.ok()) return model.status();
  if (model->folder.config.patches) {
    return absl::InvalidArgumentError(absl::StrCat("the model looks at images, of which each becomes ",
                                                   model->folder.config.patches->tokens(),
                                                   " tokens; tokenize models that read text"));
  }
  absl::StatusOr<SampleSet> set = ReadModelSamples(*model, job.data, job.options);
  if (!set.ok()) return set.status();
  for (const std::string& warning : LeftOutWarnings(set->left_out, "data")) observer.OnWarning(warning);
  if (observer.cancelled()) return absl::CancelledError("the job was cancelled");
  std::string lines;
  for (const Sample& sample : set->samples) {
    const nlohmann::json line = {{"file", job.data[sample.file].filename().string()},
                                 {"line", sample.line},
                                 {"input_ids", sample.input_ids},
                                 {"token_type_ids", sample.token_type_ids}};
    lines += line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  }
  absl::StatusOr<ResultFolder> folder = ResultFolder::Create(job.directory);
  if (!folder.ok()) return folder.status();
  if (absl::Status status = WriteFileDurably(folder->path() / kTokensFile, lines); !status.ok())
    return status;
  return folder->Publish();
}

}  // namespace kprune
