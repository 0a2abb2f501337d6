// One finished sublayer as the bytes of a file: the digest of all that follows, a line of JSON, the weight
// and the bias of the output projection, and those of the input projection where it was refitted. Doubles are
// written as their bits. Thread-safe: pure functions.
//
// Shapes: d hidden size, K kept features of the sublayer.
#ifndef KPRUNE_ENGINE_PRUNING_SUBLAYER_FILE_H_
#define KPRUNE_ENGINE_PRUNING_SUBLAYER_FILE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/model/encoder.h"
#include "kprune/progress.h"

namespace kprune {

struct SublayerCheckpoint {
  SublayerPruned pruned;                // comes back bit for bit, NaN and infinity included
  std::vector<int64_t> kept_positions;  // rising positions among the units that were present; pruned.kept
  Linear in;   // [n K, d], [n K]: of the kept units, n blocks; undefined where the original rows stay
  Linear out;  // [d, K], [d]: the tuned output projection. All tensors float32, on the CPU
  int64_t batch_tokens = 0;  // the largest piece of work when this sublayer ended
  // What was decided of the sublayers above in the same go: kept positions of the next one, and so on.
  std::vector<std::vector<int64_t>> next_positions;
};

// INVALID_ARGUMENT for a record that contradicts itself, or is not of sublayer `index`.
absl::Status CheckSublayer(const SublayerCheckpoint& record, int index);

struct SublayerFile {
  std::string digest;    // SHA-256 of `contents`, 64 hexadecimal digits; stands before them in the file
  std::string contents;  // bound to `previous`
};

// `record` as a file that follows the file with the digest `previous`. INVALID_ARGUMENT where CheckSublayer
// refuses it, or its solver is not UTF-8.
absl::StatusOr<SublayerFile> MakeSublayerFile(const SublayerCheckpoint& record, int index,
                                              const std::string& previous);

struct ParsedSublayer {
  std::string digest;
  SublayerCheckpoint record;
};

// INVALID_ARGUMENT unless `file` is exactly what MakeSublayerFile made for `index` and `previous`.
absl::StatusOr<ParsedSublayer> ParseSublayerFile(std::string_view file, int index,
                                                 const std::string& previous);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_PRUNING_SUBLAYER_FILE_H_
