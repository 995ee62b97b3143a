"""Child processes of the demo: each with a log, none outlives it.

Every child carries the run's id in its environment, so that grandchildren are found too when the end is checked.
"""
import ctypes
import os
import pathlib
import signal
import subprocess
import time
import uuid

MARK = "DEMO_RUN_ID"
PR_SET_PDEATHSIG = 1
REAPED_S = 0.3  # what SIGKILL needs to take effect on grandchildren
LIBC = ctypes.CDLL(None, use_errno=True)


def _die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Process:
    """One program: its name, its log, and how it is ended."""

    def __init__(self, name, command, log_path, environment, stdout=None):
        self.name = name
        self.log_path = log_path
        with log_path.open("ab") as log:
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout or log, stderr=log,
                                          env=environment, start_new_session=True, preexec_fn=_die_with_parent)

    def running(self):
        return self.child.poll() is None

    def signal_group(self, number):
        try:
            os.killpg(self.child.pid, number)
        except ProcessLookupError:
            return

    def last_words(self, count=5):
        """The last lines of its log."""
        lines = self.log_path.read_text(errors="replace").splitlines()
        return "\n".join(f"    {line[:200]}" for line in lines[-count:])


class Processes:
    """All children of one run."""

    def __init__(self, logs):
        self.logs = logs
        self.logs.mkdir(parents=True, exist_ok=True)
        self.run_id = uuid.uuid4().hex
        self.all = []

    def start(self, name, command, environment=None, stdout=None):
        path = self.logs / f"{name}.log"
        if not any(process.name == name for process in self.all):
            path.write_bytes(b"")
        process = Process(name, [str(word) for word in command], path,
                          {**os.environ, **(environment or {}), MARK: self.run_id}, stdout)
        self.all.append(process)
        return process

    def stop(self, processes, limit_s):
        """Asks politely, waits, then ends by force whatever is left."""
        for process in processes:
            if process.running():
                process.child.send_signal(signal.SIGTERM)
        end = time.monotonic() + limit_s
        while time.monotonic() < end and any(process.running() for process in processes):
            time.sleep(0.02)
        for process in processes:
            process.signal_group(signal.SIGKILL)
            process.child.wait()
        end = time.monotonic() + REAPED_S
        while self.left() and time.monotonic() < end:
            time.sleep(0.02)

    def left(self):
        """Ids of processes that still carry this run's mark."""
        mark = f"{MARK}={self.run_id}".encode()
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found
