"""A small client of the coordinator for tests: keys, signed requests, certificates, receipts; and the real program.

It shares no code with the library: what it signs is built from docs/protocol.md alone.
"""
import hashlib
import http.client
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import threading
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def now_us() -> int:
    return time.time_ns() // 1000


class Key:
    def __init__(self, seed: bytes | None = None):
        self.private = Ed25519PrivateKey.from_private_bytes(seed or os.urandom(32))
        self.public = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.hex = self.public.hex()

    def sign(self, prefix: str, data: bytes) -> bytes:
        return self.private.sign(prefix.encode() + b"\0" + data)


def certificate(root: Key, session: Key, serial=1, epoch=None, max_kbps=12000, lifetime_s=3600, start_s=None) -> bytes:
    start = int(time.time()) - 10 if start_s is None else start_s
    epoch = (int(time.time() * 1000) << 16) if epoch is None else epoch
    body = b"SRK1" + bytes([1, 1, 0, 0]) + root.public + session.public
    body += struct.pack(">QQQIIQQ", epoch, start, start + lifetime_s, 0xFFFFFFFF, max_kbps, serial, 0)
    return body + root.sign("streamr/cert/v1", body)


def revocation(root: Key, serial_max: int) -> bytes:
    body = b"SRV1" + bytes([1, 1, 0, 0]) + root.public + struct.pack(">QQ", serial_max, int(time.time()))
    return body + root.sign("streamr/revoke/v1", body)


def receipt(viewer: Key, stream: bytes, relay: bytes, session: bytes, seq=1, bytes_ok=1000, last_us=None, flags=0) -> bytes:
    last = now_us() if last_us is None else last_us
    body = b"SRR1" + bytes([1, flags, 0, 0]) + stream + struct.pack(">Q", 1) + relay + viewer.public + session
    body += struct.pack(">IIQQQQIIII", seq, 1000, bytes_ok, last - 1_000_000, last, 7, 10, 0, 100, 0) + bytes(24)
    return body + viewer.sign("streamr/receipt/v1", body)


def merkle_root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0])
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\1" + merkle_root(leaves[:split]) + merkle_root(leaves[split:]))


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json["error"]["code"]


class Api:
    """Requests to one coordinator."""

    def __init__(self, port: int):
        self.port = port

    def request(self, method, target, body=b"", headers=None, timeout=10) -> Reply:
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, target, body=body or None, headers=headers or {})
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, target, headers=None) -> Reply:
        return self.request("GET", target, headers=headers)

    def post(self, target, body=b"", headers=None) -> Reply:
        return self.request("POST", target, body, headers)


class Listener:
    """A port that accepts and says nothing, so that a dial-back finds somebody."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.accepted = 0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            self.accepted += 1
            peer.close()

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/relay"

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Node:
    """A relay, origin or publisher as the coordinator sees it."""

    def __init__(self, api: Api, role="relay", key: Key | None = None, name="test node", listener=None, capacity_kbps=100000):
        self.api, self.role, self.key, self.name = api, role, key or Key(), name
        self.listener = listener
        self.capacity_kbps = capacity_kbps
        self.boot_id = os.urandom(16)
        self.counter = 0
        self.lease = b""
        self.node_id = ""
        self.version = 0
        self.assignments = []
        self.seq = 0

    def addresses(self):
        return [{"kind": "public", "url": self.listener.url, "priority": 1}] if self.listener else []

    def challenge(self) -> Reply:
        return self.api.post("/v1/nodes/challenge", {"public_key": self.key.hex})

    def registration(self, challenge, **changes) -> dict:
        body = {"challenge_id": challenge["challenge_id"], "public_key": self.key.hex, "role": self.role, "name": self.name,
                "software": "test/1", "addresses": self.addresses(), "capacity_kbps": self.capacity_kbps}
        body.update(changes)
        return body

    def post_registration(self, challenge, body: bytes, key=None) -> Reply:
        signed = bytes.fromhex(challenge["nonce"]) + bytes.fromhex(challenge["coordinator_key"]) + self.key.public + sha256(body)
        signature = (key or self.key).sign("streamr/register/v1", signed)
        return self.api.post("/v1/nodes/register", body, {"Streamr-Sig": f"v1;{self.key.hex};{signature.hex()}"})

    def register(self, **changes) -> Reply:
        challenge = self.challenge().json
        reply = self.post_registration(challenge, json.dumps(self.registration(challenge, **changes)).encode())
        if reply.status == 200:
            self.lease = bytes.fromhex(reply.json["lease"])
            self.node_id = reply.json["node_id"]
            self.version = 0
        return reply

    def signature(self, method, target, body: bytes, lease=None, counter=None, boot_id=None, at_us=None) -> dict:
        if counter is None:
            self.counter += 1
            counter = self.counter
        at, boot = at_us or now_us(), boot_id or self.boot_id
        signed = method.encode() + b"\0" + target.encode() + b"\0" + struct.pack(">QQ", at, counter) + boot
        signed += (lease or self.lease) + sha256(body)
        signature = self.key.sign("streamr/req/v1", signed)
        return {"Streamr-Sig": f"v1;{self.key.hex};{at};{counter};{boot.hex()};{signature.hex()}"}

    def signed(self, target, body, **changes) -> Reply:
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        return self.api.post(target, body, self.signature("POST", target, body, **changes))

    def heartbeat_body(self, streams=(), changes=None) -> dict:
        self.seq += 1
        body = {"seq": self.seq, "uptime_s": 1, "streams": list(streams), "free_kbps": self.capacity_kbps, "load_pct": 0,
                "counters": {}, "assignments_version": self.version}
        body.update(changes or {})
        return body

    def heartbeat(self, streams=(), body_changes=None, **changes) -> Reply:
        reply = self.signed("/v1/nodes/heartbeat", self.heartbeat_body(streams, body_changes), **changes)
        if reply.status == 200:
            self.lease = bytes.fromhex(reply.json["lease"])
            if "assignments" in reply.json:
                self.assignments = reply.json["assignments"]
            self.version = reply.json["assignments_version"]
        return reply


def report(stream: bytes, newest=100, epoch=1, lag_ms=0, viewers=0) -> dict:
    return {"stream": stream.hex(), "epoch": str(epoch), "head": "11" * 32, "newest": newest, "lag_ms": lag_ms,
            "viewers": viewers}


class Stream:
    def __init__(self, api: Api, alias="stream-one", pool=None, serial=1, max_kbps=12000):
        self.api, self.alias, self.pool = api, alias, pool
        self.root, self.session = Key(), Key()
        self.id = self.root.public
        self.certificate = certificate(self.root, self.session, serial=serial, max_kbps=max_kbps)
        self.coordinator_key = b""

    def body(self, **changes) -> dict:
        body = {"stream_id": self.id.hex(), "alias": self.alias, "title": "A test", "certificate": self.certificate.hex()}
        if self.pool is not None:
            body["pool"] = self.pool
        body.update(changes)
        return body

    def post(self, at_us=None, key=None, headers=None, raw=None, **changes) -> Reply:
        if not self.coordinator_key:
            self.coordinator_key = bytes.fromhex(self.api.get("/.well-known/streamr.json").json["coordinator_key"])
        body = json.dumps(self.body(**changes)).encode() if raw is None else raw
        at = now_us() if at_us is None else at_us
        signer = key or self.session
        signature = signer.sign("streamr/stream/v1", self.coordinator_key + struct.pack(">Q", at) + sha256(body))
        sent = {"Streamr-Sig": f"v1;{signer.hex};{at};{signature.hex()}"}
        sent.update(headers or {})
        return self.api.post("/v1/streams", body, sent)

    def open_session(self, viewer: Key, kinds=("public",), **more) -> Reply:
        return self.api.post(f"/v1/streams/{self.id.hex()}/sessions", {"viewer_key": viewer.hex, "kinds": list(kinds), **more})


class Coordinator:
    """The real program on a free port."""

    def __init__(self, program, directory, *flags, database="coordinator.db", limits=None):
        self.program, self.directory, self.flags = str(program), pathlib.Path(directory), list(flags)
        self.database = self.directory / database
        self.limits = limits
        self.process = None
        self.port = 0

    def start(self, port=0):
        log = open(self.directory / "coordinator.log", "ab")
        self.process = subprocess.Popen(
            [self.program, "--listen", f"127.0.0.1:{port}", "--db", f"sqlite:{self.database}", *self.flags],
            stdout=subprocess.PIPE, stderr=log, preexec_fn=self.limits)
        log.close()
        line = self.process.stdout.readline().decode()
        assert line.startswith("listening on "), f"first line {line!r}; {self.log()}"
        self.port = int(line.strip().rsplit(":", 1)[1])
        return self

    def api(self) -> Api:
        return Api(self.port)

    def log(self) -> str:
        return (self.directory / "coordinator.log").read_text(errors="replace")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(10)
        self.process.stdout.close()
        return code


def wait_for(condition, timeout_s=10.0, what="the condition"):
    """Polls until the condition holds and gives its value; the only waiting that tests do."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true within {timeout_s} s")
