"""Running a relay: limits that change under viewers, the control socket, `top`, metrics, TLS, a kill and a full disk."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

import harness
from harness import BIN, HOST, http_get, http_json, wait_until
from srw_client import CHUNK, GOAWAY, INDEPENDENT, PUBLISHER, VIEWER, Closed, Key, Peer, Refused, Source

RELAY = BIN / "streamr-relay"


class OneRelay:
    """A relay without a coordinator that reads its limits from a file, and a publisher in Python that feeds it."""

    def __init__(self, folder, config="", *flags, before=()):
        self.folder = pathlib.Path(folder)
        self.config, self.control = self.folder / "relay.toml", self.folder / "relay.sock"
        self.flags, self.before = flags, before
        self.config.write_text(config)
        self.port, self.runs = 0, 0
        self.start()

    def start(self):
        self.runs += 1
        command = [*self.before, RELAY, "--listen", f"{HOST}:{self.port}", "--key", self.folder / "relay.key", "--open", "--any-stream",
                   "--state", self.folder / "state", "--config", self.config, "--control", self.control,
                   "--log-format", "json", *self.flags]
        self.program = harness.Program(f"relay-{self.runs}", command, self.folder)
        self.port = self.program.listening()

    def ctl(self, *words):
        return subprocess.run([RELAY, "ctl", "--control", self.control, *words], capture_output=True, text=True, timeout=20)

    def hang_up(self):
        """SIGHUP, then the line that says how it went."""
        before = len(self.events())
        os.kill(self.program.pid, signal.SIGHUP)
        return wait_until(lambda: next((e for e in self.events()[before:] if e["event"] in ("reloaded", "reload_refused")), None),
                          "the line of the reload", 5)

    def events(self):
        return [json.loads(line) for line in self.program.err().splitlines() if line.startswith("{")]

    def limits(self):
        return self.stats()["limits"]

    def stats(self):
        return http_json(f"http://{HOST}:{self.port}/stats.json")

    def get(self, path):
        return http_get(f"http://{HOST}:{self.port}{path}")


class Feed:
    """A publisher that pushes one part of 20 KB each 100 ms until it is stopped."""

    def __init__(self, port, source=None):
        self.source = source or Source()
        self.peer = Peer(port).open(self.source.session, PUBLISHER)
        self.peer.announce(self.source)
        self.wanted = self.peer.accept(self.source)
        self.segment = max(int(time.time()), int.from_bytes(self.wanted.payload[48:56], "big"))
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.push, daemon=True)
        self.thread.start()

    def push(self):
        while not self.stopped.is_set():
            for part in range(5):
                flags = INDEPENDENT if part == 0 else 0
                self.peer.put(self.source.chunk(self.segment, part, os.urandom(20_000), flags, duration_us=100_000), self.wanted.sub)
                self.stopped.wait(0.1)
            self.segment += 1
            try:
                self.peer.alive()
            except (OSError, Closed, AssertionError):
                return  # the relay went, as some tests want it to

    def stop(self):
        self.stopped.set()
        self.thread.join(5)


@pytest.fixture
def make_relay(tmp_path):
    made = []

    def make(config="", *flags, **more):
        made.append(OneRelay(tmp_path, config, *flags, **more))
        return made[-1]

    yield make
    for relay in made:
        relay.program.clean_up()


@pytest.fixture
def feed():
    made = []

    def make(relay, source=None):
        made.append(Feed(relay.port, source))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def viewer_of(relay, feed):
    peer = Peer(relay.port).open(Key(), VIEWER)
    peer.subscribe(feed.source.id, start=0)
    peer.expect(CHUNK)
    return peer


# ---- what changes while it runs

def test_sighup_changes_limits_and_no_viewer_is_dropped(make_relay, feed):
    relay = make_relay("max-viewers = 5\n")
    viewer = viewer_of(relay, feed(relay))
    relay.config.write_text('max-viewers = 7\nupload-kbps = 50000\nlog-level = "debug"\nname = "other"\n')
    line = relay.hang_up()
    assert line["event"] == "reloaded" and "max_viewers 5 -> 7" in line["text"] and "log_level info -> debug" in line["text"]
    assert relay.limits() == {"upload_kbps": 50000, "max_viewers": 7}
    assert any(e["event"] == "restart_needed" and "--name" in e["text"] for e in relay.events())
    viewer.expect(CHUNK)
    assert relay.stats()["links"].get("viewer") == 1


@pytest.mark.parametrize("wrong", ["max-viewers = many\n", "upload-kbps = 3\n", "max-viewers = 5\nno-such-key = 1\n",
                                   'role = "king"\n', "max-viewers = -1\n", "[[[\n"])
def test_a_wrong_file_is_refused_with_a_sentence_and_everything_stays(make_relay, wrong):
    relay = make_relay("max-viewers = 5\n")
    relay.config.write_text(wrong)
    line = relay.hang_up()
    assert line["event"] == "reload_refused" and len(line["text"]) > 40, line
    assert relay.limits() == {"upload_kbps": 0, "max_viewers": 5}
    relay.config.write_text("max-viewers = 6\n")
    assert relay.hang_up()["event"] == "reloaded"
    assert relay.limits()["max_viewers"] == 6


def test_the_control_socket_is_the_owners_and_does_what_it_says(make_relay, feed):
    relay = make_relay()
    assert relay.control.stat().st_mode & 0o777 == 0o600
    viewer = viewer_of(relay, feed(relay))
    done = relay.ctl("set", "upload_kbps=60000", "connections=500")
    assert done.returncode == 0 and "upload_kbps 0 -> 60000" in done.stdout and "connections 8192 -> 500" in done.stdout
    assert relay.limits()["upload_kbps"] == 60000
    wait_until(lambda: relay.stats()["connections"]["limit"] == 500, "the limit in the figures", 5)
    shown = relay.ctl("get", "limits")
    assert re.search(r"^connections +500$", shown.stdout, re.M), shown.stdout
    for words in (["set", "upload_kbps=7"], ["set", "upload_kbps=80000", "memory_mb=1"], ["set", "nobody=1"], ["get", "keys"]):
        refused = relay.ctl(*words)
        assert refused.returncode == 6 and refused.stderr.count("\n") == 1, refused
    assert relay.ctl("set", "upload_kbps").returncode == 2
    assert relay.limits()["upload_kbps"] == 60000
    viewer.expect(CHUNK)
    assert any(e["event"] == "limits_changed" for e in relay.events())


def test_drain_says_good_bye_and_ends_with_zero(make_relay, feed):
    relay = make_relay()
    viewer = viewer_of(relay, feed(relay))
    assert relay.ctl("drain").returncode == 0
    assert relay.program.child.wait(5) == 0
    assert any(e["event"] == "goaway" for e in relay.events())
    viewer.expect(GOAWAY)
    assert not relay.control.exists()
    assert relay.ctl("get", "limits").returncode == 1


def test_a_second_relay_does_not_take_the_control_socket_and_a_dead_ones_is_replaced(make_relay, tmp_path):
    relay = make_relay()
    second = subprocess.run([RELAY, "--listen", f"{HOST}:0", "--key", tmp_path / "second.key", "--any-stream", "--control", relay.control],
                            capture_output=True, text=True, timeout=10)
    assert second.returncode == 4 and "another relay answers" in second.stderr
    relay.program.kill()
    assert relay.control.exists()
    relay.start()
    assert relay.ctl("get", "limits").returncode == 0


def test_more_viewers_than_the_limit_are_refused_and_said(make_relay, feed):
    relay = make_relay("max-viewers = 1\n")
    source = feed(relay)
    viewer = viewer_of(relay, source)
    wait_until(lambda: relay.stats()["links"].get("viewer") == 1, "the viewer")
    def refused():
        try:
            Peer(relay.port).open(Key(), VIEWER)
        except (AssertionError, OSError, Closed, Refused):
            pass
        return relay.stats()["admission_refused"].get("viewers", 0) >= 1
    wait_until(refused, "a refusal for want of room", 5)
    wait_until(lambda: any(e["event"] == "admission_refused" for e in relay.events()), "the log line", 5)
    viewer.expect(CHUNK)


# ---- watching it

def test_top_once_plain_shows_the_live_stream(make_relay, feed):
    relay = make_relay()
    source = feed(relay)
    viewer = viewer_of(relay, source)
    for where in (["--url", f"http://{HOST}:{relay.port}"], ["--control", relay.control]):
        done = subprocess.run([RELAY, "top", *where, "--once", "--plain", "--interval", "0.5"], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0 and done.stderr == "" and "\033" not in done.stdout, done
        row = next(line for line in done.stdout.splitlines() if line.startswith(source.source.id.hex()[:12]))
        assert row.split()[1] == "live" and float(row.split()[5]) > 0.5, row
    viewer.close()
    gone = subprocess.run([RELAY, "top", "--url", f"http://{HOST}:1", "--once"], capture_output=True, text=True, timeout=20)
    assert gone.returncode == 1 and "no answer" in gone.stderr


def strict_metrics(text):
    """{name with labels: value} of a Prometheus text; anything out of order is an assertion."""
    kinds, seen, values, current = {}, [], {}, None
    label = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
    sample = re.compile(rf"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{{({label}(?:,{label})*)\}})? (-?[0-9]+(?:\.[0-9]+)?)$")
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split(" ")[2]
            assert current not in seen and len(line.split(" ", 3)[3]) > 5, line
            seen.append(current)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current and kind in ("counter", "gauge", "histogram"), line
            assert (kind == "counter") == name.endswith("_total"), line
            kinds[name] = kind
        else:
            found = sample.match(line)
            assert found, line
            name = found[1]
            if kinds.get(current) == "histogram":
                assert re.fullmatch(re.escape(current) + "_(bucket|sum|count)", name), line
            else:
                assert name == current, line
            assert line.rsplit(" ", 1)[0] not in values, line
            values[line.rsplit(" ", 1)[0]] = float(found[3])
    return kinds, values


def check_histograms(kinds, values):
    for name in (n for n, kind in kinds.items() if kind == "histogram"):
        series = {}
        for key, value in values.items():
            if key.startswith(name + "_bucket"):
                labels, bound = re.fullmatch(r'.*\{(?:(.*),)?le="([^"]+)"\}', key).groups()
                series.setdefault(labels, []).append((float(bound), value))
        assert series, name
        for buckets in series.values():
            assert buckets == sorted(buckets) and buckets[-1][0] == float("inf")
            assert [v for _, v in buckets] == sorted(v for _, v in buckets), name


def test_metrics_are_strict_prometheus_text_and_count_where_bytes_go(make_relay, feed):
    relay = make_relay()
    viewer = viewer_of(relay, feed(relay))
    relay.get("/healthz")
    wait_until(lambda: relay.stats()["hop_latency_us"]["count"] > 5, "slices that were sent on")
    status, body = relay.get("/metrics")
    assert status == 200
    kinds, values = strict_metrics(body.decode())
    check_histograms(kinds, values)
    assert values['streamr_received_bytes_total{source="publisher"}'] > 20_000
    assert values['streamr_sent_bytes_total{destination="viewer"}'] > 20_000
    assert values["streamr_hop_latency_seconds_count"] > 5
    assert values["streamr_memory_bytes"] > 20_000
    assert any("streamr_stream_upstreams" in key and 'state="live"' in key and value == 1 for key, value in values.items())
    viewer.close()
    documented = (harness.ROOT / "docs" / "relay.md").read_text()
    assert [name for name in kinds if f"`{name}`" not in documented and f"`{name}{{" not in documented] == []


def test_promtool_finds_nothing_wrong_with_the_metrics(make_relay, feed):
    promtool = os.environ.get("STREAMR_PROMTOOL") or shutil.which("promtool", path=f"{harness.ROOT / 'build' / 'tools'}:{os.environ['PATH']}")
    if not promtool:
        pytest.skip("promtool is not there (package prometheus; tools/setup takes it out)")
    relay = make_relay()
    viewer = viewer_of(relay, feed(relay))
    checked = subprocess.run([promtool, "check", "metrics"], input=relay.get("/metrics")[1], capture_output=True)
    assert checked.returncode == 0 and checked.stderr == b"", checked
    viewer.close()


def test_counters_of_peers_that_left_do_not_fall(make_relay, feed):
    relay = make_relay()
    source = feed(relay)
    viewer = viewer_of(relay, source)
    sent = wait_until(lambda: relay.stats()["bytes_out"].get("viewer", 0), "bytes to the viewer")
    viewer.close()
    wait_until(lambda: relay.stats()["links"].get("viewer", 0) == 0, "the viewer's end")
    assert relay.stats()["bytes_out"]["viewer"] >= sent
    left = wait_until(lambda: next((e for e in relay.events() if e["event"] == "viewer_left"), None), "the log line", 5)
    assert left["bytes"] >= sent and left["seconds"] >= 0


# ---- TLS

def make_certificate(folder, name, serial):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-set_serial", str(serial), "-keyout", folder / "tls.key", "-out", folder / "tls.pem"],
                   check=True, capture_output=True)
    (folder / "tls.key").chmod(0o600)


def shown_serial(port):
    shown = subprocess.run(["openssl", "s_client", "-connect", f"{HOST}:{port}"], input=b"", capture_output=True, timeout=10).stdout
    told = subprocess.run(["openssl", "x509", "-noout", "-serial"], input=shown, capture_output=True, check=True).stdout
    return int(told.decode().strip().split("=")[1], 16)


def test_a_renewed_certificate_is_taken_by_sighup_and_a_broken_one_is_not(make_relay, tmp_path):
    make_certificate(tmp_path, "relay.test", 1)
    relay = make_relay("", "--tls-cert", str(tmp_path / "tls.pem"), "--tls-key", str(tmp_path / "tls.key"))
    assert shown_serial(relay.port) == 1
    top = [RELAY, "top", "--url", f"https://{HOST}:{relay.port}", "--once", "--interval", "0.2"]
    assert subprocess.run(top, capture_output=True, timeout=20).returncode == 1
    assert subprocess.run([*top, "--insecure"], capture_output=True, timeout=20).returncode == 0
    make_certificate(tmp_path, "relay.test", 2)
    assert relay.hang_up()["event"] == "reloaded"
    assert shown_serial(relay.port) == 2
    assert any(e["event"] == "certificate_reloaded" for e in relay.events())
    (tmp_path / "tls.pem").write_text("no certificate\n")
    assert relay.hang_up()["event"] == "reload_refused"
    assert shown_serial(relay.port) == 2


# ---- a kill, a full disk

def test_after_kill_9_an_older_epoch_is_still_refused(make_relay, feed):
    relay = make_relay()
    old = Source()
    new = old.next_epoch()
    first = feed(relay, new)
    wait_until(lambda: relay.stats()["streams"] and relay.stats()["streams"][0]["chunks"] > 3, "chunks of the new epoch")
    wait_until(lambda: any((relay.folder / "state").iterdir()), "the state on disk", 10)
    first.stop()
    relay.program.kill()
    relay.start()
    peer = Peer(relay.port).open(old.session, PUBLISHER)
    peer.announce(old)
    assert 5 in peer.ending()
    assert all(stream["chunks"] == 0 for stream in relay.stats()["streams"])
    again = feed(relay, new)
    wait_until(lambda: any(s["chunks"] > 3 for s in relay.stats()["streams"]), "the newest epoch again")
    assert again.source is new


def full_disk(folder):
    """Words before a command that see a file system without a free byte at `folder`; nothing where that is not allowed."""
    folder.mkdir()
    words = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o size=4k,nr_inodes=64 none "{folder}" && '
             f'head -c 4096 /dev/zero > "{folder}/full" && exec "$@"', "sh"]
    return words if subprocess.run([*words, "true"], capture_output=True).returncode == 0 else None


def test_a_full_disk_does_not_stop_the_stream(make_relay, feed, tmp_path):
    before = full_disk(tmp_path / "state")
    if before is None:
        pytest.skip("this machine allows no mount namespace, so no disk can be filled")
    relay = make_relay("", before=before)
    viewer = viewer_of(relay, feed(relay))
    for _ in range(20):
        viewer.expect(CHUNK)
    assert relay.program.running() and relay.stats()["links"]["viewer"] == 1
    assert relay.get("/healthz")[0] == 200


def test_a_file_that_may_not_grow_does_not_end_the_relay(make_relay, feed):
    if shutil.which("prlimit") is None:
        pytest.skip("prlimit is not installed (package util-linux)")
    relay = make_relay()
    subprocess.run(["prlimit", "--pid", str(relay.program.pid), "--fsize=0"], check=True)
    viewer = viewer_of(relay, feed(relay))
    for _ in range(20):
        viewer.expect(CHUNK)
    assert relay.program.running()
