"""The tests of real processes, a pytest for each file, several at a time: most of them wait most of the time.

Tests that compare an attack with a calm phase share one lane, so that no attack disturbs another one's measure.
"""
import collections
import fnmatch
import os
import pathlib
import shutil
import tempfile
import threading

import results
from stage import BUILD, LOGS, ROOT

ALONE = "test_attack*.py"
# These take longest and begin first, so that none of them is the last to end alone.
FIRST = ("test_network.py", "test_netns.py", "test_player_programs.py", "test_demo.py", "test_relay.py")
FILE_LIMIT_S = 900
ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1"}


class Lanes:
    def __init__(self, stage, python, folder, wanted=()):
        self.stage, self.python = stage, python
        files = [path.relative_to(ROOT) for path in sorted(folder.glob("test_*.py"))]
        if wanted:
            files = [path for path in files if any(fnmatch.fnmatch(path.name, f"*{word}*") for word in wanted)]
        alone = [path for path in files if fnmatch.fnmatch(path.name, ALONE)]
        rest = sorted((path for path in files if path not in alone),
                      key=lambda path: FIRST.index(path.name) if path.name in FIRST else len(FIRST))
        self.alone, self.rest = collections.deque(alone), collections.deque(rest)
        self.lock = threading.Lock()
        self.total, self.done = len(files), 0
        self.logs = LOGS / "e2e"
        self.logs.mkdir(parents=True, exist_ok=True)
        for old in [*self.logs.glob("*.log"), *self.logs.glob("*.xml")]:
            old.unlink()

    def next(self, first):
        """The next file for a lane: the first lane takes the attacks before the others, no other lane ever does."""
        with self.lock:
            if first and self.alone:
                return self.alone.popleft()
            return self.rest.popleft() if self.rest else None

    def lane(self, first):
        while path := self.next(first):
            self.file(path)

    def file(self, path):
        """One file's tests; what it says goes to a log of its own."""
        # A folder of its own for each: pytest's usual one is closed to others by every pytest that begins, and some programs run as nobody.
        folder = pathlib.Path(tempfile.mkdtemp(prefix="streamr-"))
        log, report = self.logs / f"{path.stem}.log", self.logs / f"{path.stem}.xml"
        code = self.stage.run([self.python, "-m", "pytest", "-p", "no:cacheprovider", "-ra", "-v", "--durations=10", f"--junitxml={report}",
                               f"--basetemp={folder / 't'}", path], env={**ENVIRONMENT, "STREAMR_BUILD": str(BUILD / "dev")}, log_path=log, limit_s=FILE_LIMIT_S)
        found = results.count_pytest(report) if report.exists() else results.Tally()
        # 5: no test was found in the file; every other code without a failure is a pytest that did not come to its end.
        if code not in (0, 1) or (code == 1 and not found.failures):
            found.add(0, [f"{path.name}: pytest ended with {code}, its log is {os.path.relpath(log, ROOT)}"])
        self.stage.tally.take(found)
        if found.failures:
            self.stage.show_tail(log)
        shutil.rmtree(folder, ignore_errors=True)
        with self.lock:
            self.done += 1
        self.stage.say(f"  {self.done}/{self.total} {path.name}: {found.counts()}")

    def run(self, count):
        threads = [threading.Thread(target=self.lane, args=(index == 0,)) for index in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
