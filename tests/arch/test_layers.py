"""Includes never point up the layers, and nothing below io touches the world."""
import re
import unittest

import tree

WORLD_HEADERS = re.compile(
    r"^(thread|mutex|shared_mutex|condition_variable|future|chrono|iostream|fstream|filesystem|random|ctime|time\.h"
    r"|unistd\.h|fcntl\.h|poll\.h|pthread\.h|signal\.h|csignal|netdb\.h|uv\.h|libwebsockets\.h"
    r"|sys/.*|netinet/.*|arpa/.*|curl/.*|wslay/.*|openssl/(ssl|rand)\.h)$")
WORLD_CALLS = re.compile(r"\b(getenv|fopen|system_clock|steady_clock|randombytes_buf|RAND_bytes|std::rand)\b\s*[(:]")


def upward_includes(layer, text):
    """Included headers of a layer above `layer`."""
    own = tree.LAYERS.index(layer)
    firsts = [(path, path.split("/")[0]) for _, path in tree.includes(text)]
    return [path for path, first in firsts if first in tree.LAYERS and tree.LAYERS.index(first) > own]


def without_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)


def world_uses(text):
    """Headers and calls that reach sockets, clock, threads, files, randomness or environment."""
    code = without_comments(text)
    return [p for _, p in tree.includes(code) if WORLD_HEADERS.match(p)] + [m[0] for m in WORLD_CALLS.finditer(code)]


def internal_includes(text):
    """Headers of the library's inside that a program has no business with."""
    return [p for _, p in tree.includes(text) if p.split("/")[0] in tree.LAYERS or "src/" in p]


class Layers(unittest.TestCase):
    def sources(self, top, folder=None):
        found = [p for p in tree.code_files(top) if p.suffix in (".h", ".hpp", ".c", ".cpp")]
        return [p for p in found if folder is None or p.relative_to(tree.ROOT).parts[1] == folder]

    def test_the_checks_see_what_they_look_for(self):
        self.assertEqual(upward_includes("core", '#include "io/loop.hpp"\n#include "base/types.hpp"\n'), ["io/loop.hpp"])
        self.assertEqual(world_uses("#include <thread>\n// std::rand(\nauto x = getenv(\"A\");"), ["thread", "getenv("])
        self.assertEqual(internal_includes('#include "core/node.hpp"\n#include <streamr/streamr.h>\n'), ["core/node.hpp"])

    def test_no_include_points_up_the_layers(self):
        for layer in tree.LAYERS:
            files = self.sources("src", layer)
            self.assertTrue(files, f"src/{layer} has no sources")
            for path in files:
                self.assertEqual(upward_includes(layer, path.read_text()), [], path)

    def test_base_to_core_touch_no_socket_clock_thread_file_or_randomness(self):
        for layer in ("base", "crypto", "proto", "core"):
            for path in self.sources("src", layer):
                self.assertEqual(world_uses(path.read_text()), [], path)

    def test_programs_see_only_public_headers(self):
        files = self.sources("examples")
        self.assertTrue(files, "examples/ has no sources")
        for path in files:
            self.assertEqual(internal_includes(path.read_text()), [], path)

    def test_every_header_is_included_once_by_its_guard(self):
        for path in self.sources("src") + self.sources("examples") + self.sources("include"):
            if path.suffix in (".h", ".hpp"):
                self.assertRegex(path.read_text(), r"#pragma once|#ifndef STREAMR_\w+", path)


if __name__ == "__main__":
    unittest.main()
