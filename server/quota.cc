#include "server/quota.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace kprune {
namespace {

constexpr char kPayload[] = "kprune/quota";

absl::Status QuotaRefusal(std::string_view quota, const std::string& sentence) {
  absl::Status refusal = absl::ResourceExhaustedError(sentence);
  refusal.SetPayload(kPayload, absl::Cord(std::string(quota)));
  return refusal;
}

}  // namespace

absl::Status CheckQueuedJobs(std::string_view tenant, int64_t waiting_jobs, int64_t max_queued_jobs) {
  if (max_queued_jobs <= 0 || waiting_jobs < max_queued_jobs) return absl::OkStatus();
  return QuotaRefusal("jobs", absl::StrCat("Tenant ", std::string(tenant), " has ", waiting_jobs,
                                           " jobs waiting and may have ", max_queued_jobs,
                                           "; try again when some have run, or cancel some."));
}

absl::Status CheckDeviceSeconds(std::string_view tenant, double used_seconds, double max_device_seconds) {
  if (max_device_seconds <= 0 || used_seconds < max_device_seconds) return absl::OkStatus();
  return QuotaRefusal("device_seconds",
                      absl::StrFormat("Tenant %s used %.0f device seconds in the last 30 days and may use "
                                      "%.0f; try again when older ones no longer count.",
                                      std::string(tenant), used_seconds, max_device_seconds));
}

absl::Status CheckStoredBytes(std::string_view tenant, int64_t used_bytes, int64_t more_bytes,
                              int64_t max_stored_bytes) {
  if (max_stored_bytes <= 0 || used_bytes <= max_stored_bytes - more_bytes) return absl::OkStatus();
  return QuotaRefusal("bytes", absl::StrCat("Tenant ", std::string(tenant), " has ", used_bytes,
                                            " bytes stored and may have ", max_stored_bytes, ", so that ",
                                            more_bytes, " more do not fit; delete finished jobs first."));
}

std::optional<std::string> RefusedQuota(const absl::Status& status) {
  const absl::optional<absl::Cord> quota = status.GetPayload(kPayload);
  if (!quota) return std::nullopt;
  return std::string(*quota);
}

}  // namespace kprune
