// Decides how one answer serves everybody who asks the same: the first request of a target goes to the core, those that
// come meanwhile wait with it, and what the core says holds for all until the core marks it stale; its head is
// written once. Never answers by itself, never keeps what was not shared. One table a loop, on that loop's thread.
// Called by connection (asks, leaves) and server (settles, sweeps).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/http.hpp"

namespace streamr::io {

struct PreparedAnswer {
  int status = 0;
  bool has_body = true;
  SharedBytes head;  // status line and fields, without Date, Connection and the empty line
  std::vector<SharedBytes> body;
  std::uint64_t body_bytes = 0;
  std::shared_ptr<const core::Freshness> freshness;

  bool fresh() const { return freshness && !freshness->stale.load(std::memory_order_acquire); }
};
PreparedAnswer prepare_answer(core::HttpResponse response);
// By its name; the rest of what is shared is media.
inline bool is_playlist(std::string_view target) { return target.substr(0, target.find('?')).ends_with(".m3u8"); }

class AnswerTable {
  struct Entry;

 public:
  class Waiter {
   public:
    virtual ~Waiter() = default;
    virtual void on_answer(const PreparedAnswer& answer) = 0;
  };
  // Where a waiter waits; empty while it does not.
  class Seat {
   public:
    explicit operator bool() const { return entry_ != nullptr; }

   private:
    friend class AnswerTable;
    Entry* entry_ = nullptr;
  };

  // What asking led to: an answer that holds now; a seat; a seat, and the core has to be asked under `ask`; or nothing,
  // where the table is full or the target too long: then the request goes its own way.
  struct Asked {
    const PreparedAnswer* answer = nullptr;
    bool seated = false;
    std::optional<HttpId> ask;
  };
  Asked ask(std::string_view target, bool gzip, Waiter& waiter, Seat& seat, HttpId next_id);
  // Gives a seat up. The id under which the core was asked, where nobody waits for it any more.
  std::optional<HttpId> leave(Waiter& waiter, Seat& seat);

  bool owns(HttpId id) const { return asked_.contains(id); }
  std::string_view target_of(HttpId id) const;
  // The core's answer for all who wait; returns how many they were.
  std::size_t settle(HttpId id, core::HttpResponse response);
  // Forgets what is stale; payloads are kept alive no longer.
  void sweep();
  void clear();
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string key;
    HttpId id = 0;  // under which the core is asked at the moment; 0: it is not
    std::optional<PreparedAnswer> answer;
    std::vector<std::pair<Waiter*, Seat*>> waiting;
  };
  void drop(Entry* entry);

  std::unordered_map<std::string_view, std::unique_ptr<Entry>> entries_;  // the key's octets live in the entry
  std::unordered_map<HttpId, Entry*> asked_;
  std::string key_;  // room for look-ups
};

}  // namespace streamr::io
