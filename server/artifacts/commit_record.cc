#include "server/artifacts/commit_record.h"

#include <cstring>

namespace kprune {
namespace {

// A slot is its length (four bytes), and sealed: turn and size (eight bytes each), then the tail.
constexpr size_t kLengthBytes = sizeof(uint32_t), kTurnAndSizeBytes = 2 * sizeof(int64_t);
// Beyond the places of chunks.
constexpr uint64_t kFirstSlotPlace = uint64_t{1} << 63;

template <typename Number>
std::string_view BytesOf(const Number& number) {
  return {reinterpret_cast<const char*>(&number), sizeof number};
}

template <typename Number>
Number NumberIn(std::string_view bytes) {
  Number number;
  std::memcpy(&number, bytes.data(), sizeof number);
  return number;
}

}  // namespace

absl::StatusOr<Committed> PlainRecord::Read() const {
  std::string bytes;
  if (absl::Status read = file_.ReadAt(0, sizeof(int64_t), &bytes); !read.ok()) return read;
  if (bytes.size() < sizeof(int64_t)) return Committed{};
  return Committed{NumberIn<int64_t>(bytes), ""};
}

absl::Status PlainRecord::Write(int64_t size_bytes, std::string_view tail) {
  if (!tail.empty()) return absl::InternalError("a plain upload holds nothing back");
  absl::Status status = file_.WriteAt(0, BytesOf(size_bytes));
  if (status.ok()) status = file_.Sync();
  return status;
}

int64_t SealedRecord::SlotAt(uint64_t slot) const {
  const auto slot_bytes = static_cast<int64_t>(kLengthBytes + kTurnAndSizeBytes) + cipher_.chunk_bytes() +
                          FileCipher::kOverheadBytes;
  return static_cast<int64_t>(slot) * slot_bytes;
}

absl::StatusOr<SealedRecord::Slot> SealedRecord::ReadSlot(uint64_t slot) const {
  std::string bytes, record;
  if (absl::Status read = file_.ReadAt(SlotAt(slot), SlotAt(1), &bytes); !read.ok()) return read;
  if (bytes.size() < kLengthBytes) return Slot{};
  const std::string_view sealed = std::string_view(bytes).substr(kLengthBytes, NumberIn<uint32_t>(bytes));
  const bool whole = cipher_.Unseal(kFirstSlotPlace + slot, sealed, &record).ok();
  if (!whole || record.size() < kTurnAndSizeBytes) return Slot{};  // torn, or of another file
  return Slot{NumberIn<uint64_t>(record),
              {NumberIn<int64_t>(std::string_view(record).substr(sizeof(uint64_t))),
               record.substr(kTurnAndSizeBytes)}};
}

absl::StatusOr<SealedRecord::Slot> SealedRecord::ReadNewest() const {
  absl::StatusOr<Slot> even = ReadSlot(0);
  if (!even.ok()) return even;
  absl::StatusOr<Slot> odd = ReadSlot(1);
  if (!odd.ok()) return odd;
  return even->turn > odd->turn ? even : odd;
}

absl::StatusOr<Committed> SealedRecord::Read() const {
  absl::StatusOr<Slot> newest = ReadNewest();
  if (!newest.ok()) return newest.status();
  return std::move(newest->committed);
}

absl::Status SealedRecord::Write(int64_t size_bytes, std::string_view tail) {
  if (turn_ == 0) {
    const absl::StatusOr<Slot> newest = ReadNewest();
    if (!newest.ok()) return newest.status();
    turn_ = newest->turn;
  }
  const uint64_t turn = turn_ + 1, slot = turn % 2;
  std::string record(BytesOf(turn));
  record += BytesOf(size_bytes);
  record += tail;
  std::string sealed(kLengthBytes, '\0');
  cipher_.Seal(kFirstSlotPlace + slot, record, &sealed);
  const auto length = static_cast<uint32_t>(sealed.size() - kLengthBytes);
  sealed.replace(0, kLengthBytes, BytesOf(length));
  absl::Status status = file_.WriteAt(SlotAt(slot), sealed);
  if (status.ok()) status = file_.Sync();
  if (status.ok()) turn_ = turn;
  return status;
}

}  // namespace kprune
