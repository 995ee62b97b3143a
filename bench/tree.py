"""Cases of the tree of relays: what a hop adds, a parent that dies, loss and delay, and what verifying costs."""
import json
import pathlib
import signal
import statistics
import subprocess
import sys
import threading
import time

from lab import HOST, Skipped, http_get, watch
from serving import Serving
from table import row

ATTACHED = 100
PARTS_SEEN = 29       # of 200 ms, at least, in the 6 s that a viewer looks
SHAPES = (("33 KB each 33 ms", {"bytes": 33_333, "part_ms": 33, "parts": 60}), ("200 KB each 200 ms", {}))


class Chain:
    """A feed and relays, each taking the stream from the one before: every one a process of its own, all on one core."""

    def __init__(self, lab, relays, **feed):
        self.lab = lab
        self.relays = [lab.relay("relay0", "--any-stream")]
        self.feed = lab.feed(self.relays[0], seconds=3600, **feed)
        for number in range(1, relays):
            self.relays.append(lab.relay(f"relay{number}", "--carry", f"{self.feed.stream}=ws://{HOST}:{self.relays[-1].port}/relay"))
        time.sleep(2)

    def stop(self):
        self.lab.stop(self.feed.child, *reversed(self.relays))

    def measure(self, seconds, attached_at=None):
        """Write to arrival of every slice behind each relay, one viewer on each; ATTACHED more on the relay `attached_at`."""
        found = [None] * len(self.relays)
        span = {"kind": "push", "stream": self.feed.stream, "times": self.feed.times, "measure_ms": int(seconds * 1000)}

        def one(number):
            found[number] = self.lab.load(port=self.relays[number].port, connections=1, first_key=1000 * (number + 1), warmup_ms=1500, **span)

        def crowd():
            self.lab.load(port=self.relays[attached_at].port, connections=ATTACHED, warmup_ms=1000, **{**span, "measure_ms": int(seconds * 1000) + 700})

        threads = [threading.Thread(target=one, args=(number,)) for number in range(len(self.relays))]
        if attached_at is not None:
            threads.append(threading.Thread(target=crowd))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if None in found:
            raise SystemExit("bench/run: a viewer of the chain failed")
        return found


def chain(lab, options):
    """Latency behind 0, 1, 2 relays after the origin, alone and with 100 viewers on the relay in the middle."""
    rows = []
    for name, feed in SHAPES:
        tree = Chain(lab, 3, **feed)
        for crowd, middle in (("alone", None), ("100 viewers on relay 1", 1)):
            runs = [tree.measure(options.seconds, middle) for _ in range(options.repetitions)]
            for p, bound in (("p50", 0.12), ("p99", 1.0)):
                behind = [[run[hop]["slice_us"][p] / 1000 for run in runs] for hop in range(3)]
                note = "write to arrival behind relay 0, 1, 2: " + ", ".join(f"{statistics.median(one):.2f}" for one in behind) + " ms"
                rows.append(row(f"a hop adds, {p}, {name}, {crowd}", [(last - first) / 2 for first, last in zip(behind[0], behind[2])], None, "ms",
                                peer_name="–", target=bound, note=note))
        tree.stop()
    return rows


def hop_in_process(lab, options):
    """What a hop adds beside bare TCP sockets that forward the same slices, all in one process; parts of 500 KB each 0.5 s."""
    command = [lab.build / "bench" / "bench_latency", "--seconds", str(max(4, int(options.seconds)))]
    runs = []
    for _ in range(min(3, options.repetitions)):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"bench/run: {done.stderr.strip()}")
        runs.append(json.loads(done.stdout))
    added = lambda side, p: [(run[side][-1][p] - run[side][0][p]) / 1000 / (len(run[side]) - 1) for run in runs]
    return [row(f"a hop adds in one process, {p[:3]}", added("ours", p), added("bare", p), "ms", peer_name="bare TCP forwarding") for p in ("p50_us", "p99_us")]


def verification(lab, options):
    """The verifier beside bare hashing, and what carrying a stream that nobody watches costs."""
    program = lab.build / "bench" / "bench_verify"
    if not program.exists():
        raise Skipped("bench_verify is not built: Google Benchmark is missing")
    done = subprocess.run([program, "--benchmark_format=json", f"--benchmark_repetitions={options.repetitions}", "--benchmark_min_time=0.2"],
                          capture_output=True, text=True, check=True)
    found = [one for one in json.loads(done.stdout)["benchmarks"] if one["run_type"] == "iteration"]
    rate = lambda name: [one["bytes_per_second"] / 1e9 for one in found if one["name"] == name]
    time_us = lambda name: [one["cpu_time"] / 1000 for one in found if one["name"] == name]
    bare, ours = rate("slice_bare_sha256/16384"), rate("slice_leaf_hash/16384")
    case = Serving(lab, options)
    case.feed.wait(5)
    alone = [case.lab.load(kind="http", plan="burst", port=case.relay.port, object="/healthz", connections=1, watch=watch(case.relay), warmup_ms=200,
                           interval_ms=1000, measure_ms=int(options.seconds * 1000)) for _ in range(options.repetitions)]
    missing = [b / o for o, b in zip(ours, bare)]
    return [row("hash rate through the verifier", ours, bare, "GB/s", peer_name="bare OpenSSL SHA-256", digits=2),
            row("its loss", missing, None, "bare / ours", peer_name="–", target=1 / 0.95),
            row("header check", time_us("header_verify"), time_us("header_bare_ed25519"), "µs", peer_name="bare libsodium", digits=1),
            row("a stream without viewers", [one["cpu_s"] / one["seconds"] * 100 for one in alone], None, "% of a core", peer_name="–", target=3, digits=2)]


def lose_parent(lab, signal_number):
    """(longest time between two parts in ms, parts that never came) behind a relay whose feeding parent gets a signal."""
    top = lab.relay("top", "--any-stream")
    feed = lab.feed(top, seconds=600)
    parents = [lab.relay(f"parent{i}", "--carry", f"{feed.stream}=ws://{HOST}:{top.port}/relay") for i in range(2)]
    time.sleep(1)
    leaf = lab.relay("leaf", *[word for parent in parents for word in ("--carry", f"{feed.stream}=ws://{HOST}:{parent.port}/relay")])
    time.sleep(3)
    upstreams = json.loads(http_get(leaf.port, "/stats.json"))["streams"][0]["upstreams"]
    source = next(one["url"] for one in upstreams if one["state"] == "live" and not one["standby"])
    dying = next(parent for parent in parents if f":{parent.port}/" in source)
    timer = threading.Timer(3.0, lambda: dying.send_signal(signal_number))
    timer.start()
    found = lab.load(kind="push", port=leaf.port, stream=feed.stream, times=feed.times, connections=1, warmup_ms=1000, measure_ms=6000)
    timer.join()
    dying.kill()
    lab.stop(leaf, *parents, feed.child, top)
    return found["longest_gap_us"] / 1000, max(0, PARTS_SEEN - found["answers"])


def parent_killed(lab, options):
    """A relay with two parents loses the one that feeds it; one viewer behind it notes when each part was whole."""
    rows = []
    for name, number in (("killed", signal.SIGKILL), ("silent (stopped)", signal.SIGSTOP)):
        seen = [lose_parent(lab, number) for _ in range(options.repetitions)]
        rows += [row(f"parent {name}, longest time between parts", [gap for gap, _ in seen], None, "ms", peer_name="–", target=700, digits=0,
                     note="700: two missed parts and 300 ms; a player with 1 s in hand stalls above 1200"),
                 row(f"parent {name}, parts that never came", [missing for _, missing in seen], None, f"of {PARTS_SEEN}", peer_name="–")]
    return rows


def netem(lab, options):
    """Three hops under 20 ms, 1 % loss and 50 Mbit/s, in a network namespace of its own."""
    probe = subprocess.run(["unshare", "-n", "sh", "-c", "ip link set lo up && tc qdisc add dev lo root netem delay 20ms loss 1% rate 50mbit"],
                           capture_output=True, text=True)
    if probe.returncode != 0:
        raise Skipped(f"no network namespace with netem here ({probe.stderr.strip().splitlines()[0] if probe.stderr else probe.returncode})")
    run = pathlib.Path(__file__).with_name("run")
    result = lab.folder / "netem.json"
    script = ("ip link set lo up && tc qdisc add dev lo root netem delay 20ms loss 1% rate 50mbit limit 10000 && "
              f"exec {sys.executable} {run} --no-build --build {lab.build} --only netem-inside --seconds {options.seconds} "
              f"--repetitions {options.repetitions} --json {result}")
    subprocess.run(["unshare", "-n", "sh", "-c", script], stdout=subprocess.DEVNULL)
    return json.loads(result.read_text())


def netem_inside(lab, options):
    """The chain of `netem`, wherever it runs: feed, two relays, one viewer are three links."""
    tree = Chain(lab, 2)
    runs = [tree.measure(max(10, options.seconds)) for _ in range(options.repetitions)]
    return [row("three links of 20 ms, 1 % loss, 50 Mbit/s, part p99", [run[-1]["part_us"]["p99"] / 1000 for run in runs], None, "ms",
                peer_name="–", target=200 + 3 * 20 + 150)]
