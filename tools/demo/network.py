"""The network of the demo: which programs run, on which ports, and when all of it answers."""
import json
import re
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from processes import Processes

HOST = "127.0.0.1"
ALIAS = "demo"
POOL = "1000.0"
HEARTBEAT_MS = 2000
PORTS = {"coordinator": 8080, "origin": 8081, "relay1": 8082, "relay2": 8083, "viewer": 8084, "rtmp": 1935}
RELAYS = ["origin", "relay1", "relay2"]
FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf"
STOP_LIMIT_S = 2.5
SOURCE_RETURNS_S = 4.0


class DemoFailed(Exception):
    """Something the demo needs did not come; the text is for a person."""


def free_port(wanted):
    """The wanted port if nobody has it, else any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
                return probe.getsockname()[1]
            except OSError:
                continue
    raise DemoFailed(f"no port could be had on {HOST}")


def fetch(url, timeout_s=2.0):
    """Body of an address as text, or nothing where it does not answer 200."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as reply:
            return reply.read().decode("utf-8", "replace")
    except (OSError, ValueError):
        return None


def fetch_json(url):
    text = fetch(url)
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


class Network:
    """Starts, watches and ends the programs."""

    def __init__(self, programs, folder, logs, options):
        self.programs, self.folder, self.options = programs, folder, options
        self.processes = Processes(logs)
        self.ports, self.named = {}, {}
        self.stream_key = secrets.token_hex(12)
        self.stream_id = None
        self.node_keys, self.node_ids = {}, {}
        self.replaced = False
        self.source_missing_s = None

    # ---- where things are -----------------------------------------------------------------------------------------
    def http(self, name):
        return f"http://{HOST}:{self.ports[name]}"

    def hls(self, name):
        return f"{self.http(name)}/live/{self.stream_id}.m3u8"

    def rtmp(self):
        return f"rtmp://{HOST}:{self.ports['rtmp']}/live"

    def urls(self):
        return {"coordinator": self.http("coordinator"), "status": self.http("coordinator") + "/", "rtmp": self.rtmp(),
                "stream_key": self.stream_key, "hls": {name: self.hls(name) for name in RELAYS}}

    # ---- starting -------------------------------------------------------------------------------------------------
    def program(self, name):
        path = self.programs / name
        if not path.exists():
            raise DemoFailed(f"{path} is not there; build the programs first")
        return path

    def run(self, name, command, environment=None, stdout=None):
        self.named[name] = self.processes.start(name, command, environment, stdout)
        return self.named[name]

    def run_noting(self, name, command, environment=None):
        """A program whose figures come as lines of JSON on its standard output."""
        with (self.folder / f"{name}.json").open("ab") as output:
            return self.run(name, command, environment, output)

    def choose_ports(self, note):
        for name, wanted in PORTS.items():
            self.ports[name] = free_port(wanted)
            if self.ports[name] != wanted:
                note(f"Port {wanted} is taken; {name} uses {self.ports[name]}.")

    def make_key(self, kind, name, member):
        """A new key file; returns its public half."""
        done = subprocess.run([self.program("streamr-keygen"), "--json", kind, self.folder / f"{name}.key"],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise DemoFailed(f"streamr-keygen made no key: {done.stderr.strip()}")
        return json.loads(done.stdout)[member]

    def start(self, note):
        self.choose_ports(note)
        self.stream_id = self.make_key("root", "channel", "stream_id")
        self.node_keys = {name: self.make_key("node", name, "public_key") for name in RELAYS}
        self.run("coordinator", [self.program("streamr-coordinator"), "--listen", f"{HOST}:{self.ports['coordinator']}",
                                 "--db", f"sqlite:{self.folder / 'coordinator.db'}", "--origin", self.node_keys["origin"],
                                 "--allow-private", "--fanout", "1", "--heartbeat-ms", HEARTBEAT_MS])
        self.wait_for("the coordinator", lambda: fetch_json(self.http("coordinator") + "/.well-known/streamr.json"), 10)
        for name in RELAYS:
            role = "origin" if name == "origin" else "relay"
            self.run(name, [self.program("streamr-relay"), "--coordinator", self.http("coordinator"), "--role", role, "--name", name,
                            "--listen", f"{HOST}:{self.ports[name]}", "--key", self.folder / f"{name}.key",
                            "--state", self.folder / f"{name}-state"])
            self.wait_for(name, lambda: fetch(self.http(name) + "/healthz"), 10)
        self.run_noting("publisher", [self.program("streamr-publish"), "--coordinator", self.http("coordinator"),
                                      "--key", self.folder / "channel.key", "--rtmp", f"{HOST}:{self.ports['rtmp']}",
                                      "--alias", ALIAS, "--pool", POOL, "--json"],
                        {"STREAMR_STREAM_KEY": self.stream_key})
        self.wait_for("the publisher", lambda: self.figures_of("publisher"), 10)
        if self.options.no_source:
            note(f"Waiting for a source at {self.rtmp()}, stream key {self.stream_key}")
        else:
            self.start_source()

    def start_source(self):
        """ffmpeg as OBS would push: H.264 with a key frame each 2 s, AAC, a clock burnt in."""
        rate, size = self.options.kbps - 160, self.options.size
        clock = (f"drawtext=fontfile={FONT}:text='%{{localtime\\:%T}}  %{{pts\\:hms}}':fontsize=h/14:fontcolor=white:"
                 "box=1:boxcolor=black@0.6:boxborderw=12:x=w/20:y=h/20,format=yuv420p")
        self.run("source", [
            "ffmpeg", "-hide_banner", "-loglevel", "warning", "-nostdin", "-re",
            "-f", "lavfi", "-i", f"testsrc2=size={size}:rate=30", "-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
            "-vf", clock, "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "main",
            "-b:v", f"{rate}k", "-minrate", f"{rate}k", "-maxrate", f"{rate}k", "-bufsize", f"{rate // 2}k",
            "-x264-params", "nal-hrd=cbr", "-g", "60", "-keyint_min", "60", "-sc_threshold", "0",
            "-c:a", "aac", "-b:a", "160k", "-f", "flv", f"{self.rtmp()}/{self.stream_key}"])

    def start_viewer(self):
        self.run_noting("viewer", [self.program("streamr-watch"), "--coordinator", self.http("coordinator"), ALIAS,
                                   "--serve", f"{HOST}:{self.ports['viewer']}", "--json"])

    # ---- waiting --------------------------------------------------------------------------------------------------
    def wait_for(self, what, holds, limit_s):
        """Waits until `holds()` is true; a program that ends meanwhile, or no time left, is a failure."""
        end = None if limit_s is None else time.monotonic() + limit_s
        while not holds():
            self.check_alive()
            if end is not None and time.monotonic() > end:
                raise DemoFailed(f"{what} did not answer within {limit_s} s")
            time.sleep(0.1)

    def playlist_has_media(self, name):
        """Whether a player would find a segment: the address leads to a list of tracks, and that to segments."""
        url = self.hls(name)
        text = fetch(url) or ""
        track = re.search(r"^#EXT-X-STREAM-INF:.*\n([^#\n]+)", text, re.MULTILINE)
        if track:
            text = fetch(urllib.parse.urljoin(url, track[1])) or ""
        return "\n#EXTINF:" in text

    def wait_until_live(self, limit_s, note):
        for name in RELAYS:
            note(f"Waiting for the stream at {name}…")
            self.wait_for(f"the stream at {name}", lambda: self.playlist_has_media(name), limit_s)
        self.start_viewer()
        note("Waiting for the viewer's first chunk…")
        self.wait_for("the viewer's first chunk", lambda: self.figures_of("viewer").get("chunks", 0) > 0, limit_s)

    def check_alive(self):
        for name, process in self.named.items():
            if name != "source" and not process.running():
                raise DemoFailed(f"{name} ended with {process.child.returncode}; its last lines:\n{process.last_words()}")

    def look_after_source(self, note):
        """The test source yields to whoever pushes to the same address, and returns when nobody does any more."""
        if self.options.no_source or self.named["source"].running():
            self.source_missing_s = None
            return
        if self.figures_of("publisher").get("source"):
            if not self.replaced:
                note("Another source took the place of the test source.")
            self.replaced, self.source_missing_s = True, None
            return
        now = time.monotonic()
        self.source_missing_s = self.source_missing_s or now
        if now - self.source_missing_s >= SOURCE_RETURNS_S:
            note("Nobody pushes any more; the test source goes on.")
            self.replaced, self.source_missing_s = False, None
            self.start_source()

    # ---- looking --------------------------------------------------------------------------------------------------
    def figures_of(self, name):
        """The newest line of JSON of a program."""
        path = self.folder / f"{name}.json"
        if not path.exists():
            return {}
        for line in reversed(path.read_bytes().splitlines()[-3:]):
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                return value
        return {}

    # ---- ending ---------------------------------------------------------------------------------------------------
    def stop(self):
        """Everything at once: all of it drains within the limit, or is ended by force."""
        self.processes.stop(self.processes.all, STOP_LIMIT_S)

    def processes_left(self):
        return len(self.processes.left())
