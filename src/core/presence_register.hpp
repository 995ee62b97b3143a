// Decides how a node gets to know its coordinator: its key, a challenge, the registration, and all of it again when the
// lease is lost.
// Never sends a heartbeat; a viewer stops after the key.
// Called by core/presence.
#pragma once

#include "core/presence_context.hpp"

namespace streamr::core {

class Registration {
 public:
  explicit Registration(PresenceContext& context) : context_(context) {}

  void start(Now now);
  void lose_lease(Now now);                       // register again, 0–30 s from now
  bool registered() const { return step_ == Step::registered; }

  std::optional<HttpCall> poll(Now now);
  void on_key(const Answer& answer, Now now);
  void on_challenge(const Answer& answer, Now now);
  // The heartbeat interval, when the node is registered now.
  std::optional<std::uint32_t> on_registered(const Answer& answer, Now now);
  std::uint64_t deadline_us() const;

 private:
  enum class Step { idle, ask_key, ask_challenge, ask_registration, registered, key_known };

  bool viewer() const { return context_.config.role == "viewer"; }
  void go(Step step, std::uint64_t at_us) { step_ = step; due_us_ = at_us; }
  void again(const Answer& answer, Now now);      // from the challenge on
  void look_for_key_later(Now now);
  HttpCall ask_registration();

  PresenceContext& context_;
  Step step_ = Step::idle;
  bool under_way_ = false;
  bool refreshing_ = false;                       // the call under way asks for the key of a coordinator we know
  std::uint64_t due_us_ = never_us;
  std::uint64_t key_due_us_ = never_us;           // a new look for a rotating key
  Backoff backoff_;
  std::string challenge_id_;
  Nonce nonce_;
};

// "addresses" of a registration or heartbeat.
void write_addresses(proto::JsonWriter& json, const std::string& advertise_url);

}  // namespace streamr::core
