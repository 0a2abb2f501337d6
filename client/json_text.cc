#include "client/json_text.h"

#include <google/protobuf/util/json_util.h>

namespace kprune::client {

std::string ToJson(const google::protobuf::Message& message, JsonStyle style) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = style != JsonStyle::kSetFields;
  options.add_whitespace = style == JsonStyle::kPretty;
  std::string text;
  // Fails only for google.protobuf.Any of unknown types, which the contract does not use.
  (void)google::protobuf::util::MessageToJsonString(message, &text, options);
  return text;
}

absl::Status FromJson(const std::string& text, google::protobuf::Message& message) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const auto status = google::protobuf::util::JsonStringToMessage(text, &message, options);
  return status.ok() ? absl::OkStatus() : absl::InvalidArgumentError(std::string(status.message()));
}

}  // namespace kprune::client
