#include "server/exposure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kprune/loopback.h"

namespace kprune {
namespace {

using ::testing::HasSubstr;

TEST(ExposureTest, ExamplesOnlyLoopbackIsOpen) {
  ServerFlags flags;
  EXPECT_TRUE(CheckExposure(flags).ok());
  flags.listen = "0.0.0.0:8470";
  const absl::Status no_tls = CheckExposure(flags);
  EXPECT_EQ(no_tls.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(no_tls.message()), HasSubstr("--tls-cert"));
  flags.tls_cert = "server.pem";
  EXPECT_THAT(std::string(CheckExposure(flags).message()), HasSubstr("--access-file or --tls-client-ca"));
  flags.access_file = "access.json";
  EXPECT_TRUE(CheckExposure(flags).ok());
  flags.access_file = "";
  flags.tls_client_ca = "ca.pem";
  EXPECT_TRUE(CheckExposure(flags).ok());
  ServerFlags insecure;
  insecure.listen = "0.0.0.0:8470";
  insecure.insecure = true;
  EXPECT_TRUE(CheckExposure(insecure).ok());
}

TEST(ExposureTest, AnAccessFileAloneDoesNotMakeUpForTls) {
  ServerFlags flags;
  flags.listen = "10.0.0.1:8470";
  flags.access_file = "access.json";
  EXPECT_THAT(std::string(CheckExposure(flags).message()), HasSubstr("without TLS"));
}

TEST(ExposureTest, LoopbackIsWhatNoOtherMachineReaches) {
  for (const char* address : {"127.0.0.1:0", "127.1.2.3:8470", "[::1]:8470", "localhost:8470"})
    EXPECT_TRUE(IsLoopback(address)) << address;
  for (const char* address : {"0.0.0.0:0", "[::]:8470", "10.0.0.1:1", "127.0.0.1.example.com:1",
                              "localhost.example.com:1", "*:8470", "example.com:8470"})
    EXPECT_FALSE(IsLoopback(address)) << address;
}

TEST(ExposureTest, ReflectionIsOnWhereNobodyHasToSayWhoTheyAreOrWhereItIsAskedFor) {
  ServerFlags flags;
  EXPECT_TRUE(ReflectionIsOn(flags));
  flags.access_file = "access.json";
  EXPECT_FALSE(ReflectionIsOn(flags));
  flags.reflection = "on";
  EXPECT_TRUE(ReflectionIsOn(flags));
  flags.access_file = "";
  flags.reflection = "off";
  EXPECT_FALSE(ReflectionIsOn(flags));
}

}  // namespace
}  // namespace kprune
