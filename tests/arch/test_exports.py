"""What leaves libstreamr.so is exactly what the public header declares."""
import re
import subprocess
import unittest

import tree

LIBRARY = tree.BINARY / "lib" / "libstreamr.so"


def declared_functions(header_text):
    """Names of the functions that a header marks with STREAMR_API."""
    code = re.sub(r"/\*.*?\*/", "", header_text, flags=re.DOTALL)
    code = "\n".join(line for line in code.splitlines() if not line.lstrip().startswith("#"))
    return set(re.findall(r"STREAMR_API\b[^;(]*?\b(streamr_\w+)\s*\(", code))


def exported_symbols(library):
    listed = subprocess.run(["nm", "-D", "--defined-only", "--format=posix", str(library)],
                            capture_output=True, text=True, check=True)
    return {line.split()[0].split("@")[0] for line in listed.stdout.splitlines() if line.split()[1] not in "aA"}


class Exports(unittest.TestCase):
    def test_declarations_are_found_wherever_the_line_breaks(self):
        text = "STREAMR_API int\n  streamr_one(void);\n/* STREAMR_API int streamr_two(void); */\n"
        self.assertEqual(declared_functions(text), {"streamr_one"})

    def test_exported_symbols_equal_the_functions_of_the_header(self):
        declared = declared_functions(tree.HEADER.read_text())
        self.assertGreater(len(declared), 30)
        exported = exported_symbols(LIBRARY)
        self.assertEqual(declared - exported, set(), "declared, but not exported")
        self.assertEqual(exported - declared, set(), "exported, but not declared")

    def test_the_library_names_its_major_version(self):
        said = subprocess.run(["readelf", "-d", str(LIBRARY)], capture_output=True, text=True, check=True).stdout
        self.assertRegex(said, r"SONAME.*\[libstreamr\.so\.0\]")


if __name__ == "__main__":
    unittest.main()
