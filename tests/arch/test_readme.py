"""The first program in README.md is real: it compiles, links and runs."""
import os
import re
import subprocess
import tempfile
import pathlib
import unittest

import tree

MAX_PROGRAM_LINES = 25


class Readme(unittest.TestCase):
    def setUp(self):
        self.text = (tree.ROOT / "README.md").read_text()
        found = re.search(r"```c\n(.*?)```", self.text, re.DOTALL)
        self.assertIsNotNone(found, "README.md holds no C program")
        self.program = found[1]

    def test_the_first_program_is_short(self):
        self.assertLessEqual(len(self.program.splitlines()), MAX_PROGRAM_LINES)

    @unittest.skipIf(os.environ.get("STREAMR_SANITIZE"), "a sanitized library wants a sanitized program")
    def test_the_first_program_compiles_links_and_says_what_it_expects(self):
        library = tree.BINARY / "lib"
        with tempfile.TemporaryDirectory() as folder:
            source, program = pathlib.Path(folder) / "first.c", pathlib.Path(folder) / "first"
            source.write_text(self.program)
            done = subprocess.run([tree.CC, "-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{tree.ROOT / 'include'}",
                                   str(source), f"-L{library}", f"-Wl,-rpath,{library}", "-lstreamr", "-o", str(program)],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            run = subprocess.run([str(program)], capture_output=True, text=True, timeout=20)
            self.assertEqual(run.returncode, 2, run.stderr)
            self.assertIn("usage", run.stderr)

    def test_every_path_the_map_names_exists(self):
        tree_map = self.text.split("## Map of the tree")[1]
        for path in re.findall(r"^\| `([\w./-]+)`", tree_map, re.MULTILINE):
            self.assertTrue((tree.ROOT / path).exists(), path)


if __name__ == "__main__":
    unittest.main()
