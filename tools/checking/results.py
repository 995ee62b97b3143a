"""What passed, what failed, what did not run, and how long each took: read from the files that ctest and pytest leave."""
import re
import threading
import xml.etree.ElementTree


class Tally:
    """Results of one stage, or of all of them."""

    def __init__(self):
        self.lock = threading.Lock()
        self.passed = 0
        self.failures = []
        self.skipped = []      # "name: reason"
        self.known = []        # tests of findings that are still open: "name: reason"
        self.times = []        # (seconds, name)

    def add(self, passed=0, failures=(), skipped=(), known=(), times=()):
        with self.lock:
            self.passed += passed
            self.failures += failures
            self.skipped += skipped
            self.known += known
            self.times += times

    def take(self, other, prefix=""):
        self.add(other.passed, [prefix + failure for failure in other.failures], other.skipped, other.known, other.times)

    def counts(self):
        more = [f"{len(what)} {word}" for what, word in ((self.skipped, "skipped"), (self.known, "known to fail")) if what]
        return ", ".join([f"{self.passed} passed", f"{len(self.failures)} failed", *more])


def ctest_entries(log_text):
    """(name, text) of each test in ctest's LastTest.log."""
    for entry in re.split(r"(?m)^(?=\d+/\d+ Testing: )", log_text):
        name = re.match(r"\d+/\d+ Testing: (\S+)", entry)
        if name:
            yield name[1], entry


def count_ctest(log_text):
    """Results per ctest entry: doctest, pytest and unittest programs count by test case, others as one.

    Returns (passed, [names of failures]).
    """
    passed, failures = 0, []
    for name, entry in ctest_entries(log_text):
        ok = re.search(r"(?m)^Test Passed\.", entry) is not None
        cases = re.search(r"\[doctest\] test cases:\s+(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed", entry)
        if cases:
            passed += int(cases[2])
            failed = int(cases[3]) or (0 if ok else 1)
            failures += [name] * failed
            continue
        python = re.search(r"(?m)^(?:=+ )?(?:(\d+) failed, )?(\d+) passed.* in [\d.]+s|^Ran (\d+) tests? in", entry)
        if ok:
            passed += int((python[2] or python[3]) if python else 1)
        else:
            passed += int(python[2] or 0) if python else 0
            failures += [name] * int((python and python[1]) or 1)
    return passed, failures


def ctest_times(log_text):
    """(seconds, name) of each test."""
    found = ((re.search(r"(?m)^Test time =\s+([\d.]+) sec", entry), name) for name, entry in ctest_entries(log_text))
    return [(float(time[1]), name) for time, name in found if time]


def count_pytest(path):
    """A Tally of one pytest run from its JUnit file."""
    tally = Tally()
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        tally.times.append((float(case.get("time") or 0), name))
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            tally.failures.append(name)
        elif skip is not None:
            (tally.known if skip.get("type") == "pytest.xfail" else tally.skipped).append(f"{name}: {skip.get('message')}")
        else:
            tally.passed += 1
    return tally
