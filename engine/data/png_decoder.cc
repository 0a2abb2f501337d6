// DecodePng, by libpng; and DecodeImage.
#include <png.h>

#include <csetjmp>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/data/bitmap.h"

namespace kprune {
namespace {

// What the file has left, and what is wrong with it.
struct Reading {
  std::string_view rest;
  char message[256] = "";
};

// libpng calls these in place of ending the program; the jump leaves no object behind that would need its
// destructor.
[[noreturn]] void Fail(png_structp png, png_const_charp message) {
  auto* const reading = static_cast<Reading*>(png_get_error_ptr(png));
  std::strncpy(reading->message, message, sizeof(reading->message) - 1);
  png_longjmp(png, 1);
}

void Ignore(png_structp, png_const_charp) {}

void Read(png_structp png, png_bytep bytes, size_t count) {
  auto* const reading = static_cast<Reading*>(png_get_io_ptr(png));
  if (count > reading->rest.size()) png_error(png, "it ends before its last row");
  std::memcpy(bytes, reading->rest.data(), count);
  reading->rest.remove_prefix(count);
}

// Destroys libpng's structures wherever decoding ends.
class Decoder {
 public:
  explicit Decoder(std::string_view file) : reading_{.rest = file} {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reading_, Fail, Ignore);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
  }
  ~Decoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  absl::StatusOr<Bitmap> Decode() {
    if (info_ == nullptr) return absl::ResourceExhaustedError("there is no memory to decode a PNG");
    if (!ReadHeader()) return Damaged();
    const int64_t width = png_get_image_width(png_, info_), height = png_get_image_height(png_, info_);
    if (width > kMostBitmapSide || height > kMostBitmapSide || width * height > kMostBitmapPixels) {
      return absl::InvalidArgumentError(absl::StrCat("the PNG has ", width, " x ", height,
                                                     " pixels, accepted are at most ", kMostBitmapPixels,
                                                     ", and ", kMostBitmapSide, " on a side"));
    }
    const bool colour = (png_get_color_type(png_, info_) & PNG_COLOR_MASK_COLOR) != 0;
    if (!colour && png_get_bit_depth(png_, info_) == 16)
      return absl::InvalidArgumentError("the PNG is grey of 16 bits, accepted are 8");
    Bitmap bitmap(height, width, colour ? 3 : 1);
    std::vector<png_bytep> rows;
    for (int64_t y = 0; y < height; ++y) rows.push_back(bitmap.row(y));
    if (!ReadPixels(rows.data(), static_cast<size_t>(width * bitmap.channels))) return Damaged();
    return bitmap;
  }

 private:
  // Neither of these two has an object of C++ while libpng runs.
  bool ReadHeader() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_read_fn(png_, &reading_, Read);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // told apart from damage, above
    png_set_chunk_malloc_max(png_, 8 << 20);
    png_read_info(png_, info_);
    return true;
  }

  bool ReadPixels(png_bytepp rows, size_t row_bytes) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_palette_to_rgb(png_);
    png_set_expand_gray_1_2_4_to_8(png_);
    png_set_strip_16(png_);
    png_set_strip_alpha(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    if (png_get_rowbytes(png_, info_) != row_bytes) png_error(png_, "its rows have another size");
    png_read_image(png_, rows);
    png_read_end(png_, nullptr);
    return true;
  }

  absl::Status Damaged() const {
    return absl::InvalidArgumentError(absl::StrCat("the PNG is damaged: ", reading_.message));
  }

  Reading reading_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

// Grey as Pillow computes it, in 16 bits (ITU-R 601-2).
Bitmap Grey(const Bitmap& colour) {
  Bitmap grey(colour.height, colour.width, 1);
  for (size_t i = 0; i < grey.values.size(); ++i) {
    const uint8_t* const rgb = colour.values.data() + 3 * i;
    grey.values[i] = static_cast<uint8_t>((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16);
  }
  return grey;
}

Bitmap Colour(const Bitmap& grey) {
  Bitmap colour(grey.height, grey.width, 3);
  for (size_t i = 0; i < colour.values.size(); ++i) colour.values[i] = grey.values[i / 3];
  return colour;
}

}  // namespace

absl::StatusOr<Bitmap> DecodePng(std::string_view file) { return Decoder(file).Decode(); }

absl::StatusOr<Bitmap> DecodeImage(std::string_view file, int64_t channels) {
  const bool jpeg = file.substr(0, 3) == "\xff\xd8\xff", png = file.substr(0, 8) == "\x89PNG\r\n\x1a\n";
  if (!jpeg && !png) return absl::InvalidArgumentError("the image is neither a JPEG nor a PNG");
  absl::StatusOr<Bitmap> bitmap = jpeg ? DecodeJpeg(file) : DecodePng(file);
  if (!bitmap.ok() || bitmap->channels == channels) return bitmap;
  return channels == 1 ? Grey(*bitmap) : Colour(*bitmap);
}

}  // namespace kprune
