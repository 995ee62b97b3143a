#include "core/init_info.hpp"

#include <algorithm>

#include "hls_fixture.hpp"

using namespace streamr;
using namespace streamr::test;
using core::parse_init_info;

TEST_CASE("codec strings are what players expect, for every codec that ffmpeg writes") {
  const std::map<std::string, std::string> expected = {{"h264", "avc1.64001f"},
                                                       {"hevc", "hvc1.1.6.L63.90"},
                                                       {"av1", "av01.0.01M.08"},
                                                       {"vp9", "vp09.01.21.08"},
                                                       {"aac", "mp4a.40.2"},
                                                       {"opus", "Opus"},
                                                       {"ac3", "ac-3"},
                                                       {"eac3", "ec-3"},
                                                       {"muxed", "avc1.42c01e,mp4a.40.2"}};
  for (const auto& [name, codecs] : expected) {
    const auto info = parse_init_info(init_section(name).view());
    REQUIRE_MESSAGE(info.ok(), name);
    CHECK_MESSAGE(info->codecs() == codecs, name);
  }
}

TEST_CASE("the picture's size and the number of channels are read") {
  const auto muxed = parse_init_info(init_section("muxed").view());
  REQUIRE(muxed);
  REQUIRE(muxed->tracks.size() == 2);
  const auto* video = muxed->first(core::InitTrackKind::video);
  REQUIRE(video);
  CHECK(video->width == 640);
  CHECK(video->height == 360);
  const auto* audio = muxed->first(core::InitTrackKind::audio);
  REQUIRE(audio);
  CHECK(audio->channels == 2);
  CHECK(muxed->first(core::InitTrackKind::other) == nullptr);
}

namespace {

// The avcC contents of the H.264 section, whose sequence tells 60 ticks a second and, with `fixed`, promises to keep to it.
ByteVector avc_configuration(bool fixed) {
  const SharedBytes whole = init_section("h264");
  const std::string text(reinterpret_cast<const char*>(whole.data()), whole.size());
  const auto at = text.find("avcC");
  REQUIRE(at != std::string::npos);
  const auto begin = whole.data() + at + 4;
  ByteVector out(begin, begin + 8 + load_u16(begin + 6));
  const std::string ticks("\x03\x00\x3c", 3);  // the end of time_scale; the flag is the bit behind it
  const auto flag = std::search(out.begin(), out.end(), ticks.begin(), ticks.end());
  REQUIRE(flag != out.end());
  if (fixed) flag[3] |= 0x80;
  return out;
}

}  // namespace

TEST_CASE("the frame rate of H.264 is read where its sequence promises a fixed one") {
  CHECK(core::avc_milli_fps(avc_configuration(true)) == 30'000);
  CHECK(core::avc_milli_fps(avc_configuration(false)) == 0);
  for (const char* name : {"h264", "hevc", "av1", "vp9"})
    CHECK(parse_init_info(init_section(name).view())->first(core::InitTrackKind::video)->milli_fps == 0);
}

TEST_CASE("a sequence cut or changed anywhere gives a rate that can be, or none") {
  const ByteVector config = avc_configuration(true);
  for (std::size_t length = 0; length < config.size(); ++length)
    CHECK(core::avc_milli_fps(ByteView(ByteVector(config.begin(), config.begin() + static_cast<std::ptrdiff_t>(length)))) ==
          0);
  for (std::size_t octet = 0; octet < config.size(); ++octet)
    for (int value = 0; value < 256; ++value) {
      ByteVector changed = config;
      changed[octet] = static_cast<std::uint8_t>(value);
      const std::uint32_t rate = core::avc_milli_fps(changed);
      CHECK((rate == 0 || (rate >= 1000 && rate <= 300'000)));
    }
  for (const int fill : {0x00, 0xFF, 0x80, 0x01, 0x55}) {
    ByteVector noise(500, static_cast<std::uint8_t>(fill));
    noise[5] = 1;
    noise[6] = 1;
    noise[7] = 0;
    CHECK(core::avc_milli_fps(noise) <= 300'000);
  }
}

TEST_CASE("an init section cut at any octet is refused or read, never read beyond its end") {
  for (const char* name : {"muxed", "hevc", "opus", "av1", "vp9"}) {
    const SharedBytes whole = init_section(name);
    for (std::size_t length = 0; length < whole.size(); ++length) {
      ByteVector cut(whole.data(), whole.data() + length);  // its own allocation, so that a sanitizer sees the end
      const auto info = parse_init_info(cut);
      if (info.ok()) CHECK(info->tracks.size() <= 16);
    }
  }
}

TEST_CASE("one octet changed anywhere never breaks out of the section or into the playlist") {
  const SharedBytes whole = init_section("muxed");
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const char value : {'\0', '"', '\n', '\xFF'}) {
      ByteVector changed(whole.data(), whole.data() + whole.size());
      changed[at] = static_cast<std::uint8_t>(value);
      const auto info = parse_init_info(changed);
      if (!info.ok()) continue;
      const std::string codecs = info->codecs();
      CHECK(codecs.find_first_of("\"\r\n") == std::string::npos);
    }
  }
}

TEST_CASE("what is no init section is refused with a sentence") {
  const std::string noise(64, 'x');
  for (const ByteView bytes : {ByteView{}, view_of("abc"), view_of(noise)}) {
    const auto info = parse_init_info(bytes);
    REQUIRE_FALSE(info.ok());
    CHECK(info.error().status == STREAMR_E_MALFORMED);
    CHECK_FALSE(info.error().text.empty());
  }
}

TEST_CASE("high profiles of HEVC, AV1 and AAC give their full strings") {
  const ByteVector hevc = {1, 0x22, 0x20, 0, 0, 0, 0xB0, 0, 0, 0, 0, 0, 153};
  CHECK(core::hevc_codec("hev1", hevc) == "hev1.2.4.H153.B0");
  const ByteVector av1 = {0x81, 0x0D, 0x40, 0};
  CHECK(core::av1_codec(av1) == "av01.0.13M.10");
  const ByteVector twelve = {0x81, 0x48, 0xE0, 0};
  CHECK(core::av1_codec(twelve) == "av01.2.08H.12");
  // ES descriptor with a decoder of type 0x40 and AudioSpecificConfig of object type 5, and of the escaped 42 (xHE-AAC)
  const ByteVector he_aac = {0, 0, 0, 0, 3, 22, 0, 1, 0, 4, 17, 0x40, 0x15, 0,
                             0, 0, 0, 0, 0, 0,  0, 0, 0, 0, 5,  2,    0x2B, 0x92};
  CHECK(core::mpeg4_audio_codec(he_aac) == "mp4a.40.5");
  ByteVector xhe_aac = he_aac;
  xhe_aac[26] = 0xF9;
  xhe_aac[27] = 0x40;
  CHECK(core::mpeg4_audio_codec(xhe_aac) == "mp4a.40.42");
  ByteVector mp3 = he_aac;
  mp3[11] = 0x6B;
  CHECK(core::mpeg4_audio_codec(mp3) == "mp4a.6b");
  CHECK(core::mpeg4_audio_codec({}).empty());
  CHECK(core::avc_codec("avc1", {}).empty());
}
