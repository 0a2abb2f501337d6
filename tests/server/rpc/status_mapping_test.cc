#include "server/rpc/status_mapping.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace kprune {
namespace {

TEST(StatusMapping, Examples) {
  const grpc::Status status = ToGrpcStatus(absl::AbortedError("continue at its committed size 7"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(status.error_message(), "continue at its committed size 7");
  EXPECT_EQ(CodeName(status.error_code()), "ABORTED");
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
}

TEST(StatusMapping, EveryCodeKeepsItsName) {
  std::set<std::string> names;
  for (int code = 0; code <= 16; ++code) {
    const grpc::Status status = ToGrpcStatus(absl::Status(static_cast<absl::StatusCode>(code), "x"));
    const std::string name(CodeName(status.error_code()));
    EXPECT_EQ(name, absl::StatusCodeToString(static_cast<absl::StatusCode>(code)));
    names.insert(name);
  }
  EXPECT_EQ(names.size(), 17u);
}

}  // namespace
}  // namespace kprune
