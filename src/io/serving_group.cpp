#include "io/serving_group.hpp"

#include <algorithm>

#include "base/overloaded.hpp"

namespace streamr::io {
namespace {

constexpr std::size_t commands_a_post = 32;  // a loop begins to write while the node still thinks of its other links
constexpr int loop_shift = 48;  // requests of loop n are numbered from n << 48 on

ServerOptions shared_by(ServerOptions options, unsigned loops) {
  if (!options.ledger) options.ledger = std::make_shared<AddressLedger>(limits_of(options));
  options.reuse_port = options.reuse_port || loops > 1;
  return options;
}

}  // namespace

ServingGroup::ServingGroup(uv_loop_t* loop, TransportLoop& sockets, Handler& handler, ServerOptions options,
                           unsigned loops, std::function<void()> wake)
    : handler_(handler),
      options_(shared_by(std::move(options), loops)),
      wake_(std::move(wake)),
      own_(loop, sockets, handler, options_),
      commands_(loops > 1 ? loops - 1 : 0),
      link_of_(commands_.size()) {}

ServingGroup::~ServingGroup() = default;

Status ServingGroup::listen(const HostPort& address) {
  if (auto bound = own_.listen(address); !bound) return bound;
  for (std::size_t i = 0; i < commands_.size(); ++i) {
    ServerOptions options = options_;
    options.first_http_id = static_cast<HttpId>(i + 1) << loop_shift;
    loops_.push_back(std::make_unique<ServingLoop>(std::move(options), wake_));
    if (auto started = loops_.back()->start(own_.listening()); !started) return started;
  }
  return {};
}

void ServingGroup::take_in() {
  for (std::size_t i = 0; i < loops_.size(); ++i)
    for (auto& batch : loops_[i]->take_events())
      for (auto& event : batch) tell(i, event);
}

void ServingGroup::tell(std::size_t loop, LoopEvent& event) {
  auto& links = link_of_[loop];
  const auto named = [&](LinkId number, auto&& then) {
    if (const auto found = links.find(number); found != links.end()) then(found->second);
  };
  std::visit(Overloaded{
                 [&](LoopAccepted& told) {
                   const LinkId link = handler_.on_accepted(told.peer_address);
                   links[told.number] = link;
                   others_[link] = {loop, told.number};
                 },
                 [&](LoopMessage& told) {
                   named(told.number, [&](LinkId link) {
                     handler_.on_message(link, told.message);
                     took(link, told.message.size());
                   });
                 },
                 [&](LoopTextMessage& told) {
                   named(told.number, [&](LinkId link) { handler_.on_text_message(link); });
                 },
                 [&](LoopOversizedMessage& told) {
                   named(told.number, [&](LinkId link) { handler_.on_oversized_message(link); });
                 },
                 [&](LoopClosed& told) {
                   named(told.number, [&](LinkId link) {
                     links.erase(told.number);
                     others_.erase(link);
                     handler_.on_closed(link, told.why);
                   });
                 },
                 [&](LoopSent& told) {
                   named(told.number, [&](LinkId link) {
                     handler_.on_sent(link, others_.at(link).handed_bytes - told.taken_bytes);
                   });
                 },
                 [&](LoopRequest& told) { handler_.on_http(told.request); },
                 [&](LoopRequestClosed& told) { handler_.on_http_closed(told.id); },
             },
             event);
}

void ServingGroup::took(LinkId link, std::size_t message_bytes) {
  Remote& remote = others_.at(link);
  remote.taken.add(message_bytes);
  if (remote.taken.worth_telling()) command(remote.loop, LoopTaken{remote.number, std::exchange(remote.taken, {})});
}

void ServingGroup::command(std::size_t loop, LoopCommand command) {
  commands_[loop].push_back(std::move(command));
}

std::optional<std::size_t> ServingGroup::loop_of(HttpId id) const {
  const auto number = static_cast<std::size_t>(id >> loop_shift);
  if (number == 0 || number > loops_.size()) return std::nullopt;
  return number - 1;
}

void ServingGroup::send(LinkId link, const std::vector<SharedBytes>& pieces) {
  const auto found = others_.find(link);
  if (found == others_.end()) return own_.send(link, pieces);
  for (const auto& piece : pieces) found->second.handed_bytes += piece.size();
  command(found->second.loop, LoopSend{found->second.number, pieces});
}

void ServingGroup::flush_link(LinkId link) {
  const auto found = others_.find(link);
  if (found == others_.end()) return own_.flush_link(link);
  auto& waiting = commands_[found->second.loop];
  if (waiting.size() >= commands_a_post) loops_[found->second.loop]->post(std::exchange(waiting, {}));
}

void ServingGroup::close_link(LinkId link) {
  const auto found = others_.find(link);
  if (found == others_.end()) return own_.close_link(link);
  command(found->second.loop, LoopCloseLink{found->second.number});
}

void ServingGroup::reply(HttpId id, core::HttpResponse response) {
  if (const auto loop = loop_of(id))
    command(*loop, LoopReply{id, std::move(response)});
  else
    own_.reply(id, std::move(response));
}

void ServingGroup::pieces(HttpId id, const std::vector<SharedBytes>& pieces, bool end) {
  if (const auto loop = loop_of(id))
    command(*loop, LoopPieces{id, pieces, end});
  else
    own_.pieces(id, pieces, end);
}

bool ServingGroup::flush() {
  for (std::size_t i = 0; i < loops_.size(); ++i)
    if (!commands_[i].empty()) loops_[i]->post(std::exchange(commands_[i], {}));
  return own_.flush();
}

core::HttpServed ServingGroup::take_served() {
  core::HttpServed sum = own_.take_served();
  for (const auto& loop : loops_) sum += loop->take_served();
  return sum;
}

core::ServerStats ServingGroup::stats() const {
  const auto figures = options_.ledger->figures();
  core::ServerStats told;
  told.http_connections = figures.connections - std::min(figures.connections, figures.websockets);
  told.websocket_connections = figures.websockets;
  told.connections_limit = figures.limits.connections;
  told.accepted = figures.accepted;
  told.loops = loops_.size() + 1;
  told.refused = {{"address", figures.refused_address},
                  {"total", figures.refused_total},
                  {"descriptors", figures.refused_descriptors}};
  return told;
}

std::uint32_t ServingGroup::busy_permille() const {
  std::uint32_t most = 0;
  for (const auto& loop : loops_) most = std::max(most, loop->busy_permille());
  return most;
}

void ServingGroup::stop_listening() {
  own_.stop_listening();
  for (const auto& loop : loops_) loop->post({LoopStopListening{}});
}

void ServingGroup::close_all() {
  own_.close_all();
  for (const auto& loop : loops_) loop->post({LoopCloseAll{}});
}

bool ServingGroup::idle() const {
  for (const auto& loop : loops_)
    if (!loop->ended()) return false;
  return own_.idle();
}

std::size_t ServingGroup::busy() const {
  std::size_t sum = own_.busy();
  for (const auto& loop : loops_) sum += loop->busy();
  for (const auto& waiting : commands_) sum += waiting.size();
  return sum;
}

}  // namespace streamr::io
