"""What a reader should never meet: files without end, marks of unfinished work, paths of a machine."""
import re
import unittest

import tree

MAX_LINES = 600
# The C contract stays in one header, most of it doc comments.
LONGER = {"include/streamr/streamr.h": 900}
# Each word stands here in two halves, so that this file does not hold what it looks for.
UNFINISHED = re.compile(r"(?<!\")\b(" + "|".join([
    "TO" "DO", "FIX" "ME", "XX" "X", "HA" "CK", "not imple" "mented", "place" "holder", "st" "ub", "for n" "ow"]) + r")\b", re.IGNORECASE)
MACHINE = re.compile("|".join([
    r"(?<![\w.])/wo" r"rk/", r"registry\.npm" r"js", r"files\.python" r"hosted", r"deb\.deb" r"ian\.org"]))
SWITCHED_OFF = re.compile(r"doctest::sk" r"ip|DISA" r"BLED_|it\.sk" r"ip|sleep_" r"for|usle" r"ep\(")


def lines_with(pattern, text):
    return [f"{number}: {line.strip()[:100]}" for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)]


class Files(unittest.TestCase):
    def test_the_patterns_find_what_they_are_for(self):
        self.assertTrue(lines_with(UNFINISHED, "int a; // TO" "DO later"))
        self.assertTrue(lines_with(MACHINE, "see /wo" "rk/main"))
        self.assertFalse(lines_with(UNFINISHED, "TemporaryDirectory and mkstemp XXXX" "XX"))

    def test_no_file_of_code_is_longer_than_600_lines(self):
        for path in tree.code_files():
            limit = LONGER.get(str(path.relative_to(tree.ROOT)), MAX_LINES)
            self.assertLessEqual(len(path.read_text().splitlines()), limit, path)

    def test_no_line_of_code_marks_unfinished_work(self):
        for path in tree.code_files():
            self.assertEqual(lines_with(UNFINISHED, path.read_text()), [], path)

    def test_no_file_names_a_path_of_one_machine_or_a_registry(self):
        for path in tree.tracked_files():
            if path.suffix not in (".png", ".bin", ".mp4") and "corpus" not in path.parts:
                self.assertEqual(lines_with(MACHINE, path.read_text(errors="replace")), [], path)

    def test_no_test_is_switched_off_or_sleeps(self):
        for path in tree.code_files("tests"):
            self.assertEqual(lines_with(SWITCHED_OFF, path.read_text()), [], path)


if __name__ == "__main__":
    unittest.main()
