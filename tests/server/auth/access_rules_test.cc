#include "server/auth/access_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/process.h"

namespace kprune {
namespace {

using ::testing::HasSubstr;

const std::string kHash(64, 'a');

TEST(AccessRulesTest, Examples) {
  const auto rules = ParseAccessRules(R"({
      "tenants": {"team-a": {"max_queued_jobs": 100, "max_calls_per_second": 2.5}, "team-b": {}},
      "identities": [
        {"name": "ci", "token_sha256": ")" +
                                          kHash + R"(", "tenant": "team-a", "role": "submitter"},
        {"name": "ops", "certificate": "spiffe://example.com/ops", "tenant": "team-b", "role": "admin"},
        {"name": "exporter", "certificate": "exporter", "role": "monitor"}]})",
                                      "access.json");
  ASSERT_TRUE(rules.ok()) << rules.status();
  EXPECT_EQ(rules->tenants.at("team-a").max_queued_jobs, 100);
  EXPECT_EQ(rules->tenants.at("team-a").max_calls_per_second, 2.5);
  EXPECT_EQ(rules->tenants.at("team-b"), TenantLimits());
  EXPECT_EQ(rules->by_token_sha256.at(kHash).subject, "ci");
  EXPECT_EQ(rules->by_token_sha256.at(kHash).role, Role::kSubmitter);
  EXPECT_EQ(rules->by_certificate.at("spiffe://example.com/ops").tenant, "team-b");
  EXPECT_EQ(rules->by_certificate.at("exporter").role, Role::kMonitor);
}

struct Refusal {
  const char* name;
  std::string text;
  std::string sentence;
};

class AccessRulesRefusal : public ::testing::TestWithParam<Refusal> {};

TEST_P(AccessRulesRefusal, NamesThePlace) {
  const absl::Status status = ParseAccessRules(GetParam().text, "access.json").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().sentence));
  EXPECT_THAT(std::string(status.message()), HasSubstr("access.json"));
}

std::string With(const std::string& identity) {
  return R"({"tenants": {"a": {}}, "identities": [)" + identity + "]}";
}

std::string Limits(const std::string& limits) {
  return R"({"tenants": {"a": )" + limits + R"(}, "identities": []})";
}

INSTANTIATE_TEST_SUITE_P(
    Files, AccessRulesRefusal,
    ::testing::Values(
        Refusal{"NoJson", "{", "is not JSON"}, Refusal{"NoObject", "[]", "must be an object"},
        Refusal{"UnknownKey", R"({"tenants": {}, "identities": [], "x": 1})", "unknown key \"x\""},
        Refusal{"KeyTwice", R"({"tenants": {}, "tenants": {}, "identities": []})", "\"tenants\" twice"},
        Refusal{"NestedKeyTwice", Limits(R"({"max_queued_jobs": 1, "max_queued_jobs": 2})"),
                "\"max_queued_jobs\" twice"},
        Refusal{"NoTenants", R"({"identities": []})", "tenants must be an object"},
        Refusal{"NoIdentities", R"({"tenants": {}})", "identities must be an array"},
        Refusal{"TenantName", R"({"tenants": {"A/b": {}}, "identities": []})", "tenants[\"A/b\"]"},
        Refusal{"LimitUnknown", Limits(R"({"max_jobs": 1})"), "unknown key \"max_jobs\""},
        Refusal{"LimitNegative", Limits(R"({"max_queued_jobs": -1})"), "max_queued_jobs must be a whole"},
        Refusal{"LimitFraction", Limits(R"({"max_queued_jobs": 1.5})"), "max_queued_jobs must be a whole"},
        Refusal{"RateText", Limits(R"({"max_calls_per_second": "1"})"),
                "max_calls_per_second must be a number"},
        Refusal{"NoCredential", With(R"({"name": "n", "tenant": "a", "role": "viewer"})"),
                "identities[0] must be an object with either"},
        Refusal{"HashTooShort",
                With(R"({"name": "n", "token_sha256": "abc", "tenant": "a", "role": "viewer"})"),
                "identities[0].token_sha256 must be 64"},
        Refusal{"Role", With(R"({"name": "n", "certificate": "c", "tenant": "a", "role": "root"})"),
                "identities[0].role must be viewer"},
        Refusal{"TenantUnlisted",
                With(R"({"name": "n", "certificate": "c", "tenant": "b", "role": "viewer"})"),
                "identities[0].tenant must be one of"},
        Refusal{"TenantMissing", With(R"({"name": "n", "certificate": "c", "role": "viewer"})"),
                "identities[0] has no \"tenant\""},
        Refusal{"CredentialTwice", With(R"({"name": "n", "certificate": "c", "tenant": "a", "role": "viewer"},
                        {"name": "m", "certificate": "c", "tenant": "a", "role": "admin"})"),
                "identities[1].certificate must be another"}),
    [](const auto& row) { return row.param.name; });

TEST(AccessRulesTest, AFileThatIsNotThereIsNotFound) {
  const testing::TemporaryFolder folder;
  const absl::Status status = ReadAccessRules(folder / "none.json").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("none.json"));
}

}  // namespace
}  // namespace kprune
