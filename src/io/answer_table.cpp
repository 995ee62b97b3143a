#include "io/answer_table.hpp"

#include <algorithm>

#include "io/http_text.hpp"

namespace streamr::io {
namespace {

constexpr std::size_t most_entries = 4096;
constexpr std::size_t most_key_bytes = 512;

}  // namespace

PreparedAnswer prepare_answer(core::HttpResponse response) {
  PreparedAnswer answer;
  answer.status = response.status;
  answer.has_body = status_has_body(response.status);
  for (const auto& piece : response.pieces) answer.body_bytes += piece.size();
  AnswerForm form;
  form.has_body = answer.has_body;
  form.content_length = answer.body_bytes;
  answer.head = SharedBytes::copy(view_of(shared_answer_head(response.status, response.headers, form)));
  answer.body = std::move(response.pieces);
  answer.freshness = std::move(response.shared);
  return answer;
}

AnswerTable::Asked AnswerTable::ask(std::string_view target, bool gzip, Waiter& waiter, Seat& seat, HttpId next_id) {
  if (target.size() >= most_key_bytes) return {};
  key_.assign(target);
  key_ += gzip ? '+' : '-';
  const auto found = entries_.find(key_);
  Entry* entry = found == entries_.end() ? nullptr : found->second.get();
  if (entry != nullptr && entry->answer) {
    if (entry->answer->fresh()) return {&*entry->answer, false, std::nullopt};
    entry->answer.reset();
  }
  if (entry == nullptr) {
    if (entries_.size() >= most_entries) return {};
    auto made = std::make_unique<Entry>();
    made->key = key_;
    entry = made.get();
    entries_.emplace(entry->key, std::move(made));
  }
  entry->waiting.emplace_back(&waiter, &seat);
  seat.entry_ = entry;
  if (entry->id != 0) return {nullptr, true, std::nullopt};
  entry->id = next_id;
  asked_[next_id] = entry;
  return {nullptr, true, next_id};
}

std::optional<HttpId> AnswerTable::leave(Waiter& waiter, Seat& seat) {
  Entry* const entry = std::exchange(seat.entry_, nullptr);
  if (entry == nullptr) return std::nullopt;
  const auto at = std::find_if(entry->waiting.begin(), entry->waiting.end(),
                               [&](const auto& one) { return one.first == &waiter; });
  if (at != entry->waiting.end()) {
    *at = entry->waiting.back();
    entry->waiting.pop_back();
  }
  if (!entry->waiting.empty()) return std::nullopt;
  const HttpId id = entry->id;
  drop(entry);
  return id;
}

std::string_view AnswerTable::target_of(HttpId id) const {
  const auto found = asked_.find(id);
  if (found == asked_.end()) return {};
  const std::string_view key = found->second->key;
  return key.substr(0, key.size() - 1);
}

std::size_t AnswerTable::settle(HttpId id, core::HttpResponse response) {
  const auto found = asked_.find(id);
  if (found == asked_.end()) return 0;
  Entry* const entry = found->second;
  asked_.erase(found);
  entry->id = 0;
  const auto waiting = std::exchange(entry->waiting, {});
  PreparedAnswer answer = prepare_answer(std::move(response));
  for (const auto& [waiter, seat] : waiting) seat->entry_ = nullptr;
  if (answer.fresh())
    entry->answer = answer;
  else
    drop(entry);
  for (const auto& [waiter, seat] : waiting) waiter->on_answer(answer);
  return waiting.size();
}

void AnswerTable::drop(Entry* entry) {
  if (entry->id != 0) asked_.erase(entry->id);
  entries_.erase(entries_.find(entry->key));
}

void AnswerTable::sweep() {
  std::erase_if(entries_, [](const auto& item) {
    const Entry& entry = *item.second;
    return entry.waiting.empty() && !(entry.answer && entry.answer->fresh());
  });
}

void AnswerTable::clear() {
  for (auto& [key, entry] : entries_)
    for (const auto& [waiter, seat] : entry->waiting) seat->entry_ = nullptr;
  asked_.clear();
  entries_.clear();
}

}  // namespace streamr::io
