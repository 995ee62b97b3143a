// Decides how one thread hands values to another without a lock: many may put, one takes all in the order they came.
// Never blocks and never wakes anybody; put tells whether the taker has to be woken. Called by serving_loop.
#pragma once

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

namespace streamr::io {

template <class T>
class Mailbox {
 public:
  Mailbox() = default;
  ~Mailbox() { take(); }
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // True: it was empty, and its taker may be asleep.
  bool put(T value) {
    Node* before = head_.load(std::memory_order_relaxed);
    auto* const node = new Node{std::move(value), before};
    // Once it is in, the node is the taker's.
    while (!head_.compare_exchange_weak(before, node, std::memory_order_release, std::memory_order_relaxed))
      node->next = before;
    return before == nullptr;
  }

  std::vector<T> take() {
    Node* node = head_.exchange(nullptr, std::memory_order_acquire);
    Node* in_order = nullptr;
    while (node != nullptr) {
      Node* const next = node->next;
      node->next = in_order;
      in_order = node;
      node = next;
    }
    std::vector<T> out;
    while (in_order != nullptr) {
      const std::unique_ptr<Node> done(in_order);
      in_order = done->next;
      out.push_back(std::move(done->value));
    }
    return out;
  }

 private:
  struct Node {
    T value;
    Node* next;
  };
  std::atomic<Node*> head_{nullptr};
};

}  // namespace streamr::io
