#include "worker/drop_search.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/data/draw.h"

namespace kprune {
namespace {

int NumShares() {
  return 1 + static_cast<int>(std::lround((kMostSearchedKeep - kLeastSearchedKeep) / kSearchedKeepStep));
}

// Rounded to the decimals that the first and the step have.
double ShareAt(int index) {
  return std::round(1000 * (kLeastSearchedKeep + index * kSearchedKeepStep)) / 1000;
}

}  // namespace

DropSearch::DropSearch(double max_drop, double least_keep)
    : max_drop_(max_drop), fails_(-1), passes_(NumShares()) {
  while (fails_ + 2 < passes_ && ShareAt(fails_ + 1) < least_keep) ++fails_;
}

int DropSearch::most_tried() { return static_cast<int>(std::ceil(std::log2(NumShares() + 1))); }

std::optional<double> DropSearch::Next() const {
  if (passes_ - fails_ <= 1) return std::nullopt;
  return ShareAt((fails_ + passes_) / 2);
}

void DropSearch::Add(const Drop& drop) {
  tried_.push_back({*Next(), drop});
  (drop.upper <= max_drop_ ? passes_ : fails_) = (fails_ + passes_) / 2;
}

absl::StatusOr<double> DropSearch::Smallest() const {
  if (passes_ < NumShares()) return ShareAt(passes_);
  const auto& [keep, drop] = tried_.back();
  const std::string found = absl::StrFormat(
      "no model drops by at most %g points for sure: the one that keeps %g of the FLOPs drops by "
      "%.2f (%s), at most %.2f by the 95 %% interval on %d samples; ",
      max_drop_, keep, drop.points, drop.judged_by, drop.upper, drop.samples);
  return absl::FailedPreconditionError(absl::StrCat(
      found, drop.points <= max_drop_ ? "that are too few samples to decide: give more to judge with (eval, "
                                        "holdout), or raise max_drop"
                                      : "raise max_drop, or give more samples to prune with"));
}

nlohmann::json DropSearch::Json() const {
  nlohmann::json tried = nlohmann::json::array();
  for (const auto& [keep, drop] : tried_)
    tried.push_back({{"keep_flops", keep}, {"drop", drop.points}, {"upper", drop.upper}});
  const Drop& any = tried_.back().drop;
  return {{"points", max_drop_},
          {"judged_by", any.judged_by},
          {"samples", any.samples},
          {"bound", any.bound},
          {"tried", tried}};
}

bool HasDrop(const nlohmann::json& report) {
  const nlohmann::json::json_pointer tried("/max_drop/tried");
  return report.contains(tried) && report.at(tried).is_array() && !report.at(tried).empty();
}

Drop LastDropIn(const nlohmann::json& report) {
  const nlohmann::json& drop = report.at("max_drop");
  const nlohmann::json& last = drop.at("tried").back();
  return {drop.at("judged_by"), drop.at("samples"), last.at("drop"), last.at("upper"), drop.at("bound")};
}

absl::Status CheckCanShowDrop(Task task, const Options& options, const JudgingSamples& samples,
                              int64_t available) {
  if (!options.max_drop) return absl::OkStatus();
  const bool by_metric = !samples.labelled.empty();
  const int64_t judging = NumLines(by_metric ? samples.labelled : samples.agreeing);
  const int64_t needed = LeastSamplesToShow(task, *options.max_drop);
  if (judging >= needed) return absl::OkStatus();
  // Held-out lines are counted as a share of those that are drawn.
  const int64_t drawn = options.samples == 0 ? available : std::min<int64_t>(options.samples, available);
  const double holdout = std::ceil(100 * static_cast<double>(needed) / static_cast<double>(drawn)) / 100;
  const std::string eval = task == Task::kEmbedding ? "" : ", or give as many labelled texts as eval";
  const std::string advice =
      needed > kMaxJudgingSamples
          ? absl::StrCat("at most ", kMaxJudgingSamples, " lines are held out, so raise max_drop", eval)
      : holdout <= 0.5 ? absl::StrFormat("set holdout to %g%s", holdout, eval)
                       : absl::StrCat("give more lines of data and a larger holdout", eval);
  return absl::FailedPreconditionError(absl::StrFormat(
      "max_drop %g cannot be judged on %d samples, even if the pruned model loses nothing on them: at "
      "least %d are needed; %s",
      *options.max_drop, judging, needed, advice));
}

}  // namespace kprune
