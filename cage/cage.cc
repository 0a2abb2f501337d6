#include "cage/cage.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <system_error>

#include "absl/strings/str_cat.h"
#include "cage/places.h"
#include "cage/system_calls.h"

namespace kprune {
namespace {

absl::Status GainNothing() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) return absl::OkStatus();
  return absl::InternalError("PR_SET_NO_NEW_PRIVS is refused by this kernel");
}

// A root's worker keeps only what lets it read its inputs, whoever owns them. Without new privileges, the
// program that is started again does not get the others back.
absl::Status DropCapabilities() {
  constexpr uint32_t kKept = 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH;
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  bool dropped = syscall(SYS_capget, &header, data) == 0;
  const bool too_many = (data[0].permitted & ~kKept) != 0 || data[1].permitted != 0;
  if (dropped && too_many) {
    data[0] = {data[0].effective & kKept, data[0].permitted & kKept, 0};
    data[1] = {};
    dropped = syscall(SYS_capset, &header, data) == 0;
  }
  if (dropped) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("capabilities cannot be dropped: ", std::generic_category().message(errno)));
}

}  // namespace

CageSupport SupportedCage() { return {SystemCallFilterSupported(), LandlockVersion()}; }

std::string MissingFences(const CageSupport& support) {
  std::string missing;
  if (!support.system_calls) missing = "seccomp filters";
  if (!support.places())
    absl::StrAppend(&missing, missing.empty() ? "" : " and ", "Landlock (Linux 5.19 or later, enabled)");
  return missing;
}

absl::Status CheckCage(std::string_view mode, const CageSupport& support) {
  if (mode != "require" || support.complete()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("workers must be caged, but this kernel lacks ", MissingFences(support),
                   "; run another kernel, or accept a weaker cage with \"on\" in place of \"require\""));
}

absl::Status FencePlaces(const CagePlan& plan, const CageSupport& support) {
  absl::Status status = GainNothing();
  if (status.ok()) status = DropCapabilities();
  if (status.ok() && support.places()) status = RestrictPlaces(plan, support.landlock);
  return status;
}

absl::Status FenceSystemCalls(bool gpu, const CageSupport& support) {
  absl::Status status = GainNothing();
  if (status.ok() && support.system_calls) status = FilterSystemCalls(gpu);
  return status;
}

}  // namespace kprune
