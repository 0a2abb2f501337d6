// What a client fetches was signed by the server's operator, and stays what it was.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "tests/support/service.h"
#include "tests/support/signing_keys.h"
#include "tests/support/tiny_model.h"

namespace kprune::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

class ProvenanceTest : public ::testing::Test {
 protected:
  ProvenanceTest() {
    const TinyModel model = {.task = "text-classification"};
    WriteTinyModel(folder_ / "model", model);
    WriteTinySentences(folder_ / "samples.jsonl", 100, model);
  }

  Finished Prune(Service& service, const std::string& command, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {
        command, folder_ / "model", "--data",         folder_ / "samples.jsonl", "--keep-flops",
        "0.4",   "--output",        folder_ / command};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return service.Client(arguments);
  }

  TemporaryFolder folder_;
  const KeyFiles key_ = WriteKeyPair(folder_ / "key"), other_ = WriteKeyPair(folder_ / "other", "P-256");
};

TEST_F(ProvenanceTest, Examples) {
  Service service(KPRUNE_BIN_DIR, folder_.path(), {"--signing-key", key_.private_pem});
  service.Start();
  const Finished submitted = Prune(service, "submit");
  ASSERT_EQ(submitted.status, 0) << submitted.errors << service.Log();
  const std::string out = folder_ / "submit";
  const json statement = json::parse(ReadFile(out + "/provenance.json"));
  EXPECT_THAT(submitted.output + submitted.errors,
              HasSubstr(statement["predicate"]["runDetails"]["metadata"]["invocationId"].get<std::string>()));

  const Finished verified = service.Client({"verify", out, "--public-key", key_.public_pem});
  ASSERT_EQ(verified.status, 0) << verified.errors;
  const json envelope = json::parse(ReadFile(out + "/provenance.dsse.json"));
  EXPECT_THAT(verified.output,
              HasSubstr("signed by the key " + envelope["signatures"][0]["keyid"].get<std::string>() + "\n"));
  EXPECT_THAT(service.Client({"verify", out}).output, HasSubstr("--public-key FILE checks it"));
  const Finished foreign = service.Client({"verify", out, "--public-key", other_.public_pem});
  EXPECT_EQ(foreign.status, 1);
  EXPECT_THAT(foreign.errors, HasSubstr("provenance.dsse.json has no valid signature by the key"));
  WriteFile(out + "/README.md", "Better than ever.");
  const Finished changed = service.Client({"verify", out, "--public-key", key_.public_pem});
  EXPECT_EQ(changed.status, 1);
  EXPECT_THAT(changed.errors, HasSubstr("README.md does not have the digest in provenance.json"));
}

TEST_F(ProvenanceTest, OfARunOnThisMachine) {
  Service service(KPRUNE_BIN_DIR, folder_.path());
  const Finished done = Prune(service, "run", {"--signing-key", other_.private_pem});
  ASSERT_EQ(done.status, 0) << done.errors;
  const Finished verified = service.Client({"verify", folder_ / "run", "--public-key", other_.public_pem});
  EXPECT_EQ(verified.status, 0) << verified.errors;
  EXPECT_THAT(verified.output, HasSubstr("signed by the key "));
  // Nobody signed it: verify says so, and insists where it was told to.
  ASSERT_EQ(Prune(service, "run", {"--overwrite"}).status, 0);
  EXPECT_THAT(service.Client({"verify", folder_ / "run"}).output, HasSubstr("\nnot signed\n"));
  EXPECT_THAT(service.Client({"verify", folder_ / "run", "--public-key", other_.public_pem}).errors,
              HasSubstr("the result is not signed"));
}

TEST_F(ProvenanceTest, AKeyThatCannotSignIsRefusedBeforeAnyWork) {
  const KeyFiles locked = WriteKeyPair(folder_ / "locked", "ED25519", "secret");
  Service service(KPRUNE_BIN_DIR, folder_.path(), {"--signing-key", locked.private_pem});
  const Finished refused =
      Prune(service, "run", {"--signing-key", locked.private_pem, "--progress", "plain"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.errors, HasSubstr("kprune: --signing-key: the key " + locked.private_pem.string() +
                                        " is encrypted; give one that is not"));
  EXPECT_THAT(refused.errors, Not(HasSubstr("[1/4]")));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run"));
  // A server does not even begin to serve.
  EXPECT_THROW(service.Start(), std::runtime_error);
  EXPECT_THAT(service.Log(), HasSubstr("is encrypted"));
}

}  // namespace
}  // namespace kprune::testing
