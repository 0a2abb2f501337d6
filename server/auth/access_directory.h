// The access file as the service knows it now. Whoever owns it has it look at the file every
// kFileLookInterval; a file that is broken is reported and changes nothing.
#ifndef KPRUNE_SERVER_AUTH_ACCESS_DIRECTORY_H_
#define KPRUNE_SERVER_AUTH_ACCESS_DIRECTORY_H_

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "kprune/caller.h"
#include "kprune/metrics.h"
#include "server/auth/access_rules.h"
#include "server/auth/watched_files.h"

namespace kprune {

// Thread-safe, but for LookAgain.
class AccessDirectory final : public TenantDirectory {
 public:
  // The errors are those of ReadAccessRules. Borrows `metrics`.
  static absl::StatusOr<std::unique_ptr<AccessDirectory>> Open(const std::filesystem::path& file,
                                                               Metrics& metrics);

  // Reads the file again where it has changed (server/auth/watched_files.h); whether others may call now.
  // From one thread at a time.
  bool LookAgain();

  // Whose the token is. It is looked up by its hash, so that the time it takes says nothing of the tokens.
  std::optional<Caller> FindByToken(std::string_view token) const;

  // Whose the certificate with these names is: the first of them that somebody has.
  std::optional<Caller> FindByCertificate(const std::vector<std::string>& names) const;

  TenantLimits LimitsOf(std::string_view tenant) const override;

 private:
  AccessDirectory(const std::filesystem::path& file, WatchedFiles watched, AccessRules rules,
                  Metrics& metrics);

  std::shared_ptr<const AccessRules> rules() const;

  // Constant after construction.
  const std::filesystem::path file_;
  Metrics& metrics_;

  WatchedFiles watched_;  // of LookAgain
  mutable std::mutex mutex_;
  // Guarded by mutex_; shared with who is looking something up.
  std::shared_ptr<const AccessRules> rules_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_AUTH_ACCESS_DIRECTORY_H_
