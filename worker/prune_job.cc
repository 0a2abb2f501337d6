// RunPrune: load, prune, write, verify what was written, judge, report.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/headeronly/version.h>

#include <chrono>
#include <cmath>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "engine/data/draw.h"
#include "engine/evaluation/agreement.h"
#include "engine/evaluation/outputs.h"
#include "engine/evaluation/report.h"
#include "engine/formats/options_json.h"
#include "engine/formats/sha256.h"
#include "engine/kernels/kernels.h"
#include "engine/pruning_methods.h"
#include "kprune/worker_protocol.h"
#include "worker/devices.h"
#include "worker/inputs.h"
#include "worker/jobs.h"
#include "worker/model_facts.h"
#include "worker/progress_lines.h"
#include "worker/result_folder.h"
#include "worker/workload.h"

namespace kprune {
namespace {

// Shares of the job at which its phases end.
constexpr double kLoaded = 0.04, kPruned = 0.92, kVerified = 0.97;

// The written folder gives the outputs of the model in memory within this much of their largest value: it
// stores exactly what the pruned model computes with.
constexpr double kVerificationBound = 1e-4;

// How many samples verify the written folder when none are held out.
constexpr size_t kVerifyingSamples = 64;

class PruneJob {
 public:
  PruneJob(const WorkerJob& job, ProgressObserver& observer) : job_(job), observer_(observer) {}

  absl::Status Run() {
    for (absl::Status (PruneJob::*step)() :
         {&PruneJob::Load, &PruneJob::Plan, &PruneJob::Prune, &PruneJob::Write, &PruneJob::Verify,
          &PruneJob::Judge, &PruneJob::Publish}) {
      if (observer_.cancelled()) return absl::CancelledError("the job was cancelled");
      if (absl::Status status = (this->*step)(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Load();
  absl::Status DrawAndReadEval(SampleSet& data);
  absl::Status Plan();
  absl::Status OpenCheckpoint(const std::string& scratch, Workload& workload);
  absl::Status Prune();
  absl::Status Write();
  absl::Status Verify();
  absl::Status Judge();
  absl::Status Publish();
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

  const WorkerJob& job_;
  ProgressObserver& observer_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();

  std::optional<ModelInputs> model_;
  at::Device device_ = at::kCPU;
  ExecutionPlan plan_;
  std::unique_ptr<Checkpoint> checkpoint_;
  Encoder original_;
  std::vector<Sample> pruning_, judging_;  // disjoint samples
  bool judging_labelled_ = false;
  SampleSet eval_;
  std::optional<PruningResult> result_;
  std::optional<ResultFolder> folder_;
  Encoder written_;  // the result as a user will load it
  ReportContents report_;
};

absl::Status PruneJob::Load() {
  observer_.OnStage(Stage::kLoad, 0);
  absl::StatusOr<at::Device> device = ResolveDevice(job_.options.device);
  if (!device.ok()) return device.status();
  absl::StatusOr<ModelInputs> model = OpenModel(job_.model, job_.options);
  if (!model.ok()) return model.status();
  model_ = *std::move(model);
  absl::StatusOr<SampleSet> data = ReadModelSamples(*model_, job_.data, job_.options);
  if (!data.ok()) return data.status();
  if (absl::Status status = DrawAndReadEval(*data); !status.ok()) return status;
  device_ = *device;
  UseDeterministicAlgorithms(device_);
  absl::StatusOr<Encoder> encoder = LoadEncoder(model_->folder, device_);
  if (!encoder.ok()) return encoder.status();
  original_ = *std::move(encoder);

  report_.options = job_.options;
  report_.options.mu = job_.options.effective_mu();
  report_.family = model_->folder.config.family->model_type;
  report_.task = model_->folder.config.task_name();
  report_.device = device_.str();
  report_.device_name = DeviceName(device_);
  report_.load_seconds = seconds();
  return absl::OkStatus();
}

absl::Status PruneJob::DrawAndReadEval(SampleSet& data) {
  const Options& options = job_.options;
  const auto available = static_cast<int64_t>(data.samples.size());
  if (options.samples > available) {
    observer_.OnWarning(absl::StrCat("samples is ", options.samples, ", but the data has ", available,
                                     " lines: all are used"));
  }
  absl::StatusOr<SampleDraw> draw = DrawSamples(available, options.samples, options.holdout, options.seed);
  if (!draw.ok()) return draw.status();
  pruning_ = Take(data, draw->pruning);
  judging_ = Take(data, draw->judging);
  judging_labelled_ = data.labelled;
  if (job_.eval.empty()) return absl::OkStatus();
  absl::StatusOr<SampleSet> eval = ReadEvalSamples(*model_, job_.eval, options);
  if (!eval.ok()) return eval.status();
  eval_ = *std::move(eval);
  return absl::OkStatus();
}

// How this machine carries the job out; or how the run that left a checkpoint did.
absl::Status PruneJob::Plan() {
  const std::string scratch = (std::filesystem::path(job_.directory) / kScratchDirectory).string();
  std::error_code error;
  std::filesystem::create_directories(scratch, error);
  if (error) {
    return absl::PermissionDeniedError(absl::StrCat("cannot create ", scratch, ": ", error.message()));
  }
  Workload workload = WorkloadOf(FactsOf(model_->folder).parameters, pruning_, job_.options, device_);
  if (absl::Status status = OpenCheckpoint(scratch, workload); !status.ok()) return status;
  absl::StatusOr<ExecutionPlan> plan = PlanExecution(original_.config, workload, job_.options, scratch);
  if (!plan.ok()) return plan.status();
  plan_ = *std::move(plan);
  report_.predicted_memory_bytes = PredictPeakMemory(original_.config, workload, job_.options, plan_);
  return absl::OkStatus();
}

// Threads and precision become those of the run that began the checkpoint.
absl::Status PruneJob::OpenCheckpoint(const std::string& scratch, Workload& workload) {
  absl::StatusOr<std::map<std::string, std::string>> inputs = DigestInputs(job_);
  if (!inputs.ok()) return inputs.status();
  report_.inputs = *std::move(inputs);
  CheckpointIdentity identity;
  identity.job = {{"version", KPRUNE_VERSION},
                  {"libtorch", TORCH_VERSION},
                  {"instructions", CpuKernels().instructions},
                  {"inputs", report_.inputs},
                  {"options", ToJson(job_.options)},
                  {"device", report_.device},
                  {"device_name", report_.device_name}};
  identity.threads = at::get_num_threads();
  identity.precision = workload.compute_type == at::kBFloat16 ? "bf16" : "fp32";
  identity.memory_limit_bytes = job_.options.memory_limit_bytes;
  absl::StatusOr<std::unique_ptr<Checkpoint>> checkpoint =
      Checkpoint::Open(std::filesystem::path(scratch) / kCheckpointDirectory, identity);
  if (!checkpoint.ok()) return checkpoint.status();
  checkpoint_ = *std::move(checkpoint);
  for (const std::string& warning : checkpoint_->warnings()) observer_.OnWarning(warning);
  const CheckpointIdentity& replayed = checkpoint_->identity();
  if (replayed.threads != at::get_num_threads()) at::set_num_threads(replayed.threads);
  workload.compute_type = ComputeType(replayed.precision, device_);
  report_.precision = replayed.precision;
  report_.threads = replayed.threads;
  return absl::OkStatus();
}

absl::Status PruneJob::Prune() {
  const double sequence_length = SequenceLength(job_.options, pruning_);
  absl::StatusOr<FlopsBudget> budget = MakeBudget(original_.config, job_.options.keep_flops, sequence_length);
  if (!budget.ok()) return budget.status();
  PhaseProgress progress(observer_, kLoaded, kPruned);
  absl::StatusOr<PruningResult> result =
      PruneByMethod(original_, pruning_, *budget, job_.options, plan_, checkpoint_.get(), progress);
  if (!result.ok()) return result.status();
  result_ = *std::move(result);

  report_.samples = static_cast<int64_t>(pruning_.size());
  for (const Sample& sample : pruning_) report_.tokens += static_cast<int64_t>(sample.input_ids.size());
  report_.streams = std::string(place_name(plan_.streams));
  report_.batch_tokens = result_->batch_tokens;
  report_.resumed_sublayers = result_->resumed_sublayers;
  report_.budget = *budget;
  report_.kept_flops = result_->kept_flops;
  report_.sublayers = result_->sublayers;
  return absl::OkStatus();
}

absl::Status PruneJob::Write() {
  absl::StatusOr<ResultFolder> folder = ResultFolder::Create(job_.directory);
  if (!folder.ok()) return folder.status();
  folder_.emplace(*std::move(folder));
  return WriteModelFolder(model_->folder, result_->encoder, folder_->path().string());
}

absl::Status PruneJob::Verify() {
  observer_.OnStage(Stage::kVerify, kPruned);
  Options options = job_.options;
  options.task = model_->folder.config.task_name();
  absl::StatusOr<ModelFolder> folder = OpenModelFolder(folder_->path().string(), options);
  if (!folder.ok()) return folder.status();
  absl::StatusOr<Encoder> encoder = LoadEncoder(*folder, original_.word_embeddings.device());
  if (!encoder.ok()) return encoder.status();
  written_ = *std::move(encoder);
  const ModelFacts before = FactsOf(model_->folder), after = FactsOf(*folder);
  report_.original_parameters = before.parameters;
  report_.kept_parameters = after.parameters;
  report_.original_file_bytes = before.file_bytes;
  report_.kept_file_bytes = after.file_bytes;

  const absl::Span<const Sample> samples =
      judging_.empty() ? absl::MakeConstSpan(pruning_).subspan(0, kVerifyingSamples) : judging_;
  const at::Tensor expected = RunSamples(result_->encoder, samples), found = RunSamples(written_, samples);
  report_.verified_difference = (expected - found).abs().max().item<double>();
  const double bound = kVerificationBound * std::max(1.0, expected.abs().max().item<double>());
  if (!std::isfinite(report_.verified_difference) || report_.verified_difference > bound) {
    return absl::InternalError(absl::StrCat("the written model differs from the pruned one by ",
                                            report_.verified_difference, " (accepted is ", bound,
                                            "); the result was discarded"));
  }
  return absl::OkStatus();
}

absl::Status PruneJob::Judge() {
  observer_.OnStage(Stage::kVerify, kVerified);
  const Task task = original_.config.task;
  // Agreement: held-out samples, else those of --eval; the metric: --eval, else labelled held-out samples.
  const absl::Span<const Sample> agreeing = judging_.empty() ? eval_.samples : judging_;
  if (!agreeing.empty()) {
    const at::Tensor before = RunSamples(original_, agreeing), after = RunSamples(written_, agreeing);
    report_.agreement = Agreement(task, before, after);
    report_.flipped = FlippedSamples(task, before, after, agreeing);
  }
  const absl::Span<const Sample> labelled = eval_.labelled      ? absl::MakeConstSpan(eval_.samples)
                                            : judging_labelled_ ? absl::MakeConstSpan(judging_)
                                                                : absl::Span<const Sample>();
  if (!labelled.empty()) {
    report_.original_metric = EvaluateMetric(task, RunSamples(original_, labelled), labelled);
    report_.pruned_metric = EvaluateMetric(task, RunSamples(written_, labelled), labelled);
  }
  constexpr int kRepeats = 21;
  report_.latency_setting.tokens = std::max<int64_t>(1, std::llround(report_.budget.sequence_length));
  report_.latency_setting.tokens =
      std::min<int64_t>(report_.latency_setting.tokens, original_.config.max_positions);
  const std::vector<double> latency =
      MeasureLatency({&original_, &written_}, report_.latency_setting, kRepeats);
  report_.original_latency_ms = latency[0];
  report_.pruned_latency_ms = latency[1];
  return absl::OkStatus();
}

absl::Status PruneJob::Publish() {
  observer_.OnStage(Stage::kExport, kVerified);
  absl::StatusOr<std::map<std::string, std::string>> outputs = DigestFolder(folder_->path());
  if (!outputs.ok()) return outputs.status();
  report_.outputs = *std::move(outputs);
  report_.total_seconds = seconds();
  if (absl::Status status = folder_->WriteJson(kReportFile, MakeReport(report_)); !status.ok()) return status;
  if (absl::Status status = folder_->Publish(); !status.ok()) return status;
  // The result is complete; a checkpoint that stays is no failure.
  if (absl::Status status = checkpoint_->Remove(); !status.ok())
    observer_.OnWarning(std::string(status.message()));
  observer_.OnStage(Stage::kExport, 1);
  return absl::OkStatus();
}

}  // namespace

absl::Status RunPrune(const WorkerJob& job, ProgressObserver& observer) {
  return PruneJob(job, observer).Run();
}

}  // namespace kprune
