#include "server/rpc/status_mapping.h"

#include <string>

namespace kprune {
namespace {

// Clients take 8 KiB of trailers; beyond, they see RESOURCE_EXHAUSTED in place of the status.
constexpr size_t kMaxSentBytes = 6 << 10;

// What gRPC makes of it on its way: three bytes, unless it is a printable character of ASCII.
size_t SentBytes(char c) { return c >= ' ' && c <= '~' && c != '%' ? 1 : 3; }

bool IsInsideCharacter(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// As much of it as can be sent, whole characters of UTF-8.
std::string Sendable(std::string_view message) {
  size_t sent_bytes = 0, whole = 0;
  for (size_t i = 0; i < message.size(); ++i) {
    if (!IsInsideCharacter(message[i])) whole = i;
    sent_bytes += SentBytes(message[i]);
    if (sent_bytes > kMaxSentBytes) return std::string(message.substr(0, whole)) + "...";
  }
  return std::string(message);
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  // Both number the canonical codes alike.
  const absl::string_view message = status.message();
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      Sendable({message.data(), message.size()}));
}

std::string_view CodeName(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::OK:
      return "OK";
    case grpc::StatusCode::CANCELLED:
      return "CANCELLED";
    case grpc::StatusCode::UNKNOWN:
      return "UNKNOWN";
    case grpc::StatusCode::INVALID_ARGUMENT:
      return "INVALID_ARGUMENT";
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return "DEADLINE_EXCEEDED";
    case grpc::StatusCode::NOT_FOUND:
      return "NOT_FOUND";
    case grpc::StatusCode::ALREADY_EXISTS:
      return "ALREADY_EXISTS";
    case grpc::StatusCode::PERMISSION_DENIED:
      return "PERMISSION_DENIED";
    case grpc::StatusCode::UNAUTHENTICATED:
      return "UNAUTHENTICATED";
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return "RESOURCE_EXHAUSTED";
    case grpc::StatusCode::FAILED_PRECONDITION:
      return "FAILED_PRECONDITION";
    case grpc::StatusCode::ABORTED:
      return "ABORTED";
    case grpc::StatusCode::OUT_OF_RANGE:
      return "OUT_OF_RANGE";
    case grpc::StatusCode::UNIMPLEMENTED:
      return "UNIMPLEMENTED";
    case grpc::StatusCode::INTERNAL:
      return "INTERNAL";
    case grpc::StatusCode::UNAVAILABLE:
      return "UNAVAILABLE";
    case grpc::StatusCode::DATA_LOSS:
      return "DATA_LOSS";
    default:
      return "UNKNOWN";
  }
}

}  // namespace kprune
