// The exporter's parts: which servers there are, and what their answers make together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/metric_family.h>

#include <map>
#include <string>
#include <vector>

#include "exporter/queue_board.h"
#include "exporter/server_source.h"

namespace kprune {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ServerSourceTest, Examples) {
  EXPECT_THAT(FixedServers({"a:1", "b:2"})(), ElementsAre("a:1", "b:2"));
  const absl::StatusOr<DnsName> name = ParseDnsName("dns:///kprune.default:9000");
  ASSERT_TRUE(name.ok());
  EXPECT_EQ(name->host, "kprune.default");
  EXPECT_EQ(name->port, "9000");
  EXPECT_EQ(ParseDnsName("dns:///kprune")->port, "8470");
}

TEST(ServerSourceTest, WhatIsNoNameIsRefused) {
  for (const char* text : {"", "kprune:8470", "dns:kprune", "dns:///", "dns:///:8470", "dns:///kprune:",
                           "dns:///kprune:x", "dns:///a:b:1", "dns:///kprune:70000", "dns://server/kprune"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseDnsName(text).status())) << text;
  }
}

TEST(ServerSourceTest, TheMachineKnowsItself) {
  EXPECT_THAT(*LookUpAddresses({"localhost", "8470"}), Contains("127.0.0.1:8470"));
  EXPECT_TRUE(LookUpAddresses({"127.0.0.1", "1"}).ok());
}

TEST(ServerSourceTest, AFailingLookUpKeepsTheServersAndANameThatIsGoneHasNone) {
  absl::StatusOr<std::vector<std::string>> answer = std::vector<std::string>{"10.0.0.1:8470"};
  ServerSource servers = ServersOfName({"kprune", "8470"}, [&](const DnsName&) { return answer; });
  EXPECT_THAT(servers(), ElementsAre("10.0.0.1:8470"));
  answer = absl::UnavailableError("no name server answers");
  EXPECT_THAT(servers(), ElementsAre("10.0.0.1:8470"));
  answer = absl::NotFoundError("no such name");
  EXPECT_THAT(servers(), IsEmpty());
}

// A server's answer.
PolledServer Answer(const std::string& server, const std::string& queue_id, int queued, int oldest_age = -1) {
  v1::QueueStats queue;
  queue.set_queue_id(queue_id);
  queue.add_states()->set_state(v1::QUEUED);
  queue.mutable_states(0)->set_jobs(queued);
  queue.set_backlog(queued + 1);
  queue.mutable_time()->set_seconds(1000);
  if (oldest_age >= 0) queue.mutable_oldest_high()->set_seconds(1000 - oldest_age);
  return {server, queue, "", 0.25};
}

std::map<std::string, double> Shown(std::vector<PolledServer> servers) {
  QueueBoard board;
  board.Show(std::move(servers));
  std::map<std::string, double> values;
  for (const prometheus::MetricFamily& family : board.Collect()) {
    for (const prometheus::ClientMetric& metric : family.metric) {
      const std::string label = metric.label.empty() ? "" : "{" + metric.label.front().value + "}";
      values[family.name + label] = metric.gauge.value;
    }
  }
  return values;
}

TEST(QueueBoardTest, Examples) {
  auto values = Shown({Answer("a:1", "one", 5, 30),
                       Answer("b:1", "one", 5, 30),
                       Answer("c:1", "two", 2, 90),
                       {"d:1", std::nullopt, "Connection refused", 0.5}});
  EXPECT_EQ(values["kprune_queue_jobs{QUEUED}"], 7) << "one queue of two servers, and another";
  EXPECT_EQ(values["kprune_queue_backlog"], 9);
  EXPECT_EQ(values["kprune_queue_oldest_age_seconds{high}"], 90);
  EXPECT_EQ(values["kprune_queue_oldest_age_seconds{normal}"], 0);
  EXPECT_EQ(values["kprune_up{a:1}"], 1);
  EXPECT_EQ(values["kprune_up{d:1}"], 0);
  EXPECT_EQ(values["kprune_scrape_seconds{d:1}"], 0.5);
}

TEST(QueueBoardTest, WithoutAnAnswerNothingIsSaidOfQueues) {
  const auto values = Shown({{"a:1", std::nullopt, "Connection refused", 0.5}});
  EXPECT_EQ(values.size(), 3u) << "build info, up, scrape seconds";
  EXPECT_EQ(values.at("kprune_up{a:1}"), 0);
  EXPECT_EQ(Shown({}).size(), 1u);
}

TEST(QueueBoardTest, AnEmptyQueueIsZeroAndNotAbsent) {
  const auto values = Shown({Answer("a:1", "one", 0)});
  EXPECT_EQ(values.at("kprune_queue_jobs{QUEUED}"), 0);
  EXPECT_EQ(values.at("kprune_queue_oldest_age_seconds{high}"), 0);
}

}  // namespace
}  // namespace kprune
