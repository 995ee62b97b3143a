// Decides: how a person or a script talks to a running relay: words in, one line to its control socket, words out.
// Never: changes anything by itself.
// Called by: main() for `streamr-relay ctl`.
#pragma once

namespace streamr::programs {

int run_ctl(int argc, char** argv);

}  // namespace streamr::programs
