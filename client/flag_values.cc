#include "client/flag_values.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/json_text.h"
#include "client/quantities.h"
#include "kprune/options.h"
#include "kprune/rounding.h"

namespace kprune::client {

std::string CheckNumber(const std::string& value) {
  double number = 0;
  return absl::SimpleAtod(value, &number) ? "" : absl::StrCat("\"", value, "\" is no number");
}

std::string CheckNumberOrAuto(const std::string& value) {
  if (value == "auto" || CheckNumber(value).empty()) return "";
  return absl::StrCat(value, " is not accepted; accepted are a number and auto");
}

std::string CheckSize(const std::string& value) {
  return SizeIn(value) > 0 ? "" : absl::StrCat("\"", value, "\" is no whole number from 1 on");
}

std::string CheckBytes(const std::string& value) {
  if (ParseBytes(value)) return "";
  return absl::StrCat(value, " is no number of bytes; accepted are e.g. 4294967296, 512MiB, 1.5GiB and 4GB");
}

std::string CheckDevice(const std::string& value) {
  if (value == "auto" || value == "cpu") return "";
  if (value.rfind("cuda:", 0) == 0 && value.size() > 5 && value.size() < 9 &&
      value.find_first_not_of("0123456789", 5) == std::string::npos) {
    return "";
  }
  return absl::StrCat(value, " is not a device; accepted are auto, cpu and cuda:N");
}

std::string CheckRounding(const std::string& value) {
  if (std::find(kRoundings.begin(), kRoundings.end(), value) != kRoundings.end() || ParseRounding(value))
    return "";
  return absl::StrCat(value, " is not accepted; accepted are ", absl::StrJoin(kRoundings, ", "),
                      " and such as heads:2,neurons:16");
}

std::string CheckColumn(const std::string& value) {
  const size_t equals = value.find('=');
  const std::string role = value.substr(0, equals);
  if (equals != std::string::npos &&
      std::find(kColumnRoles.begin(), kColumnRoles.end(), role) != kColumnRoles.end())
    return "";
  return absl::StrCat(value, " is not accepted; accepted is such as text=NAME, with one of ",
                      absl::StrJoin(kColumnRoles, ", "));
}

std::string CheckMilliseconds(const std::string& value) {
  if (ParseMilliseconds(value)) return "";
  return absl::StrCat(value, " is no time above 0; accepted are e.g. 5ms and 0.2s");
}

absl::StatusOr<kprune::v1::LatencyTable> ReadLatencyTable(const std::string& path) {
  constexpr std::streamsize kMostBytes = 4 << 20;
  std::ifstream stream(path, std::ios::binary);
  std::string text(kMostBytes, '\0');
  stream.read(text.data(), kMostBytes);
  text.resize(stream.gcount());
  kprune::v1::LatencyTable table;
  if (text.empty() || !FromJson(text, table).ok() || table.rows().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " holds no latency table; kprune calibrate writes one"));
  }
  return table;
}

std::string CheckLatencyTable(const std::string& path) {
  return std::string(ReadLatencyTable(path).status().message());
}

ValueCheck OneOf(std::vector<std::string> accepted) {
  return [accepted = std::move(accepted)](const std::string& value) -> std::string {
    if (std::find(accepted.begin(), accepted.end(), value) != accepted.end()) return "";
    return absl::StrCat(value, " is not accepted; accepted are ", absl::StrJoin(accepted, ", "));
  };
}

ValueCheck EachItem(ValueCheck check) {
  return [check = std::move(check)](const std::string& list) {
    std::string wrong;
    for (const std::string& item : ItemsOf(list))
      if (wrong.empty()) wrong = check(item);
    return wrong;
  };
}

std::vector<std::string> ItemsOf(const std::string& list) { return absl::StrSplit(list, ','); }

double NumberIn(const std::string& value) {
  double number = 0;
  return absl::SimpleAtod(value, &number) ? number : 0;
}

int64_t SizeIn(const std::string& value) {
  int64_t size = 0;
  return absl::SimpleAtoi(value, &size) ? size : 0;
}

}  // namespace kprune::client
