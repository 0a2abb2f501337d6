// Files that are packed, and files that are not what their names say.
#include "engine/data/byte_stream.h"

#include <zlib.h>
#include <zstd.h>

#include <string>

#include "tests/input/data/small_tokenizer.h"

namespace kprune {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string Gzip(const std::string& text) {
  z_stream state = {};
  deflateInit2(&state, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&state, text.size()) + 32, '\0');
  state.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  state.avail_in = static_cast<uInt>(text.size());
  state.next_out = reinterpret_cast<Bytef*>(packed.data());
  state.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&state, Z_FINISH), Z_STREAM_END);
  packed.resize(state.total_out);
  deflateEnd(&state);
  return packed;
}

std::string Zstd(const std::string& text) {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  return packed;
}

class ByteStreamTest : public SmallTokenizerTest {
 protected:
  // Lines enough for many windows.
  static std::string ManyLines() {
    std::string lines;
    for (int i = 0; i < 40'000; ++i)
      lines += i % 3 == 0 ? "{\"text\": \"good bad\"}\n" : "{\"text\": \"bad\"}\n";
    return lines;
  }
};

TEST_F(ByteStreamTest, Examples) {
  const std::string lines = "{\"text\": \"good\", \"label\": 1}\n{\"text\": \"bad\", \"label\": 0}\n";
  EXPECT_THAT(Samples("a.jsonl", lines), SizeIs(2));
  EXPECT_THAT(Samples("a.jsonl.gz", Gzip(lines)), SizeIs(2));
  EXPECT_THAT(Samples("a.jsonl.zst", Zstd(lines)), SizeIs(2));
  EXPECT_THAT(Samples("a.csv.gz", Gzip("text,label\ngood,1\n")), SizeIs(1));
  EXPECT_THAT(Samples("a.txt.zst", Zstd("good\nbad\n")), SizeIs(2));
}

TEST_F(ByteStreamTest, PackedFilesGiveWhatPlainOnesGive) {
  const std::string lines = ManyLines();
  const std::vector<Sample> plain = Samples("a.jsonl", lines);
  ASSERT_THAT(plain, SizeIs(40'000));
  // Also in several members, as `cat` makes them.
  const std::string half = lines.substr(0, lines.size() / 2), rest = lines.substr(lines.size() / 2);
  for (const auto& [name, packed] :
       {std::pair("a.jsonl.gz", Gzip(lines)), std::pair("a.jsonl.zst", Zstd(lines)),
        std::pair("b.jsonl.gz", Gzip(half) + Gzip(rest)),
        std::pair("b.jsonl.zst", Zstd(half) + Zstd(rest))}) {
    const std::vector<Sample> samples = Samples(name, packed);
    ASSERT_EQ(samples.size(), plain.size()) << name;
    for (size_t i = 0; i < plain.size(); ++i) {
      ASSERT_EQ(samples[i].input_ids, plain[i].input_ids) << name;
      ASSERT_EQ(samples[i].line, plain[i].line) << name;
    }
  }
}

TEST_F(ByteStreamTest, DamagedPackingIsRefused) {
  const std::string gzip = Gzip(ManyLines()), zstd = Zstd(ManyLines());
  EXPECT_THAT(Refusal("a.jsonl.gz", gzip.substr(0, gzip.size() / 2)),
              HasSubstr("is damaged: it ends in the middle"));
  EXPECT_THAT(Refusal("a.jsonl.zst", zstd.substr(0, zstd.size() / 2)),
              HasSubstr("is damaged: it ends in the middle"));
  for (std::string packed : {gzip, zstd}) {
    for (size_t i = packed.size() / 3; i < packed.size() / 3 + 64; ++i)
      packed[i] = static_cast<char>(~packed[i]);
    EXPECT_THAT(Refusal(packed[0] == '\x1f' ? "a.jsonl.gz" : "a.jsonl.zst", packed), HasSubstr("is damaged"));
  }
  EXPECT_THAT(Refusal("a.jsonl.gz", gzip + "{\"text\": \"good\"}"), HasSubstr("is damaged"));
}

TEST_F(ByteStreamTest, ANameThatDoesNotFitTheBytesIsRefusedInOneSentence) {
  const std::string lines = "{\"text\": \"good\"}\n";
  EXPECT_THAT(Refusal("a.jsonl", Gzip(lines)), HasSubstr("is compressed with gzip: call it a.jsonl.gz"));
  EXPECT_THAT(Refusal("a.csv", Zstd(lines)), HasSubstr("is compressed with zstd: call it a.csv.zst"));
  EXPECT_THAT(Refusal("a.jsonl.gz", lines), HasSubstr("is not compressed with gzip, as its name says"));
  EXPECT_THAT(Refusal("a.jsonl.zst", Gzip(lines)),
              HasSubstr("is not compressed with zstd, as its name says"));
  EXPECT_THAT(Refusal("a.jsonl.gz", Gzip(Gzip(lines))), HasSubstr("compress it once"));
  EXPECT_THAT(Refusal("a.csv", "PK\x03\x04..."), HasSubstr("is no text but a zip archive"));
  EXPECT_THAT(Refusal("a.jsonl", "PAR1..."), HasSubstr("is no text but Parquet: call it .parquet"));
  EXPECT_THAT(Refusal("a.csv", "\xff\xfet"), HasSubstr("is no text but UTF-16: save it as UTF-8"));
  EXPECT_THAT(Refusal("a.docx", "x"),
              HasSubstr("is of no format that is known by its name; data is one of .jsonl"));
}

TEST_F(ByteStreamTest, WhatCannotBeOpenedSaysWhy) {
  EXPECT_EQ(Read({folder_ / "none.csv"}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Read({folder_ / "none.jsonl.gz"}).status().code(), absl::StatusCode::kNotFound);
  std::filesystem::create_directory(folder_ / "folder.csv");
  EXPECT_THAT(std::string(Read({folder_ / "folder.csv"}).status().message()),
              HasSubstr("is no regular file"));
}

TEST_F(ByteStreamTest, NamesAreReadFromTheirEnds) {
  EXPECT_EQ(ExtensionOf("a/Dev.CSV.gz"), ".csv");
  EXPECT_EQ(CompressionOf("a/Dev.CSV.gz"), ".gz");
  EXPECT_EQ(ExtensionOf("a.b/c.jsonl"), ".jsonl");
  EXPECT_EQ(CompressionOf("a.gz/c.jsonl"), "");
}

}  // namespace
}  // namespace kprune
