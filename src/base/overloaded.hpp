// Decides how one visitor of a variant is written as a list of lambdas.
// Never holds state.
// Called by whoever visits actions and events.
#pragma once

namespace streamr {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

}  // namespace streamr
