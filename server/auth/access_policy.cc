#include "server/auth/access_policy.h"

#include <algorithm>
#include <array>

namespace kprune {
namespace {

static_assert(Role::kViewer < Role::kSubmitter && Role::kSubmitter < Role::kAdmin);

constexpr std::array kPolicies = {
    MethodPolicy{"kprune.v1.ArtifactService/FindMissing", Role::kViewer},
    MethodPolicy{"kprune.v1.ArtifactService/QueryUpload", Role::kViewer},
    MethodPolicy{"kprune.v1.ArtifactService/Download", Role::kViewer},
    MethodPolicy{"kprune.v1.ArtifactService/Upload", Role::kSubmitter},
    MethodPolicy{"kprune.v1.JobService/GetJob", Role::kViewer},
    MethodPolicy{"kprune.v1.JobService/ListJobs", Role::kViewer},
    MethodPolicy{"kprune.v1.JobService/WatchJob", Role::kViewer},
    MethodPolicy{"kprune.v1.JobService/CreateJob", Role::kSubmitter},
    MethodPolicy{"kprune.v1.JobService/CancelJob", Role::kSubmitter},
    MethodPolicy{"kprune.v1.JobService/DeleteJob", Role::kSubmitter},
    MethodPolicy{"kprune.v1.JobService/RetryJob", Role::kSubmitter},
    // Over all tenants: for who watches the service, not for who uses it.
    MethodPolicy{"kprune.v1.JobService/GetQueueStats", Role::kAdmin, true},
    MethodPolicy{"kprune.v1.ServerService/GetServerInfo", Role::kViewer, true},
};

}  // namespace

const MethodPolicy* FindPolicy(std::string_view method) {
  const auto found = std::find_if(kPolicies.begin(), kPolicies.end(),
                                  [&](const MethodPolicy& policy) { return policy.method == method; });
  return found == kPolicies.end() ? nullptr : &*found;
}

}  // namespace kprune
