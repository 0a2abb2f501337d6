// Writes, verifies and judges the models of one pruning job.
#ifndef KPRUNE_WORKER_MODEL_JUDGE_H_
#define KPRUNE_WORKER_MODEL_JUDGE_H_

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/evaluation/drop.h"
#include "engine/evaluation/report.h"
#include "engine/formats/onnxruntime.h"
#include "engine/model/encoder.h"
#include "engine/model/model_folder.h"

namespace kprune {

// All are borrowed. `labelled` is empty where no samples have labels for a metric, `agreeing` where there are
// none to judge with at all.
struct JudgingSamples {
  absl::Span<const Sample> agreeing;
  absl::Span<const Sample> labelled;
  absl::Span<const Sample> verifying;
};

// Which of a job's samples judge: agreement has the held-out samples, else those of --eval; the metric those
// of
// --eval, else labelled held-out samples; verification the held-out ones, else some that prune. Drops
// (max_drop) are judged by the metric where there is one, else by the agreement. Of all no more than
// WithinJudgedOutputs.
JudgingSamples ChooseJudgingSamples(const ModelConfig& config, absl::Span<const Sample> pruning,
                                    const SampleSet& judging, const SampleSet& eval);

// Not thread-safe. The original is run on the samples once.
class ModelJudge {
 public:
  // `original`, with its encoder and the samples, is borrowed; `onnxruntime` may be null.
  ModelJudge(const ModelFolder& folder, const Encoder& original, const JudgingSamples& samples,
             std::unique_ptr<OnnxRuntime> onnxruntime)
      : folder_(folder), original_(original), samples_(samples), onnxruntime_(std::move(onnxruntime)) {}

  // Writes `pruned`, with the exports that report.options asks for, to the empty folder `path`, and reads and
  // runs all of it, as a user will. Fills the report's verification, parameters and bytes. INTERNAL where
  // anything computes something else.
  absl::StatusOr<Encoder> WriteAndVerify(const Encoder& pruned, const std::filesystem::path& path,
                                         ReportContents& report) const;

  // Fills the report's agreement, metric and latency; the latter for report.budget.sequence_length and, with
  // a latency table, its batch size.
  void Judge(const Encoder& written, ReportContents& report);

  // What Judge found lost; call it after that, where there are samples to judge with.
  static Drop DropIn(Task task, const ReportContents& report);

 private:
  void MeasureSpeed(const Encoder& written, ReportContents& report) const;
  absl::StatusOr<std::vector<VerifiedFormat>> Verify(const Encoder& pruned, const Encoder& written,
                                                     const std::filesystem::path& path,
                                                     const Options& options) const;

  const ModelFolder& folder_;
  const Encoder& original_;
  const JudgingSamples samples_;
  const std::unique_ptr<OnnxRuntime> onnxruntime_;
  at::Tensor agreeing_NC_, labelled_NC_;  // the original's outputs, once they were needed
};

}  // namespace kprune

#endif  // KPRUNE_WORKER_MODEL_JUDGE_H_
