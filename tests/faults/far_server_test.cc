// A server at the far end of a long way, or on a machine with much else to do.
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/time/clock.h"
#include "client/connection.h"
#include "client/interrupt.h"
#include "tests/faults/cutting_proxy.h"
#include "tests/support/process.h"
#include "tests/support/service.h"

namespace kprune::testing {
namespace {

TEST(FarServerTest, AConnectionThatTakesLongToBeMadeIsMade) {
  const TemporaryFolder folder;
  Service service(KPRUNE_BIN_DIR, folder.path(),
                  {"--worker", std::filesystem::path(KPRUNE_BIN_DIR) / "fake_worker"});
  service.Start();
  const auto never_cut_but_late = [] {
    absl::SleepFor(absl::Milliseconds(700));
    return -1;
  };
  const CuttingProxy proxy(service.address(), never_cut_but_late);

  client::Interrupt interrupt;
  const client::Connection connection(proxy.address(), interrupt);
  client::CallContext context(connection, client::CallContext::Kind::kUnary);
  v1::ServerInfo info;
  const absl::Status asked = connection.Explain(connection.server().GetServerInfo(context.get(), {}, &info));
  EXPECT_TRUE(asked.ok()) << asked << service.Log();
}

}  // namespace
}  // namespace kprune::testing
