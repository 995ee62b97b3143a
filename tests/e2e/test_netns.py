"""Real programs in network namespaces that the test makes: a link goes down without a word, comes back, is slow or lossy.

Each program has a namespace of its own on one bridge, 10.77.0.0/24; nothing of the machine's own network is touched. Where
namespaces or a kind of queue are not to be had, the test is skipped and says so.
"""
import os
import subprocess

import pytest

from harness import ALIAS, BIN, STREAM_KEY, Lab, wait_until
from test_network import decodes, largest_step_s, stall_ms, viewer_chunks

FRAME_S = 1 / 30
NODES = {"coordinator": "10.77.0.2", "origin": "10.77.0.3", "relay1": "10.77.0.4", "relay2": "10.77.0.5", "publisher": "10.77.0.6",
         "viewer": "10.77.0.7"}


def ip(*words):
    return subprocess.run(["ip", *words], capture_output=True, text=True)


def must(*words):
    done = ip(*words)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


class NamespaceLab(Lab):
    """A lab whose programs stand in namespaces; their ports are their own, so all of them are fixed."""

    PORTS = {"coordinator": 8080, "origin": 8081, "relay1": 8081, "relay2": 8081}

    def __init__(self, folder):
        super().__init__(folder)
        self.mark = f"sn{os.getpid() % 100000}"
        self.made = []

    def space(self, name):
        return f"{self.mark}-{name}"

    def lay(self):
        """Makes the bridge and a namespace for each program; the reason where the machine does not allow it."""
        for name in ["bridge", *NODES]:
            done = ip("netns", "add", self.space(name))
            if done.returncode != 0:
                return f"network namespaces are not permitted here: {done.stderr.strip()}"
            self.made.append(self.space(name))
        bridge = self.space("bridge")
        done = ip("-n", bridge, "link", "add", "br0", "type", "bridge")
        if done.returncode != 0:
            return f"this kernel has no bridge: {done.stderr.strip()}"
        must("-n", bridge, "link", "set", "br0", "up")
        for name, address in NODES.items():
            must("-n", bridge, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", self.space(name))
            must("-n", bridge, "link", "set", name, "master", "br0", "up")
            must("-n", self.space(name), "addr", "add", f"{address}/24", "dev", "eth0")
            must("-n", self.space(name), "link", "set", "eth0", "up")
            must("-n", self.space(name), "link", "set", "lo", "up")
        return None

    def take_up(self):
        for space in self.made:
            ip("netns", "del", space)

    def link(self, name, state):
        """Cuts the cable at the bridge: neither end is told anything by TCP."""
        must("-n", self.space("bridge"), "link", "set", name, state)

    def shape(self, name, *discipline):
        """A queue on both ends of a cable; the kernel's words where it has none of that kind."""
        for space, device in ((self.space("bridge"), name), (self.space(name), "eth0")):
            done = subprocess.run(["tc", "-n", space, "qdisc", "replace", "dev", device, "root", *discipline], capture_output=True, text=True)
            if done.returncode != 0:
                return done.stderr.strip()
        return None

    def start(self, name, command, environment=None):
        space = self.space(name if name in NODES else "publisher")
        return super().start(name, ["ip", "netns", "exec", space, *command], environment)

    def get(self, name, path):
        """Body of an address of a program, asked from its own namespace; nothing where it does not answer 200."""
        done = subprocess.run(["ip", "netns", "exec", self.space(name), "curl", "-sf", "-m", "3",
                               f"http://{NODES[name]}:{self.PORTS[name]}{path}"], capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else None

    def network(self):
        """Coordinator, origin, two relays side by side behind it, publisher and source; both relays have the stream."""
        self.stream_id = self.key("root", "channel", "stream_id")
        origin_key = self.key("node", "origin", "public_key")
        coordinator = f"http://{NODES['coordinator']}:{self.PORTS['coordinator']}"
        self.start("coordinator", [
            BIN / "streamr-coordinator", "--listen", f"{NODES['coordinator']}:{self.PORTS['coordinator']}", "--db",
            f"sqlite:{self.folder / 'coordinator.db'}", "--origin", origin_key, "--allow-private", "--fanout", "2",
            "--heartbeat-ms", "1000"]).listening()
        for name in ("origin", "relay1", "relay2"):
            self.start(name, [BIN / "streamr-relay", "--coordinator", coordinator, "--role", "origin" if name == "origin" else "relay",
                              "--listen", f"{NODES[name]}:{self.PORTS[name]}", "--key", self.folder / f"{name}.key",
                              "--state", self.folder / f"{name}-state"]).listening()
        rtmp = self.start("publisher", [
            BIN / "streamr-publish", "--coordinator", coordinator, "--key", self.folder / "channel.key", "--rtmp",
            f"{NODES['publisher']}:0", "--alias", ALIAS, "--pool", "1000.0"], {"STREAMR_STREAM_KEY": STREAM_KEY}).listening()
        self.start("source", [
            "ffmpeg", "-hide_banner", "-loglevel", "warning", "-nostdin", "-re", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30",
            "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-b:v", "1500k", "-maxrate",
            "1500k", "-bufsize", "1500k", "-g", "30", "-sc_threshold", "0", "-f", "flv",
            f"rtmp://{NODES['publisher']}:{rtmp}/live/{STREAM_KEY}"])
        for name in ("relay1", "relay2"):
            wait_until(lambda: "#EXTM3U" in (self.get(name, f"/live/{self.stream_id}.m3u8") or ""), f"the stream at {name}", 40)

    def watch(self, film):
        coordinator = f"http://{NODES['coordinator']}:{self.PORTS['coordinator']}"
        return self.start("viewer", [BIN / "streamr-watch", "--coordinator", coordinator, ALIAS, "--out", film, "--json"])


@pytest.fixture
def lab(tmp_path):
    made = NamespaceLab(tmp_path)
    try:
        reason = made.lay()
        if reason:
            pytest.skip(reason)
        yield made
    finally:
        made.stop()
        made.take_up()


def picture_times(film):
    """Presentation times of a film's pictures, in the order in which they were written."""
    listed = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "csv=p=0", film],
                            capture_output=True, text=True)
    return [float(line.strip(",")) for line in listed.stdout.split() if line]


def check_film(film, least_pictures):
    """Decodes, holds enough pictures, none twice and none left out."""
    errors, pictures = decodes(film)
    assert errors == "" and pictures >= least_pictures
    times = picture_times(film)
    assert len(set(times)) == len(times), "a picture was written twice"
    assert largest_step_s(film) < 2 * FRAME_S, "a picture is missing"


def test_a_relay_that_is_cut_off_without_a_word_is_left_and_when_it_is_back_nothing_is_doubled(lab, tmp_path):
    lab.network()
    film = tmp_path / "film.mp4"
    viewer = lab.watch(film)
    wait_until(lambda: viewer_chunks(viewer) > 6, "the viewer's first chunks", 20)
    # One after the other: whichever of them is the source is cut off while the other serves.
    for name in ("relay1", "relay2"):
        lab.link(name, "down")
        before = viewer_chunks(viewer)
        wait_until(lambda: viewer_chunks(viewer) >= before + 10, f"chunks while {name} is cut off", 15)
        lab.link(name, "up")
        before = viewer_chunks(viewer)
        wait_until(lambda: viewer_chunks(viewer) >= before + 24, f"chunks after {name} is back", 25)
    viewer.terminate()
    check_film(film, 30 * 15)
    assert stall_ms(viewer) <= 2000


def test_a_cable_of_4_mbit_carries_the_stream_without_a_hole(lab, tmp_path):
    missing = lab.shape("viewer", "tbf", "rate", "4mbit", "burst", "16kb", "latency", "200ms")
    if missing:
        pytest.skip(f"this kernel cannot limit a rate (tc tbf): {missing}")
    lab.network()
    film = tmp_path / "film.mp4"
    viewer = lab.watch(film)
    wait_until(lambda: viewer_chunks(viewer) > 30, "the viewer's chunks", 40)
    viewer.terminate()
    check_film(film, 30 * 8)


def test_hops_of_20_ms_with_1_percent_loss_verify_in_time(lab, tmp_path):
    for name in ("origin", "relay1", "relay2"):
        # 10 ms out and 10 ms in: 20 ms from one program to the next.
        missing = lab.shape(name, "netem", "delay", "10ms", "loss", "1%", "rate", "50mbit")
        if missing:
            pytest.skip(f"this kernel cannot delay or lose packets (tc netem): {missing}; tests/sim/takeover_test plays it instead")
    lab.network()
    film = tmp_path / "film.mp4"
    viewer = lab.watch(film)
    wait_until(lambda: viewer_chunks(viewer) > 80, "the viewer's chunks", 60)
    viewer.terminate()
    check_film(film, 30 * 30)
    # Capture is that of the part's first picture: the part, three hops, and what the programs may take.
    assert viewer.json_lines()[-1]["latency_p99_ms"] <= 500 + 3 * 20 + 150
