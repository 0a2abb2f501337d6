// Parquet, row by row: by libparquet, batch by batch.
#include <arrow/array.h>
#include <arrow/io/file.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>
#include <parquet/properties.h>

#include <algorithm>
#include <numeric>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/data/record_files.h"
#include "engine/formats/json.h"
#include "engine/formats/quoted.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

// Rows that are decoded at once, and the memory that this may take.
constexpr int64_t kBatchRows = 256;
constexpr int64_t kMaxPoolBytes = int64_t{1} << 30;

// Lists of structs of lists are as deep as data sets go.
constexpr int kMaxTypeDepth = 6;

// Whether values of the type become JSON; columns of others (images, times) are not read.
bool IsReadable(const arrow::DataType& type, int depth = 0) {
  switch (type.id()) {
    case arrow::Type::NA:
    case arrow::Type::BOOL:
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
    case arrow::Type::UINT64:
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return true;
    case arrow::Type::DICTIONARY:
      return IsReadable(*static_cast<const arrow::DictionaryType&>(type).value_type(), depth + 1);
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::FIXED_SIZE_LIST:
    case arrow::Type::STRUCT:
      break;
    default:
      return false;
  }
  return depth < kMaxTypeDepth &&
         std::all_of(type.fields().begin(), type.fields().end(),
                     [&](const auto& field) { return IsReadable(*field->type(), depth + 1); });
}

template <typename Scalar>
auto ValueOf(const arrow::Scalar& scalar) {
  return static_cast<const Scalar&>(scalar).value;
}

// Makes JSON of the values of one row, as long as they are not more than a record may have: a list of a
// thousand million items takes a few bytes of a file.
class RowValues {
 public:
  absl::StatusOr<Json> ToJson(const arrow::Scalar& scalar) {
    if (absl::Status status = Take(1); !status.ok()) return status;
    if (!scalar.is_valid) return Json();
    switch (scalar.type->id()) {
      case arrow::Type::BOOL:
        return Json(ValueOf<arrow::BooleanScalar>(scalar));
      case arrow::Type::INT8:
        return Json(ValueOf<arrow::Int8Scalar>(scalar));
      case arrow::Type::INT16:
        return Json(ValueOf<arrow::Int16Scalar>(scalar));
      case arrow::Type::INT32:
        return Json(ValueOf<arrow::Int32Scalar>(scalar));
      case arrow::Type::INT64:
        return Json(ValueOf<arrow::Int64Scalar>(scalar));
      case arrow::Type::UINT8:
        return Json(ValueOf<arrow::UInt8Scalar>(scalar));
      case arrow::Type::UINT16:
        return Json(ValueOf<arrow::UInt16Scalar>(scalar));
      case arrow::Type::UINT32:
        return Json(ValueOf<arrow::UInt32Scalar>(scalar));
      case arrow::Type::UINT64:
        return Json(ValueOf<arrow::UInt64Scalar>(scalar));
      case arrow::Type::FLOAT:
        return Json(ValueOf<arrow::FloatScalar>(scalar));
      case arrow::Type::DOUBLE:
        return Json(ValueOf<arrow::DoubleScalar>(scalar));
      case arrow::Type::STRING:
      case arrow::Type::LARGE_STRING:
      case arrow::Type::STRING_VIEW:
        return Text(static_cast<const arrow::BaseBinaryScalar&>(scalar).view());
      case arrow::Type::DICTIONARY: {
        const auto value = static_cast<const arrow::DictionaryScalar&>(scalar).GetEncodedValue();
        if (!value.ok()) return absl::InvalidArgumentError(value.status().message());
        return ToJson(**value);
      }
      case arrow::Type::LIST:
      case arrow::Type::LARGE_LIST:
      case arrow::Type::FIXED_SIZE_LIST:
        return List(*ValueOf<arrow::BaseListScalar>(scalar));
      case arrow::Type::STRUCT:
        return Struct(static_cast<const arrow::StructScalar&>(scalar));
      default:
        return Json();
    }
  }

 private:
  absl::Status Take(int64_t bytes) {
    room_ -= bytes;
    if (room_ >= 0) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("the row has more than ", kMaxLineBytes, " bytes, which are accepted"));
  }

  absl::StatusOr<Json> Text(std::string_view text) {
    if (absl::Status status = Take(static_cast<int64_t>(text.size())); !status.ok()) return status;
    if (absl::Status status = CheckUtf8(text, "a text of the row"); !status.ok()) return status;
    return Json(text);
  }

  absl::StatusOr<Json> List(const arrow::Array& items) {
    Json list = Json::array();
    for (int64_t i = 0; i < items.length(); ++i) {
      const auto item = items.GetScalar(i);
      if (!item.ok()) return absl::InvalidArgumentError(item.status().message());
      absl::StatusOr<Json> json = ToJson(**item);
      if (!json.ok()) return json.status();
      list.push_back(*std::move(json));
    }
    return list;
  }

  absl::StatusOr<Json> Struct(const arrow::StructScalar& scalar) {
    Json object = Json::object();
    for (size_t i = 0; i < scalar.value.size(); ++i) {
      absl::StatusOr<Json> json = ToJson(*scalar.value[i]);
      if (!json.ok()) return json.status();
      object[scalar.type->field(static_cast<int>(i))->name()] = *std::move(json);
    }
    return object;
  }

  int64_t room_ = kMaxLineBytes;
};

class ParquetRecords : public RecordSource {
 public:
  explicit ParquetRecords(std::filesystem::path path)
      : path_(std::move(path)), pool_(arrow::default_memory_pool(), kMaxPoolBytes) {}

  absl::Status Begin() {
    return Guarded([this] { return BeginUnguarded(); });
  }

  absl::StatusOr<bool> Next() override {
    bool more = true;
    absl::Status status = Guarded([&]() -> arrow::Status {
      while (more && (batch_ == nullptr || row_ + 1 >= batch_->num_rows())) {
        ARROW_RETURN_NOT_OK(batches_->ReadNext(&batch_));
        if (batch_ != nullptr) ARROW_RETURN_NOT_OK(batch_->ValidateFull());
        row_ = -1;
        more = batch_ != nullptr;
      }
      return arrow::Status::OK();
    });
    if (!status.ok()) return status;
    if (!more) return false;
    ++row_;
    ++number_;
    return true;
  }

  Record Current() const override {
    Json object = Json::object();
    Record record = {number_, "", absl::OkStatus(), "row"};
    RowValues values;
    for (int column = 0; column < batch_->num_columns(); ++column) {
      absl::StatusOr<Json> value;
      record.fault = Guarded([&]() -> arrow::Status {
        ARROW_ASSIGN_OR_RAISE(const auto scalar, batch_->column(column)->GetScalar(row_));
        value = values.ToJson(*scalar);
        return arrow::Status::OK();
      });
      if (record.fault.ok()) record.fault = value.status();
      if (!record.fault.ok()) return record;
      object[batch_->column_name(column)] = *std::move(value);
    }
    record.text = object.dump(-1, ' ', false, Json::error_handler_t::replace);
    record.fault = CheckRecordSize("row", static_cast<int64_t>(record.text.size()));
    return record;
  }

  absl::StatusOr<Json> Fields(const Record& record) const override {
    return ParseJson(record.text, "the row");
  }

 private:
  // Runs what may fail in libparquet's ways, of which one is to throw.
  template <typename Step>
  absl::Status Guarded(Step&& step) const {
    arrow::Status status;
    try {
      status = step();
    } catch (const std::exception& error) {
      status = arrow::Status::Invalid(error.what());
    }
    if (status.ok()) return absl::OkStatus();
    if (status.IsOutOfMemory()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path_.string(), " takes more than ", kMaxPoolBytes >> 20,
                       " MiB to read some rows of: write it with smaller row groups"));
    }
    std::string problem = Quoted(status.message());
    return absl::InvalidArgumentError(absl::StrCat(path_.string(), " cannot be read as Parquet: ", problem));
  }

  arrow::Status BeginUnguarded() {
    ARROW_ASSIGN_OR_RAISE(auto file, arrow::io::ReadableFile::Open(path_.string(), &pool_));
    parquet::ReaderProperties properties(&pool_);
    properties.enable_buffered_stream();  // no column of a row group as a whole
    parquet::ArrowReaderProperties arrow_properties(/*use_threads=*/false);
    arrow_properties.set_batch_size(kBatchRows);
    arrow_properties.set_pre_buffer(false);
    ARROW_ASSIGN_OR_RAISE(reader_, parquet::arrow::FileReader::Make(
                                       &pool_, parquet::ParquetFileReader::Open(std::move(file), properties),
                                       arrow_properties));
    std::shared_ptr<arrow::Schema> schema;
    ARROW_RETURN_NOT_OK(reader_->GetSchema(&schema));
    std::vector<int> groups(static_cast<size_t>(reader_->num_row_groups()));
    std::iota(groups.begin(), groups.end(), 0);
    const std::vector<int> leaves = ReadableLeaves(*schema);
    if (leaves.empty()) return arrow::Status::Invalid("no column has texts, numbers or lists of them");
    ARROW_ASSIGN_OR_RAISE(batches_, reader_->GetRecordBatchReader(groups, leaves));
    return arrow::Status::OK();
  }

  // Leaves of the columns that become JSON.
  std::vector<int> ReadableLeaves(const arrow::Schema& schema) const {
    const parquet::SchemaDescriptor& descriptor = *reader_->parquet_reader()->metadata()->schema();
    std::vector<int> leaves;
    for (int leaf = 0; leaf < descriptor.num_columns(); ++leaf) {
      const std::shared_ptr<arrow::Field> field =
          schema.GetFieldByName(descriptor.GetColumnRoot(leaf)->name());
      if (field != nullptr && IsReadable(*field->type())) leaves.push_back(leaf);
    }
    return leaves;
  }

  const std::filesystem::path path_;
  mutable arrow::CappedMemoryPool pool_;  // outlives what is read
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::unique_ptr<arrow::RecordBatchReader> batches_;
  std::shared_ptr<arrow::RecordBatch> batch_;
  int64_t row_ = -1, number_ = 0;
};

}  // namespace

OpenedRecords OpenParquet(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error))
    return absl::NotFoundError(absl::StrCat("there is no file ", path.string()));
  auto records = std::make_unique<ParquetRecords>(path);
  if (absl::Status status = records->Begin(); !status.ok()) return status;
  return records;
}

}  // namespace kprune
