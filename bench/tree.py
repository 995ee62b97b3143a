"""Cases of the tree of relays: what a hop adds, a parent that dies, loss and delay, and what verifying costs."""
import json
import pathlib
import signal
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

    def measure(self, seconds, crowded=()):
        """Write to arrival of every slice for one viewer behind the last relay; ATTACHED more on each relay in `crowded`.

        Nobody else listens on the way: a relay's own viewer waits for its child on the same core, so that two viewers of one
        chain cannot be compared.
        """
        span = {"kind": "push", "stream": self.feed.stream, "times": self.feed.times}
        long_enough = {"warmup_ms": 500, "measure_ms": int(seconds * 1000) + 3000}
        crowds = [threading.Thread(target=self.lab.load, kwargs={"port": self.relays[number].port, "connections": ATTACHED, **long_enough, **span})
                  for number in crowded]
        for crowd in crowds:
            crowd.start()
        time.sleep(1 if crowds else 0)
        found = self.lab.load(port=self.relays[-1].port, connections=1, first_key=10_000, warmup_ms=1000, measure_ms=int(seconds * 1000), **span)
        for crowd in crowds:
            crowd.join()
        return found


def end_of_chain(lab, options, length, feed, crowded=()):
    tree = Chain(lab, length, **feed)
    found = tree.measure(options.seconds, crowded)
    tree.stop()
    return found


def chain(lab, options):
    """Latency at the end of chains of 1, 2 and 3 relays; the longest also with 100 viewers on each relay that passes on."""
    rows = []
    for name, feed in SHAPES:
        runs = [{kind: end_of_chain(lab, options, length, feed, crowded) for kind, length, crowded in
                 (("0", 1, ()), ("1", 2, ()), ("2", 3, ()), ("2, 100 viewers on each before", 3, (0, 1)))} for _ in range(options.repetitions)]
        for p, bound in (("p50", 0.12), ("p99", 1.0)):
            at = {kind: [run[kind]["slice_us"][p] / 1000 for run in runs] for kind in runs[0]}
            rows += [row(f"{name}, behind relay {kind}, {p}", values, None, "ms", peer_name="–") for kind, values in at.items()]
            for crowd, kind in (("alone", "2"), ("with 100 viewers", "2, 100 viewers on each before")):
                rows.append(row(f"{name}, a hop adds {crowd}, {p}", [(last - first) / 2 for first, last in zip(at["0"], at[kind])], None, "ms",
                                peer_name="–", target=bound))
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
    return [row("three links of 20 ms, 1 % loss, 50 Mbit/s, part p99", [run["part_us"]["p99"] / 1000 for run in runs], None, "ms",
                peer_name="–", target=200 + 3 * 20 + 150)]
