#include "server/auth/access_directory.h"

#include <utility>

#include "server/artifacts/sha256.h"
#include "server/log.h"

namespace kprune {
namespace {

template <typename Value>
std::optional<Value> Find(const AccessRules::ByName<Value>& values, std::string_view name) {
  const auto found = values.find(name);
  if (found == values.end()) return std::nullopt;
  return found->second;
}

}  // namespace

absl::StatusOr<std::unique_ptr<AccessDirectory>> AccessDirectory::Open(const std::filesystem::path& file,
                                                                       Metrics& metrics) {
  WatchedFiles watched({file});
  absl::StatusOr<AccessRules> rules = ReadAccessRules(file);
  if (!rules.ok()) return rules.status();
  return std::unique_ptr<AccessDirectory>(
      new AccessDirectory(file, std::move(watched), *std::move(rules), metrics));
}

AccessDirectory::AccessDirectory(const std::filesystem::path& file, WatchedFiles watched, AccessRules rules,
                                 Metrics& metrics)
    : file_(file),
      metrics_(metrics),
      watched_(std::move(watched)),
      rules_(std::make_shared<const AccessRules>(std::move(rules))) {}

bool AccessDirectory::LookAgain() {
  if (!watched_.Changed()) return false;
  absl::StatusOr<AccessRules> rules = ReadAccessRules(file_);
  if (!rules.ok()) {
    LogError("access-file-refused", {{"file", file_.string()},
                                     {"reason", std::string(rules.status().message())},
                                     {"still_used", "the one before"}});
    metrics_.OnAccessFileReloadFailed();
    return false;
  }
  LogInfo("access-file-read",
          {{"file", file_.string()},
           {"tenants", std::to_string(rules->tenants.size())},
           {"identities", std::to_string(rules->by_token_sha256.size() + rules->by_certificate.size())}});
  std::lock_guard lock(mutex_);
  rules_ = std::make_shared<const AccessRules>(*std::move(rules));
  return true;
}

std::shared_ptr<const AccessRules> AccessDirectory::rules() const {
  std::lock_guard lock(mutex_);
  return rules_;
}

std::optional<Caller> AccessDirectory::FindByToken(std::string_view token) const {
  Sha256 hash;
  hash.Update(token);
  return Find(rules()->by_token_sha256, hash.HexDigest());
}

std::optional<Caller> AccessDirectory::FindByCertificate(const std::vector<std::string>& names) const {
  const std::shared_ptr<const AccessRules> now = rules();
  for (const std::string& name : names) {
    if (std::optional<Caller> caller = Find(now->by_certificate, name)) return caller;
  }
  return std::nullopt;
}

TenantLimits AccessDirectory::LimitsOf(std::string_view tenant) const {
  return Find(rules()->tenants, tenant).value_or(TenantLimits());
}

}  // namespace kprune
