// The exporter beside real servers that come and go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "tests/exporter/programs.h"
#include "tests/support/certificates.h"

namespace kprune::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Up(const std::string& server, int up) {
  return "kprune_up{server=\"" + server + "\"} " + std::to_string(up);
}

class ExporterTest : public ::testing::Test {
 protected:
  // A job that stays RUNNING, and one that waits behind it.
  void FillQueue(Service& service, const std::string& name) {
    std::vector<std::string> arguments = SubmitArguments(folder_ / name, {{"hang", true}});
    arguments.push_back("--no-wait");
    for (int i = 0; i < 2; ++i) {
      const Finished submitted = service.Client(arguments);
      ASSERT_EQ(submitted.status, 0) << submitted.errors;
    }
  }

  std::filesystem::path Make(const std::string& name) {
    std::filesystem::create_directories(folder_ / name);
    return folder_ / name;
  }

  TemporaryFolder folder_;
  Service first_{KPRUNE_BIN_DIR, Make("first"), WithFakeWorker()};
  Service second_{KPRUNE_BIN_DIR, Make("second"), WithFakeWorker()};
};

TEST_F(ExporterTest, ExamplesTheQueueOfAServerIsCountedOnceHoweverManyNamesItHas) {
  first_.Start();
  FillQueue(first_, "jobs");
  const std::string port = first_.address().substr(first_.address().rfind(':'));
  ExporterProgram exporter(Make("exporter"), {"--servers", first_.address() + ",localhost" + port});
  EXPECT_TRUE(exporter.Serves("kprune_queue_backlog 2")) << exporter.Scrape();
  EXPECT_TRUE(exporter.Serves("kprune_queue_jobs{state=\"RUNNING\"} 1")) << exporter.Scrape();
  const std::string page = exporter.Scrape();
  EXPECT_THAT(page, HasSubstr("kprune_exporter_build_info{version=\"" KPRUNE_VERSION "\"} 1\n"));
  EXPECT_THAT(page, HasSubstr(Up(first_.address(), 1)));
  EXPECT_THAT(page, HasSubstr(Up("localhost" + port, 1)));
  EXPECT_THAT(page, HasSubstr("kprune_queue_jobs{state=\"QUEUED\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("kprune_queue_jobs{state=\"FAILED\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("kprune_queue_oldest_age_seconds{priority=\"low\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("process_resident_memory_bytes "));
  EXPECT_EQ(exporter.Terminate(), 0);
  EXPECT_THAT(exporter.Log(), HasSubstr("event=stopped"));
}

TEST_F(ExporterTest, ItKeepsServingWhileServersComeAndGo) {
  first_.Start();
  second_.Start();
  FillQueue(first_, "jobs");
  FillQueue(second_, "more_jobs");
  ExporterProgram exporter(Make("exporter"), {"--servers", first_.address() + "," + second_.address()});
  EXPECT_TRUE(exporter.Serves("kprune_queue_backlog 4")) << "two queues\n" << exporter.Scrape();

  second_.Crash();
  EXPECT_TRUE(exporter.Serves(Up(second_.address(), 0))) << exporter.Scrape();
  EXPECT_THAT(exporter.Scrape(), HasSubstr("kprune_queue_backlog 2\n"));
  EXPECT_THAT(exporter.Scrape(), HasSubstr(Up(first_.address(), 1)));

  EXPECT_EQ(first_.Drain(), 0);
  EXPECT_TRUE(exporter.Serves(Up(first_.address(), 0))) << exporter.Scrape();
  EXPECT_THAT(exporter.Scrape(), Not(HasSubstr("kprune_queue_"))) << "nobody knows";

  second_.Start();
  EXPECT_TRUE(exporter.Serves(Up(second_.address(), 1))) << exporter.Scrape();
  EXPECT_TRUE(exporter.Serves("kprune_queue_backlog 2")) << "the jobs survived";
  EXPECT_THAT(exporter.Log(), HasSubstr("event=server-down"));
  EXPECT_THAT(exporter.Log(), HasSubstr("event=server-up"));
}

TEST_F(ExporterTest, ANameIsAllItsAddresses) {
  first_.Start();
  const std::string port = first_.address().substr(first_.address().rfind(':'));
  ExporterProgram exporter(Make("exporter"), {"--servers-dns", "dns:///localhost" + port});
  EXPECT_TRUE(exporter.Serves(Up(first_.address(), 1))) << exporter.Scrape();
  EXPECT_TRUE(exporter.Serves("kprune_queue_backlog 0")) << exporter.Scrape();
}

// What gRPC itself has to say is an event, too: here of a server that speaks no TLS.
TEST_F(ExporterTest, EveryLineOfAJsonLogIsJson) {
  first_.Start();
  WriteFile(folder_ / "ca.pem", CertificateAuthority().certificate());
  ExporterProgram exporter(Make("exporter"), {"--servers", first_.address(), "--tls-ca", folder_ / "ca.pem",
                                              "--log-format", "json"});
  EXPECT_TRUE(exporter.Serves(Up(first_.address(), 0))) << exporter.Scrape();
  EXPECT_TRUE(Eventually([&] { return exporter.Log().find("\"grpc\"") != std::string::npos; }));
  EXPECT_EQ(exporter.Terminate(), 0);
  std::vector<std::string> events;
  std::istringstream lines(exporter.Log());
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json event = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    ASSERT_TRUE(event.is_object()) << line;
    events.push_back(event.at("event"));
  }
  for (const char* event : {"serving", "server-down", "grpc", "stopped"})
    EXPECT_THAT(events, ::testing::Contains(event)) << exporter.Log();
}

TEST_F(ExporterTest, WrongFlagsAreOneSentence) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{}, "--servers"},
      {{"--servers", "a:1", "--servers-dns", "dns:///a"}, "--servers"},
      {{"--servers", "localhost"}, "HOST:PORT"},
      {{"--servers-dns", "localhost:8470"}, "dns:///"},
      {{"--servers", "a:1", "--tls-cert", "/dev/null"}, "--tls-key"},
      {{"--servers", "a:1", "--interval-seconds", "0"}, "--interval-seconds"},
      {{"--servers", "a:1", "--log-format", "xml"}, "--log-format"},
      {{"--servers", "127.0.0.1:1,a:1", "--token-file", "/dev/null"}, "--insecure"},
      {{"--servers-dns", "dns:///a", "--token-file", "/dev/null"}, "in the clear"},
  };
  for (const auto& [flags, words] : cases) {
    std::vector<std::string> command = {Program("kprune-exporter")};
    command.insert(command.end(), flags.begin(), flags.end());
    Process process(command, folder_ / "refused");
    EXPECT_EQ(process.Wait(), 3) << words;
    EXPECT_THAT(process.Errors(), HasSubstr(words));
  }
  Process taken({Program("kprune-exporter"), "--servers", "127.0.0.1:1", "--listen", "nowhere"},
                folder_ / "taken");
  EXPECT_EQ(taken.Wait(), 1);
  EXPECT_THAT(taken.Errors(), HasSubstr("HOST:PORT"));
  Process told({Program("kprune-exporter"), "--servers", "127.0.0.1:1", "--listen", "nowhere"},
               folder_ / "told", {{"KPRUNE_EXPORTER_LOG_FORMAT", "json"}});
  EXPECT_EQ(told.Wait(), 1);
  EXPECT_THAT(told.Errors(), HasSubstr("\"event\":\"failed\",\"reason\":\"metrics address"));
}

TEST_F(ExporterTest, EveryFlagHasItsVariableAndHelpShowsIt) {
  Process help({Program("kprune-exporter"), "--help"}, folder_ / "help");
  EXPECT_EQ(help.Wait(), 0);
  for (const char* variable :
       {"KPRUNE_EXPORTER_SERVERS", "KPRUNE_EXPORTER_SERVERS_DNS", "KPRUNE_EXPORTER_LISTEN",
        "KPRUNE_EXPORTER_TOKEN_FILE", "KPRUNE_EXPORTER_TLS_CA", "KPRUNE_EXPORTER_TLS_CERT",
        "KPRUNE_EXPORTER_TLS_KEY", "KPRUNE_EXPORTER_INTERVAL_SECONDS", "KPRUNE_EXPORTER_TIMEOUT_SECONDS"}) {
    EXPECT_THAT(help.Output(), HasSubstr(variable));
  }
  Process wrong({Program("kprune-exporter")}, folder_ / "wrong",
                {{"KPRUNE_EXPORTER_SERVERS", "a:1,nonsense"}});
  EXPECT_EQ(wrong.Wait(), 3);
  EXPECT_THAT(wrong.Errors(), HasSubstr("nonsense"));
}

}  // namespace
}  // namespace kprune::testing
