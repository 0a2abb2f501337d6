#include "engine/kprune/setting_search.h"

#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/data/draw.h"
#include "engine/evaluation/outputs.h"
#include "engine/kprune/sublayer_steps.h"
#include "engine/model/output_rows.h"
#include "engine/pruning/objective.h"
#include "engine/pruning/phase_progress.h"
#include "engine/pruning/stopwatch.h"

namespace kprune {
namespace {

double JudgingShare(size_t samples) {
  return std::min(kChoosingShare, kMostChoosingSamples / static_cast<double>(samples));
}

double StartMu(const Options& options) {
  return options.auto_mu ? options.default_mu() : options.effective_mu();
}

// The two rounds.
std::vector<Setting> LambdaRepSettings(const Options& options) {
  std::vector<Setting> settings;
  if (!options.auto_lambda_rep) return {{options.lambda_rep, StartMu(options)}};
  for (const double lambda_rep : kLambdaRepGrid) settings.push_back({lambda_rep, StartMu(options)});
  return settings;
}

std::vector<Setting> MuSettings(const Options& options, double lambda_rep) {
  std::vector<Setting> settings;
  if (!options.auto_mu) return settings;
  for (const double multiple : kMuGrid) {
    const double mu = multiple * options.default_mu();
    if (mu != StartMu(options)) settings.push_back({lambda_rep, mu});
  }
  return settings;
}

size_t NumSettings(const Options& options) {
  return LambdaRepSettings(options).size() + MuSettings(options, 0).size();
}

// The one with the smallest loss, if that is by kChoosingMargin below the loss of `usual`; else `usual`.
TriedSetting Best(const TriedSetting& usual, const std::vector<TriedSetting>& tried) {
  TriedSetting best = usual;
  for (const TriedSetting& other : tried) {
    if (other.loss < best.loss) best = other;
  }
  return best.loss < (1 - kChoosingMargin) * usual.loss ? best : usual;
}

// Says which part of the job a warning is about.
class ChoosingProgress : public PhaseProgress {
 public:
  explicit ChoosingProgress(ProgressObserver& job) : PhaseProgress(job, 0, 1) {}

  void OnWarning(const std::string& message) override {
    PhaseProgress::OnWarning(absl::StrCat("choosing lambda_rep and mu: ", message));
  }
};

class SettingSearch {
 public:
  SettingSearch(const Encoder& model, std::vector<Sample> pruning, std::vector<Sample> judging,
                const FlopsBudget& budget, const Options& options, const ExecutionPlan& plan,
                Checkpoint* checkpoint, ProgressObserver& observer, double end)
      : model_(model),
        judging_(std::move(judging)),
        pruning_(std::move(pruning)),
        checkpoint_(checkpoint),
        observer_(observer),
        steps_(model, pruning_, budget, options, plan, observer_),
        share_of_setting_(end / static_cast<double>(NumSettings(options))) {}

  // Takes what an earlier process judged.
  absl::Status Resume();
  // The losses of `settings`, in this order; tries those that were not judged before.
  absl::StatusOr<std::vector<TriedSetting>> Try(const std::vector<Setting>& settings);
  // What is known of a setting; nullptr before it was judged.
  const TriedSetting* Find(const Setting& setting) const;

  int measurements() const { return measurements_; }

 private:
  using Knowledge = std::vector<UnitKnowledge>;
  using Plan = std::vector<Selection>;  // of the sublayers that one measurement decides

  absl::Status Branch(size_t k, absl::Span<const Setting> settings);
  absl::Status Settle(size_t k, absl::Span<const Selection> plan);
  absl::StatusOr<Knowledge> Measure(int t, double settings);
  absl::Status Judge(absl::Span<const Setting> settings);

  const Encoder& model_;
  const std::vector<Sample> judging_;
  const std::vector<Sample> pruning_;
  Checkpoint* const checkpoint_;
  ChoosingProgress observer_;
  SublayerSteps steps_;
  bool started_ = false;
  Knowledge bottom_;                 // of the first sublayer: the same for every setting
  at::Tensor original_;              // the model's outputs on judging_
  std::vector<TriedSetting> tried_;  // in the order of the tree
  int measurements_ = 0;

  const double share_of_setting_;  // of all the work
  double done_ = 0;                // settings, and shares of them
  double furthest_ = 0;            // measuring again does not take it back
};

absl::Status SettingSearch::Resume() {
  if (checkpoint_ == nullptr || checkpoint_->notes().is_null()) return absl::OkStatus();
  absl::StatusOr<std::vector<TriedSetting>> tried = ParseTriedSettings(checkpoint_->notes());
  if (!tried.ok()) return tried.status();
  tried_ = *std::move(tried);
  done_ = static_cast<double>(tried_.size());
  return absl::OkStatus();
}

const TriedSetting* SettingSearch::Find(const Setting& setting) const {
  const auto found = std::find_if(tried_.begin(), tried_.end(),
                                  [&](const TriedSetting& tried) { return tried.setting == setting; });
  return found == tried_.end() ? nullptr : &*found;
}

absl::StatusOr<std::vector<TriedSetting>> SettingSearch::Try(const std::vector<Setting>& settings) {
  std::vector<Setting> left;
  for (const Setting& setting : settings) {
    if (Find(setting) == nullptr) left.push_back(setting);
  }
  if (!left.empty()) {
    absl::Status status = started_ ? steps_.state().Rewind(0) : steps_.Start();
    if (!status.ok()) return status;
    if (!started_)
      original_ = RunSamples(model_, WithinJudgedOutputs(model_.config, judging_)).to(at::kDouble);
    started_ = true;
    if (status = Branch(0, left); !status.ok()) return status;
  }
  std::vector<TriedSetting> judged;
  for (const Setting& setting : settings) judged.push_back(*Find(setting));
  return judged;
}

// Settles the k-th sublayer and those above for `settings`, whose masks are the same below, and judges them.
absl::Status SettingSearch::Branch(size_t k, absl::Span<const Setting> settings) {
  const std::vector<int>& own = steps_.state().own_sublayers();
  if (k == own.size()) return Judge(settings);
  const int t = own[k];
  const auto num_settings = static_cast<double>(settings.size());
  absl::StatusOr<Knowledge> knowledge = Measure(t, num_settings);
  if (!knowledge.ok()) return knowledge.status();
  std::vector<std::pair<Plan, std::vector<Setting>>> branches;
  for (const Setting& setting : settings) {
    absl::StatusOr<Plan> plan = steps_.Search(t, *knowledge, setting);
    if (!plan.ok()) return plan.status();
    auto same = std::find_if(branches.begin(), branches.end(),
                             [&](const auto& branch) { return branch.first == *plan; });
    if (same == branches.end()) same = branches.insert(same, {*std::move(plan), {}});
    same->second.push_back(setting);
  }
  // Settling what a measurement decides counts with it.
  const size_t next = k + branches[0].first.size();
  const int after = next < own.size() ? own[next] : model_.num_sublayers();
  done_ += num_settings * (steps_.ShareDone(after, 0) - steps_.ShareDone(t, 0));
  for (const auto& [plan, own_settings] : branches) {
    if (&plan != &branches[0].first) {
      if (absl::Status status = steps_.state().Rewind(t); !status.ok()) return status;
    }
    if (absl::Status status = Settle(k, plan); !status.ok()) return status;
    if (absl::Status status = Branch(k + plan.size(), own_settings); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// The k-th sublayer and those above that were decided with it.
absl::Status SettingSearch::Settle(size_t k, absl::Span<const Selection> plan) {
  for (; !plan.empty(); plan.remove_prefix(1)) {
    absl::StatusOr<PrunedSublayer> pruned = steps_.Settle(steps_.state().own_sublayers()[k++], plan, {});
    if (!pruned.ok()) return pruned.status();
    malloc_trim(0);  // as PruningState::SettleSublayers
  }
  return absl::OkStatus();
}

absl::StatusOr<SettingSearch::Knowledge> SettingSearch::Measure(int t, double settings) {
  const auto tell = [&](double within) {
    const double done = done_ + settings * (steps_.ShareDone(t, within) - steps_.ShareDone(t, 0));
    furthest_ = std::max(furthest_, share_of_setting_ * done);
    observer_.OnStage(Stage::kMeasure, furthest_);
  };
  absl::StatusOr<Knowledge> knowledge = bottom_;
  if (t > 0 || bottom_.empty()) {
    knowledge = steps_.Measure(t, tell);
    ++measurements_;
  }
  if (!knowledge.ok()) return knowledge;
  if (t == 0) bottom_ = *knowledge;
  tell(1);
  return knowledge;
}

absl::Status SettingSearch::Judge(absl::Span<const Setting> settings) {
  const absl::Span<const Sample> judged = WithinJudgedOutputs(model_.config, judging_);
  const at::Tensor outputs = RunSamples(steps_.state().result(), judged).to(at::kDouble);
  const Task task = model_.config.task;
  const std::vector<int64_t> offsets = SoftmaxOffsets(task, judged);
  double loss = DistillationLoss(task, outputs, original_, /*temperature=*/1, offsets).item<double>() /
                static_cast<double>(judged.size());
  if (!std::isfinite(loss)) loss = std::numeric_limits<double>::infinity();
  for (const Setting& setting : settings) tried_.push_back({setting, loss});
  return checkpoint_ == nullptr ? absl::OkStatus() : checkpoint_->SetNotes(ToJson(tried_));
}

}  // namespace

absl::Status CheckEnoughToChoose(const Options& options, size_t samples) {
  if (!options.chooses_setting() || samples >= kFewestToChooseWith) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(options.auto_lambda_rep ? "auto_lambda_rep" : "auto_mu", " needs at least ",
                   kFewestToChooseWith, " samples to prune with, and there are ", samples,
                   "; give more samples, or a number for ", options.auto_lambda_rep ? "lambda_rep" : "mu"));
}

double CostOfChoosing(const Options& options, size_t samples) {
  if (!options.chooses_setting()) return 0;
  return static_cast<double>(NumSettings(options)) * (1 - JudgingShare(samples));
}

absl::StatusOr<SettingChoice> ChooseSetting(const Encoder& model, absl::Span<const Sample> samples,
                                            const FlopsBudget& budget, const Options& options,
                                            const ExecutionPlan& plan, Checkpoint* checkpoint,
                                            ProgressObserver& observer) {
  const Stopwatch stopwatch;
  if (absl::Status status = CheckEnoughToChoose(options, samples.size()); !status.ok()) return status;
  absl::StatusOr<SampleDraw> draw =
      DrawLines(samples, /*lines=*/0, JudgingShare(samples.size()), options.seed);
  if (!draw.ok()) return draw.status();
  const auto take = [&](const std::vector<int64_t>& indices) {
    std::vector<Sample> taken;
    for (const int64_t i : indices) taken.push_back(samples[i]);
    return taken;
  };
  const double cost = CostOfChoosing(options, samples.size());
  SettingSearch search(model, take(draw->pruning), take(draw->judging), budget, options, plan, checkpoint,
                       observer, cost / (1 + cost));
  if (absl::Status status = search.Resume(); !status.ok()) return status;
  auto tried = search.Try(LambdaRepSettings(options));
  if (!tried.ok()) return tried.status();
  const Setting usual = {options.auto_lambda_rep ? Options().lambda_rep : options.lambda_rep,
                         StartMu(options)};
  TriedSetting best = Best(*search.Find(usual), *tried);
  const auto of_mu = search.Try(MuSettings(options, best.setting.lambda_rep));
  if (!of_mu.ok()) return of_mu.status();
  best = Best(best, *of_mu);
  tried->insert(tried->end(), of_mu->begin(), of_mu->end());
  if (!std::isfinite(best.loss)) {
    return absl::InternalError("no setting of lambda_rep and mu gives finite outputs on these samples");
  }
  return SettingChoice{.chosen = best.setting,
                       .judged_by = HasClasses(model.config.task) ? "kl" : "squared_error",
                       .samples = static_cast<int64_t>(draw->judging.size()),
                       .tried = *std::move(tried),
                       .measurements = search.measurements(),
                       .seconds = stopwatch.seconds()};
}

}  // namespace kprune
