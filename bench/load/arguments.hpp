// Decides: how `--name value` pairs become values, with a sentence where one is missing.
// Never: knows what they mean.
// Called by: the programs in bench/.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>

namespace streamr::bench {

class Arguments {
 public:
  Arguments(int argc, char** argv) {
    for (int i = 1; i < argc; i += 2) {
      const std::string name = argv[i];
      if (name.rfind("--", 0) != 0 || i + 1 >= argc) throw std::runtime_error("expected --name value pairs, got " + name);
      values_[name.substr(2)] = argv[i + 1];
    }
  }
  std::string text(const std::string& name, const std::string& fallback = {}) const {
    const auto at = values_.find(name);
    return at == values_.end() ? fallback : at->second;
  }
  std::string needed(const std::string& name) const {
    if (!values_.contains(name)) throw std::runtime_error("--" + name + " is needed");
    return values_.at(name);
  }
  std::uint64_t number(const std::string& name, std::uint64_t fallback) const {
    const auto at = values_.find(name);
    return at == values_.end() ? fallback : std::strtoull(at->second.c_str(), nullptr, 10);
  }

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace streamr::bench
