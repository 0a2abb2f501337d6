#include "engine/data/text_buffer.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace kprune {
namespace {

constexpr size_t kWindowBytes = size_t{1} << 18;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

absl::StatusOr<TextBuffer> TextBuffer::Open(const std::filesystem::path& path) {
  absl::StatusOr<std::unique_ptr<ByteStream>> stream = OpenText(path);
  if (!stream.ok()) return stream.status();
  TextBuffer buffer(*std::move(stream));
  if (absl::StatusOr<bool> filled = buffer.Fill(); !filled.ok()) return filled.status();
  if (buffer.rest_.substr(0, kByteOrderMark.size()) == kByteOrderMark) buffer.Consume(kByteOrderMark.size());
  return buffer;
}

absl::StatusOr<bool> TextBuffer::Fill() {
  if (!rest_.empty()) return true;
  window_.resize(kWindowBytes);
  absl::StatusOr<size_t> count = stream_->Read(absl::MakeSpan(window_));
  if (!count.ok()) return count.status();
  rest_ = std::string_view(window_.data(), *count);
  return !rest_.empty();
}

absl::StatusOr<bool> LineReader::Next() {
  pieces_.clear();
  bytes_ = 0;
  bool ended = false;
  while (!ended) {
    absl::StatusOr<bool> more = buffer_.Fill();
    if (!more.ok()) return more.status();
    if (!*more) break;
    const std::string_view rest = buffer_.rest();
    const size_t end = rest.find('\n');
    ended = end != std::string_view::npos;
    const std::string_view piece = rest.substr(0, end);
    buffer_.Consume(piece.size() + (ended ? 1 : 0));  // the window itself stays until Fill
    if (ended && bytes_ == 0) {
      text_ = piece;
    } else {
      const auto room = static_cast<size_t>(std::max<int64_t>(0, most_bytes_ - bytes_));
      pieces_.append(piece.substr(0, room));
      text_ = pieces_;
    }
    bytes_ += static_cast<int64_t>(piece.size());
  }
  if (!ended && bytes_ == 0) return false;
  ++number_;
  text_ = text_.substr(0, static_cast<size_t>(most_bytes_));
  if (!is_too_long() && !text_.empty() && text_.back() == '\r') {
    text_.remove_suffix(1);
    --bytes_;
  }
  return true;
}

bool LineReader::is_blank() const {
  return !is_too_long() && text_.find_first_not_of(" \t\r") == std::string_view::npos;
}

}  // namespace kprune
