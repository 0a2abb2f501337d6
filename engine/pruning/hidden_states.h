// The hidden states of every token at one place in the model: one flat [tokens, width] float32 array that is
// written and read in pieces, and lives on the device, in host memory or in a file.
#ifndef KPRUNE_ENGINE_PRUNING_HIDDEN_STATES_H_
#define KPRUNE_ENGINE_PRUNING_HIDDEN_STATES_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace kprune {

enum class Place { kDevice, kHost, kFile };

// "device", "host" or "file".
std::string_view place_name(Place place);

// Rows come back bit for bit as they were written; rows that were never written have no defined value. Owns
// its memory or file. Not thread-safe, but threads may read at once on a CPU; on a CUDA device all calls must
// come with the same current stream, which orders the copies, and only kFile waits for the device. A piece
// that does not fit the device's memory throws torch's out-of-memory exception and leaves this object usable.
class HiddenStates {
 public:
  // Reserves all of the memory or disk space at once. `device` is where rows are computed. With kHost and a
  // CUDA device the memory is pinned. With kFile the rows are in a file without a name in `directory`, read
  // and written by system calls (a mapped file's pages would count as this process's memory), which is gone
  // with this object or the process; `directory` is not used otherwise. Errors: INVALID_ARGUMENT for sizes
  // below 0 tokens or 1 wide; RESOURCE_EXHAUSTED where memory or disk space is short, which leaves both as
  // they were; NOT_FOUND and PERMISSION_DENIED for `directory`.
  static absl::StatusOr<std::unique_ptr<HiddenStates>> Create(int64_t tokens, int64_t width,
                                                              at::Device device, Place place,
                                                              const std::string& directory);
  virtual ~HiddenStates() = default;
  HiddenStates(const HiddenStates&) = delete;
  HiddenStates& operator=(const HiddenStates&) = delete;

  // Rows begin .. end - 1 on the device, [end - begin, width]. With kDevice, and with kHost on the CPU, a
  // view of the array: it shows later writes to these rows, must not be written to, and keeps the whole array
  // alive. Otherwise a copy, which never changes and is valid for as long as it is held; its memory is used
  // again by a later Read once no tensor refers to it, so let go of a piece before reading the next.
  // OUT_OF_RANGE unless 0 <= begin <= end <= tokens; INTERNAL where the file cannot be read.
  absl::StatusOr<at::Tensor> Read(int64_t begin, int64_t end);

  // Has `change` overwrite rows begin .. end - 1 in place, and returns them, as Read does. Where `change`
  // throws, these rows have no defined value. Errors: those of Read and of Write.
  absl::StatusOr<at::Tensor> Update(int64_t begin, int64_t end,
                                    const std::function<void(at::Tensor& rows)>& change);

  // Copies `rows`, float32 [any, width] on the device, over the rows from `begin` on; `rows` may be reused
  // after the call. `rows` must not be a view of other rows of this array. OUT_OF_RANGE where they do not
  // fit, INVALID_ARGUMENT for another shape or type; RESOURCE_EXHAUSTED or INTERNAL where the file cannot be
  // written, after which these rows have no defined value.
  absl::Status Write(int64_t begin, const at::Tensor& rows);

  int64_t tokens() const { return tokens_; }
  int64_t width() const { return width_; }
  at::Device device() const { return device_; }
  Place place() const { return place_; }

 protected:
  HiddenStates(int64_t tokens, int64_t width, at::Device device, Place place)
      : tokens_(tokens), width_(width), device_(device), place_(place) {}

 private:
  // Whether what ReadRows returns is a view of the array.
  virtual bool reads_views() const { return false; }
  // The ranges and shapes have been checked, and gradients are off.
  virtual absl::StatusOr<at::Tensor> ReadRows(int64_t begin, int64_t count) = 0;
  virtual absl::Status WriteRows(int64_t begin, const at::Tensor& rows) = 0;

  const int64_t tokens_;
  const int64_t width_;
  const at::Device device_;
  const Place place_;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_PRUNING_HIDDEN_STATES_H_
