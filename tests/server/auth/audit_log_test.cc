#include "server/auth/audit_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "nlohmann/json.hpp"
#include "tests/support/process.h"

namespace kprune {
namespace {

using ::testing::HasSubstr;

TEST(AuditLogTest, ExamplesALineACall) {
  const testing::TemporaryFolder folder;
  const std::string file = folder / "audit.jsonl";
  AuditEntry entry{.time = absl::FromUnixMillis(1'769'860'800'000), .request_id = "r1", .subject = "ci"};
  entry.method = "kprune.v1.JobService/GetJob";
  entry.resource = "jobs/1";
  entry.code = "OK";
  for (int i = 0; i < 2; ++i) {
    const auto log = AuditLog::Open(file);  // appends
    ASSERT_TRUE(log.ok()) << log.status();
    (*log)->Write(entry);
  }
  const std::string line =
      R"({"time":"2026-01-31T12:00:00.000Z","request_id":"r1","subject":"ci","tenant":"","role":"",)"
      R"("method":"kprune.v1.JobService/GetJob","resource":"jobs/1","code":"OK","peer":""})"
      "\n";
  EXPECT_EQ(testing::ReadFile(file), line + line);
  EXPECT_EQ(std::filesystem::status(file).permissions(), std::filesystem::perms(0600));
}

TEST(AuditLogTest, WhatAClientNamesCannotMakeALineOfItsOwn) {
  const testing::TemporaryFolder folder;
  const std::string file = folder / "audit.jsonl";
  AuditEntry entry;
  entry.resource = "jobs/\n{\"code\":\"OK\"}\xff" + std::string(10'000, 'x');
  AuditLog::Open(file).value()->Write(entry);
  const std::string text = testing::ReadFile(file);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_LT(text.size(), 1000u);
  EXPECT_TRUE(nlohmann::json::accept(text));
}

TEST(AuditLogTest, AFileThatCannotBeWrittenIsRefusedByName) {
  const absl::Status status = AuditLog::Open("/nonexistent/audit.jsonl").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/nonexistent/audit.jsonl"));
}

}  // namespace
}  // namespace kprune
