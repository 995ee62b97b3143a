"""A peer of SRW/1 in Python for black-box tests: publisher, viewer and their hostile kin.

It shares no code with the library: every octet is laid out from docs/protocol.md alone. One socket, one thread,
no event loop, so that a test can send what no honest peer would send and look at what comes back.
"""
import base64
import hashlib
import os
import socket
import struct
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

(HELLO, WELCOME, AUTH, SUBSCRIBE, SUB_OK, SUB_END, CHUNK, SLICE, DROP, FETCH, CREDIT, RECEIPT, RECEIPT_ACK, PING, PONG,
 GOAWAY, ERROR, HAVE, CERT, REVOKE) = range(1, 21)
NAMES = dict(enumerate(("HELLO WELCOME AUTH SUBSCRIBE SUB_OK SUB_END CHUNK SLICE DROP FETCH CREDIT RECEIPT RECEIPT_ACK PING "
                        "PONG GOAWAY ERROR HAVE CERT REVOKE").split(), 1))
INDEPENDENT, INIT, LAST, DISCONTINUITY, GAP, END = 1, 2, 4, 8, 16, 32
VIEWER, RELAY, PUBLISHER = 1, 2, 3
NO_LIMIT = 1 << 62
INIT_PART = 0xFFFF


def sha256(data):
    return hashlib.sha256(data).digest()


def now_us():
    return time.time_ns() // 1000


class Key:
    """An Ed25519 key that signs `prefix NUL bytes`."""

    def __init__(self):
        self.private = Ed25519PrivateKey.generate()
        self.public = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, prefix, data):
        return self.private.sign(prefix.encode() + b"\0" + data)


def signed_by(public, prefix, data, signature):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, prefix.encode() + b"\0" + data)
    except InvalidSignature:
        return False
    return True


def merkle(leaves):
    """Root over leaf hashes, split as in RFC 9162."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\1" + merkle(leaves[:split]) + merkle(leaves[split:]))


class Chunk:
    """One signed unit: header[224], leaves, payload cut into slices."""

    def __init__(self, header, leaves, slices):
        self.header, self.leaves, self.slices = header, leaves, slices

    @property
    def payload(self):
        return b"".join(self.slices)


class Source:
    """What a streamer holds: root and session key, certificate, and the hash chain of each track."""

    def __init__(self, epoch=None, max_kbps=12000, serial=None, lifetime_s=3600, start_s=None, track_mask=0xFFFFFFFF, root=None,
                 session=None, cert_changes=None, min_segment=0):
        self.root, self.session = root or Key(), session or Key()
        self.id = self.root.public
        self.epoch = epoch or (int(time.time() * 1000) << 16)
        start = int(time.time()) - 10 if start_s is None else start_s
        body = bytearray(b"SRK1" + bytes([1, 1, 0, 0]) + self.root.public + self.session.public)
        body += struct.pack(">QQQIIQQ", self.epoch, start, start + lifetime_s, track_mask, max_kbps,
                            serial if serial is not None else self.epoch >> 16, min_segment)
        for offset, value in (cert_changes or {}).items():
            body[offset:offset + len(value)] = value
        self.cert = bytes(body) + self.root.sign("streamr/cert/v1", bytes(body))
        self.cert_id = sha256(self.cert)[:8]
        self.prev = {}
        self.zero_us = now_us()

    def next_epoch(self, **more):
        return Source(epoch=self.epoch + (1 << 16), root=self.root, session=self.session, **more)

    def chunk(self, segment, part, payload=b"", flags=0, track=0, content_type=3, media_us=None, capture_us=None, duration_us=500_000,
              slice_log2=14, changes=None, slice_count=None, root=None, chain=True, leaves=None, key=None):
        size = 1 << slice_log2 if 0 < slice_log2 < 30 else 16384
        slices = [payload[at:at + size] for at in range(0, len(payload), size)]
        leaves = [sha256(b"\0" + data) for data in slices] if leaves is None else leaves
        media_us = max(0, now_us() - self.zero_us) if media_us is None else media_us
        capture_us = self.zero_us + media_us if capture_us is None else capture_us
        header = bytearray(struct.pack(">4sBBBB32sQHHIQQQIBBH32s32s8s", b"SRC1", 1, 1, 1, flags, self.id, self.epoch, track, part,
                                       duration_us, segment, media_us, capture_us, len(payload), slice_log2, content_type,
                                       len(slices) if slice_count is None else slice_count, root or merkle(leaves),
                                       self.prev.get(track, bytes(32)), self.cert_id))
        for offset, value in (changes or {}).items():
            header[offset:offset + len(value)] = value
        header = bytes(header) + (key or self.session).sign("streamr/chunk/v1", bytes(header))
        if chain:
            self.prev[track] = sha256(header)
        return Chunk(header, leaves, slices)


def ticket(coordinator, stream, relay_key, viewer_key, epoch=0, session_id=None, start_us=None, end_us=None, max_rate=4_000_000,
           window_start=262144, window_max=1 << 20, changes=None):
    start = now_us() - 1_000_000 if start_us is None else start_us
    body = bytearray(b"SRT1" + bytes([1, 0, 0, 0]) + stream + struct.pack(">Q", epoch) + relay_key + viewer_key)
    body += (session_id or os.urandom(16)) + struct.pack(">QQIII", start, start + 600_000_000 if end_us is None else end_us, max_rate,
                                                         window_start, window_max) + bytes(28)
    for offset, value in (changes or {}).items():
        body[offset:offset + len(value)] = value
    return bytes(body) + coordinator.sign("streamr/ticket/v1", bytes(body))


def receipt(viewer, ticket_bytes, epoch, seq, bytes_ok, slices_ok=1, last_segment=1, flags=0, changes=None, key=None):
    at = now_us()
    body = bytearray(b"SRR1" + bytes([1, flags, 0, 0]) + ticket_bytes[8:40] + struct.pack(">Q", epoch) + ticket_bytes[48:128])
    body += struct.pack(">IIQQQQIIII", seq, 1000, bytes_ok, at - 100_000, at, last_segment, slices_ok, 0, 5, 0) + bytes(24)
    for offset, value in (changes or {}).items():
        body[offset:offset + len(value)] = value
    return bytes(body) + (key or viewer).sign("streamr/receipt/v1", bytes(body))


class Frame:
    def __init__(self, kind, flags, sub, payload):
        self.type, self.flags, self.sub, self.payload = kind, flags, sub, payload

    @property
    def code(self):
        return struct.unpack_from(">H", self.payload)[0]

    @property
    def text(self):
        return self.payload[8:].decode(errors="replace")

    def __repr__(self):
        more = f" code={self.code} {self.text!r}" if self.type == ERROR else f" code={self.code}" if self.type == SUB_END else ""
        return f"<{NAMES.get(self.type, self.type)} sub={self.sub} {len(self.payload)} B{more}>"


def frame(kind, payload=b"", sub=0, flags=0, length=None):
    return struct.pack(">BBHI", kind, flags, sub, len(payload) if length is None else length) + payload


class Closed(Exception):
    """The other side ended the connection."""


class Refused(Exception):
    """The upgrade was answered with another status than 101."""

    def __init__(self, status):
        super().__init__(f"status {status}")
        self.status = status


class Peer:
    """One WebSocket with whole frames in and out."""

    def __init__(self, port, path="/relay", subprotocol="streamr.relay.v1", host="127.0.0.1", source="127.0.0.1", tls=None):
        self.socket = socket.create_connection((host, port), timeout=5, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname=host)
        self.inbox, self.buffer, self.message = [], b"", b""
        self.closed, self.close_code = False, None
        self.next_ref = 1
        self.relay_key = b""
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}:{port}", "Upgrade: websocket", "Connection: Upgrade",
                 "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode(), "Sec-WebSocket-Version: 13"]
        if subprotocol:
            lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
        self.socket.sendall("\r\n".join(lines + ["", ""]).encode())
        while b"\r\n\r\n" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise Closed("before the answer to the upgrade")
            self.buffer += data
        self.answer, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        status = int(self.answer.split()[1])
        if status != 101:
            self.socket.close()
            raise Refused(status)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    # ---- bytes out
    def message_out(self, data, opcode=2):
        length = len(data)
        head = bytes([0x80 | opcode])
        if length < 126:
            head += bytes([0x80 | length])
        elif length < 65536:
            head += bytes([0xFE]) + struct.pack(">H", length)
        else:
            head += bytes([0xFF]) + struct.pack(">Q", length)
        mask = os.urandom(4)
        plain = int.from_bytes(data, "big")
        masked = (plain ^ int.from_bytes((mask * (length // 4 + 1))[:length], "big")).to_bytes(length, "big") if length else b""
        self.socket.settimeout(5)
        try:
            self.socket.sendall(head + mask + masked)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def send(self, kind, payload=b"", sub=0, flags=0):
        self.message_out(frame(kind, payload, sub, flags))

    # ---- frames in
    def _pump(self, end):
        """Reads once; whole frames go to the inbox."""
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(262144)
        except (ConnectionResetError, BrokenPipeError):
            data = b""
        if not data:
            self.closed = True
            return
        self.buffer += data

    def _parse(self):
        while len(self.buffer) >= 2:
            opcode, length, at = self.buffer[0] & 15, self.buffer[1] & 127, 2
            if length == 126:
                length, at = int.from_bytes(self.buffer[2:4], "big"), 4
            elif length == 127:
                length, at = int.from_bytes(self.buffer[2:10], "big"), 10
            if len(self.buffer) < at + length:
                return
            assert not self.buffer[0] & 0x40, "a compressed message came"
            final, data = self.buffer[0] & 0x80, self.buffer[at:at + length]
            self.buffer = self.buffer[at + length:]
            if opcode == 8:
                self.close_code = int.from_bytes(data[:2], "big") if data else None
                self.closed = True
            elif opcode == 9:
                self.message_out(data, 10)
            elif opcode in (0, 1, 2):
                self.message += data
                if final:
                    self._frames()

    def _frames(self):
        data, self.message = self.message, b""
        assert len(data) <= 131072, f"message of {len(data)} bytes"
        while data:
            kind, flags, sub, length = struct.unpack_from(">BBHI", data)
            assert len(data) >= 8 + length, "a message ends inside a frame"
            self.inbox.append(Frame(kind, flags, sub, data[8:8 + length]))
            data = data[8 + length:]

    def next(self, limit_s=3.0):
        """The next frame; Closed where the connection ended, TimeoutError where nothing came."""
        end = time.monotonic() + limit_s
        while True:
            if not self.inbox:
                self._parse()
            if self.inbox:
                return self.inbox.pop(0)
            if self.closed:
                raise Closed(f"close code {self.close_code}")
            self._pump(end)

    def expect(self, kind, limit_s=3.0, where=lambda f: True):
        """The next frame of a type; others before it are dropped, an ERROR is an assertion."""
        end, seen = time.monotonic() + limit_s, []
        while True:
            try:
                got = self.next(max(0.001, end - time.monotonic()))
            except (TimeoutError, Closed) as why:
                raise AssertionError(f"no {NAMES[kind]} came: {why!r} after {seen[-8:]}") from why
            if got.type == kind and where(got):
                return got
            seen.append(got)
            assert got.type != ERROR, f"{got} in place of {NAMES[kind]}"

    def ending(self, limit_s=4.0):
        """Codes of the ERRORs until the connection ended; the last element is `open` where it did not."""
        codes, end = [], time.monotonic() + limit_s
        while True:
            try:
                got = self.next(max(0.001, end - time.monotonic()))
            except Closed:
                return codes
            except TimeoutError:
                return codes + ["open"]
            if got.type == ERROR:
                codes.append(got.code)

    def quiet(self, kind, limit_s=0.4):
        """True where no frame of the type comes for a while."""
        end = time.monotonic() + limit_s
        while True:
            try:
                got = self.next(max(0.001, end - time.monotonic()))
            except TimeoutError:
                return True
            assert got.type != ERROR, f"{got}"
            if got.type == kind:
                return False

    def alive(self):
        """PING comes back as PONG with the same number, so everything before it was taken."""
        mark = os.urandom(8)
        self.send(PING, mark + struct.pack(">Q", now_us()))
        self.expect(PONG, where=lambda f: f.payload[:8] == mark)
        return True

    # ---- handshake
    def hello(self, key, role, ticket_bytes=b"", versions=(1, 1), recv_limit=NO_LIMIT, magic=b"SRW1", tail=b"", reserved=bytes(3),
              ticket_length=None):
        self.hello_bytes = magic + struct.pack(">HHIB", *versions, 0, role) + reserved + key.public + os.urandom(32)
        self.hello_bytes += struct.pack(">QQHH", recv_limit, now_us(), len(ticket_bytes) if ticket_length is None else ticket_length, 0)
        self.hello_bytes += ticket_bytes + tail
        self.send(HELLO, self.hello_bytes)

    def auth(self, key, limit_s=3.0, spoil=False):
        self.welcome = self.expect(WELCOME, limit_s).payload
        self.relay_key = self.welcome[8:40]
        assert signed_by(self.relay_key, "streamr/hs-s/v1", sha256(self.hello_bytes) + self.welcome[:96], self.welcome[96:160])
        signature = key.sign("streamr/hs-c/v1", sha256(self.hello_bytes) + sha256(self.welcome))
        self.send(AUTH, bytes(64) if spoil else signature)

    def open(self, key, role, ticket_bytes=b"", **more):
        self.hello(key, role, ticket_bytes, **more)
        self.auth(key)
        return self

    # ---- publisher
    def announce(self, source, tracks=None, certificate=True):
        if certificate:
            self.send(CERT, source.cert)
        tail = b""
        if tracks is not None:
            value = b"".join(struct.pack(">HBBI", *track) for track in tracks)
            tail = struct.pack(">HH", 1, len(value)) + value
        self.send(HAVE, struct.pack(">QQQHBBI", source.epoch, 0, 0, 0, 0, 0, 100_000) + source.id + tail, flags=1)

    def accept(self, source, live=(0, 0), track=None, target_s=2, part_us=500_000, kbps=2000):
        """Waits for the relay's SUBSCRIBE (of a track), answers SUB_OK; gives the frame."""
        wanted = self.expect(SUBSCRIBE, where=lambda f: track is None or f.payload[40:42] == struct.pack(">H", track))
        self.send(SUB_OK, sub_ok(source, live, int.from_bytes(wanted.payload[40:42], "big"), target_s, part_us, kbps), wanted.sub)
        return wanted

    def put_header(self, chunk, sub, ref=None):
        if ref is None:
            ref, self.next_ref = self.next_ref, self.next_ref + 1
        self.send(CHUNK, struct.pack(">II", ref, 0) + chunk.header + b"".join(chunk.leaves), sub)
        return ref

    def put_slice(self, ref, index, data, sub):
        self.send(SLICE, struct.pack(">IHH", ref, index, 0) + data, sub)

    def put(self, chunk, sub):
        ref = self.put_header(chunk, sub)
        for index, data in enumerate(chunk.slices):
            self.put_slice(ref, index, data, sub)
        return ref

    # ---- viewer
    def subscribe(self, stream, sub=1, epoch=0, track=0, start=0, segment=0, part=0, latency_ms=0, flags=0):
        self.send(SUBSCRIBE, stream + struct.pack(">QHBBIQH6x", epoch, track, start, 0, latency_ms, segment, part), sub, flags)

    def fetch(self, epoch, segment, part, sub=1, first=0, count=0):
        self.send(FETCH, struct.pack(">QQHHHH", epoch, segment, part, first, count, 0), sub)

    def chunk(self, limit_s=3.0, where=lambda header: True, sub=None):
        """The next whole chunk: (header, payload), its leaves and root checked here."""
        got = self.expect(CHUNK, limit_s, lambda f: where(f.payload[8:232]) and (sub is None or f.sub == sub))
        ref, header, leaves = got.payload[:4], got.payload[8:232], got.payload[232:]
        count = int.from_bytes(header[86:88], "big")
        hashes = [leaves[at:at + 32] for at in range(0, len(leaves), 32)]
        assert len(hashes) == count and merkle(hashes) == header[88:120]
        slices, stash = {}, []
        end = time.monotonic() + limit_s
        while len(slices) < count:
            one = self.next(max(0.001, end - time.monotonic()))
            if one.type == SLICE and one.payload[:4] == ref:
                index = int.from_bytes(one.payload[4:6], "big")
                assert index not in slices and sha256(b"\0" + one.payload[8:]) == hashes[index]
                slices[index] = one.payload[8:]
            else:
                stash.append(one)
        self.inbox[:0] = stash
        return header, b"".join(slices[index] for index in range(count))


def sub_ok(source, live=(0, 0), track=0, target_s=2, part_us=500_000, kbps=2000):
    return struct.pack(">QQHHIIIQBBHI", source.epoch, live[0], live[1], track, part_us, kbps, 10_000, live[0], 0, target_s, 0, 0) + source.cert


def place(header):
    """(segment, part) of a header."""
    return int.from_bytes(header[56:64], "big"), int.from_bytes(header[50:52], "big")
