// Decides: how `streamr-relay top` asks a relay once a second and owns the terminal while it shows what came.
// Never: leaves the terminal other than it was, and never asks anything that changes a relay.
// Called by: main().
#pragma once

namespace streamr::programs {

int run_top(int argc, char** argv);

}  // namespace streamr::programs
