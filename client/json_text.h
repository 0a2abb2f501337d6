// Protobuf messages as JSON with the field names of the .proto files.
#ifndef KPRUNE_CLIENT_JSON_TEXT_H_
#define KPRUNE_CLIENT_JSON_TEXT_H_

#include <google/protobuf/message.h>

#include <string>

#include "absl/status/status.h"

namespace kprune::client {

enum class JsonStyle {
  kSetFields,  // one line, only fields that are set: job.json
  kLine,       // one line, zero values included: progress lines
  kPretty,     // indented, zero values included: -o json
};

std::string ToJson(const google::protobuf::Message& message, JsonStyle style);

// Reads proto3 JSON; unknown fields are ignored, so that a newer worker or server can be read.
absl::Status FromJson(const std::string& text, google::protobuf::Message& message);

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_JSON_TEXT_H_
