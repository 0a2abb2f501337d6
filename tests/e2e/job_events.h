// What a client was told about a job: the events that `kprune watch --progress json` printed, one JSON object
// a line.
#ifndef KPRUNE_TESTS_E2E_JOB_EVENTS_H_
#define KPRUNE_TESTS_E2E_JOB_EVENTS_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace kprune::testing {

// The complete lines of `output` that are events.
inline std::vector<nlohmann::json> EventsIn(const std::string& output) {
  std::vector<nlohmann::json> events;
  std::istringstream lines(output.substr(0, output.rfind('\n') + 1));
  for (std::string line; std::getline(lines, line);) {
    nlohmann::json event = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (event.is_object() && event.contains("sequence")) events.push_back(std::move(event));
  }
  return events;
}

// proto3 JSON writes 64-bit numbers as text.
inline int64_t SequenceOf(const nlohmann::json& event) {
  const nlohmann::json& sequence = event["sequence"];
  return sequence.is_string() ? std::stoll(sequence.get<std::string>()) : sequence.get<int64_t>();
}

inline std::vector<int64_t> SequencesOf(const std::vector<nlohmann::json>& events) {
  std::vector<int64_t> sequences;
  for (const nlohmann::json& event : events) sequences.push_back(SequenceOf(event));
  return sequences;
}

// 1, 2, ... count.
inline std::vector<int64_t> FromOneTo(size_t count) {
  std::vector<int64_t> numbers;
  for (size_t i = 1; i <= count; ++i) numbers.push_back(static_cast<int64_t>(i));
  return numbers;
}

// The states that the job entered, in order.
inline std::vector<std::string> StatesOf(const std::vector<nlohmann::json>& events) {
  std::vector<std::string> states;
  for (const nlohmann::json& event : events) {
    if (event.contains("state_changed")) states.push_back(event["state_changed"]["state"].get<std::string>());
  }
  return states;
}

inline int CountOf(const std::vector<nlohmann::json>& events, const std::string& kind) {
  int count = 0;
  for (const nlohmann::json& event : events) count += event.contains(kind);
  return count;
}

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_E2E_JOB_EVENTS_H_
