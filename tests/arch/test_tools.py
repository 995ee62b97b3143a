"""./check counts what happened, ./demo leaves nothing behind, tools/setup refuses what it does not know."""
import importlib.util
import pathlib
import subprocess
import sys
import tempfile
import unittest

import tree

sys.path.insert(0, str(tree.ROOT / "tools" / "demo"))
from processes import Processes  # noqa: E402
from network import free_port  # noqa: E402
from figures import milliseconds  # noqa: E402

spec = importlib.util.spec_from_file_location("check", tree.ROOT / "tools" / "check.py")
check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check)

LOG = """Start testing: today
----------------------------------------------------------
1/3 Testing: test_core
1/3 Test: test_core
Output:
[doctest] test cases: 7 | 6 passed | 1 failed | 2 skipped
----------------------------------------------------------
Test Failed.
----------------------------------------------------------

2/3 Testing: arch_files
2/3 Test: arch_files
Test Passed.

3/3 Testing: test_io
3/3 Test: test_io
[doctest] test cases: 4 | 4 passed | 0 failed | 0 skipped
ERROR: AddressSanitizer: heap-use-after-free
Test Failed.
"""


class Counting(unittest.TestCase):
    def test_doctest_programs_count_by_case_and_others_as_one(self):
        passed, failures = check.count_ctest(LOG)
        self.assertEqual(passed, 6 + 1 + 4)
        self.assertEqual(failures, ["test_core", "test_io"])

    def test_python_programs_count_by_test(self):
        log = ("1/2 Testing: arch_x\nRan 5 tests in 0.1s\nOK\nTest Passed.\n"
               "2/2 Testing: wire\n2 failed, 7 passed in 3.21s\nTest Failed.\n")
        self.assertEqual(check.count_ctest(log), (12, ["wire", "wire"]))

    def test_a_program_that_dies_without_a_summary_is_one_failure(self):
        self.assertEqual(check.count_ctest("1/1 Testing: test_x\nsegfault\nTest Failed.\n"), (0, ["test_x"]))

    def test_pytest_reports_tell_skips_from_findings_that_are_still_open(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "report.xml"
            path.write_text('<testsuites><testsuite><testcase classname="a" name="good" time="2.5"/>'
                            '<testcase classname="a" name="bad" time="1"><failure message="no"/></testcase>'
                            '<testcase classname="a" name="away" time="0"><skipped type="pytest.skip" message="no mpv"/></testcase>'
                            '<testcase classname="a" name="open" time="0"><skipped type="pytest.xfail" message="open: x"/></testcase>'
                            '</testsuite></testsuites>')
            found = check.count_pytest(path)
        self.assertEqual((found.passed, found.failures), (1, ["a.bad"]))
        self.assertEqual((found.skipped, found.known), (["a.away: no mpv"], ["a.open: open: x"]))
        self.assertEqual(max(found.times), (2.5, "a.good"))
        self.assertEqual(found.counts(), "1 passed, 1 failed, 1 skipped, 1 known to fail")

    def test_a_latency_that_was_never_measured_is_no_number(self):
        self.assertIsNone(milliseconds({"p50": 0, "p99": 0, "count": 0}))
        self.assertEqual(milliseconds({"p50": 1500, "p99": 2600, "count": 3}), {"p50": 1.5, "p99": 2.6})


class Children(unittest.TestCase):
    def test_a_child_and_its_own_child_that_ignores_sigterm_are_gone_after_stop(self):
        with tempfile.TemporaryDirectory() as folder:
            children = Processes(pathlib.Path(folder))
            children.start("stubborn", ["sh", "-c", "trap '' TERM; sleep 60 & wait; wait"])
            self.assertGreaterEqual(len(children.left()), 1)
            children.stop(children.all, 0.3)
            self.assertEqual(children.left(), [])

    def test_a_taken_port_is_replaced_by_a_free_one(self):
        import socket
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            self.assertNotEqual(free_port(taken.getsockname()[1]), taken.getsockname()[1])


class Setup(unittest.TestCase):
    def test_an_unknown_option_is_refused_with_a_sentence(self):
        done = subprocess.run([tree.ROOT / "tools" / "setup", "--everything"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--everything", done.stderr)


if __name__ == "__main__":
    unittest.main()
