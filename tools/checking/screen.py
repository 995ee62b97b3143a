"""What a person sees while stages run side by side: whole lines, and below them where each stage stands."""
import re
import sys
import threading
import time

EVERY_S = 30     # without a terminal each stage says so often where it stands
STEP = re.compile(r"^\s*(\[\s*\d+/\d+\].*|\d+/\d+ Test\s.*|\S+::\S+ (?:PASSED|FAILED|SKIPPED|ERROR|XFAIL|XPASS).*|\d+ of \d+ .*)")


class Screen:
    """Lines of several threads, none of them torn."""

    def __init__(self):
        self.lock = threading.RLock()
        self.is_terminal = sys.stdout.isatty()
        self.steps = {}      # stage -> what it does at the moment
        self.told = {}       # stage -> when it last said so

    def line(self, text):
        with self.lock:
            print(("\r\033[K" if self.is_terminal else "") + text, flush=True)
            self._status()

    def step(self, stage, output_line):
        """Shows a line of a command's output where it tells of progress."""
        found = STEP.match(output_line)
        if not found:
            return
        with self.lock:
            self.steps[stage] = found[1][:60].strip()
            if self.is_terminal:
                self._status()
            elif time.monotonic() - self.told.setdefault(stage, time.monotonic()) >= EVERY_S:
                self.told[stage] = time.monotonic()
                print(f"{stage:5}   {found[1][:100].strip()}", flush=True)

    def end(self, stage):
        with self.lock:
            self.steps.pop(stage, None)
            self.told.pop(stage, None)
            self._status()

    def _status(self):
        if self.is_terminal:
            shown = " │ ".join(f"{stage} {step}" for stage, step in self.steps.items())
            print(f"\r\033[K{shown[:118]}", end="", flush=True)
