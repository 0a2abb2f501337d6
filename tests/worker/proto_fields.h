// The field names of a message, read from the proto file itself: the worker writes proto3 JSON without
// linking protobuf, and must not drift from the contract.
#ifndef KPRUNE_TESTS_WORKER_PROTO_FIELDS_H_
#define KPRUNE_TESTS_WORKER_PROTO_FIELDS_H_

#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace kprune {

// Names declared with a number directly in the block that `opening` begins, e.g. "message Event {" or "enum
// Stage {"; a oneof's fields count as its message's, nested messages and enums do not.
inline std::set<std::string> DeclaredIn(const std::string& opening) {
  const std::string proto = testing::ReadFile(KPRUNE_SOURCE_DIR "/proto/kprune/v1/job.proto");
  const size_t begin = proto.find(opening);
  if (begin == std::string::npos) throw std::runtime_error("job.proto has no " + opening);
  static const std::regex declaration(R"((\w+)\s*=\s*\d+;)");
  std::istringstream lines(proto.substr(begin + opening.size()));
  std::set<std::string> names;
  std::vector<bool> counts = {true};  // of every open block: whether its declarations are wanted
  for (std::string line; !counts.empty() && std::getline(lines, line);) {
    line = line.substr(0, line.find("//"));
    std::smatch match;
    if (counts.back() && std::regex_search(line, match, declaration)) names.insert(match[1]);
    if (line.find('{') != std::string::npos)
      counts.push_back(counts.back() && line.find("oneof ") != std::string::npos);
    if (line.find('}') != std::string::npos) counts.pop_back();
  }
  return names;
}

}  // namespace kprune

#endif  // KPRUNE_TESTS_WORKER_PROTO_FIELDS_H_
