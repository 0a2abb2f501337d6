#include "server/jobs/line_reader.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

namespace kprune {

LineReader::~LineReader() { close(descriptor_); }

bool LineReader::TakeLine(ProgressRead& read) {
  const size_t newline = buffer_.find('\n');
  if (newline == std::string::npos) {
    if (buffer_.size() > kMaxProgressLineBytes) dropping_ = true;
    if (dropping_) buffer_.clear();
    return false;
  }
  const bool too_long = dropping_ || newline > kMaxProgressLineBytes;
  read.kind = too_long ? ProgressRead::Kind::kTooLong : ProgressRead::Kind::kLine;
  if (!too_long) read.line = buffer_.substr(0, newline);
  buffer_.erase(0, newline + 1);
  dropping_ = false;
  return true;
}

ProgressRead LineReader::Read(absl::Duration timeout) {
  const auto deadline = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(timeout);
  ProgressRead result;
  bool late = false;
  for (;;) {
    if (TakeLine(result)) return result;
    if (closed_) return {ProgressRead::Kind::kClosed, {}};
    // Also while bytes keep coming: who sends a line without an end must not keep us from our clock.
    if (late) return {ProgressRead::Kind::kTimeout, {}};
    const int64_t left = std::clamp<int64_t>(
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count(), 0,
        1 << 30);
    late = left == 0;
    pollfd ready = {descriptor_, POLLIN, 0};
    const int count = poll(&ready, 1, static_cast<int>(left));
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) return {ProgressRead::Kind::kTimeout, {}};
    char chunk[16384];
    const ssize_t n = count < 0 ? -1 : read(descriptor_, chunk, sizeof chunk);
    if (n > 0) {
      buffer_.append(chunk, static_cast<size_t>(n));
    } else if (n == 0 || errno != EINTR) {
      closed_ = true;
    }
  }
}

}  // namespace kprune
