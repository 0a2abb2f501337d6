// An encoder as an ONNX model, as ONNX Runtime, optimum and sentence-transformers expect it.
//
// Inputs: input_ids, attention_mask and, where the family has token types, token_type_ids; int64
// [batch_size, sequence_length]; of multiple choice [batch_size, num_choices, sequence_length]; of images
// pixel_values alone, float32 [batch_size, channels, height, width]. Outputs,
// float32: logits [batch_size, num_labels] of a classifier; [batch_size, sequence_length, num_labels or
// vocabulary] of token classification and fill-mask; [batch_size, num_choices] of multiple choice;
// start_logits and end_logits [batch_size, sequence_length] of question answering;
// last_hidden_state [batch_size, sequence_length, hidden_size] and sentence_embedding
// [batch_size, hidden_size] (of images image_embedding) of an encoder. Weights are float32 whatever the
// checkpoint stores.
#ifndef KPRUNE_ENGINE_EXPORT_ONNX_EXPORT_H_
#define KPRUNE_ENGINE_EXPORT_ONNX_EXPORT_H_

#include <filesystem>

#include "absl/status/status.h"
#include "engine/model/encoder.h"

namespace kprune {

// Writes `encoder` (on any device, float32). The same encoder gives the same bytes. Nodes stand as
// transformers' own exports have them, so that ONNX Runtime's transformer optimiser fuses attention, GELU and
// norms. Errors are those of OnnxGraph::Write.
absl::Status WriteOnnx(const Encoder& encoder, const std::filesystem::path& path);

// Bytes that the file will have at most.
int64_t OnnxBytes(int64_t parameters);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EXPORT_ONNX_EXPORT_H_
