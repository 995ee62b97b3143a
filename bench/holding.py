"""Cases of what viewers hold: memory idle, active and over TLS, readers that stop reading, hours of coming and going."""
import json
import os
import threading
import time

import peers
from lab import family, http_get, kernel_bytes, user_kib
from serving import VIEWERS, Serving, tls_server
from table import row

IDLE = 1000
STALLED = 1000
OTHERS = 100


def own_kib(child):
    """User-space memory of a server in KiB, without the media that a relay keeps: that grows while a stream is young."""
    held = 0
    if getattr(child, "is_relay", False):
        held = sum(one["store_bytes"] for one in json.loads(http_get(child.port, "/stats.json", tls=child.tls))["streams"]) // 1024
    return user_kib(child) - held


def each_kib(lab, child, connections, **options):
    """What one more connection takes, in KiB, while all of them stand."""
    before = own_kib(child)
    holding, held = lab.holding(kind="http", plan="idle", connections=connections, warmup_ms=500, measure_ms=0, **options)
    if held != connections:
        raise SystemExit(f"bench/run: {held} of {connections} idle connections stood")
    after = own_kib(child)
    lab.stop(holding)
    return (after - before) / held


def active_kib(child, load):
    """The same in the middle of a load of VIEWERS connections."""
    before, found = own_kib(child), []
    timer = threading.Timer(3.0, lambda: found.append(own_kib(child)))
    timer.start()
    load()
    timer.join()
    return (found[0] - before) / VIEWERS


def memory(lab, options):
    """User-space memory a viewer: idle, fetching 8 Mbit/s, playing LL-HLS, idle over TLS; each on servers that are new."""
    peers.static_files(lab)
    certificate, key = peers.certificate(lab)
    span = {"warmup_ms": 2000, "measure_ms": 3000}
    kinds = {"idle": (4, lambda case: each_kib(lab, case.relay, IDLE, port=case.relay.port),
                      lambda case, nginx, tls_port: each_kib(lab, nginx, IDLE, port=nginx.port)),
             "active": (8, lambda case: active_kib(case.relay, lambda: case.ours("paced", VIEWERS, **span)),
                        lambda case, nginx, tls_port: active_kib(nginx, lambda: case.theirs(nginx, "paced", VIEWERS, "/p%r.m4s", **span))),
             "playing": (8, lambda case: active_kib(case.relay, lambda: case.ours("player", VIEWERS, **span)), None),
             "pushed to": (8, lambda case: active_kib(case.relay, lambda: case.ours("", VIEWERS, kind="push", **span)), None),
             "idle TLS": (16, lambda case: each_kib(lab, case.relay, IDLE, port=case.relay.port, tls=1),
                          lambda case, nginx, tls_port: each_kib(lab, nginx, IDLE, port=tls_port, tls=1))}
    rows = []
    for name, (bound, ours, theirs) in kinds.items():
        figures = [], []
        for _ in range(min(3, options.repetitions)):
            case = Serving(lab, options, *(["--tls-cert", certificate, "--tls-key", key] if name == "idle TLS" else []))
            case.feed.wait(10)
            figures[0].append(ours(case))
            if theirs:
                nginx, tls_port = tls_server(lab, certificate, key)
                figures[1].append(theirs(case, nginx, tls_port))
                lab.stop(nginx)
            case.stop()
        rows.append(row(f"memory a viewer, {name}", *figures, "KiB", peer_name="nginx", target=bound, digits=2))
    return rows


def stalled(lab, options):
    """1000 readers that ask for 4 MB and read nothing, and what they do to 100 others."""
    peers.static_files(lab)
    case = Serving(lab, options)
    case.feed.wait(42)
    nginx = peers.nginx(lab, tls="")
    figures = {name: [] for name in ("kernel", "kernel, theirs", "all", "all, theirs", "p99 before", "p99 beside", "pushed kernel", "pushed all")}
    sides = ((case.relay, "", {"object": case.feed.segment, "times": case.feed.times, "behind": 40}, lambda: case.ours("paced", OTHERS)),
             (nginx, ", theirs", {"object": "/s%r.m4s", "ring": peers.SEGMENTS}, lambda: case.theirs(nginx, "paced", OTHERS, "/p%r.m4s")))
    for _ in range(min(3, options.repetitions)):
        for server, side, asked, others in sides:
            quiet = others() if not side else None
            kernel_before, user_before = kernel_bytes(server.port), own_kib(server)
            holding, held = lab.holding(kind="http", plan="stall", port=server.port, connections=STALLED, receive_buffer=65536, **asked)
            time.sleep(1)
            kernel = (kernel_bytes(server.port) - kernel_before) / 1000 / held
            figures["kernel" + side].append(kernel)
            figures["all" + side].append(kernel + (own_kib(server) - user_before) * 1.024 / held)
            if not side:
                beside = others()
                figures["p99 before"].append(quiet["part_us"]["p99"] / 1000)
                figures["p99 beside"].append(beside["part_us"]["p99"] / 1000)
            lab.stop(holding)
        kernel_before, user_before = kernel_bytes(case.relay.port), own_kib(case.relay)
        holding, held = lab.holding(kind="push", plan="stall", port=case.relay.port, connections=STALLED, receive_buffer=65536,
                                    stream=case.feed.stream, times=case.feed.times, warmup_ms=2000, measure_ms=2000)
        kernel = (kernel_bytes(case.relay.port) - kernel_before) / 1000 / held
        figures["pushed kernel"].append(kernel)
        figures["pushed all"].append(kernel + (own_kib(case.relay) - user_before) * 1.024 / held)
        lab.stop(holding)
    return [row("stalled reader, kernel", figures["kernel"], figures["kernel, theirs"], "kB", peer_name="nginx", target=256, digits=1),
            row("stalled reader, in all", figures["all"], figures["all, theirs"], "kB", peer_name="nginx", target=600, digits=1),
            row("stalled push viewer, kernel", figures["pushed kernel"], None, "kB", peer_name="–", target=256, digits=1),
            row("stalled push viewer, in all", figures["pushed all"], None, "kB", peer_name="–", target=600, digits=1),
            row("others beside 1000 stalled, answer p99", figures["p99 beside"], figures["p99 before"], "ms", peer_name="ours without them",
                target=1.1, of="ratio")]


def descriptors(child):
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in family(child.pid))


def soak(lab, options):
    """Viewers come and go all the time and the relay behind is killed now and then; what has grown at the end?"""
    origin = lab.relay("relay", "--any-stream")
    feed = lab.feed(origin, seconds=int(options.minutes * 60) + 120)
    carry = ["--carry", f"{feed.stream}=ws://127.0.0.1:{origin.port}/relay"]
    child = lab.relay("child", *carry)
    feed.wait(25)
    began, killed, round_number, samples = time.monotonic(), time.monotonic(), 0, []
    http = {"kind": "http", "times": feed.times, "object": feed.part, "playlist": feed.playlist, "warmup_ms": 500, "measure_ms": 1500}
    while time.monotonic() - began < options.minutes * 60:
        round_number += 1
        for server in (origin, child):
            lab.load(port=server.port, plan=("player", "edge", "paced")[round_number % 3], connections=50 + round_number * 37 % 200, **http)
            lab.load(kind="push", port=server.port, stream=feed.stream, times=feed.times, connections=20 + round_number * 13 % 100,
                     warmup_ms=500, measure_ms=1500)
        holding, _ = lab.holding(port=origin.port, plan="stall", connections=50, receive_buffer=65536, **http)
        lab.stop(holding)
        if time.monotonic() - killed > 60:
            child.kill()
            child.wait()
            lab.children.remove(child)
            child, killed = lab.relay("child", *carry), time.monotonic()
            time.sleep(5)
        time.sleep(1.5)
        samples.append((time.monotonic() - began, user_kib(origin), descriptors(origin)))
    settled = [one for one in samples if one[0] > options.minutes * 60 * 0.2] or samples
    quarter = max(1, len(settled) // 4)
    mean = lambda part, field: sum(one[field] for one in part) / len(part)
    first, last = mean(settled[:quarter], 1), mean(settled[-quarter:], 1)
    note = f"{options.minutes:g} min, {round_number} rounds, user memory {first / 1024:.1f} to {last / 1024:.1f} MiB"
    return [row("soak, memory growth", [(last - first) / first * 100], None, "%", peer_name="–", target=2, digits=2, note=note),
            row("soak, descriptor growth", [settled[-1][2] - settled[0][2]], None, "descriptors", peer_name="–", target=0,
                note=f"{settled[0][2]} to {settled[-1][2]} between rounds")]
