#include "engine/data/sample_files.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/data/byte_stream.h"
#include "engine/data/columns.h"
#include "engine/data/picture_lines.h"
#include "engine/data/task_lines.h"

namespace kprune {
namespace {

class RecordSamples : public SampleFile {
 public:
  RecordSamples(std::unique_ptr<RecordSource> records, int32_t file, const Tokenizer* tokenizer,
                const SampleLimits& limits)
      : records_(std::move(records)), file_(file), tokenizer_(tokenizer), limits_(limits) {}

  absl::StatusOr<bool> Next() override { return records_->Next(); }
  Record Current() const override { return records_->Current(); }

  absl::StatusOr<std::vector<Sample>> Samples(const Record& record) const override {
    if (!record.fault.ok()) return record.fault;
    absl::StatusOr<nlohmann::json> object = records_->Fields(record);
    if (!object.ok()) return object.status();
    if (limits_.images) return ReadPictureLine(*object, limits_);
    absl::StatusOr<RecordFields> fields = RecordFields::Of(*std::move(object), limits_);
    if (!fields.ok()) return fields.status();
    return ReadLine(*fields, {*tokenizer_, limits_, file_, record.number});
  }

 private:
  const std::unique_ptr<RecordSource> records_;
  const int32_t file_;
  const Tokenizer* const tokenizer_;  // null where limits_ has images
  const SampleLimits& limits_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SampleFile>> OpenSamples(const std::filesystem::path& path, int32_t file,
                                                        const Tokenizer* tokenizer,
                                                        const SampleLimits& limits) {
  if (ExtensionOf(path) == ".safetensors")
    return limits.images ? OpenPixelSamples(path, limits) : OpenTokenSamples(path, file, limits);
  absl::StatusOr<std::unique_ptr<RecordSource>> records = OpenRecords(path, limits);
  if (!records.ok()) return records.status();
  if (tokenizer == nullptr && !limits.images) {
    return absl::InvalidArgumentError(absl::StrCat(
        path.string(), " holds text, but the model has no tokenizer: give token ids as .safetensors"));
  }
  return std::make_unique<RecordSamples>(*std::move(records), file, tokenizer, limits);
}

}  // namespace kprune
