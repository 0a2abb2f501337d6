#include "server/jobs/job_parts.h"

namespace kprune {
namespace {

std::optional<const ModelIntake> MakeIntake(const JobPartsContext& context, PreflightRunner& preflight,
                                            ArtifactReferences& references) {
  if (context.fetcher == nullptr) return std::nullopt;
  return std::optional<const ModelIntake>(
      std::in_place, ModelIntakeContext{*context.fetcher, preflight, context.store, references, context.clock,
                                        context.metrics});
}

const ModelIntake* OrNull(const std::optional<const ModelIntake>& intake) {
  return intake ? &*intake : nullptr;
}

}  // namespace

JobParts::JobParts(const JobPartsContext& context, const JobPartsOptions& options)
    : preflight(context.launcher, context.clock, options.preflight),
      intake(MakeIntake(context, preflight, references)),
      supervisor({context.store, context.artifacts, references, context.launcher, context.clock,
                  context.metrics, OrNull(intake)},
                 options.supervisor),
      manager({context.store, context.artifacts, references, preflight, supervisor, context.clock,
               context.metrics, OrNull(intake)},
              options.manager) {}

}  // namespace kprune
