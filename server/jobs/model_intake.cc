#include "server/jobs/model_intake.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "server/jobs/progress_line.h"
#include "server/log.h"

namespace kprune {
namespace {

constexpr absl::Duration kBetweenEvents = absl::Seconds(1);

}  // namespace

absl::StatusOr<FetchedModel> ModelIntake::Fetch(const Lease& lease, const std::filesystem::path& folder,
                                                const std::function<bool()>& go_on,
                                                const std::string& uri) const {
  absl::Time next_event = context_.clock.Steady();
  double told = -1;
  FetchTally counted;
  absl::Status lost;
  const auto count = [&](const FetchTally& tally) {
    if (tally.bytes > counted.bytes) {
      context_.metrics.OnBytesTransferred(Direction::kFetch, tally.bytes - counted.bytes);
      counted.bytes = tally.bytes;
    }
    for (; counted.resumes < tally.resumes; ++counted.resumes)
      context_.metrics.OnTransferResumed(Direction::kFetch);
  };
  const auto progress = [&](const FetchTally& tally) {
    count(tally);
    const double fraction = tally.fraction();
    const absl::Time now = context_.clock.Steady();
    if (fraction > told && now >= next_event) {
      const double share = kFetchShare * fraction;
      lost.Update(context_.store.AppendEvent(lease, LoadPayload(share), share, context_.clock.Now()));
      told = fraction;
      next_event = now + kBetweenEvents;
    }
    return !absl::IsAborted(lost) && go_on();
  };
  absl::StatusOr<FetchedModel> fetched = context_.fetcher.Fetch(uri, folder, progress);
  return absl::IsAborted(lost) ? lost : std::move(fetched);
}

absl::StatusOr<Manifest> ModelIntake::Keep(const Lease& lease, ArtifactStore& artifacts,
                                           const FetchedModel& fetched) const {
  // No deletion may come between storing a file and the job that refers to it.
  const auto adding = context_.references.AddingReferences();
  Manifest model;
  for (const FetchedFile& file : fetched.files) {
    const absl::StatusOr<Artifact> artifact = artifacts.PutFile(file.path);
    if (!artifact.ok()) return artifact.status();
    model.push_back({file.name, artifact->sha256, artifact->size_bytes});
  }
  absl::Status recorded =
      context_.store.SetModel(lease, model, LoadPayload(kFetchShare), context_.clock.Now());
  if (!recorded.ok()) return recorded;
  return model;
}

absl::Status ModelIntake::Run(const Lease& lease, const std::filesystem::path& folder,
                              const std::function<bool()>& go_on, ArtifactStore& artifacts,
                              JobInput& input) const {
  {
    const absl::StatusOr<FetchedModel> fetched = Fetch(lease, folder, go_on, input.model_uri);
    if (!fetched.ok()) return fetched.status();
    absl::StatusOr<Manifest> model = Keep(lease, artifacts, *fetched);
    if (!model.ok()) return model.status();
    input.model = *std::move(model);
    LogInfo("model-fetched", {{"job", lease.job_id}, {"files", absl::StrCat(input.model.size())}});
  }
  if (!go_on()) return absl::CancelledError("The fetch was stopped.");
  const absl::StatusOr<std::string> preflight = context_.preflight.Run(input, artifacts);
  if (!preflight.ok()) return preflight.status();
  return context_.store.SetPreflight(lease, *preflight);
}

}  // namespace kprune
