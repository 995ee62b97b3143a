// main() for every doctest program; a test that needs its own simply brings one.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
