#include "engine/data/byte_stream.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

using std::filesystem::path;

constexpr size_t kBufferBytes = size_t{1} << 18;

absl::Status Damaged(const path& file, std::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(file.string(), " is damaged: ", std::string(what), "; compress the data again"));
}

class PlainFile : public ByteStream {
 public:
  static absl::StatusOr<std::unique_ptr<ByteStream>> Open(const path& file) {
    const int descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
      const std::string problem = absl::StrCat("cannot open ", file.string(), ": ", std::strerror(errno));
      return errno == ENOENT ? absl::NotFoundError(problem) : absl::PermissionDeniedError(problem);
    }
    std::unique_ptr<ByteStream> stream(new PlainFile(file, descriptor));
    struct stat status;
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode))
      return absl::InvalidArgumentError(absl::StrCat(file.string(), " is no regular file"));
    return stream;
  }

  ~PlainFile() override { close(descriptor_); }

  absl::StatusOr<size_t> Read(absl::Span<char> buffer) override {
    while (true) {
      const ssize_t count = read(descriptor_, buffer.data(), buffer.size());
      if (count >= 0) return static_cast<size_t>(count);
      if (errno != EINTR)
        return absl::DataLossError(absl::StrCat("cannot read ", path_.string(), ": ", std::strerror(errno)));
    }
  }

 private:
  PlainFile(path file, int descriptor) : path_(std::move(file)), descriptor_(descriptor) {}

  const path path_;
  const int descriptor_;
};

// What both ways of unpacking share: packed bytes come through a buffer.
class PackedStream : public ByteStream {
 protected:
  PackedStream(path file, std::unique_ptr<ByteStream> packed)
      : path_(std::move(file)), packed_(std::move(packed)), buffer_(kBufferBytes) {}

  // Makes rest_ non-empty; false at the end of the file.
  absl::StatusOr<bool> Refill() {
    if (!rest_.empty()) return true;
    absl::StatusOr<size_t> count = packed_->Read(absl::MakeSpan(buffer_));
    if (!count.ok()) return count.status();
    rest_ = std::string_view(buffer_.data(), *count);
    return !rest_.empty();
  }

  const path path_;
  std::string_view rest_;

 private:
  const std::unique_ptr<ByteStream> packed_;
  std::vector<char> buffer_;
};

// Members of a gzip file follow each other, as `cat a.gz b.gz` makes them.
class GzipStream : public PackedStream {
 public:
  GzipStream(path file, std::unique_ptr<ByteStream> packed)
      : PackedStream(std::move(file), std::move(packed)) {
    begun_ = inflateInit2(&state_, 16 + MAX_WBITS) == Z_OK;
  }
  ~GzipStream() override {
    if (begun_) inflateEnd(&state_);
  }

  absl::StatusOr<size_t> Read(absl::Span<char> buffer) override {
    if (!begun_) return absl::ResourceExhaustedError("there is no memory to unpack a gzip file with");
    while (true) {
      absl::StatusOr<bool> more = Refill();
      if (!more.ok()) return more.status();
      if (!*more) {
        if (within_member_) return Damaged(path_, "it ends in the middle");
        return size_t{0};
      }
      within_member_ = true;
      state_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(rest_.data()));
      state_.avail_in = static_cast<uInt>(rest_.size());
      state_.next_out = reinterpret_cast<Bytef*>(buffer.data());
      state_.avail_out = static_cast<uInt>(buffer.size());
      const int outcome = inflate(&state_, Z_NO_FLUSH);
      rest_.remove_prefix(rest_.size() - state_.avail_in);
      if (outcome == Z_STREAM_END) {
        inflateReset(&state_);
        within_member_ = false;
      } else if (outcome != Z_OK && outcome != Z_BUF_ERROR) {
        return Damaged(path_, state_.msg != nullptr ? state_.msg : "it is no gzip data");
      }
      const size_t written = buffer.size() - state_.avail_out;
      if (written > 0) return written;
    }
  }

 private:
  z_stream state_ = {};
  bool begun_ = false, within_member_ = false;
};

// Frames of a zstd file follow each other likewise.
class ZstdStream : public PackedStream {
 public:
  ZstdStream(path file, std::unique_ptr<ByteStream> packed)
      : PackedStream(std::move(file), std::move(packed)), state_(ZSTD_createDStream()) {}
  ~ZstdStream() override { ZSTD_freeDStream(state_); }

  absl::StatusOr<size_t> Read(absl::Span<char> buffer) override {
    if (state_ == nullptr)
      return absl::ResourceExhaustedError("there is no memory to unpack a zstd file with");
    while (true) {
      absl::StatusOr<bool> more = Refill();
      if (!more.ok()) return more.status();
      if (!*more && !within_frame_) return size_t{0};
      ZSTD_inBuffer in = {rest_.data(), rest_.size(), 0};
      ZSTD_outBuffer out = {buffer.data(), buffer.size(), 0};
      const size_t outcome = ZSTD_decompressStream(state_, &out, &in);
      if (ZSTD_isError(outcome)) return Damaged(path_, ZSTD_getErrorName(outcome));
      rest_.remove_prefix(in.pos);
      within_frame_ = outcome != 0;
      if (out.pos > 0) return out.pos;
      if (!*more && within_frame_) return Damaged(path_, "it ends in the middle");
    }
  }

 private:
  ZSTD_DStream* const state_;
  bool within_frame_ = false;
};

struct Signature {
  std::string_view bytes;
  const char* what;
};

using namespace std::string_view_literals;
constexpr Signature kGzip = {"\x1f\x8b"sv, "compressed with gzip"};
constexpr Signature kZstd = {"\x28\xb5\x2f\xfd"sv, "compressed with zstd"};
// What is no text, with what to do about it.
constexpr Signature kOthers[] = {
    {"PAR1"sv, "Parquet: call it .parquet"},
    {"PK\x03\x04"sv, "a zip archive (or a spreadsheet): unpack it (save it as .csv)"},
    {"\xff\xfe"sv, "UTF-16: save it as UTF-8"},
    {"\xfe\xff"sv, "UTF-16: save it as UTF-8"},
    {"BZh"sv, "compressed with bzip2: compress it with gzip or zstd"},
    {"\xfd"
     "7zXZ"sv,
     "compressed with xz: compress it with gzip or zstd"},
};

// The first bytes again, and then the rest.
class SniffedStream : public ByteStream {
 public:
  explicit SniffedStream(std::unique_ptr<ByteStream> rest) : rest_(std::move(rest)) {}

  absl::StatusOr<std::string_view> Head() {
    char buffer[8];
    while (head_.size() < sizeof(buffer)) {
      absl::StatusOr<size_t> count = rest_->Read(absl::MakeSpan(buffer, sizeof(buffer) - head_.size()));
      if (!count.ok()) return count.status();
      if (*count == 0) break;
      head_.append(buffer, *count);
    }
    return head_;
  }

  absl::StatusOr<size_t> Read(absl::Span<char> buffer) override {
    if (given_ == head_.size()) return rest_->Read(buffer);
    const size_t count = std::min(buffer.size(), head_.size() - given_);
    std::copy_n(head_.data() + given_, count, buffer.data());
    given_ += count;
    return count;
  }

 private:
  const std::unique_ptr<ByteStream> rest_;
  std::string head_;
  size_t given_ = 0;
};

bool BeginsWith(std::string_view text, const Signature& signature) {
  return text.substr(0, signature.bytes.size()) == signature.bytes;
}

absl::Status CheckIsText(const path& file, std::string_view head) {
  const std::string name = file.string();
  for (const auto& [signature, extension] : {std::pair(kGzip, ".gz"), std::pair(kZstd, ".zst")}) {
    if (!BeginsWith(head, signature)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        name, CompressionOf(file).empty() ? " is " : " holds a file that is ", signature.what,
        CompressionOf(file).empty() ? absl::StrCat(": call it ", file.filename().string(), extension)
                                    : ": compress it once"));
  }
  for (const Signature& other : kOthers) {
    if (BeginsWith(head, other))
      return absl::InvalidArgumentError(absl::StrCat(name, " is no text but ", other.what));
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view CompressionOf(const path& file) {
  const std::string extension = absl::AsciiStrToLower(file.extension().string());
  return extension == ".gz" ? ".gz" : extension == ".zst" ? ".zst" : "";
}

std::string ExtensionOf(const path& file) {
  return absl::AsciiStrToLower((CompressionOf(file).empty() ? file : file.stem()).extension().string());
}

absl::StatusOr<std::unique_ptr<ByteStream>> OpenText(const path& file) {
  absl::StatusOr<std::unique_ptr<ByteStream>> plain = PlainFile::Open(file);
  if (!plain.ok()) return plain.status();
  auto stream = std::make_unique<SniffedStream>(*std::move(plain));
  const std::string_view compression = CompressionOf(file);
  if (!compression.empty()) {
    absl::StatusOr<std::string_view> head = stream->Head();
    if (!head.ok()) return head.status();
    const bool gzip = compression == ".gz";
    if (!BeginsWith(*head, gzip ? kGzip : kZstd)) {
      return absl::InvalidArgumentError(absl::StrCat(file.string(), " is not ", (gzip ? kGzip : kZstd).what,
                                                     ", as its name says: call it what it is"));
    }
    std::unique_ptr<ByteStream> unpacked;
    if (gzip) {
      unpacked = std::make_unique<GzipStream>(file, std::move(stream));
    } else {
      unpacked = std::make_unique<ZstdStream>(file, std::move(stream));
    }
    stream = std::make_unique<SniffedStream>(std::move(unpacked));
  }
  absl::StatusOr<std::string_view> head = stream->Head();
  if (!head.ok()) return head.status();
  if (absl::Status status = CheckIsText(file, *head); !status.ok()) return status;
  return stream;
}

}  // namespace kprune
