#include "engine/formats/latency_table_json.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/latency_table.h"

namespace kprune {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

TEST(LatencyTableJsonTest, Examples) {
  const Json json = Json::parse(R"({
      "runtime": "TorchScript 2.11.0", "device_name": "a machine", "threads": 2, "batch_size": 8, "family": "bert",
      "num_layers": 6, "hidden_size": 384, "head_dim": 32, "heads": [0, 6, 12], "neurons": [0, 1536],
      "rows": [{"tokens": 25, "other_ms": 0.5, "attention_ms": [0, 0.75, 1.25], "feed_forward_ms": [0, 2.5]}]})");
  const absl::StatusOr<LatencyTable> table = ParseLatencyTable(json);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->heads[1], 6);
  EXPECT_EQ(table->rows[0].attention_ms[2], 1.25);
  EXPECT_EQ(ToJson(*table), json);
}

TEST(LatencyTableJsonTest, ZerosMayBeLeftOutAsProtobufDoes) {
  Json json = ToJson(testing::EvenLatencyTable(2, 4, 8));
  json["rows"][0].erase("other_ms");
  const absl::StatusOr<LatencyTable> table = ParseLatencyTable(json);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->rows[0].other_ms, 0);
}

TEST(LatencyTableJsonTest, RefusesWhatIsNoTable) {
  for (const auto& [change, part] : std::vector<std::pair<std::string, std::string>>{
           {R"([{"op": "remove", "path": "/threads"}])", "latency_table.threads is missing"},
           {R"([{"op": "replace", "path": "/num_layers", "value": 0}])", "latency_table.num_layers"},
           {R"([{"op": "replace", "path": "/runtime", "value": 3}])", "latency_table.runtime"},
           {R"([{"op": "replace", "path": "/heads", "value": [1, 4]}])",
            "latency_table.heads has 1 at 0, accepted are numbers that rise from 0"},
           {R"([{"op": "replace", "path": "/heads", "value": [0, 4, 4]}])", "latency_table.heads has 4 at 2"},
           {R"([{"op": "replace", "path": "/heads", "value": [0, 1.5]}])", "latency_table.heads has 1.5 at 1"},
           {R"([{"op": "replace", "path": "/heads", "value": [0]}])", "less than two numbers"},
           {R"([{"op": "replace", "path": "/neurons", "value": {}}])", "latency_table.neurons is an object"},
           {R"([{"op": "replace", "path": "/rows", "value": []}])", "latency_table.rows is empty"},
           {R"([{"op": "replace", "path": "/rows/0", "value": 3}])", "latency_table.rows[0]"},
           {R"([{"op": "replace", "path": "/rows/1/tokens", "value": 10}])", "rows[1].tokens is not above 10"},
           {R"([{"op": "replace", "path": "/rows/1/other_ms", "value": -1}])", "rows[1].other_ms is not a number"},
           {R"([{"op": "replace", "path": "/rows/0/attention_ms", "value": [0, 1, 2]}])",
            "rows[0].attention_ms does not have 2 numbers, as heads has"},
           {R"([{"op": "replace", "path": "/rows/0/feed_forward_ms", "value": [0, -2]}])",
            "rows[0].feed_forward_ms has -2 at 1"}}) {
    const Json json = ToJson(testing::EvenLatencyTable(2, 4, 8)).patch(Json::parse(change));
    const absl::Status status = ParseLatencyTable(json).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << change;
    EXPECT_THAT(std::string(status.message()), HasSubstr(part)) << change;
  }
  EXPECT_FALSE(ParseLatencyTable(Json::array()).ok());
}

}  // namespace
}  // namespace kprune
