#include "server/sources/address_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace kprune {
namespace {

using ::testing::HasSubstr;

NetworkAddress Address(const std::string& text) {
  NetworkAddress address{};
  EXPECT_TRUE(ToNetworkAddress(text, &address)) << text;
  return address;
}

TEST(AddressRulesTest, Examples) {
  const AddressRules only_public;
  EXPECT_TRUE(only_public.Allows("models.example.com", Address("93.184.215.14")));
  EXPECT_FALSE(only_public.Allows("models.example.com", Address("169.254.169.254")));
  // An address that the operator spelled out in an allowed folder was meant.
  EXPECT_TRUE(only_public.Allows("10.0.0.7", Address("10.0.0.7")));
  EXPECT_FALSE(only_public.Allows("10.0.0.7", Address("10.0.0.8")));

  const auto rules = AddressRules::Parse("10.1.0.0/16, fd00::/8");
  ASSERT_TRUE(rules.ok()) << rules.status();
  EXPECT_TRUE(rules->Allows("models.internal", Address("10.1.2.3")));
  EXPECT_FALSE(rules->Allows("models.internal", Address("10.2.0.1")));
  EXPECT_TRUE(rules->Allows("models.internal", Address("fd12::1")));
  EXPECT_FALSE(rules->Allows("models.internal", Address("169.254.169.254")));
}

TEST(AddressRulesTest, AddressesOfOnesOwnNetworkAreNotPublic) {
  for (const char* text : {"0.0.0.0",
                           "10.0.0.1",
                           "100.64.0.1",
                           "100.127.255.255",
                           "127.0.0.1",
                           "127.255.0.1",
                           "169.254.169.254",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.168.1.1",
                           "192.0.0.1",
                           "198.18.0.1",
                           "224.0.0.1",
                           "255.255.255.255",
                           "::",
                           "::1",
                           "fe80::1",
                           "fc00::1",
                           "fd00:ec2::254",
                           "ff02::1",
                           "2001:db8::1",
                           "::ffff:127.0.0.1",
                           "::ffff:169.254.169.254",
                           "64:ff9b::a9fe:a9fe",
                           "2002:7f00:1::",
                           "2002:a9fe:a9fe::1",
                           "2001::1",
                           "::127.0.0.1",
                           "64:ff9b:1::1",
                           "fec0::1"}) {
    EXPECT_FALSE(IsPublicAddress(Address(text))) << text;
  }
  for (const char* text : {"1.1.1.1", "8.8.8.8", "172.32.0.1", "172.15.0.1", "100.128.0.1", "192.167.0.1",
                           "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808"}) {
    EXPECT_TRUE(IsPublicAddress(Address(text))) << text;
  }
}

TEST(AddressRulesTest, AnEntryThatIsNoNetworkIsNamed) {
  for (const char* bad :
       {"10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "fd00::/129", "example.com", "10.0.0.0/8x", "10/8"}) {
    EXPECT_THAT(std::string(AddressRules::Parse(bad).status().message()),
                HasSubstr("\"" + std::string(bad) + "\""))
        << bad;
  }
  // One address is a network, too.
  EXPECT_TRUE(AddressRules::Parse("127.0.0.1 ::1")->Allows("localhost", Address("127.0.0.1")));
}

}  // namespace
}  // namespace kprune
