#include <algorithm>

#include "common/log.hpp"
#include "coordinator/app/network.hpp"
#include "coordinator/http/find.hpp"
#include "coordinator/http/routes.hpp"
#include "coordinator/http/signed.hpp"
#include "coordinator/rules/errors.hpp"
#include "coordinator/rules/json_in.hpp"
#include "coordinator/rules/json_out.hpp"
#include "coordinator/rules/live.hpp"
#include "coordinator/rules/text.hpp"

namespace coordinator {
namespace {

constexpr size_t kTitleBytes = 256;
constexpr int64_t kSlackUs = 120'000'000;
constexpr int64_t kAliasRestMs = 30LL * 24 * 3'600'000;

struct Announcement {
  std::string stream, alias, title, certificate;
  std::optional<int64_t> pool;
  streamr_certificate_t fields = STREAMR_CERTIFICATE_INIT;
  uint64_t unix_us = 0;
};

Announcement read_body(const Request& request) {
  const JsonBody parsed(request.body, kBodyBytes);
  const JsonValue body = parsed.root();
  Announcement a;
  a.stream = body.hex("stream_id", 32);
  a.alias = body.text("alias", kBodyBytes);
  if (!alias_allowed(a.alias)) {
    throw out_of_range("expected \"alias\" of the form [a-z0-9][a-z0-9-]{0,62}, not \"live\", another text came");
  }
  a.title = body.text("title", kTitleBytes);
  a.certificate = body.hex("certificate", STREAMR_CERTIFICATE_BYTES);
  if (const auto pool = body.optional_text("pool", 64)) {
    a.pool = parse_money(*pool);
    if (!a.pool) throw out_of_range("expected \"pool\" as decimal text with at most six decimals, such as 1000.0");
  }
  return a;
}

uint64_t number_at(const std::string& bytes, size_t at) {
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

void read_certificate(Context& context, Announcement& a) {
  if (streamr_control_key_check(octets(a.stream)) != STREAMR_OK) {
    throw bad("key_weak",
              "expected a \"stream_id\" that may be trusted: this key is of small order or not on the curve");
  }
  const uint64_t begins_s = number_at(a.certificate, 80);
  const uint64_t ends_s = number_at(a.certificate, 88);
  if (ends_s < begins_s || ends_s - begins_s > 86'400) {
    throw out_of_range("expected a certificate of at most 24 h, this one lasts longer");
  }
  const auto status = streamr_certificate_check(octets(a.certificate), a.certificate.size(), &a.fields);
  if (status == STREAMR_E_SIGNATURE) {
    throw unauthorized("signature_wrong",
                       "expected a certificate signed by the stream's root key, its signature does not hold");
  }
  if (status != STREAMR_OK) {
    throw out_of_range("expected a stream key certificate of at most 24 h in \"certificate\", its form is wrong");
  }
  if (!std::equal(a.stream.begin(), a.stream.end(), reinterpret_cast<const char*>(a.fields.stream_id))) {
    throw out_of_range("expected a certificate of this \"stream_id\", it names another stream");
  }
  const uint64_t now_s = context.now_us / 1'000'000;
  if (a.fields.not_after_s + 120 < now_s || a.fields.not_before_s > now_s + 120) {
    throw out_of_range("expected a certificate that is valid now, it is past or before its time");
  }
}

void check_signature(Context& context, const Request& request, Announcement& a) {
  const auto fields = signature_fields(request, 3);
  const auto key = from_hex(fields[0], 32);
  const auto time = parse_u64(fields[1]);
  const auto signature = from_hex(fields[2], 64);
  const std::string session_key(reinterpret_cast<const char*>(a.fields.session_key), 32);
  bool good = key && time && signature && *key == session_key;
  if (good) {
    const std::string bytes = context.public_key + be64(*time) + hash_of(request.body);
    good = streamr_control_verify(octets(*key), "streamr/stream/v1", octets(bytes), bytes.size(), octets(*signature)) ==
           STREAMR_OK;
  }
  if (!good) {
    throw unauthorized(
        "signature_wrong",
        "expected Streamr-Sig: v1;{session_key};{unix_us};{signature} by the certificate's session key over "
        "coordinator_key, unix_us and H(body), it does not hold");
  }
  const auto off = static_cast<int64_t>(*time - context.now_us);
  if (off > kSlackUs || off < -kSlackUs) {
    throw ApiError{425, "clock_off", "expected a clock within 120 s of ours, yours differs more", 0,
                   "\"server_time_us\":" + std::to_string(context.now_us)};
  }
  a.unix_us = *time;
}

// Until accounts exist, an account is who holds its bearer token; only the token's hash is kept.
void check_owner(const Request& request, StreamRecord& stream) {
  const std::string header = request.header("authorization");
  std::string owner;
  if (header.starts_with("Bearer ") && header.size() > 7) owner = hash_of(header.substr(7));
  if (stream.owner.empty()) {
    stream.owner = owner;
  } else if (owner != stream.owner) {
    throw forbidden("not_owner", "expected the account that owns this stream, another one or none came");
  }
}

void take_alias(Context& context, const Announcement& a, StreamRecord& stream) {
  const auto hold = context.store->alias_hold(a.alias);
  const bool free_again = hold && hold->freed_ms != 0 && context.now_ms() - hold->freed_ms >= kAliasRestMs;
  if (hold && hold->stream != a.stream && !free_again) {
    throw conflict("alias_taken", "expected a free alias, another stream has it or had it in the last 30 days");
  }
  if (!stream.alias.empty() && stream.alias != a.alias) {
    context.store->hold_alias(stream.alias, {stream.id, context.now_ms()});
  }
  context.store->hold_alias(a.alias, {a.stream, 0});
  stream.alias = a.alias;
}

void take_certificate(const Announcement& a, StreamRecord& stream) {
  const bool known = !stream.certificate.empty();
  if ((known && a.fields.serial < stream.serial) || (stream.revoked_any && a.fields.serial <= stream.revoked_to)) {
    throw conflict("serial_too_low",
                   "expected a certificate serial of at least " +
                       std::to_string(std::max(stream.serial, stream.revoked_any ? stream.revoked_to + 1 : 0)) + ", " +
                       std::to_string(a.fields.serial) + " came");
  }
  if (known && a.fields.serial == stream.serial && a.certificate != stream.certificate) {
    throw conflict("serial_used", "expected a new serial for a new certificate, this one belongs to another");
  }
  stream.certificate = a.certificate;
  stream.serial = a.fields.serial;
  stream.max_kbps = a.fields.max_kbps;
  stream.not_after_s = static_cast<int64_t>(a.fields.not_after_s);
}

std::string origins_json(Context& context, const Request& request) {
  JsonOut out;
  out.array();
  for (const NodeRecord& node : context.store->nodes()) {
    if (node.role != "origin" || !context.network->is_up(node)) continue;
    const auto address = context.network->told(node, Network::peer(request.address, {}));
    if (address) out.object().member("url", address->url).member("relay_key", to_hex(node.key)).end_object();
  }
  return out.end_array().str();
}

void write_stream(JsonOut& out, const StreamRecord& s) {
  out.object().member("stream_id", to_hex(s.id)).member("alias", s.alias).member("title", s.title);
  out.member("status", state_word(s)).member("certificate", to_hex(s.certificate));
  out.member("epoch", std::to_string(s.epoch)).member("newest", s.newest).member("pool", format_money(s.pool));
  out.member("created_at", format_time(s.created_ms)).end_object();
}

}  // namespace

std::optional<StreamRecord> find_stream(Context& context, const std::string& name) {
  if (const auto id = from_hex(name, 32)) return context.store->stream_by_id(*id);
  return alias_allowed(name) ? context.store->stream_by_alias(name) : std::nullopt;
}

StreamRecord need_stream(Context& context, const std::string& name) {
  auto stream = find_stream(context, name);
  if (!stream) throw stream_unknown();
  return *stream;
}

Response stream_post(Context& context, const Request& request) {
  Announcement a = read_body(request);
  read_certificate(context, a);
  check_signature(context, request, a);
  const std::string body_hash = hash_of(request.body);
  StreamRecord stream = context.store->stream_by_id(a.stream).value_or(StreamRecord{});
  const bool fresh = stream.id.empty();
  const bool repeat = !fresh && a.unix_us == stream.signed_us && body_hash == stream.body_hash;
  if (!fresh && a.unix_us <= stream.signed_us && !repeat) {
    throw unauthorized("counter_replayed", "expected a unix_us above the last one of this stream, an older one came");
  }
  check_owner(request, stream);
  if (!repeat) {
    Transaction transaction(*context.store);
    take_certificate(a, stream);
    stream.id = a.stream;
    take_alias(context, a, stream);
    stream.title = a.title;
    if (a.pool) stream.pool = *a.pool;
    if (fresh) stream.created_ms = context.now_ms();
    stream.posted_ms = context.now_ms();
    stream.signed_us = a.unix_us;
    stream.body_hash = body_hash;
    context.store->save_stream(stream);
    transaction.commit();
    context.network->nodes_changed();
    if (fresh) {
      streamr::programs::log_info("stream_registered", "a stream was registered",
                                  {{"stream", to_hex(stream.id)}, {"alias", stream.alias}});
    }
  }
  JsonOut out;
  out.object().member("stream_id", to_hex(stream.id)).raw("origins", origins_json(context, request));
  return Response::json(out.end_object().str());
}

Response stream_list(Context& context, const Request&) {
  JsonOut out;
  out.object().array("streams");
  for (const StreamRecord& stream : context.store->streams()) write_stream(out, stream);
  return Response::json(out.end_array().end_object().str());
}

Response stream_get(Context& context, const Request&, const std::string& name) {
  JsonOut out;
  write_stream(out, need_stream(context, name));
  return Response::json(out.str());
}

Response revocation_post(Context& context, const Request& request) {
  std::string id(32, '\0');
  uint64_t serial_max = 0;
  uint64_t at_s = 0;
  const auto status = streamr_revocation_check(octets(request.body), request.body.size(),
                                               reinterpret_cast<uint8_t*>(id.data()), &serial_max, &at_s);
  if (status == STREAMR_E_SIGNATURE) {
    throw unauthorized("signature_wrong",
                       "expected a revocation signed by the stream's root key, its signature does not hold");
  }
  if (status != STREAMR_OK) throw out_of_range("expected a revocation of 120 octets, its form is wrong");
  auto stream = context.store->stream_by_id(id);
  if (!stream) throw stream_unknown();
  if (!stream->revoked_any || serial_max > stream->revoked_to) {
    Transaction transaction(*context.store);
    stream->revoked_any = true;
    stream->revoked_to = serial_max;
    context.store->save_stream(*stream);
    context.store->save_revocation(id, request.body, context.now_ms());
    transaction.commit();
    streamr::programs::log_warn("stream_revoked", "certificates of a stream were revoked",
                                {{"stream", to_hex(id)}, {"serial_max", serial_max}});
  }
  JsonOut out;
  out.object().member("stream_id", to_hex(id)).member("serial_max", std::to_string(stream->revoked_to));
  return Response::json(out.end_object().str());
}

}  // namespace coordinator
