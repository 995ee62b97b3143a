"""One stage of ./check: runs commands into its own log, counts their results, knows the time and the processor it took."""
import os
import pathlib
import subprocess
import threading
import time

import results

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
LOGS = BUILD / "logs"
TAIL_LINES = 40
# What compiles or computes yields to what is measured against the clock.
YIELDING = 10
LAST = 19


class Stage:
    def __init__(self, name, screen, options):
        self.name, self.screen, self.options = name, screen, options
        self.tally = results.Tally()
        self.log_path = LOGS / f"{name}.log"
        self.log_path.write_text("")
        self.lock = threading.Lock()
        self.built_s = self.cpu_s = 0.0
        self.begun = time.monotonic()
        self.took_s = 0.0

    def say(self, text):
        self.screen.line(f"{self.name:5} {text}")

    def run(self, command, cwd=ROOT, env=None, nice=0, log_path=None, limit_s=None):
        """Runs one command to its end, output to a log, progress to the terminal; gives its exit code.

        After `limit_s` it is interrupted, so that it ends its own children, and 20 s later killed. Nothing begins once a
        person has interrupted the whole run.
        """
        if self.options.interrupted.is_set():
            return 130
        with (log_path or self.log_path).open("a") as log:
            log.write(f"$ {' '.join(map(str, command))}\n")
            log.flush()
            words = ["nice", "-n", str(nice), *map(str, command)] if nice else [*map(str, command)]
            if limit_s:
                words = ["timeout", "--foreground", "-s", "INT", "-k", "20", str(limit_s), *words]
            process = subprocess.Popen(words, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
            for line in process.stdout:
                log.write(line)
                self.screen.step(self.name, line)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            with self.lock:
                self.cpu_s += used.ru_utime + used.ru_stime
            if process.returncode:
                log.write(f"ended with {process.returncode}\n")
            return process.returncode

    def must(self, command, what, **options):
        """Runs a command whose failure is one failure of the stage; tells whether it went well."""
        code = self.run(command, **options)
        if code != 0:
            self.tally.add(0, [f"{what} ended with {code}"])
            self.show_tail()
        return code == 0

    def show_tail(self, path=None):
        lines = (path or self.log_path).read_text(errors="replace").splitlines()[-TAIL_LINES:]
        self.screen.line("\n".join(f"    | {line}" for line in lines))

    def build(self, preset, targets, arguments=()):
        """Configures a preset and builds the targets; [] builds everything. Tells whether it went well.

        Several sources are compiled at once, which is quick; where two of them share a name, one by one, which always works.
        """
        begun = time.monotonic()
        command = ["cmake", "--build", f"build/{preset}", f"-j{self.options.jobs}", *(["--target", *targets] if targets else [])]
        try:
            for unity in ("ON", "OFF"):
                if not self.must(["cmake", "--preset", preset, f"-DSTREAMR_UNITY={unity}", *arguments], f"configuring {preset}"):
                    return False
                if self.run(command, nice=YIELDING) == 0:
                    return True
            self.show_tail()
            self.tally.add(0, [f"building {preset} failed"])
            return False
        finally:
            self.built_s += time.monotonic() - begun

    def ctest(self, preset, selection, jobs, env=None, nice=0):
        """Runs ctest in a preset's folder and counts its results."""
        folder = BUILD / preset
        for old in folder.glob("Testing/*/LastTest.log"):
            old.unlink()
        code = self.run(["ctest", "--test-dir", folder, "--output-on-failure", "--no-tests=error", f"-j{jobs}", *selection],
                        env=env, nice=nice)
        log = next(folder.glob("Testing/*/LastTest.log"), None)
        text = log.read_text(errors="replace") if log else ""
        passed, failures = results.count_ctest(text)
        if code != 0 and not failures:
            failures = [f"ctest ended with {code}"]
        self.tally.add(passed, failures, times=results.ctest_times(text))
        if failures:
            self.show_tail()

    def end(self):
        self.took_s = time.monotonic() - self.begun
        self.screen.end(self.name)
        for what in self.tally.skipped:
            self.say(f"  not run: {what}")
        for what in self.tally.known:
            self.say(f"  known to fail: {what}")
        self.say(f"{self.tally.counts()}, {self.took_s:.0f} s")

