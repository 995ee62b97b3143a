"""The public headers compile alone, as C11 and as C++17, without a warning."""
import unittest

import tree

STRICT = ["-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]


class PublicHeaders(unittest.TestCase):
    def compiles(self, compiler, standard, name):
        suffix = ".c" if standard.startswith("c1") else ".cpp"
        code, said = tree.compile_text(compiler, f"#include <streamr/{name}>\n", suffix, [f"-std={standard}", *STRICT])
        self.assertEqual(code, 0, said)

    def test_a_broken_header_would_be_seen(self):
        code, _ = tree.compile_text(tree.CC, "struct empty { };\n", ".c", ["-std=c11", *STRICT])
        self.assertNotEqual(code, 0)

    def test_the_c_header_compiles_alone_as_c11(self):
        self.compiles(tree.CC, "c11", "streamr.h")

    def test_the_c_header_compiles_alone_as_cpp17(self):
        self.compiles(tree.CXX, "c++17", "streamr.h")

    def test_the_cpp_wrapper_compiles_alone_as_cpp17_and_cpp20(self):
        self.compiles(tree.CXX, "c++17", "streamr.hpp")
        self.compiles(tree.CXX, "c++20", "streamr.hpp")

    def test_the_c_header_includes_only_stddef_and_stdint(self):
        named = {path for _, path in tree.includes(tree.HEADER.read_text())}
        self.assertEqual(named, {"stddef.h", "stdint.h"})


if __name__ == "__main__":
    unittest.main()
