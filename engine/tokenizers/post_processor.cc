#include "engine/tokenizers/post_processor.h"

namespace kprune {
namespace {

using Source = TemplatePiece::Source;

TemplatePiece Special(int32_t id, int32_t type_id) { return {Source::kSpecial, {id}, type_id}; }
TemplatePiece First() { return {Source::kFirst, {}, 0}; }
TemplatePiece Second(int32_t type_id) { return {Source::kSecond, {}, type_id}; }

}  // namespace

PostProcessor BertProcessor(int32_t cls_id, int32_t sep_id) {
  return {{Special(cls_id, 0), First(), Special(sep_id, 0)},
          {Special(cls_id, 0), First(), Special(sep_id, 0), Second(1), Special(sep_id, 1)},
          std::nullopt};
}

PostProcessor PlainProcessor() { return {{First()}, {First(), Second(1)}, std::nullopt}; }

PostProcessor RobertaProcessor(int32_t cls_id, int32_t sep_id, std::optional<OffsetTrimming> trimming) {
  return {
      {Special(cls_id, 0), First(), Special(sep_id, 0)},
      {Special(cls_id, 0), First(), Special(sep_id, 0), Special(sep_id, 0), Second(0), Special(sep_id, 0)},
      trimming};
}

}  // namespace kprune
