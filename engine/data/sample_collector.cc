#include "engine/data/sample_collector.h"

#include <iterator>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

bool IsLabelled(const Sample& sample) {
  return !sample.labels.empty() || (sample.window != nullptr && !sample.window->question->answers.empty());
}

std::string LabelCount(const Sample& sample) {
  if (!IsLabelled(sample)) return "no label";
  return sample.labels.empty() ? "an answer" : absl::StrCat(sample.labels.size(), " label(s)");
}

// Tokens have a label each.
bool LabelledAlike(const Sample& a, const Sample& b) {
  if (IsLabelled(a) != IsLabelled(b)) return false;
  return a.labels.size() == b.labels.size() || (!a.positions.empty() && !b.positions.empty());
}

}  // namespace

absl::Status SampleCollector::Add(int64_t index, const Record& record, std::vector<Sample> samples) {
  if (samples.empty()) {
    ++set_.left_out;
    return absl::OkStatus();
  }
  // Those of one line are labelled alike.
  if (!set_.samples.empty() && !LabelledAlike(set_.samples.front(), samples.front())) {
    const Sample& first = set_.samples.front();
    return absl::InvalidArgumentError(absl::StrCat("there is ", LabelCount(samples.front()), ", but ",
                                                   first_place_, " has ", LabelCount(first),
                                                   ": label all samples alike or none"));
  }
  if (set_.samples.empty())
    first_place_ = PlaceOf(paths_[static_cast<size_t>(samples.front().file)], record.unit, record.number);
  set_.labelled = IsLabelled(samples.front());
  set_.lines.push_back(index);
  set_.samples.insert(set_.samples.end(), std::make_move_iterator(samples.begin()),
                      std::make_move_iterator(samples.end()));
  return absl::OkStatus();
}

}  // namespace kprune
