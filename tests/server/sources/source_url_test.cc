#include "server/sources/source_url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/sources/model_uri.h"
#include "server/sources/source_allow_list.h"

namespace kprune {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

SourceUrl Url(const std::string& text) {
  const auto url = ParseSourceUrl(text);
  EXPECT_TRUE(url.ok()) << text << ": " << url.status();
  return url.value_or(SourceUrl());
}

SourceAllowList Allow(const std::string& folders) {
  auto list = SourceAllowList::Parse(folders);
  EXPECT_TRUE(list.ok()) << list.status();
  return list.value_or(SourceAllowList());
}

TEST(SourceUrlTest, Examples) {
  const auto folder = ParseSourceFolder("HTTPS://Models.Example.com:443/team/sst2");
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_EQ(folder->Text(), "https://models.example.com/team/sst2/");
  EXPECT_EQ(folder->At("1_Pooling/config.json").Text(),
            "https://models.example.com/team/sst2/1_Pooling/config.json");
  EXPECT_EQ(ParseModelUri("hub:org/name")->Text(), "hub:org/name@main");
  EXPECT_EQ(ParseModelUri("s3://bucket/a/b")->Text(), "s3://bucket/a/b/");

  const SourceAllowList allowed = Allow("https://models.example.com/team/, s3://bucket/a");
  EXPECT_TRUE(allowed.Allows(*folder));
  EXPECT_TRUE(allowed.Allows(ParseModelUri("s3://bucket/a/b")->folder));
  EXPECT_FALSE(allowed.Allows(Url("https://models.example.com/teammates/")));
}

TEST(SourceUrlTest, OnlyTheSameSchemeHostPortAndBeginningOfThePathIsAllowed) {
  const SourceAllowList allowed = Allow("https://models.example.com:8443/team/");
  EXPECT_TRUE(allowed.Allows(Url("https://models.example.com:8443/team/")));
  EXPECT_TRUE(allowed.Allows(Url("https://MODELS.example.com:8443/team/x?signature=1")));
  for (const char* other :
       {"http://models.example.com:8443/team/x", "https://models.example.com/team/x",
        "https://example.com:8443/team/x", "https://models.example.com.evil.com:8443/team/x",
        "https://models.example.com:8443/Team/x", "https://models.example.com:8443/",
        "https://models.example.com:8443/team", "s3://models.example.com/team/x"}) {
    EXPECT_FALSE(allowed.Allows(Url(other))) << other;
  }
  EXPECT_FALSE(SourceAllowList().Allows(Url("https://models.example.com/")));
}

TEST(SourceUrlTest, WhatServersAndResolversDisagreeAboutIsRefused) {
  for (const char* bad : {"https://a@models.example.com/",
                          "https://a:b@models.example.com/",
                          "https://models.example.com@evil.com/",
                          "https://h/team/../other/",
                          "https://h/team/./x",
                          "https://h/team/%2e%2e/other",
                          "https://h/team/%2E./other",
                          "https://h/team%2f..%2fother",
                          "https://h/a\\..\\b",
                          "https://h/a%5c..%5cb",
                          "https://h/x#fragment",
                          "https://h/%zz",
                          "https://h/%0d%0aHost:evil",
                          "https:///x",
                          "https://h:0/",
                          "https://h:65536/",
                          "https://h:8a/",
                          "https://h:-1/",
                          "https://2130706433/",
                          "https://0x7f.0.0.1/",
                          "https://0x7f000001/",
                          "https://127.1/",
                          "https://0177.0.0.1/",
                          "https://127.0.0.1./",
                          "https://[::1/",
                          "https://[::g]/",
                          "https://h\xc3\xb6st/",
                          "https://h..x/",
                          "file:///etc/passwd",
                          "gopher://h/",
                          "//h/x",
                          "h/x",
                          "",
                          "https://h\t/x",
                          "https://h/ x",
                          "s3://bucket:9/x"}) {
    EXPECT_EQ(ParseSourceUrl(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  for (const char* good :
       {"https://127.0.0.1:8443/x", "https://[::1]:8443/x", "https://xn--hst-sna.example/x",
        "https://h/a%20b", "https://h/a..b/", "https://h"}) {
    EXPECT_TRUE(ParseSourceUrl(good).ok()) << good;
  }
}

TEST(SourceUrlTest, AFolderHasNeitherQueryNorUnusualCharacters) {
  for (const char* bad :
       {"https://h/x?token=1", "https://h/x?", "https://h/a%20b", "https://h//x", "https://h/a;b"})
    EXPECT_FALSE(ParseSourceFolder(bad).ok()) << bad;
}

TEST(SourceUrlTest, RedirectsAreResolvedAgainstWhereTheyCameFrom) {
  const SourceUrl base = Url("https://h:8443/a/b/c.json?x=1");
  EXPECT_EQ(ResolveLocation(base, "https://other/x?s=1")->Text(), "https://other/x?s=1");
  EXPECT_EQ(ResolveLocation(base, "/d/e")->Text(), "https://h:8443/d/e");
  EXPECT_EQ(ResolveLocation(base, "d.json")->Text(), "https://h:8443/a/b/d.json");
  EXPECT_EQ(ResolveLocation(base, "//other/x")->Text(), "https://other/x");
  EXPECT_EQ(ResolveLocation(base, "d?next=https://other/")->Text(),
            "https://h:8443/a/b/d?next=https://other/");
  EXPECT_FALSE(ResolveLocation(base, "../../etc").ok());
  EXPECT_FALSE(ResolveLocation(base, "/\\other/x").ok());
}

TEST(ModelUriTest, ARefusalSaysWhatIsAcceptedAndQuotesNoPassword) {
  for (const char* bad : {"https://user:hunter2@h/x", "https://h/x?token=hunter2", "http://h/x",
                          "hub:", "hub:a/b/c", "hub:../x", "hub:a/..", "hub:org/name@",
                          "hub:org/name@../main", "hub:org/na me", "org/name", "/folder", "ftp://h/x"}) {
    const auto uri = ParseModelUri(bad);
    EXPECT_EQ(uri.status().code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(
        std::string(uri.status().message()),
        AllOf(HasSubstr("spec.model_uri is refused: "),
              HasSubstr("https://host/folder/, s3://bucket/prefix/ and hub:"), Not(HasSubstr("hunter2"))))
        << bad;
  }
}

TEST(SourceAllowListTest, AnEntryThatIsNoFolderIsNamed) {
  for (const char* bad : {"https://good/, http://h/", "https://good/, models.example.com",
                          "https://good/, https://h/../x", "https://good/, *"}) {
    EXPECT_THAT(std::string(SourceAllowList::Parse(bad).status().message()),
                HasSubstr("--model-source-allow entry 2 "))
        << bad;
  }
}

}  // namespace
}  // namespace kprune
