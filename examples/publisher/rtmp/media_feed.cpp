#include "publisher/rtmp/media_feed.hpp"

#include <algorithm>
#include <utility>

#include "publisher/media/boxes.hpp"
#include "publisher/rtmp/amf0.hpp"

namespace streamr::publisher {
namespace {

constexpr unsigned codec_avc = 7, codec_hevc = 12, sound_aac = 10, frame_key = 1, frame_command = 5;
constexpr std::size_t avc_fields_bytes = 5;  // codec, packet type, composition time
constexpr std::uint8_t flv_audio = 4, flv_video = 1;

}  // namespace

MediaFeed::Role MediaFeed::role_of(const RtmpMessage& message) {
  const auto& bytes = message.payload;
  if (message.type == rtmp_data) return Role::metadata;
  if (bytes.size() < 2) return Role::useless;
  if (message.type == rtmp_audio) {
    if (bytes[0] >> 4 != sound_aac) return Role::audio;
    if (bytes[1] == 0) return Role::audio_header;
    return bytes.size() > 2 ? Role::audio : Role::useless;
  }
  if (message.type != rtmp_video) return Role::useless;
  if (bytes[0] & 0x80) {  // enhanced RTMP: packet type in the low bits, coding as four letters
    const unsigned packet = bytes[0] & 0x0Fu, frame = bytes[0] >> 4 & 7u;
    if (bytes.size() <= avc_fields_bytes || frame == frame_command) return Role::useless;
    if (packet == 0) return Role::video_header;
    if (packet != 1 && packet != 3) return Role::useless;
    return frame == frame_key ? Role::video_key : Role::video;
  }
  const unsigned codec = bytes[0] & 0x0Fu, frame = bytes[0] >> 4;
  if (frame == frame_command) return Role::useless;
  if (codec == codec_avc || codec == codec_hevc) {
    if (bytes[1] == 0) return bytes.size() > avc_fields_bytes ? Role::video_header : Role::useless;
    if (bytes[1] != 1 || bytes.size() <= avc_fields_bytes) return Role::useless;
  }
  return frame == frame_key ? Role::video_key : Role::video;
}

void MediaFeed::note_metadata(const RtmpMessage& message) {
  const auto values = read_amf0(message.payload);
  if (!values || values->empty()) return;
  const bool metadata = std::ranges::any_of(
      *values, [](const AmfValue& value) { return value.as_text() == "onMetaData"; });
  const AmfValue& properties = values->back();
  if (!metadata || properties.kind() != AmfValue::Kind::object) return;
  const bool video = properties.find("videocodecid") != nullptr, audio = properties.find("audiocodecid") != nullptr;
  if (!video && !audio) return;
  says_video_ = video;
  says_audio_ = audio;
}

// Keeps a coding header. True where it is new beside an old one, which a running FLV cannot express.
bool MediaFeed::take_header(std::vector<std::uint8_t>& kept, RtmpMessage& message) {
  const bool changed = !kept.empty() && kept != message.payload;
  kept = std::move(message.payload);
  return changed;
}

bool MediaFeed::times_jump(const RtmpMessage& message) {
  std::int64_t& last = message.type == rtmp_video ? last_video_ms_ : last_audio_ms_;
  const std::int64_t now = static_cast<std::int32_t>(message.timestamp_ms - base_ms_);
  return last >= 0 && (now - last > longest_jump_ms || last - now > longest_return_ms);
}

void MediaFeed::on_message(RtmpMessage message, std::uint64_t now_us) {
  const Role role = role_of(message);
  if (first_us_ == 0 && role != Role::metadata) first_us_ = now_us;
  if (role == Role::useless) {
    ++skipped_;
    return;
  }
  if (role == Role::metadata) {
    if (!running_) note_metadata(message);
    return;
  }
  if (role == Role::video_header || role == Role::audio_header) {
    const bool changed = take_header(role == Role::video_header ? video_header_ : audio_header_, message);
    if (running_ && (changed || (role == Role::video_header && !with_video_))) restart();
    return begin_if_known(now_us);
  }
  if (running_ && times_jump(message)) restart();
  if (running_) return write(message, now_us, (message.type == rtmp_video) == with_video_);
  gathered_bytes_ += message.payload.size();
  gathered_.push_back({std::move(message), role, now_us});
  if (gathered_bytes_ > max_gathered_bytes) failed_ = true;
  begin_if_known(now_us);
}

void MediaFeed::on_time(std::uint64_t now_us) { begin_if_known(now_us); }

void MediaFeed::restart() {
  running_ = false;
  restart_ = true;
  first_us_ = 0;
  last_video_ms_ = last_audio_ms_ = -1;
  arrival_ = {};
}

void MediaFeed::begin_if_known(std::uint64_t now_us) {
  if (running_ || gathered_.empty()) return;
  const auto has = [&](Role role) { return std::ranges::any_of(gathered_, [&](const Item& i) { return i.role == role; }); };
  const bool waited_audio = now_us - gathered_.front().arrival_us >= wait_for_audio_us;
  const bool waited_video = now_us - gathered_.front().arrival_us >= wait_for_video_us;
  if (has(Role::video_key)) {
    const bool audio_known = !audio_header_.empty() || has(Role::audio) || !says_audio_;
    if (audio_known || waited_audio) begin(true);
  } else if (has(Role::audio) && video_header_.empty() && !has(Role::video) && (!says_video_ || waited_video)) {
    begin(false);
  }
}

void MediaFeed::begin(bool with_video) {
  with_video_ = with_video;
  running_ = true;
  std::deque<Item> items = std::exchange(gathered_, {});
  gathered_bytes_ = 0;
  const Role opening = with_video ? Role::video_key : Role::audio;
  const auto first = std::ranges::find(items, opening, &Item::role);
  base_ms_ = first->message.timestamp_ms;
  const bool audio = !audio_header_.empty() || std::ranges::any_of(items, [](const Item& i) { return i.role == Role::audio; });
  BoxWriter out(output_);
  out.u24(0x464C56);  // "FLV"
  out.u8(1);
  out.u8(static_cast<std::uint8_t>((with_video ? flv_video : 0) | (audio ? flv_audio : 0)));
  out.u32(9);
  out.u32(0);
  if (with_video && !video_header_.empty()) write_tag(rtmp_video, 0, video_header_);
  if (!audio_header_.empty()) write_tag(rtmp_audio, 0, audio_header_);
  bool open = false;
  for (const Item& item : items) {
    open = open || &item == &*first;
    // Sound that belongs to the first picture may have come just before it.
    const bool early = static_cast<std::int32_t>(item.message.timestamp_ms - base_ms_) < 0;
    const bool sound = item.role == Role::audio;
    if (early || (!open && !sound)) continue;
    write(item.message, item.arrival_us, sound != with_video);
  }
}

void MediaFeed::write(const RtmpMessage& message, std::uint64_t arrival_us, bool lead) {
  if (message.type == rtmp_video && !with_video_) return;
  std::int64_t& last = message.type == rtmp_video ? last_video_ms_ : last_audio_ms_;
  std::int64_t now = static_cast<std::int32_t>(message.timestamp_ms - base_ms_);
  if (now < 0) return;  // from before the first picture
  now = std::max(now, last);
  last = now;
  if (lead) arrival_.add(static_cast<std::int64_t>(arrival_us), now * 1000);
  write_tag(message.type, static_cast<std::uint32_t>(now), message.payload);
}

void MediaFeed::write_tag(std::uint8_t type, std::uint32_t time_ms, const std::vector<std::uint8_t>& payload) {
  BoxWriter out(output_);
  out.u8(type);
  out.u24(static_cast<std::uint32_t>(payload.size()));
  out.u24(time_ms & 0xFFFFFF);
  out.u8(static_cast<std::uint8_t>(time_ms >> 24));
  out.u24(0);
  out.bytes(payload);
  out.u32(static_cast<std::uint32_t>(payload.size() + 11));
}

}  // namespace streamr::publisher
