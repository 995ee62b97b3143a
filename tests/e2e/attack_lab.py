"""A relay under attack and the honest ones whom it must not disturb.

    field = Field(folder); with field.attack() as scene: … ; the end of the block is where the honest ones are asked

An attack that is over leaves nothing: the honest viewer and player got every part, about as fast as without it; the relay
never took more memory than its setting and what is stated here, and has as many descriptors as before.
"""
import contextlib
import json
import os
import pathlib
import socket
import statistics
import sys
import threading
import time

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import harness
from srw_client import Key
from wire_lab import Relay

MEMORY_MB = 64
# Beside the setting: program and libraries, allocator slack, and the kernel-facing buffers of some hundred connections.
BESIDE_MEMORY_MB = 48
LEFT_BEHIND_MB = 16       # what the allocator may keep after one attack
PART_MS = 200             # a player that waits less than one part more than usual shows nothing of it
ATTACK_S = 1.0            # at least, so that some parts are sent under attack
LATE_MS = 2000            # at this age a relay is allowed to drop a part, so nobody may ever wait so long
HERE = pathlib.Path(__file__).resolve().parent


class Process:
    """What the kernel says about one process."""

    def __init__(self, pid):
        self.folder = pathlib.Path(f"/proc/{pid}")

    def status(self, name):
        line = next(line for line in (self.folder / "status").read_text().splitlines() if line.startswith(name + ":"))
        return int(line.split()[1])

    def rss_mb(self):
        return self.status("VmRSS") / 1024

    def peak_mb(self):
        return self.status("VmHWM") / 1024

    def forget_peak(self):
        (self.folder / "clear_refs").write_text("5")

    def descriptors(self):
        return len(list((self.folder / "fd").iterdir()))

    def cpu_s(self):
        fields = (self.folder / "stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100


class Scene:
    """One attack: sockets that are closed at its end, whatever happens."""

    def __init__(self, field):
        self.field = field
        self.sockets = []

    def connect(self, source="127.0.0.2", data=b"", receive_bytes=None):
        """A plain socket to the relay from another loopback address than that of the honest ones."""
        one = socket.socket()
        self.sockets.append(one)
        one.settimeout(5)
        if receive_bytes:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        one.bind((source, 0))
        one.connect((harness.HOST, self.field.relay.port))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if data:
            send_all(one, data)
        return one

    def keep(self, peer):
        self.sockets.append(peer.socket)
        return peer

    def close(self):
        for one in self.sockets:
            one.close()


def busy_machine():
    """How many times longer work takes than alone, since others compute on this machine too."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def send_all(one, data):
    """True where all of it was taken; a relay may close on an attacker at any time."""
    try:
        one.sendall(data)
    except OSError:
        return False
    return True


def read_all(one, limit_s=5.0, most=1 << 22):
    """What comes until the relay closes, or `limit_s` is over; (octets, closed)."""
    end, got = time.monotonic() + limit_s, b""
    while len(got) < most and (left := end - time.monotonic()) > 0:
        one.settimeout(left)
        try:
            data = one.recv(65536)
        except TimeoutError:
            break
        except OSError:
            return got, True
        if not data:
            return got, True
        got += data
    return got, False


class Field:
    """One relay that serves a live stream to one viewer and one player, all the time that tests attack it. Under TLS the
    honest ones trust `authority`."""

    def __init__(self, folder, *flags, memory_mb=MEMORY_MB, part_bytes=50_000, max_kbps=8_000, relay=None, authority=None):
        self.relay = relay or Relay(folder, "attacked", "--any-stream", "--memory-mb", str(memory_mb), *flags)
        self.memory_mb = memory_mb
        self.process = Process(self.relay.program.pid)
        secret = self.relay.coordinator.private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        plan = folder / "audience.json"
        plan.write_text(json.dumps({"port": self.relay.port, "host": harness.HOST, "part_bytes": part_bytes, "max_kbps": max_kbps,
                                    "coordinator": secret.hex(), "relay_key": self.relay.key.hex(), "authority": str(authority or "")}))
        self.audience = harness.Program("audience", [sys.executable, "-B", HERE / "honest_audience.py", plan], folder)
        self.spoilt = False
        self.attacks = []      # (since, until) of every attack, so that the calm between them is known
        told = harness.wait_until(lambda: [line for line in self.lines() if "stream" in line], "the honest stream", 10)
        self.stream, self.epoch, self.first = bytes.fromhex(told[0]["stream"]), told[0]["epoch"], told[0]["first"]
        self.calm(2.0)

    def lines(self):
        return self.audience.json_lines()

    def calm(self, seconds):
        time.sleep(seconds)
        self.check_errors()

    def stop(self):
        self.audience.clean_up()
        self.relay.program.clean_up()

    def newest(self):
        """(segment, part) of the newest part that the viewer has."""
        part = max(line["part"] for line in self.lines() if line.get("who") == "viewer" and "part" in line)
        return self.first + part // 10, part % 10

    def path(self, segment=None, part=None, kind="ts"):
        name = f"{segment}" if part is None else f"{segment}.{part}"
        return f"/live/{self.stream.hex()}/{self.epoch}/0/{name}.{kind}"

    @property
    def playlist(self):
        return f"/live/{self.stream.hex()}/0.m3u8"

    def check_errors(self):
        assert self.relay.program.running(), f"the relay ended: {self.relay.program.err()[-2000:]}"
        errors = [line for line in self.lines() if "error" in line]
        assert not errors, f"the honest ones were disturbed: {errors[:3]}; relay: {self.relay.program.err()[-1500:]}"

    def delays(self, who, wanted):
        return {line["part"]: line["delay_ms"] for line in self.lines() if line.get("who") == who and "part" in line and wanted(line["put"])}

    def check_audience(self, since, until):
        for who in ("viewer", "player"):
            def followed():
                self.check_errors()
                return any(line["put"] >= until for line in self.lines() if line.get("who") == who and "part" in line)
            harness.wait_until(followed, f"the {who} behind the attack", 8)
            self.check_errors()
            during = self.delays(who, lambda put: since <= put < until)
            numbers = sorted(during)
            assert numbers and numbers == list(range(numbers[0], numbers[-1] + 1)), f"parts are missing at the {who}: {numbers}"
            assert len(numbers) >= (until - since) / 0.2 - 3, f"the {who} got {len(numbers)} parts in {until - since:.1f} s"
            calm = self.delays(who, lambda put: not any(begin - 0.3 <= put < end + 0.3 for begin, end in self.attacks))
            usual, now = statistics.median(calm.values()), statistics.median(during.values())
            assert now <= (5 * usual + PART_MS) * busy_machine(), f"the {who} waits {now:.0f} ms under attack and {usual:.0f} ms without"
            assert max(during.values()) < LATE_MS, f"the {who} waited {max(during.values()):.0f} ms for one part"

    @contextlib.contextmanager
    def attack(self, settle_s=8.0, fills=False):
        """Runs an attack; at its end all sockets are closed and everybody is asked. `fills`: the store may fill meanwhile."""
        self.check_errors()
        self.spoilt = True     # until everything below held
        self.process.forget_peak()
        before_fd, before_mb, scene = self.process.descriptors(), self.process.rss_mb(), Scene(self)
        since = time.monotonic()
        try:
            yield scene
            time.sleep(max(0.0, since + ATTACK_S - time.monotonic()))
        finally:
            until = time.monotonic()
            self.attacks.append((since, until))
            scene.close()
        self.check_audience(since, until)
        peak = self.process.peak_mb()
        allowed = self.memory_mb + BESIDE_MEMORY_MB
        assert peak <= allowed, f"the relay took {peak:.0f} MB, {allowed} are allowed"
        harness.wait_until(lambda: self.process.descriptors() <= before_fd, "as many descriptors as before the attack", settle_s)
        left_mb = allowed if fills else min(allowed, before_mb + LEFT_BEHIND_MB)
        harness.wait_until(lambda: self.process.rss_mb() <= left_mb, f"{left_mb:.0f} MB as before the attack", settle_s)
        self.spoilt = False


@pytest.fixture(scope="module")
def fields(tmp_path_factory):
    made = []

    def give():
        if not made or made[-1].spoilt:
            while made:
                made.pop().stop()
            made.append(Field(tmp_path_factory.mktemp("field")))
        return made[-1]
    yield give
    for one in made:
        one.stop()


@pytest.fixture
def field(fields):
    """A relay with honest ones; a new one where an earlier test left it broken."""
    return fields()


def in_threads(count, work):
    """Runs work(index) in threads and gives their results; an exception of one is raised here."""
    results, failures = [None] * count, []

    def one(index):
        try:
            results[index] = work(index)
        except Exception as why:  # noqa: BLE001: handed on below
            failures.append(why)
    threads = [threading.Thread(target=one, args=(index,), daemon=True) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(15)
    if failures:
        raise failures[0]
    return results
