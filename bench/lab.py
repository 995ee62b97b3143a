"""Processes of a measurement: pinned, on free ports, in one folder, ended by their own id.

The server under test runs on core 0, everything else (feed, load, upstreams) on the last core.
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"
SERVER_CORE = 0
LOAD_CORE = os.cpu_count() - 1
NICE = 0              # of everything that is started, set by bench/run --nice


class Skipped(Exception):
    """A case that cannot be measured here, with the reason."""


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def http_get(port, path, timeout_s=3.0, tls=False):
    trusting = ssl._create_unverified_context() if tls else None   # the run's own certificate
    with urllib.request.urlopen(f"{'https' if tls else 'http'}://{HOST}:{port}{path}", timeout=timeout_s, context=trusting) as reply:
        return reply.read()


def wait_until(holds, what, limit_s=15.0):
    end = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > end:
            raise SystemExit(f"bench/run: {what} did not come within {limit_s:.0f} s")
        time.sleep(0.05)


def answers(port, path="/"):
    try:
        http_get(port, path)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


class Lab:
    """Everything that one case starts; leaving it ends all of it."""

    def __init__(self, build):
        self.build = build
        self.children = []
        shared = pathlib.Path("/dev/shm")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="streamr-bench-", dir=shared if shared.is_dir() else None))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in reversed(self.children):
            end(child)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name, command, core, **more):
        errors = (self.folder / f"{name}.err").open("ab")
        child = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
                                 preexec_fn=lambda: pin(core), **more)
        self.children.append(child)
        return child

    def stop(self, *children):
        for child in children:
            end(child)
            self.children.remove(child)

    def errors(self, name):
        return (self.folder / f"{name}.err").read_text(errors="replace").strip()

    def relay(self, name, *flags, core=SERVER_CORE):
        """(child, port) of a relay for friends; any stream, no tickets."""
        child = self.start(name, [self.build / "bin" / "streamr-relay", "--listen", f"{HOST}:0", "--key", self.folder / f"{name}.key",
                                  "--open", "--loops", "1", *flags], core)
        line = child.stdout.readline()
        if "listening on" not in line:
            raise SystemExit(f"bench/run: the relay {name} did not start: {self.errors(name)}")
        child.port = int(line.rsplit(":", 1)[1])
        child.is_relay, child.tls = True, "--tls-cert" in flags
        return child

    def feed(self, relay, **options):
        """Publishes into a relay; gives what is needed to ask for it."""
        feed = Feed(self, relay, options)
        self.children.append(feed.child)
        return feed

    def load(self, **options):
        """One load from begin to end; its JSON."""
        command = [self.build / "bench" / "bench_load"]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, preexec_fn=lambda: pin(LOAD_CORE))
        if done.returncode != 0:
            raise SystemExit(f"bench/run: {' '.join(map(str, command))}: {done.stderr.strip()}")
        found = json.loads(done.stdout)
        if found["errors"]:
            raise SystemExit(f"bench/run: {found['errors']} answers were wrong: {done.stderr.strip()[:1500]}")
        return found

    def holding(self, **options):
        """A load that stays (stalled readers, idle viewers) until it is ended; (child, connections)."""
        command = [self.build / "bench" / "bench_load"]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        child = self.start("holding", command, LOAD_CORE)
        line = child.stdout.readline()
        if not line:
            raise SystemExit(f"bench/run: {self.errors('holding')}")
        return child, json.loads(line)["held"]


class Feed:
    def __init__(self, lab, relay, options):
        self.times = lab.folder / f"times-{len(lab.children)}"
        self.parts = options.get("parts", 20)
        command = [lab.build / "bench" / "bench_feed", "--origin", f"ws://{HOST}:{relay.port}/relay", "--times", self.times]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", value]
        self.child = lab.start("feed", command, LOAD_CORE)
        line = self.child.stdout.readline()
        if not line:
            raise SystemExit(f"bench/run: the feed did not start: {lab.errors('feed')}")
        found = json.loads(line)
        self.stream, self.epoch = found["stream"], found["epoch"]

    @property
    def part(self):
        return f"/live/{self.stream}/{self.epoch}/0/%s.%p.m4s"

    @property
    def segment(self):
        return f"/live/{self.stream}/{self.epoch}/0/%s.m4s"

    @property
    def playlist(self):
        return f"/live/{self.stream}/0.m3u8?_HLS_msn=%s&_HLS_part=%p"

    def count(self):
        return int.from_bytes(self.times.read_bytes()[:8], "little")

    def wait(self, parts):
        wait_until(lambda: self.count() >= parts, f"part {parts} of the feed", 60)


def pin(core):
    os.sched_setaffinity(0, {core})
    os.setpriority(os.PRIO_PROCESS, 0, NICE)
    os.setpgid(0, 0)


def end(child):
    """Asks a process that we started to stop, and makes it after a while."""
    if child.poll() is None:
        if child.stdin:
            child.stdin.close()
        child.send_signal(signal.SIGTERM)
        child.send_signal(signal.SIGCONT)
        try:
            child.wait(4)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe:
            pipe.close()


def family(pid):
    """A process and all that it started: a server's workers count as the server."""
    found = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += family(int(child))
    return found


def watch(child):
    return ",".join(map(str, family(child.pid)))


def user_kib(child):
    """Proportional share of the memory that the processes of a server hold in user space, in KiB."""
    total = 0
    for pid in family(child.pid):
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


def kernel_bytes(port):
    """What the kernel holds for the sockets of a server: received, queued for sending, overhead of both."""
    found = subprocess.run(["ss", "-tmnH", "state", "established", f"sport = :{port}"], capture_output=True, text=True).stdout
    total = 0
    for piece in found.split("skmem:(")[1:]:
        values = {name.rstrip("0123456789"): int("".join(filter(str.isdigit, name))) for name in piece.split(")")[0].split(",")}
        total += values["r"] + values["w"] + values["f"] + values["o"]
    return total


def spread(values, digits=3):
    """{"median", "min", "max"} of a figure's repetitions."""
    return {"median": round(statistics.median(values), digits), "min": round(min(values), digits), "max": round(max(values), digits)}
