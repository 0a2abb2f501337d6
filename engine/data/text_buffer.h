// Text that streams by: a window onto it, and its lines.
#ifndef KPRUNE_ENGINE_DATA_TEXT_BUFFER_H_
#define KPRUNE_ENGINE_DATA_TEXT_BUFFER_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/data/byte_stream.h"
#include "engine/data/samples.h"

namespace kprune {

// A window of at most 256 KiB that moves over a file; a byte order mark at its beginning is skipped. Not
// thread-safe.
class TextBuffer {
 public:
  static absl::StatusOr<TextBuffer> Open(const std::filesystem::path& path);

  // What of the window is not consumed. Non-empty after Fill said true.
  std::string_view rest() const { return rest_; }
  void Consume(size_t count) { rest_.remove_prefix(count); }

  // Moves the window on where all of it is consumed; false at the end.
  absl::StatusOr<bool> Fill();

 private:
  explicit TextBuffer(std::unique_ptr<ByteStream> stream) : stream_(std::move(stream)) {}

  std::unique_ptr<ByteStream> stream_;
  std::vector<char> window_;
  std::string_view rest_;
};

// The lines of a file, one after the other, whatever their length. Not thread-safe.
class LineReader {
 public:
  explicit LineReader(TextBuffer buffer, int64_t most_bytes = kMaxLineBytes)
      : buffer_(std::move(buffer)), most_bytes_(most_bytes) {}

  // To the next line; false at the end.
  absl::StatusOr<bool> Next();

  // The current line, without "\n" or "\r\n", valid until Next; of one of more than most_bytes only the
  // beginning.
  std::string_view text() const { return text_; }
  int64_t most_bytes() const { return most_bytes_; }
  // How many bytes it has.
  int64_t bytes() const { return bytes_; }
  bool is_too_long() const { return bytes_ > static_cast<int64_t>(text_.size()); }
  // Whether nothing but spaces is in it.
  bool is_blank() const;
  // From 1.
  int64_t number() const { return number_; }

 private:
  TextBuffer buffer_;
  int64_t most_bytes_;
  std::string pieces_;  // of a line that spans windows
  std::string_view text_;
  int64_t bytes_ = 0, number_ = 0;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_TEXT_BUFFER_H_
