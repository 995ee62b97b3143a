// Decides: whether the bytes of one H.264 or H.265 sample are whole, and whether a decoder can really start there.
// Never: decodes a picture.
// Called by: fragment (samples of a movie fragment).
#pragma once

#include "publisher/media/boxes.hpp"

namespace streamr::publisher {

enum class VideoCoding : std::uint8_t { other, h264, h265 };

struct SampleLook {
  bool whole = true;          // the length fields add up to the sample
  bool random_access = true;  // holds an IDR, IRAP or recovery point; true where the coding is not known
};

// `length_bytes` is the size of the length field before each unit, 1, 2 or 4.
SampleLook look_at_sample(ByteSpan sample, VideoCoding coding, std::uint8_t length_bytes);

}  // namespace streamr::publisher
