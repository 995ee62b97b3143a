#include "proto/playlist.hpp"

#include <array>
#include <cstdio>

namespace streamr::proto {
namespace {

struct CivilDate {
  std::uint64_t year;
  unsigned month;
  unsigned day;
};

// Days since 1970-01-01 to a date of the Gregorian calendar. Years begin in March here, so that the leap day is the
// last one of a year and month lengths follow one line.
CivilDate civil_from_days(std::uint64_t days_since_1970) {
  constexpr std::uint64_t days_to_1970 = 719'468;  // from 0000-03-01
  constexpr std::uint64_t days_in_400_years = 146'097;
  const std::uint64_t days = days_since_1970 + days_to_1970;
  const std::uint64_t cycle = days / days_in_400_years;
  const std::uint64_t day_of_cycle = days % days_in_400_years;
  const std::uint64_t year_of_cycle =
      (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36'524 - day_of_cycle / 146'096) / 365;
  const std::uint64_t day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
  const std::uint64_t month_from_march = (5 * day_of_year + 2) / 153;
  const auto day = static_cast<unsigned>(day_of_year - (153 * month_from_march + 2) / 5 + 1);
  const auto month = static_cast<unsigned>(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
  return {cycle * 400 + year_of_cycle + (month <= 2 ? 1 : 0), month, day};
}

void append_seconds(std::string& out, std::uint64_t us) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%llu.%06llu", static_cast<unsigned long long>(us / 1'000'000),
                static_cast<unsigned long long>(us % 1'000'000));
  out += text.data();
}

// A quoted-string may hold no quote, CR or LF; none of ours should, and a playlist must not break if one does.
void append_quoted(std::string& out, const std::string& text) {
  out += '"';
  for (const char c : text)
    if (c != '"' && c != '\r' && c != '\n') out += c;
  out += '"';
}

void append_part(std::string& out, const PlaylistPart& part) {
  out += "#EXT-X-PART:DURATION=";
  append_seconds(out, part.duration_us);
  out += ",URI=";
  append_quoted(out, part.uri);
  if (part.independent) out += ",INDEPENDENT=YES";
  if (part.gap) out += ",GAP=YES";
  out += '\n';
}

// What stands before a segment's own line; for the open one this is all of it.
void append_segment_head(std::string& out, const PlaylistSegment& segment) {
  if (segment.discontinuity) out += "#EXT-X-DISCONTINUITY\n";
  if (!segment.map_uri.empty()) {
    out += "#EXT-X-MAP:URI=";
    append_quoted(out, segment.map_uri);
    out += '\n';
  }
  out += "#EXT-X-PROGRAM-DATE-TIME:" + iso8601_ms(segment.capture_time_us) + '\n';
  for (const PlaylistPart& part : segment.parts) append_part(out, part);
}

void append_segment(std::string& out, const PlaylistSegment& segment) {
  append_segment_head(out, segment);
  if (segment.gap) out += "#EXT-X-GAP\n";
  out += "#EXTINF:";
  append_seconds(out, segment.duration_us);
  out += ",\n" + segment.uri + '\n';
}

void append_low_latency_rules(std::string& out, const MediaPlaylist& playlist) {
  if (playlist.can_block) {
    out += "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES";
    if (playlist.can_skip_until_us != 0) {
      out += ",CAN-SKIP-UNTIL=";
      append_seconds(out, playlist.can_skip_until_us);
    }
    if (playlist.part_hold_back_us != 0) {
      out += ",PART-HOLD-BACK=";
      append_seconds(out, playlist.part_hold_back_us);
    }
    out += '\n';
  }
  if (playlist.part_target_us != 0) {
    out += "#EXT-X-PART-INF:PART-TARGET=";
    append_seconds(out, playlist.part_target_us);
    out += '\n';
  }
}

void append_report(std::string& out, const PlaylistReport& report) {
  out += "#EXT-X-RENDITION-REPORT:URI=";
  append_quoted(out, report.uri);
  out += ",LAST-MSN=" + std::to_string(report.last_msn);
  if (report.last_part) out += ",LAST-PART=" + std::to_string(*report.last_part);
  out += '\n';
}

void append_rendition(std::string& out, const PlaylistRendition& rendition) {
  out += "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=";
  append_quoted(out, rendition.name);
  out += rendition.is_default ? ",DEFAULT=YES,AUTOSELECT=YES" : ",DEFAULT=NO,AUTOSELECT=YES";
  if (rendition.channels != 0) out += ",CHANNELS=\"" + std::to_string(rendition.channels) + '"';
  if (!rendition.uri.empty()) {
    out += ",URI=";
    append_quoted(out, rendition.uri);
  }
  out += '\n';
}

void append_variant(std::string& out, const PlaylistVariant& variant, const std::string& pathway_id) {
  out += "#EXT-X-STREAM-INF:BANDWIDTH=" + std::to_string(variant.bandwidth_bps);
  if (variant.average_bps != 0) out += ",AVERAGE-BANDWIDTH=" + std::to_string(variant.average_bps);
  if (!variant.codecs.empty()) {
    out += ",CODECS=";
    append_quoted(out, variant.codecs);
  }
  if (variant.width != 0 && variant.height != 0)
    out += ",RESOLUTION=" + std::to_string(variant.width) + 'x' + std::to_string(variant.height);
  if (variant.milli_fps != 0) {
    std::array<char, 32> rate{};
    std::snprintf(rate.data(), rate.size(), ",FRAME-RATE=%u.%03u", variant.milli_fps / 1000, variant.milli_fps % 1000);
    out += rate.data();
  }
  if (variant.uses_audio_group) out += ",AUDIO=\"audio\"";
  if (!pathway_id.empty()) {
    out += ",PATHWAY-ID=";
    append_quoted(out, pathway_id);
  }
  out += '\n' + variant.uri + '\n';
}

}  // namespace

std::string iso8601_ms(std::uint64_t unix_us) {
  const std::uint64_t ms = unix_us / 1000;
  const std::uint64_t seconds = ms / 1000;
  const CivilDate date = civil_from_days(seconds / 86'400);
  const auto second_of_day = static_cast<unsigned>(seconds % 86'400);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04llu-%02u-%02uT%02u:%02u:%02u.%03uZ",
                static_cast<unsigned long long>(date.year), date.month, date.day, second_of_day / 3600,
                second_of_day / 60 % 60, second_of_day % 60, static_cast<unsigned>(ms % 1000));
  return text.data();
}

std::string render_media_playlist(const MediaPlaylist& playlist) {
  std::string out;
  out.reserve(256 + playlist.segments.size() * 160);
  out += "#EXTM3U\n#EXT-X-VERSION:" + std::to_string(playlist.version) + '\n';
  out += "#EXT-X-TARGETDURATION:" + std::to_string(playlist.target_duration_s) + '\n';
  append_low_latency_rules(out, playlist);
  out += "#EXT-X-MEDIA-SEQUENCE:" + std::to_string(playlist.media_sequence) + '\n';
  out += "#EXT-X-DISCONTINUITY-SEQUENCE:" + std::to_string(playlist.discontinuity_sequence) + '\n';
  out += "#EXT-X-INDEPENDENT-SEGMENTS\n";
  if (playlist.skipped_segments != 0)
    out += "#EXT-X-SKIP:SKIPPED-SEGMENTS=" + std::to_string(playlist.skipped_segments) + '\n';
  for (const PlaylistSegment& segment : playlist.segments) append_segment(out, segment);
  for (const PlaylistSegment& open : playlist.open) append_segment_head(out, open);
  if (!playlist.hint_uri.empty()) {
    out += "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=";
    append_quoted(out, playlist.hint_uri);
    out += '\n';
  }
  for (const PlaylistReport& report : playlist.reports) append_report(out, report);
  if (playlist.ended) out += "#EXT-X-ENDLIST\n";
  return out;
}

std::string render_multivariant_playlist(const MultivariantPlaylist& playlist) {
  std::string out = "#EXTM3U\n#EXT-X-VERSION:" + std::to_string(playlist.version) + "\n#EXT-X-INDEPENDENT-SEGMENTS\n";
  if (!playlist.steering_url.empty()) {
    out += "#EXT-X-CONTENT-STEERING:SERVER-URI=";
    append_quoted(out, playlist.steering_url);
    if (!playlist.pathway_id.empty()) {
      out += ",PATHWAY-ID=";
      append_quoted(out, playlist.pathway_id);
    }
    out += '\n';
  }
  for (const PlaylistRendition& rendition : playlist.audio) append_rendition(out, rendition);
  for (const PlaylistVariant& variant : playlist.variants) append_variant(out, variant, playlist.pathway_id);
  return out;
}

}  // namespace streamr::proto
