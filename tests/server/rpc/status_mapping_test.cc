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

TEST(StatusMapping, ASentenceThatClientsWouldNotTakeIsCutBetweenCharacters) {
  std::string taken(6 << 10, 'a');
  EXPECT_EQ(ToGrpcStatus(absl::InternalError(taken)).error_message(), taken);
  EXPECT_EQ(ToGrpcStatus(absl::InternalError(taken + "b")).error_message(), taken + "...");
  std::string umlauts;  // six bytes each on their way
  for (int i = 0; i < 2000; ++i) umlauts += "ü";
  EXPECT_EQ(ToGrpcStatus(absl::InternalError(umlauts)).error_message(), umlauts.substr(0, 2 * 1024) + "...");
}

}  // namespace
}  // namespace kprune
