#include "server/auth/access_rules.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kprune/artifact_store.h"
#include "nlohmann/json.hpp"

namespace kprune {
namespace {

using nlohmann::json;

constexpr int64_t kMaxAccessFileBytes = 16 << 20;

// One value of the file and where it is, for sentences.
struct Place {
  const json& value;
  std::string path;  // "access.json: identities[3].role"

  Place operator[](const char* key) const { return {value.at(key), absl::StrCat(path, ".", key)}; }
  absl::Status Wrong(const std::string& accepted) const {
    return absl::InvalidArgumentError(absl::StrCat(path, " must be ", accepted, "."));
  }
};

// Parses; an object that has a key twice is refused, which the library would overlook.
absl::StatusOr<json> ParseWithoutDuplicates(std::string_view text, std::string_view file) {
  std::vector<std::set<std::string>> open;
  std::optional<std::string> twice;
  const auto look = [&](int, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) open.emplace_back();
    if (event == json::parse_event_t::object_end) open.pop_back();
    if (event == json::parse_event_t::key && !open.back().insert(parsed.get<std::string>()).second && !twice)
      twice = parsed.get<std::string>();
    return true;
  };
  json document = json::parse(text, look, /*allow_exceptions=*/false);
  if (twice)
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(file), " has the key \"", *twice, "\" twice in one object; name it once."));
  if (document.is_discarded())
    return absl::InvalidArgumentError(absl::StrCat(std::string(file), " is not JSON; see docs/security.md."));
  return document;
}

// An object with no other keys than these.
absl::Status CheckKeys(const Place& place, std::initializer_list<std::string> accepted) {
  if (!place.value.is_object()) return place.Wrong("an object");
  for (const auto& [key, value] : place.value.items()) {
    if (std::find(accepted.begin(), accepted.end(), key) == accepted.end()) {
      return absl::InvalidArgumentError(absl::StrCat(place.path, " has the unknown key \"", key,
                                                     "\"; accepted are ", absl::StrJoin(accepted, ", "),
                                                     "."));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<TenantLimits> ParseLimits(const Place& place) {
  TenantLimits limits;
  const std::pair<const char*, int64_t*> whole[] = {{"max_queued_jobs", &limits.max_queued_jobs},
                                                    {"max_running_jobs", &limits.max_running_jobs},
                                                    {"max_stored_bytes", &limits.max_stored_bytes}};
  const std::pair<const char*, double*> real[] = {{"max_device_seconds", &limits.max_device_seconds},
                                                  {"max_calls_per_second", &limits.max_calls_per_second}};
  absl::Status status = CheckKeys(place, {"max_queued_jobs", "max_running_jobs", "max_stored_bytes",
                                          "max_device_seconds", "max_calls_per_second"});
  for (const auto& [key, limit] : whole) {
    if (!status.ok() || !place.value.contains(key)) continue;
    if (!place.value[key].is_number_unsigned() || place.value[key] > uint64_t{INT64_MAX})
      status = place[key].Wrong("a whole number, 0 for no limit");
    else
      *limit = place.value[key];
  }
  for (const auto& [key, limit] : real) {
    if (!status.ok() || !place.value.contains(key)) continue;
    if (!place.value[key].is_number() || place.value[key] < 0.0)
      status = place[key].Wrong("a number, 0 for no limit");
    else
      *limit = place.value[key];
  }
  if (!status.ok()) return status;
  return limits;
}

// The text at `key`, which must be there.
absl::StatusOr<std::string> TextAt(const Place& place, const char* key) {
  if (!place.value.contains(key))
    return absl::InvalidArgumentError(absl::StrCat(place.path, " has no \"", key, "\"; it needs one."));
  const json& value = place.value[key];
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  if (text.empty() || text.size() > 256) return place[key].Wrong("a text of 1 to 256 bytes");
  return text;
}

absl::StatusOr<Role> ParseRole(const Place& place) {
  const absl::StatusOr<std::string> text = TextAt(place, "role");
  if (!text.ok()) return text.status();
  for (const Role role : kRoles) {
    if (RoleName(role) == *text) return role;
  }
  return place["role"].Wrong("viewer, submitter, admin or monitor");
}

absl::StatusOr<Caller> ParseCaller(const Place& place, const AccessRules& rules) {
  const absl::StatusOr<std::string> name = TextAt(place, "name");
  if (!name.ok()) return name.status();
  const absl::StatusOr<Role> role = ParseRole(place);
  if (!role.ok()) return role.status();
  Caller caller{"", *role, *name};
  if (caller.role == Role::kMonitor && !place.value.contains("tenant")) return caller;
  absl::StatusOr<std::string> tenant = TextAt(place, "tenant");
  if (!tenant.ok()) return tenant.status();
  caller.tenant = *std::move(tenant);
  if (!rules.tenants.contains(caller.tenant)) return place["tenant"].Wrong("one of the file's tenants");
  return caller;
}

absl::Status AddIdentity(const Place& place, AccessRules& rules) {
  absl::Status status = CheckKeys(place, {"name", "token_sha256", "certificate", "tenant", "role"});
  if (!status.ok()) return status;
  const bool has_token = place.value.contains("token_sha256");
  if (has_token == place.value.contains("certificate"))
    return place.Wrong("an object with either \"token_sha256\" or \"certificate\"");
  const char* const key = has_token ? "token_sha256" : "certificate";
  const absl::StatusOr<std::string> credential = TextAt(place, key);
  if (!credential.ok()) return credential.status();
  if (has_token && !IsArtifactDigest(*credential))
    return place[key].Wrong("64 lower-case hexadecimal digits, as kprune token prints them");
  const absl::StatusOr<Caller> caller = ParseCaller(place, rules);
  if (!caller.ok()) return caller.status();
  auto& callers = has_token ? rules.by_token_sha256 : rules.by_certificate;
  if (!callers.emplace(*credential, *caller).second)
    return place[key].Wrong("another one than that of an earlier identity");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AccessRules> ParseAccessRules(std::string_view text, std::string_view file) {
  const absl::StatusOr<json> document = ParseWithoutDuplicates(text, file);
  if (!document.ok()) return document.status();
  const Place top{*document, absl::StrCat(std::string(file), ":")};
  absl::Status status = CheckKeys(top, {"tenants", "identities"});
  if (!status.ok()) return status;
  AccessRules rules;
  if (!document->contains("tenants") || !(*document)["tenants"].is_object())
    return absl::InvalidArgumentError(
        absl::StrCat(top.path, " tenants must be an object of limits by name."));
  for (const auto& [name, value] : (*document)["tenants"].items()) {
    const Place place{value, absl::StrCat(top.path, " tenants[\"", name, "\"]")};
    if (!IsTenantName(name))
      return place.Wrong("named with at most 63 of a to z, 0 to 9 and -, the first no hyphen");
    const absl::StatusOr<TenantLimits> limits = ParseLimits(place);
    if (!limits.ok()) return limits.status();
    rules.tenants[name] = *limits;
  }
  if (!document->contains("identities") || !(*document)["identities"].is_array())
    return absl::InvalidArgumentError(absl::StrCat(top.path, " identities must be an array of objects."));
  size_t index = 0;
  for (const json& value : (*document)["identities"]) {
    status = AddIdentity({value, absl::StrCat(top.path, " identities[", index++, "]")}, rules);
    if (!status.ok()) return status;
  }
  return rules;
}

absl::StatusOr<AccessRules> ReadAccessRules(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text(kMaxAccessFileBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad() || !in.eof())
    return absl::NotFoundError(absl::StrCat("Cannot read the access file ", file.string(),
                                            "; it must be a file of at most 16 MiB that the server may "
                                            "read."));
  text.resize(static_cast<size_t>(in.gcount()));
  return ParseAccessRules(text, file.string());
}

}  // namespace kprune
