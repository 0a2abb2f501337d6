// RunPrune: load, prune, write, verify what was written, judge, report; for one model or several.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <chrono>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "engine/evaluation/report.h"
#include "engine/formats/json.h"
#include "engine/formats/options_json.h"
#include "engine/pruning_methods.h"
#include "kprune/layout.h"
#include "kprune/worker_protocol.h"
#include "worker/configured_onnxruntime.h"
#include "worker/devices.h"
#include "worker/drop_search.h"
#include "worker/finished_models.h"
#include "worker/inputs.h"
#include "worker/job_checkpoint.h"
#include "worker/job_identity.h"
#include "worker/jobs.h"
#include "worker/model_facts.h"
#include "worker/model_judge.h"
#include "worker/model_progress.h"
#include "worker/provenance.h"
#include "worker/result_documents.h"
#include "worker/result_folder.h"
#include "worker/workload.h"

namespace kprune {
namespace {

// Shares of the job at which its phases end.
constexpr double kLoaded = 0.04, kPruned = 0.92, kVerified = 0.97;

// A job of one model finishes it once pruning has given its memory back; a job of several finishes each as it
// comes, and keeps it in the checkpoint.
class PruneJob : private BudgetSource {
 public:
  PruneJob(const WorkerJob& job, ProgressObserver& observer)
      : job_(job),
        several_(job.options.has_several_models()),
        observer_(observer),
        early_end_(job.directory),
        progress_(observer, kLoaded, kPruned, early_end_) {}

  absl::Status Run() {
    for (absl::Status (PruneJob::*step)() : {&PruneJob::Load, &PruneJob::Plan, &PruneJob::Prune,
                                             &PruneJob::FinishTheOnlyModel, &PruneJob::Publish}) {
      if (observer_.cancelled()) return absl::CancelledError("the job was cancelled");
      if (absl::Status status = (this->*step)(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Load();
  absl::StatusOr<int64_t> ReadData();
  absl::Status Plan();
  absl::Status OpenCheckpoint(const std::string& scratch, Workload& workload);
  absl::Status Prune();
  absl::Status FinishTheOnlyModel();
  absl::Status Publish();

  // The budgets, one after the other; those that an interrupted run finished are only told of.
  int most_budgets() const override;
  absl::StatusOr<std::optional<BudgetTask>> Next() override;
  bool ends_early() const override { return early_end_.asked(); }
  absl::Status Done(const PruningResult& result) override;

  std::optional<double> NextShare() const;
  absl::StatusOr<bool> TakeFinished(Checkpoint& checkpoint);
  absl::Status Finish(const PruningResult& result);
  void Add(nlohmann::json report);
  // The budget of a model that keeps such a share, or of target_latency_ms.
  absl::StatusOr<FlopsBudget> BudgetOf(double keep_flops) const;

  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

  const WorkerJob& job_;
  const bool several_;
  ProgressObserver& observer_;
  const EarlyEnd early_end_;
  ModelProgress progress_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();

  std::optional<Provenance> provenance_;
  std::optional<ModelInputs> model_;
  at::Device device_ = at::kCPU;
  ExecutionPlan plan_;
  std::unique_ptr<JobCheckpoint> checkpoint_;
  Encoder original_;
  std::vector<Sample> pruning_;
  SampleSet judging_, eval_;  // `judging_` shares no sample with `pruning_`
  std::optional<ModelJudge> judge_;
  ReportContents report_;  // what all models share

  std::vector<double> shares_;  // to keep, the largest first; empty with max_drop
  std::optional<DropSearch> search_;
  double keep_flops_ = 0;  // of the model that is being made
  FlopsBudget budget_;
  const Checkpoint* measured_for_ = nullptr;  // of a model that an interrupted run finished
  bool begun_ = false;                        // a model was, in this run
  std::optional<PruningResult> only_;         // until it is finished
  std::optional<ResultFolder> folder_;        // of the only model
  std::vector<ReportedModel> models_;         // that are finished
};

absl::Status PruneJob::Load() {
  observer_.OnStage(Stage::kLoad, 0);
  absl::StatusOr<Provenance> provenance = Provenance::Begin(job_);
  if (!provenance.ok()) return provenance.status();
  provenance_ = *std::move(provenance);
  absl::StatusOr<at::Device> device = ResolveDevice(job_.options.device);
  if (!device.ok()) return device.status();
  absl::StatusOr<ModelInputs> model = OpenModel(job_.model, job_.options);
  if (!model.ok()) return model.status();
  model_ = *std::move(model);
  const absl::StatusOr<int64_t> available = ReadData();
  if (!available.ok()) return available.status();
  auto onnxruntime = PrepareToExport(FactsOf(model_->folder).parameters, job_.onnxruntime, job_.options);
  if (!onnxruntime.ok()) return onnxruntime.status();
  const Task task = model_->folder.config.task;
  const JudgingSamples judging = ChooseJudgingSamples(model_->folder.config, pruning_, judging_, eval_);
  absl::Status can_show = CheckCanShowDrop(task, job_.options, judging, *available);
  if (!can_show.ok()) return can_show;
  device_ = *device;
  UseDeterministicAlgorithms(device_);
  absl::StatusOr<Encoder> encoder = LoadEncoder(model_->folder, device_);
  if (!encoder.ok()) return encoder.status();
  original_ = *std::move(encoder);
  judge_.emplace(model_->folder, original_, judging, *std::move(onnxruntime));

  report_.options = job_.options;
  if (!job_.options.auto_mu) report_.options.mu = job_.options.effective_mu();
  report_.family = model_->folder.config.family->model_type;
  report_.task = model_->folder.config.task_name();
  report_.device = device_.str();
  report_.device_name = DeviceName(device_);
  report_.load_seconds = seconds();
  return absl::OkStatus();
}

// Data and eval; how many lines the data has.
absl::StatusOr<int64_t> PruneJob::ReadData() {
  const Options& options = job_.options;
  absl::StatusOr<DrawnSamples> data = DrawModelSamples(*model_, job_.data, options);
  if (!data.ok()) return data.status();
  if (!job_.eval.empty()) {
    absl::StatusOr<SampleSet> eval = ReadEvalSamples(*model_, job_.eval, options);
    if (!eval.ok()) return eval.status();
    eval_ = *std::move(eval);
  }
  for (const std::string& warning : SampleWarnings(*data, eval_, options)) observer_.OnWarning(warning);
  pruning_ = std::move(data->pruning);
  judging_ = std::move(data->judging);
  return data->available;
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
  const std::string slow = PrecisionWarning(workload.compute_type, device_);
  if (!slow.empty()) observer_.OnWarning(slow);
  absl::StatusOr<ExecutionPlan> plan = PlanExecution(original_.config, workload, job_.options, scratch);
  if (!plan.ok()) return plan.status();
  plan_ = *std::move(plan);
  plan_.rounding = ParseRounding(checkpoint_->identity().rounding).value_or(Rounding());
  report_.rounding = plan_.rounding;
  report_.predicted_memory_bytes = PredictPeakMemory(original_.config, workload, job_.options, plan_);
  return absl::OkStatus();
}

// Threads and precision become those of the run that began the checkpoint.
absl::Status PruneJob::OpenCheckpoint(const std::string& scratch, Workload& workload) {
  absl::StatusOr<std::map<std::string, std::string>> inputs = DigestInputs(job_);
  if (!inputs.ok()) return inputs.status();
  report_.inputs = *std::move(inputs);
  const CheckpointIdentity identity = IdentityOf(job_, report_, original_.config, workload);
  absl::StatusOr<std::unique_ptr<JobCheckpoint>> checkpoint =
      JobCheckpoint::Open(std::filesystem::path(scratch) / kCheckpointDirectory, identity, several_);
  if (!checkpoint.ok()) return checkpoint.status();
  checkpoint_ = *std::move(checkpoint);
  for (const std::string& warning : checkpoint_->TakeWarnings()) observer_.OnWarning(warning);
  const CheckpointIdentity& replayed = checkpoint_->identity();
  if (replayed.threads != at::get_num_threads()) at::set_num_threads(replayed.threads);
  workload.compute_type = ComputeType(replayed.precision, device_);
  report_.precision = replayed.precision;
  report_.threads = replayed.threads;
  return absl::OkStatus();
}

absl::Status PruneJob::Prune() {
  report_.samples = NumLines(pruning_);
  for (const Sample& sample : pruning_) report_.tokens += sample.tokens();
  report_.streams = std::string(place_name(plan_.streams));
  if (job_.options.max_drop) {
    absl::StatusOr<double> least = LeastKeepFlops(original_.config, SequenceLength(job_.options, pruning_));
    if (!least.ok()) return least.status();
    search_.emplace(*job_.options.max_drop, *least);
  } else {
    shares_ = job_.options.has_flops_budgets() ? job_.options.budgets() : std::vector<double>{1};
    std::sort(shares_.rbegin(), shares_.rend());
    // Before any work.
    for (const double keep : shares_) {
      if (absl::Status status = BudgetOf(keep).status(); !status.ok()) return status;
    }
  }
  return PruneByMethod(original_, pruning_, job_.options, plan_, *this, progress_);
}

absl::StatusOr<FlopsBudget> PruneJob::BudgetOf(double keep_flops) const {
  const double sequence_length = SequenceLength(job_.options, pruning_);
  return job_.options.target_latency_ms ? MakeLatencyBudget(original_.config, job_.options, sequence_length)
                                        : MakeBudget(original_.config, keep_flops, sequence_length);
}

int PruneJob::most_budgets() const {
  return search_ ? DropSearch::most_tried() : static_cast<int>(shares_.size());
}

std::optional<double> PruneJob::NextShare() const {
  if (search_) return search_->Next();
  const size_t done = models_.size() + (only_ ? 1 : 0);
  return done < shares_.size() ? std::optional(shares_[done]) : std::nullopt;
}

absl::StatusOr<std::optional<BudgetTask>> PruneJob::Next() {
  while (const std::optional<double> keep = NextShare()) {
    keep_flops_ = *keep;
    if (several_) progress_.SetModel(keep_flops_);
    absl::StatusOr<FlopsBudget> budget = BudgetOf(keep_flops_);
    if (!budget.ok()) return budget.status();
    budget_ = *budget;
    absl::StatusOr<Checkpoint*> checkpoint = checkpoint_->Of(keep_flops_);
    if (!checkpoint.ok()) return checkpoint.status();
    for (const std::string& warning : checkpoint_->TakeWarnings()) observer_.OnWarning(warning);
    absl::StatusOr<bool> finished = TakeFinished(**checkpoint);
    if (!finished.ok()) return finished.status();
    if ((*checkpoint)->size() > 0) progress_.SetSomethingToKeep();
    if (*finished) {
      measured_for_ = *checkpoint;
      continue;
    }
    if (ends_early() && (begun_ || !models_.empty())) break;
    begun_ = true;
    return BudgetTask{budget_, *checkpoint, measured_for_};
  }
  return std::nullopt;
}

// Whether an interrupted run finished the model of keep_flops_; its sublayers are told again.
absl::StatusOr<bool> PruneJob::TakeFinished(Checkpoint& checkpoint) {
  if (!several_) return false;
  const std::filesystem::path folder = checkpoint_->ModelFolder(keep_flops_);
  absl::StatusOr<nlohmann::json> report = ReadJsonFile(folder / kReportFile);
  const bool whole = checkpoint.size() == static_cast<int>(original_.config.OwnSublayers().size());
  absl::Status sound = report.ok() ? CheckDigests(*report, folder) : report.status();
  if (sound.ok() && search_ && !HasDrop(*report)) sound = absl::DataLossError("its report has no max_drop");
  if (!whole || !sound.ok()) {
    if (whole && !absl::IsNotFound(report.status())) {
      observer_.OnWarning(absl::StrCat("the finished model in ", folder.string(),
                                       " cannot be used and is made again: ", std::string(sound.message())));
    }
    std::error_code error;
    std::filesystem::remove_all(folder, error);
    return false;
  }
  for (int t = 0; t < checkpoint.size(); ++t) {
    absl::StatusOr<SublayerCheckpoint> record = checkpoint.Read(t);
    if (!record.ok()) return record.status();
    progress_.OnSublayer(record->pruned);
  }
  Add(*std::move(report));
  return true;
}

absl::Status PruneJob::Done(const PruningResult& result) {
  // A part of a model beside whole ones, or judged by its loss, would only mislead.
  if (result.ended_early && (search_ || !models_.empty())) return absl::OkStatus();
  if (several_) return Finish(result);
  only_ = result;
  return absl::OkStatus();
}

absl::Status PruneJob::FinishTheOnlyModel() {
  if (!several_) return Finish(*only_);
  const bool nothing = models_.empty() || (search_ && !search_->Smallest().ok());
  if (ends_early() && nothing) return absl::CancelledError("the job was ended before a model was finished");
  return absl::OkStatus();
}

// Writes, verifies and judges the model of keep_flops_; of several it becomes part of the checkpoint.
absl::Status PruneJob::Finish(const PruningResult& result) {
  ReportContents report = report_;
  if (job_.options.has_flops_budgets()) report.options.keep_flops = {keep_flops_};
  report.batch_tokens = result.batch_tokens;
  report.resumed_sublayers = result.resumed_sublayers;
  report.ended_early = result.ended_early;
  report.budget = budget_;
  report.kept_flops = result.kept_flops;
  report.sublayers = result.sublayers;
  report.curves = result.curves;
  report.chosen = result.choice;
  if (report.chosen) {
    report.options.lambda_rep = report.chosen->chosen.lambda_rep;
    report.options.mu = report.chosen->chosen.mu;
  }
  const auto tell = [&](double fraction) {
    several_ ? progress_.Tell(Stage::kVerify) : observer_.OnStage(Stage::kVerify, fraction);
  };
  absl::StatusOr<ResultFolder> folder = ResultFolder::Create(job_.directory);
  if (!folder.ok()) return folder.status();
  tell(kPruned);
  absl::StatusOr<Encoder> written = judge_->WriteAndVerify(result.encoder, folder->path(), report);
  if (!written.ok()) return written.status();
  if (observer_.cancelled()) return absl::CancelledError("the job was cancelled");
  tell(kVerified);
  judge_->Judge(*written, report);
  if (observer_.cancelled()) return absl::CancelledError("the job was cancelled");
  report.total_seconds = seconds();
  if (search_) {
    DropSearch with_this = *search_;
    with_this.Add(ModelJudge::DropIn(original_.config.task, report));
    report.max_drop = with_this.Json();
  }
  nlohmann::json json = MakeReport(report);
  if (absl::Status status = WriteModelDocuments(*folder, json); !status.ok()) return status;
  if (several_) {
    if (absl::Status status = folder->MoveTo(checkpoint_->ModelFolder(keep_flops_)); !status.ok())
      return status;
  } else {
    folder_.emplace(*std::move(folder));
  }
  Add(std::move(json));
  return absl::OkStatus();
}

void PruneJob::Add(nlohmann::json report) {
  if (search_) search_->Add(LastDropIn(report));
  models_.push_back({keep_flops_, std::move(report)});
}

absl::Status PruneJob::Publish() {
  observer_.OnStage(Stage::kExport, kVerified);
  if (several_) {
    absl::StatusOr<ResultFolder> folder = ResultFolder::Create(job_.directory);
    if (!folder.ok()) return folder.status();
    absl::Status status = search_ ? TakeSmallest(models_, *search_, *checkpoint_, seconds(), *folder)
                                  : AssembleAll(models_, *checkpoint_, job_.options, seconds(), *folder);
    if (!status.ok()) return status;
    folder_.emplace(*std::move(folder));
  }
  if (absl::Status status = provenance_->Write(*folder_); !status.ok()) return status;
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
