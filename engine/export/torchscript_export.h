// An encoder as a TorchScript module, for LibTorch, PyTorch and Triton.
//
// forward(input_ids, attention_mask) or, where the family has token types, forward(input_ids, attention_mask,
// token_type_ids); int64 [batch, sequence], of multiple choice [batch, choices, sequence]. Returns float32:
// the logits [batch, num_labels] of a classifier; [batch, sequence, num_labels or vocabulary] of token
// classification and fill-mask; [batch, choices] of multiple choice; (start_logits, end_logits) [batch,
// sequence] of question answering;
// (last_hidden_state [batch, sequence, hidden_size], sentence_embedding [batch, hidden_size]) of a sentence
// encoder. Of images: forward(pixel_values), float32 [batch, channels, height, width]. Weights are float32
// whatever the checkpoint stores.
#ifndef KPRUNE_ENGINE_EXPORT_TORCHSCRIPT_EXPORT_H_
#define KPRUNE_ENGINE_EXPORT_TORCHSCRIPT_EXPORT_H_

#include <filesystem>

#include "absl/status/status.h"
#include "engine/model/encoder.h"

namespace kprune {

// Writes `encoder` (on any device, float32) durably; its weights are on the CPU then. The same encoder gives
// the same bytes.
absl::Status WriteTorchScript(const Encoder& encoder, const std::filesystem::path& path);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EXPORT_TORCHSCRIPT_EXPORT_H_
