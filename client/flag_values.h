// Values of flags that are more than one plain number or text: their checks say in one sentence what is
// wrong with a value, or "" if nothing is. Thread-safe.
#ifndef KPRUNE_CLIENT_FLAG_VALUES_H_
#define KPRUNE_CLIENT_FLAG_VALUES_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kprune/v1/job.pb.h"

namespace kprune::client {

using ValueCheck = std::function<std::string(const std::string&)>;

std::string CheckNumber(const std::string& value);        // 0.5
std::string CheckNumberOrAuto(const std::string& value);  // 0.5, auto
std::string CheckSize(const std::string& value);          // a whole number from 1 on
std::string CheckBytes(const std::string& value);         // 4GiB
std::string CheckDevice(const std::string& value);        // auto, cpu, cuda:N
std::string CheckRounding(const std::string& value);      // device, heads:2,neurons:16

std::string CheckColumn(const std::string& value);  // text=review

std::string CheckMilliseconds(const std::string& value);  // 5ms, 0.2s
std::string CheckLatencyTable(const std::string& path);   // a file that kprune calibrate wrote

// The file's table. INVALID_ARGUMENT: it holds something else, or cannot be read.
absl::StatusOr<kprune::v1::LatencyTable> ReadLatencyTable(const std::string& path);

// One of these names.
ValueCheck OneOf(std::vector<std::string> accepted);

// A list such as "0.7,0.5" whose items all pass `check`, and its items. An empty text has one empty item.
ValueCheck EachItem(ValueCheck check);
std::vector<std::string> ItemsOf(const std::string& list);

// A number or a size that passed its check.
double NumberIn(const std::string& value);
int64_t SizeIn(const std::string& value);

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_FLAG_VALUES_H_
