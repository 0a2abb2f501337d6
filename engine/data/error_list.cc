#include "engine/data/error_list.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace kprune {
namespace {

constexpr size_t kMaxProblemBytes = 350;

// Cut between characters.
std::string Shortened(std::string problem) {
  if (problem.size() <= kMaxProblemBytes) return problem;
  size_t end = kMaxProblemBytes;
  while (end > 0 && (static_cast<unsigned char>(problem[end]) & 0xC0) == 0x80) --end;
  return problem.substr(0, end) + "...";
}

}  // namespace

void ErrorList::Count(absl::StatusCode code) {
  if (++count_ == 1) code_ = code;
}

void ErrorList::Add(const absl::Status& error) {
  Count(error.code());
  ++listed_;
  entries_.push_back({{}, {}, {}, std::string(error.message())});
}

void ErrorList::Add(const std::filesystem::path& path, const char* unit, int64_t number,
                    const absl::Status& error) {
  Count(error.code());
  if (listed_ == kListedErrors) return;
  ++listed_;
  std::string problem = Shortened(std::string(error.message()));
  if (entries_.empty() || entries_.back().path != path || entries_.back().problem != problem)
    entries_.push_back({path, unit, {}, std::move(problem)});
  entries_.back().numbers.push_back(number);
}

absl::Status ErrorList::status() const {
  std::string message;
  const std::filesystem::path* before = nullptr;
  for (const Entry& entry : entries_) {
    absl::StrAppend(&message, message.empty() ? "" : "; ");
    if (entry.numbers.empty()) {
      absl::StrAppend(&message, entry.problem);
      before = nullptr;
      continue;
    }
    if (before == nullptr || *before != entry.path) absl::StrAppend(&message, entry.path.string(), ", ");
    absl::StrAppend(&message, entry.unit, entry.numbers.size() > 1 ? "s " : " ",
                    absl::StrJoin(entry.numbers, ", "), ": ", entry.problem);
    before = &entry.path;
  }
  if (count_ > listed_) absl::StrAppend(&message, "; and ", count_ - listed_, " more");
  return absl::Status(code_, message);
}

}  // namespace kprune
