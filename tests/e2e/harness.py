"""Real programs for tests: started on free ports in a folder of their own, ended with the test, looked at over HTTP.

    lab = Lab(tmp_path)
    lab.coordinator(); lab.relay("origin", role="origin"); lab.relay("relay1")
    lab.publisher(); lab.push_rtmp(); lab.viewer("viewer", out=tmp_path / "film.mp4")
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("STREAMR_BUILD", ROOT / "build" / "dev")) / "bin"
HOST = "127.0.0.1"
STREAM_KEY = "e2e-stream-key"
ALIAS = "e2e"


def http_get(url, timeout_s=3.0):
    """(status, body) of an address; status 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read()
    except OSError:
        return 0, b""


def http_json(url):
    """JSON of an address, or nothing where it does not answer 200."""
    status, body = http_get(url)
    return json.loads(body) if status == 200 else None


def wait_until(holds, what, limit_s=20.0):
    """Waits for `holds()` to give something true and returns it; what did not come is an assertion."""
    end = time.monotonic() + limit_s
    while True:
        value = holds()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not come within {limit_s} s"
        time.sleep(0.05)


class Program:
    """One running program with its outputs in files."""

    def __init__(self, name, command, folder, environment=None):
        self.name = name
        self.out_path, self.err_path = folder / f"{name}.out", folder / f"{name}.err"
        with self.out_path.open("ab") as out, self.err_path.open("ab") as err:
            self.child = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                          env={**os.environ, **(environment or {})}, start_new_session=True)

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child.poll() is None

    def out(self):
        return self.out_path.read_text(errors="replace")

    def err(self):
        return self.err_path.read_text(errors="replace")

    def json_lines(self):
        """Every complete JSON object that the program wrote to standard output."""
        found = []
        for line in self.out().splitlines():
            if line.startswith("{"):
                try:
                    found.append(json.loads(line))
                except ValueError:
                    continue
        return found

    def listening(self, limit_s=15.0):
        """Port of the line `listening on HOST:PORT`."""
        def find():
            assert self.running(), f"{self.name} ended with {self.child.returncode}: {self.err()[-500:]}"
            return re.search(r"^listening on \S+:(\d+)$", self.out(), re.MULTILINE)
        return int(wait_until(find, f"the listening line of {self.name}", limit_s)[1])

    def terminate(self, limit_s=5.0):
        """SIGTERM, then the exit code."""
        if self.running():
            self.child.send_signal(signal.SIGTERM)
        return self.child.wait(limit_s)

    def kill(self):
        """SIGKILL, as a power cut would end it."""
        self.child.kill()
        self.child.wait()

    def clean_up(self):
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait()


class Lab:
    """A network of real programs for one test."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.programs = {}
        self.ports = {}

    def start(self, name, command, environment=None):
        self.programs[name] = Program(name, command, self.folder, environment)
        return self.programs[name]

    def stop(self):
        for program in reversed(list(self.programs.values())):
            program.clean_up()

    def url(self, name):
        return f"http://{HOST}:{self.ports[name]}"

    def stats(self, name):
        """/stats.json of a relay, {} while it does not answer."""
        return http_json(self.url(name) + "/stats.json") or {}

    # ---- the usual network ----------------------------------------------------------------------------------------
    def key(self, kind, name, member):
        """A new key file `name`.key; returns its public half."""
        done = subprocess.run([BIN / "streamr-keygen", "--json", kind, self.folder / f"{name}.key"],
                              capture_output=True, text=True, check=True)
        return json.loads(done.stdout)[member]

    def coordinator(self, port=0, heartbeat_ms=1000):
        """The coordinator; called again with its old port it comes back with its data."""
        if not (self.folder / "origin.key").exists():
            self.stream_id = self.key("root", "channel", "stream_id")
            self.origin_key = self.key("node", "origin", "public_key")
        program = self.start("coordinator", [
            BIN / "streamr-coordinator", "--listen", f"{HOST}:{port}", "--db", f"sqlite:{self.folder / 'coordinator.db'}",
            "--origin", self.origin_key, "--allow-private", "--fanout", "1", "--heartbeat-ms", heartbeat_ms])
        self.ports["coordinator"] = program.listening()
        return program

    def relay(self, name, role="relay", advertise=None, port=0):
        program = self.start(name, [
            BIN / "streamr-relay", "--coordinator", self.url("coordinator"), "--role", role, "--listen", f"{HOST}:{port}",
            "--key", self.folder / f"{name}.key", "--state", self.folder / f"{name}-state",
            *(["--advertise", advertise] if advertise else [])])
        self.ports[name] = program.listening()
        return program

    def publisher(self):
        program = self.start("publisher", [
            BIN / "streamr-publish", "--coordinator", self.url("coordinator"), "--key", self.folder / "channel.key",
            "--rtmp", f"{HOST}:0", "--alias", ALIAS, "--pool", "1000.0"], {"STREAMR_STREAM_KEY": STREAM_KEY})
        self.ports["rtmp"] = program.listening()
        return program

    def push_rtmp(self, name="source", key=STREAM_KEY, seconds=None, size="640x360", kbps=1500, gop=30):
        """A real ffmpeg that publishes as OBS would."""
        length = ["-t", str(seconds)] if seconds else []
        return self.start(name, [
            "ffmpeg", "-hide_banner", "-loglevel", "warning", "-nostdin", "-re", "-f", "lavfi", "-i", f"testsrc2=size={size}:rate=30",
            "-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", *length, "-c:v", "libx264", "-preset", "ultrafast",
            "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-b:v", f"{kbps}k", "-maxrate", f"{kbps}k", "-bufsize", f"{kbps}k",
            "-x264-params", "nal-hrd=cbr", "-g", str(gop), "-sc_threshold", "0", "-c:a", "aac", "-b:a", "96k",
            "-f", "flv", f"rtmp://{HOST}:{self.ports['rtmp']}/live/{key}"])

    def viewer(self, name, out=None, seconds=None):
        target = ["--out", out] if out else ["--serve", f"{HOST}:0"]
        return self.start(name, [BIN / "streamr-watch", "--coordinator", self.url("coordinator"), ALIAS, *target, "--json",
                                 *(["--seconds", seconds] if seconds else [])])

    # ---- looking --------------------------------------------------------------------------------------------------
    def stream(self, name):
        """The lab's stream in a relay's figures."""
        for stream in self.stats(name).get("streams", []):
            if stream.get("stream") == self.stream_id:
                return stream
        return {}

    def playlist(self, name):
        """Media playlist of the stream at a relay, or nothing."""
        status, body = http_get(f"{self.url(name)}/live/{self.stream_id}.m3u8")
        if status != 200:
            return None
        text = body.decode()
        if "#EXT-X-STREAM-INF" in text:
            target = next(line for line in text.splitlines() if line and not line.startswith("#"))
            status, body = http_get(urllib.parse.urljoin(f"{self.url(name)}/live/", target))
            text = body.decode() if status == 200 else None
        return text

    def wait_live(self, name, limit_s=30.0):
        wait_until(lambda: "#EXTINF" in (self.playlist(name) or ""), f"the stream at {name}", limit_s)
