// DecodeJpeg, by libjpeg.

// jpeglib.h takes what stdio.h declares, and jerror.h what jpeglib.h does.
// clang-format off
#include <cstdio>
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <algorithm>
#include <csetjmp>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/data/bitmap.h"

namespace kprune {
namespace {

// A progressive file may pass over the picture so often.
constexpr int kMostScans = 200;

// libjpeg calls these in place of ending the program; the jump leaves no object behind that would need its
// destructor.
struct Failure {
  jpeg_error_mgr manager;
  std::jmp_buf leave;
  char message[JMSG_LENGTH_MAX] = "";
  bool truncated = false;
};

void Fail(j_common_ptr info) {
  auto* const failure = reinterpret_cast<Failure*>(info->err);
  failure->manager.format_message(info, failure->message);
  std::longjmp(failure->leave, 1);
}

void Warn(j_common_ptr info, int level) {
  auto* const failure = reinterpret_cast<Failure*>(info->err);
  if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) failure->truncated = true;
}

void CountScans(j_common_ptr info) {
  auto* const decompress = reinterpret_cast<j_decompress_ptr>(info);
  if (decompress->input_scan_number <= kMostScans) return;
  auto* const failure = reinterpret_cast<Failure*>(info->err);
  std::snprintf(failure->message, sizeof(failure->message), "more than %d scans", kMostScans);
  std::longjmp(failure->leave, 1);
}

// Destroys libjpeg's structures wherever decoding ends.
class Decoder {
 public:
  explicit Decoder(std::string_view file) : file_(file) {
    info_.err = jpeg_std_error(&failure_.manager);
    failure_.manager.error_exit = Fail;
    failure_.manager.emit_message = Warn;
    progress_.progress_monitor = CountScans;
  }
  ~Decoder() { jpeg_destroy_decompress(&info_); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  absl::StatusOr<Bitmap> Decode() {
    if (!ReadHeader()) return Damaged();
    if (info_.num_components == 4)
      return absl::InvalidArgumentError("the JPEG is CMYK, accepted are grey and colours (RGB)");
    orientation_ = Orientation();
    if (info_.image_width > kMostBitmapSide || info_.image_height > kMostBitmapSide ||
        int64_t{info_.image_width} * info_.image_height > kMostBitmapPixels) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the JPEG has ", info_.image_width, " x ", info_.image_height, " pixels, accepted are at most ",
          kMostBitmapPixels, ", and ", kMostBitmapSide, " on a side"));
    }
    Bitmap bitmap(info_.image_height, info_.image_width, info_.jpeg_color_space == JCS_GRAYSCALE ? 1 : 3);
    if (!ReadPixels(bitmap) || failure_.truncated) return Damaged();
    return bitmap;
  }

  int orientation() const { return orientation_; }

 private:
  // Neither of these two has an object of C++ while libjpeg runs.
  bool ReadHeader() {
    if (setjmp(failure_.leave) != 0) return false;
    jpeg_create_decompress(&info_);
    info_.progress = &progress_;
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(file_.data()), file_.size());
    jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&info_, TRUE);
    return true;
  }

  bool ReadPixels(Bitmap& bitmap) {
    if (setjmp(failure_.leave) != 0) return false;
    info_.out_color_space = bitmap.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_start_decompress(&info_);
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = bitmap.row(info_.output_scanline);
      jpeg_read_scanlines(&info_, &row, 1);
    }
    jpeg_finish_decompress(&info_);
    return true;
  }

  absl::Status Damaged() const {
    return absl::InvalidArgumentError(
        absl::StrCat("the JPEG is damaged: ",
                     failure_.message[0] != '\0' ? failure_.message : "it ends before its last row"));
  }

  // Tag 274 of the first directory of EXIF, 1 to 8; 1 where there is none that is sound.
  int Orientation() const {
    for (jpeg_saved_marker_ptr marker = info_.marker_list; marker != nullptr; marker = marker->next) {
      const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
      if (data.substr(0, 6) == std::string_view("Exif\0\0", 6)) return OrientationIn(data.substr(6));
    }
    return 1;
  }

  static int OrientationIn(std::string_view tiff) {
    const bool little = tiff.substr(0, 2) == "II";
    const auto number = [&](size_t at, size_t bytes) {
      uint32_t value = 0;
      for (size_t i = 0; i < bytes && at + i < tiff.size(); ++i) {
        const uint32_t byte = static_cast<unsigned char>(tiff[at + i]);
        value = little ? value | byte << (8 * i) : value << 8 | byte;
      }
      return value;
    };
    const size_t directory = number(4, 4);
    if (directory > tiff.size()) return 1;
    const size_t entries = number(directory, 2);
    for (size_t entry = 0; entry < entries; ++entry) {
      const size_t at = directory + 2 + 12 * entry;
      if (at + 12 > tiff.size()) return 1;
      if (number(at, 2) != 274) continue;
      const uint32_t orientation = number(at + 8, 2);
      return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
    }
    return 1;
  }

  const std::string_view file_;
  jpeg_decompress_struct info_ = {};
  jpeg_progress_mgr progress_ = {};
  Failure failure_;
  int orientation_ = 1;
};

// As orientations 2 to 8 are defined: mirrored or turned so that row and column 0 are top and left.
Bitmap Upright(const Bitmap& bitmap, int orientation) {
  const bool turned = orientation >= 5;
  Bitmap upright(turned ? bitmap.width : bitmap.height, turned ? bitmap.height : bitmap.width,
                 bitmap.channels);
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  for (int64_t y = 0; y < upright.height; ++y) {
    for (int64_t x = 0; x < upright.width; ++x) {
      const int64_t row = turned ? x : y, column = turned ? y : x;
      const uint8_t* const from = bitmap.row(from_bottom ? bitmap.height - 1 - row : row) +
                                  (from_right ? bitmap.width - 1 - column : column) * bitmap.channels;
      std::copy_n(from, bitmap.channels, upright.row(y) + x * bitmap.channels);
    }
  }
  return upright;
}

}  // namespace

absl::StatusOr<Bitmap> DecodeJpeg(std::string_view file) {
  Decoder decoder(file);
  absl::StatusOr<Bitmap> bitmap = decoder.Decode();
  if (!bitmap.ok() || decoder.orientation() == 1) return bitmap;
  return Upright(*bitmap, decoder.orientation());
}

}  // namespace kprune
