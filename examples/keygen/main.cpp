// streamr-keygen: makes the keys, certificates and revocations of a stream, and shows what such a file holds.
#include <cstdio>
#include <string>
#include <vector>

#include "common/cli.hpp"
#include "common/exit_codes.hpp"
#include "common/json_text.hpp"
#include "common/key_files.hpp"

namespace {

using namespace streamr::programs;

constexpr const char* program = "streamr-keygen";
constexpr const char* examples =
    "Examples:\n"
    "  streamr-keygen root channel.key                 the root key of a stream; its public half is the stream's id\n"
    "  streamr-keygen node relay.key                   the identity of a relay, origin or viewer\n"
    "  streamr-keygen session --root channel.key --max-kbps 12000 today.key today.cert\n"
    "                                                  a session key and its certificate, where the root stays offline\n"
    "  streamr-keygen session --root channel.key --max-kbps 12000 --count 8 today.key today.cert\n"
    "                                                  today.cert.1 to today.cert.8: one for each start of the source\n"
    "  streamr-keygen revoke --root channel.key --serial-max 1760000000000 lost.revocation\n"
    "  streamr-keygen show today.cert\n"
    "\n"
    "Key files have mode 0600, are refused when others can read them (exit code 3), and no file is ever overwritten.\n";

struct Wishes {
  std::string file, certificate, root;
  std::vector<unsigned> tracks = {0};
  std::uint64_t serial = 0, serial_max = 0, epoch = 0;
  std::uint32_t max_kbps = 0, minutes = 24 * 60, count = 1;
  bool json = false;
};

void say(const Wishes& wishes, const JsonObject& object, const std::string& text) {
  std::printf("%s\n", wishes.json ? object.str().c_str() : text.c_str());
}

int save_new_key(const Wishes& wishes, const char* public_name) {
  const KeyPtr key = new_key();
  if (!key) return fail(program, exit_failed, "no key could be made: the system gave no randomness");
  streamr_error_t error = STREAMR_ERROR_INIT;
  const streamr_status_t status = streamr_key_save(key.get(), wishes.file.c_str(), &error);
  if (status == STREAMR_E_INUSE) {
    return fail(program, exit_key, "the file " + wishes.file + " exists already and is never overwritten; choose another name");
  }
  if (status != STREAMR_OK) {
    return fail(program, exit_storage, "the file " + wishes.file + " cannot be written: " +
                                           (error.text[0] != 0 ? error.text : streamr_status_message(status)));
  }
  const std::string hex = public_hex(key.get());
  say(wishes, JsonObject().text("file", wishes.file).text(public_name, hex), std::string(public_name) + " " + hex);
  return exit_ok;
}

std::uint32_t mask_of(const std::vector<unsigned>& tracks) {
  std::uint32_t mask = 0;
  for (const unsigned track : tracks) mask |= 1u << track;
  return mask;
}

std::string certificate_name(const Wishes& wishes, std::uint32_t i) {
  return wishes.count == 1 ? wishes.certificate : wishes.certificate + "." + std::to_string(i + 1);
}

int issue_session(const Wishes& wishes) {
  std::string sentence;
  const KeyPtr root = load_key(wishes.root, sentence);
  if (!root) return fail(program, exit_key, sentence);
  const KeyPtr session = new_key();
  if (!session) return fail(program, exit_failed, "no key could be made: the system gave no randomness");
  const std::uint64_t now_ms = unix_us() / 1000;
  std::vector<CertificateBytes> certificates;
  for (std::uint32_t i = 0; i < wishes.count; ++i) {
    CertificateWishes fields;
    fields.epoch = wishes.epoch != 0 ? wishes.epoch + (static_cast<std::uint64_t>(i) << 16) : new_epoch(now_ms + i);
    fields.serial = (wishes.serial != 0 ? wishes.serial : now_ms) + i;
    fields.not_before_s = now_ms / 1000;
    fields.lifetime_s = 60ull * wishes.minutes;
    fields.max_kbps = wishes.max_kbps;
    fields.track_mask = mask_of(wishes.tracks);
    const auto bytes = make_certificate(root.get(), session.get(), fields, sentence);
    if (!bytes) return fail(program, exit_failed, sentence);
    certificates.push_back(*bytes);
  }
  streamr_error_t error = STREAMR_ERROR_INIT;
  const streamr_status_t saved = streamr_key_save(session.get(), wishes.file.c_str(), &error);
  if (saved == STREAMR_E_INUSE) {
    return fail(program, exit_key, "the file " + wishes.file + " exists already and is never overwritten; choose another name");
  }
  if (saved != STREAMR_OK) return fail(program, exit_storage, "the file " + wishes.file + " cannot be written: " + error.text);
  for (std::uint32_t i = 0; i < wishes.count; ++i) {
    if (!write_new_file(certificate_name(wishes, i), certificates[i].data(), certificates[i].size(), 0644, sentence)) {
      return fail(program, exit_storage, sentence);
    }
  }
  const std::string id = public_hex(root.get()), key = public_hex(session.get());
  say(wishes,
      JsonObject().text("file", wishes.file).text("certificate", certificate_name(wishes, 0)).text("stream_id", id)
          .text("session_key", key).number("certificates", wishes.count),
      "stream_id " + id + "\nsession_key " + key);
  return exit_ok;
}

int revoke(const Wishes& wishes) {
  std::string sentence;
  const KeyPtr root = load_key(wishes.root, sentence);
  if (!root) return fail(program, exit_key, sentence);
  std::uint8_t bytes[STREAMR_REVOCATION_BYTES];
  const streamr_status_t status =
      streamr_revocation_issue(root.get(), wishes.serial_max, unix_us() / 1'000'000, bytes);
  if (status != STREAMR_OK) return fail(program, exit_failed, streamr_status_message(status));
  if (!write_new_file(wishes.file, bytes, sizeof bytes, 0644, sentence)) return fail(program, exit_storage, sentence);
  const std::string id = public_hex(root.get()), max = std::to_string(wishes.serial_max);
  say(wishes, JsonObject().text("file", wishes.file).text("stream_id", id).text("serial_max", max),
      "revoked every certificate of " + id + " with a serial up to " + max + "; send it with:\n  curl --data-binary @" +
          wishes.file + " COORDINATOR/v1/revocations");
  return exit_ok;
}

int show_certificate(const Wishes& wishes, const streamr_certificate_t& fields) {
  JsonObject object;
  object.text("kind", "certificate").text("stream_id", to_hex(fields.stream_id, sizeof fields.stream_id));
  object.text("session_key", to_hex(fields.session_key, sizeof fields.session_key));
  object.text("epoch", std::to_string(fields.epoch)).text("serial", std::to_string(fields.serial));
  object.number("not_before", static_cast<std::int64_t>(fields.not_before_s));
  object.number("not_after", static_cast<std::int64_t>(fields.not_after_s));
  object.number("track_mask", fields.track_mask).number("max_kbps", fields.max_kbps);
  say(wishes, object, object.str());
  return exit_ok;
}

int show(const Wishes& wishes) {
  std::string sentence;
  const auto bytes = read_file(wishes.file, 4096, sentence);
  if (!bytes) return fail(program, exit_key, sentence);
  streamr_certificate_t certificate = STREAMR_CERTIFICATE_INIT;
  if (streamr_certificate_check(bytes->data(), bytes->size(), &certificate) == STREAMR_OK) {
    return show_certificate(wishes, certificate);
  }
  std::uint8_t id[STREAMR_KEY_BYTES];
  std::uint64_t serial_max = 0, at_s = 0;
  if (streamr_revocation_check(bytes->data(), bytes->size(), id, &serial_max, &at_s) == STREAMR_OK) {
    const JsonObject object = JsonObject().text("kind", "revocation").text("stream_id", to_hex(id, sizeof id))
                                  .text("serial_max", std::to_string(serial_max))
                                  .number("at", static_cast<std::int64_t>(at_s));
    say(wishes, object, object.str());
    return exit_ok;
  }
  const KeyPtr key = load_key(wishes.file, sentence);
  if (!key) return fail(program, exit_key, sentence);
  const JsonObject object = JsonObject().text("kind", "key").text("public_key", public_hex(key.get()));
  say(wishes, object, "public_key " + public_hex(key.get()));
  return exit_ok;
}

}  // namespace

int main(int argc, char** argv) {
  Wishes wishes;
  Cli cli(program, "Makes and shows the keys, certificates and revocations of streams and nodes.", examples);
  CLI::App& app = cli.app();
  app.require_subcommand(1);
  app.fallthrough();
  app.add_flag("--json", wishes.json, "One line of JSON on standard output");

  CLI::App* root = app.add_subcommand("root", "Makes a root key: whoever holds it owns the stream. Keep it offline or safe.");
  root->add_option("FILE", wishes.file, "New key file")->required();
  CLI::App* node = app.add_subcommand("node", "Makes the key of a relay, origin, viewer or coordinator.");
  node->add_option("FILE", wishes.file, "New key file")->required();

  CLI::App* session = app.add_subcommand("session", "Makes a session key and certificates for it, signed by a root key.");
  session->add_option("KEY", wishes.file, "New key file")->required();
  session->add_option("CERTIFICATE", wishes.certificate, "New certificate file")->required();
  session->add_option("--root", wishes.root, "Root key file")->required();
  session->add_option("--max-kbps", wishes.max_kbps, "Highest rate of all tracks together")->required()->check(CLI::Range(1u, 1'000'000u));
  session->add_option("--minutes", wishes.minutes, "Lifetime, at most 24 h")->check(CLI::Range(1u, 1440u))->capture_default_str();
  session->add_option("--tracks", wishes.tracks, "Tracks that may be published, 0 to 31")->delimiter(',')->check(CLI::Range(0u, 31u));
  session->add_option("--count", wishes.count, "How many certificates, with rising epochs and serials")->check(CLI::Range(1u, 1000u));
  session->add_option("--serial", wishes.serial, "Serial of the first (default: unix milliseconds)");
  session->add_option("--epoch", wishes.epoch, "Epoch of the first (default: unix_ms << 16 | random)");

  CLI::App* revocation = app.add_subcommand("revoke", "Signs that all certificates up to a serial are void.");
  revocation->add_option("FILE", wishes.file, "New revocation file")->required();
  revocation->add_option("--root", wishes.root, "Root key file")->required();
  revocation->add_option("--serial-max", wishes.serial_max, "Highest serial that is void")->required();

  CLI::App* look = app.add_subcommand("show", "Shows what a key, certificate or revocation file holds (never a secret).");
  look->add_option("FILE", wishes.file, "File to look at")->required();

  if (const auto code = cli.parse(argc, argv)) return *code;
  if (root->parsed()) return save_new_key(wishes, "stream_id");
  if (node->parsed()) return save_new_key(wishes, "public_key");
  if (session->parsed()) return issue_session(wishes);
  return revocation->parsed() ? revoke(wishes) : show(wishes);
}
