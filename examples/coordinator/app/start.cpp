#include "coordinator/app/start.hpp"

#include <chrono>
#include <stdexcept>

#include "coordinator/app/hours.hpp"
#include "coordinator/app/network.hpp"
#include "coordinator/rules/text.hpp"

namespace coordinator {
namespace {

constexpr const char* kDatabase = "sqlite:coordinator.db";

std::string trouble_text(const streamr_error_t& error, streamr_status_t status) {
  return error.text[0] != '\0' ? error.text : streamr_status_message(status);
}

int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

void add_flags(CLI::App& app, Config& config, std::string& listen) {
  config.database = kDatabase;
  app.add_option("--listen", listen, "HOST:PORT to answer on; port 0 is any free one")->capture_default_str();
  app.add_option("--db", config.database, "sqlite:FILE, made when it does not exist")->capture_default_str();
  app.add_option("--key", config.key_file,
                 "This coordinator's key file, mode 0600 (default: the database file + .key)");
  app.add_option("--origin", config.origins, "Node public key that may register as origin, 64 hex digits; repeatable")
      ->allow_extra_args(false);
  app.add_flag("--allow-private", config.allow_private,
               "Loopback and private addresses may be public: for one machine or one house");
  app.add_option(
         "--fanout", config.fanout,
         "Relays that take a stream from one node; 0: as few as fit all within three hops, so the origin sends least")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  app.add_option("--heartbeat-ms", config.heartbeat_ms,
                 "Interval that nodes are asked for; three of them silent: offline")
      ->check(CLI::Range(500, 30000))
      ->capture_default_str();
  app.add_option("--proxy", config.proxies, "Address of a front whose X-Forwarded-For counts; repeatable")
      ->allow_extra_args(false);
  app.add_option("--public-url", config.public_url,
                 "URL under which others reach this coordinator (default: the request's Host)");
}

void check_flags(Config& config) {
  std::vector<std::string> keys;
  for (const std::string& hex : config.origins) {
    const auto key = from_hex(hex, 32);
    if (!key) throw std::runtime_error("expected --origin as 64 lower-case hex digits, \"" + hex + "\" came");
    keys.push_back(*key);
  }
  config.origins = keys;
  while (config.public_url.ends_with("/")) config.public_url.pop_back();
  if (config.key_file.empty() && config.database.starts_with("sqlite:")) {
    std::string file = config.database.substr(7);
    if (file.starts_with("//")) file.erase(0, 2);
    config.key_file = file + ".key";
  }
}

void open_storage(Context& context, const Config& config) {
  context.config = config;
  context.started_ms = wall_ms();
  context.now_us = static_cast<uint64_t>(context.started_ms) * 1000;
  context.store = open_store(config.database);
  context.secret = context.store->setting("secret");
  if (context.secret.empty()) {
    context.secret = to_hex(random_bytes(32));
    context.store->set_setting("secret", context.secret);
  }
  begin_hours(context);
}

KeyHolder load_or_make_key(const std::string& path) {
  KeyHolder holder;
  streamr_error_t error = STREAMR_ERROR_INIT;
  streamr_key_t* key = nullptr;
  streamr_status_t status = streamr_key_load(path.c_str(), &key, &error);
  if (status == STREAMR_E_NOTFOUND) {
    error = STREAMR_ERROR_INIT;
    status = streamr_key_generate(&key);
    if (status == STREAMR_OK) status = streamr_key_save(key, path.c_str(), &error);
    if (status != STREAMR_OK) {
      streamr_key_destroy(key);
      key = nullptr;
    }
  }
  holder.key.reset(key);
  if (status != STREAMR_OK) {
    holder.trouble = "expected a key file of mode 0600 at " + path + ": " + trouble_text(error, status);
  }
  return holder;
}

void use_key(Context& context, const KeyHolder& holder) {
  context.key = holder.key.get();
  context.public_key.assign(32, '\0');
  streamr_key_public(context.key, reinterpret_cast<uint8_t*>(context.public_key.data()));
}

}  // namespace coordinator
