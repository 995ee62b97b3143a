// Decides how the program's flags become a running context: checks, database, key.
// Never listens.
// Called by main, once.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "coordinator/app/context.hpp"

namespace coordinator {

void add_flags(CLI::App& app, Config& config, std::string& listen);
// Throws std::runtime_error with one sentence.
void check_flags(Config& config);
void open_storage(Context& context, const Config& config);

struct KeyHolder {
  struct Destroy {
    void operator()(streamr_key_t* key) const { streamr_key_destroy(key); }
  };
  std::unique_ptr<streamr_key_t, Destroy> key;
  std::string trouble;  // one sentence, where there is no key
};
// The key file is made when it does not exist; one that others can read is refused.
KeyHolder load_or_make_key(const std::string& path);
void use_key(Context& context, const KeyHolder& holder);

}  // namespace coordinator
