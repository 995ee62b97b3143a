// Decides how API threads hand work to the loop: many pushers, one taker, no lock; order of each pusher is kept.
// Never wakes the loop itself and never runs a command.
// Called by runtime.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

namespace streamr::io {

class CommandQueue {
 public:
  using Command = std::function<void()>;

  CommandQueue() = default;
  CommandQueue(const CommandQueue&) = delete;
  CommandQueue& operator=(const CommandQueue&) = delete;
  ~CommandQueue() { free_list(head_.exchange(nullptr)); }

  // False where `limit` commands wait already; nothing changed then.
  bool push(Command command, std::size_t limit = static_cast<std::size_t>(-1)) {
    if (waiting_.fetch_add(1, std::memory_order_relaxed) >= limit) {
      waiting_.fetch_sub(1, std::memory_order_relaxed);
      return false;
    }
    auto node = std::make_unique<Node>(Node{std::move(command), head_.load(std::memory_order_relaxed)});
    while (!head_.compare_exchange_weak(node->next, node.get(), std::memory_order_release, std::memory_order_relaxed)) {
    }
    node.release();
    return true;
  }

  // Runs all that waits, oldest first; the number of commands that ran.
  std::size_t run_all() {
    Node* list = reversed(head_.exchange(nullptr, std::memory_order_acquire));
    std::size_t ran = 0;
    while (list) {
      std::unique_ptr<Node> node(list);
      list = node->next;
      waiting_.fetch_sub(1, std::memory_order_relaxed);
      node->command();
      ++ran;
    }
    return ran;
  }

 private:
  struct Node {
    Command command;
    Node* next;
  };
  // Pushing puts the newest first; one walk turns the list round.
  static Node* reversed(Node* list) {
    Node* out = nullptr;
    while (list) out = std::exchange(list, std::exchange(list->next, out));
    return out;
  }
  static void free_list(Node* list) {
    while (list) delete std::exchange(list, list->next);
  }

  std::atomic<Node*> head_{nullptr};
  std::atomic<std::size_t> waiting_{0};
};

}  // namespace streamr::io
