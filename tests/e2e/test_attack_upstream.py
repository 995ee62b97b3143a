"""A relay whose upstream lies, and a relay that is killed in the middle of a part: nobody is shown what was not verified."""
import base64
import hashlib
import os
import socket
import struct
import time

import pytest

import harness
from srw_client import (CERT, ERROR, FETCH, HAVE, HELLO, INDEPENDENT, LAST, SLICE, SUBSCRIBE, SUB_OK, VIEWER, WELCOME, Key, Peer,
                        Source, now_us, sha256, sub_ok)
from wire_lab import Relay


class Upstream(Peer):
    """The accepting side of SRW/1: a relay in Python that serves one stream as its test wishes."""

    def __init__(self, listener, source):
        self.socket, _ = listener.accept()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.inbox, self.buffer, self.message, self.closed, self.close_code, self.next_ref = [], b"", b"", False, None, 1
        self.source, self.key, self.segment = source, Key(), int(time.time())
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self.socket.recv(4096)
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        asked = next(line.split(b":")[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
        accept = base64.b64encode(hashlib.sha1(asked + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        self.socket.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: "
                            b"streamr.relay.v1\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        hello = self.expect(HELLO).payload
        body = struct.pack(">HBBI", 1, 0, 0, 0) + self.key.public + os.urandom(32) + struct.pack(">QQII", now_us(), 1 << 62, 262_144, 0)
        self.send(WELCOME, body + self.key.sign("streamr/hs-s/v1", sha256(hello) + body))

    def _parse(self):
        """Takes the masks of a client off and leaves the rest to Peer."""
        plain = b""
        while len(self.buffer) >= 2:
            length, at = self.buffer[1] & 127, 2
            if length >= 126:
                at = 4 if length == 126 else 10
                length = int.from_bytes(self.buffer[2:at], "big")
            if len(self.buffer) < at + 4 + length:
                break
            mask, data = self.buffer[at:at + 4], self.buffer[at + 4:at + 4 + length]
            head = bytes([self.buffer[0], self.buffer[1] & 127]) + self.buffer[2:at]
            plain += head + bytes(octet ^ mask[index & 3] for index, octet in enumerate(data))
            self.buffer = self.buffer[at + 4 + length:]
        masked, self.buffer = self.buffer, plain
        super()._parse()
        self.buffer += masked

    def message_out(self, data, opcode=2):
        """As Peer does, without a mask."""
        length = len(data)
        head = bytes([0x80 | opcode]) + (bytes([length]) if length < 126 else b"\x7e" + struct.pack(">H", length))
        self.socket.settimeout(5)
        try:
            self.socket.sendall(head + data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def serve(self):
        """Announces the stream and answers the relay's SUBSCRIBE."""
        source, path = self.source, self.key.public[:8]
        self.send(CERT, source.cert)
        self.send(HAVE, struct.pack(">QQQHBBI", source.epoch, self.segment, self.segment, 0, 0, 1, 100_000) + source.id + path)
        wanted = self.expect(SUBSCRIBE, 5)
        answer = bytearray(sub_ok(source, (self.segment, 0)))
        answer[40] = 1
        self.send(SUB_OK, bytes(answer) + path, wanted.sub)
        self.sub = wanted.sub
        return self

    def part(self, number, size=40_000, **more):
        flags = (0 if number % 4 else INDEPENDENT) | (LAST if number % 4 == 3 else 0)
        return self.source.chunk(self.segment + number // 4, number % 4, os.urandom(size), flags, media_us=number * 500_000,
                                 capture_us=now_us(), **more)


@pytest.fixture
def under_liar(tmp_path):
    """(relay, its false upstream), the stream subscribed."""
    source, made = Source(), []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        try:
            relay = Relay(tmp_path, "victim", "--open", "--carry", f"{source.id.hex()}=ws://127.0.0.1:{listener.getsockname()[1]}/relay")
            made.append(relay.program)
            liar = Upstream(listener, source).serve()
            yield relay, liar
            liar.close()
        finally:
            for program in made:
                program.clean_up()


def watcher(relay, source):
    peer = Peer(relay.port).open(Key(), VIEWER)
    peer.subscribe(source.id, start=0, latency_ms=60_000)
    peer.expect(SUB_OK)
    return peer


def status_of(relay, liar, number):
    return relay.get(f"/live/{liar.source.id.hex()}/{liar.source.epoch}/0/{liar.segment + number // 4}.{number % 4}.chunk")


def test_slices_that_an_upstream_altered_reach_nobody_and_the_good_ones_do(under_liar):
    relay, liar = under_liar
    liar.put(liar.part(0), liar.sub)
    viewer = watcher(relay, liar.source)
    bad = liar.part(1)
    ref = liar.put_header(bad, liar.sub)
    for index, data in enumerate(bad.slices):
        liar.put_slice(ref, index, data[:-1] + bytes([data[-1] ^ 1]), liar.sub)
    good = liar.part(2)
    liar.put(good, liar.sub)
    header, payload = viewer.chunk(5, where=lambda header: header == good.header)   # each slice is checked there
    assert payload == good.payload
    codes = []
    while len(codes) < 3:
        came = liar.next(3)
        codes += [came.code] if came.type == ERROR else []
    assert codes == [10] * 3
    status, body = status_of(relay, liar, 1)
    assert status == 404 or bad.payload.startswith(body[224 + 32 * len(bad.leaves):])


def test_a_part_whose_last_slice_is_withheld_is_never_whole_and_the_next_ones_are(under_liar):
    relay, liar = under_liar
    liar.put(liar.part(0), liar.sub)
    viewer = watcher(relay, liar.source)
    for number in range(1, 8):
        part = liar.part(number)
        if number % 2:
            ref = liar.put_header(part, liar.sub)
            for index, data in enumerate(part.slices[:-1]):
                liar.put_slice(ref, index, data, liar.sub)
        else:
            liar.put(part, liar.sub)
            assert viewer.chunk(5, where=lambda header: header == part.header)[1] == part.payload
            assert status_of(relay, liar, number)[0] == 200
    got = harness.http_get(f"http://127.0.0.1:{relay.port}/live/{liar.source.id.hex()}/{liar.source.epoch}/0/{liar.segment}.1.ts")
    assert got[0] == 404, "a part without its last slice was served as whole"
    assert relay.program.running()


def test_a_chunk_of_another_stream_from_an_upstream_is_refused_with_5(under_liar):
    relay, liar = under_liar
    liar.put(liar.part(0), liar.sub)
    liar.put(Source().chunk(liar.segment, 1, b"x" * 1000), liar.sub)
    assert liar.ending() == [5]
    assert status_of(relay, liar, 1)[0] != 200 and status_of(relay, liar, 0)[0] == 200


def test_an_older_epoch_from_an_upstream_is_refused_with_5(under_liar):
    relay, liar = under_liar
    liar.put(liar.part(0), liar.sub)
    assert liar.alive()
    older = Source(root=liar.source.root, session=liar.source.session, epoch=liar.source.epoch - (1 << 16))
    liar.send(CERT, older.cert)
    liar.put(older.chunk(liar.segment, 1, b"x" * 1000), liar.sub)
    assert liar.ending() == [5]


def test_an_old_chunk_again_is_neither_sent_on_nor_counted(under_liar):
    relay, liar = under_liar
    first = liar.part(0)
    liar.put(first, liar.sub)
    viewer = watcher(relay, liar.source)
    for _ in range(5):
        liar.put(first, liar.sub)
    assert liar.alive() and viewer.quiet(SLICE, 0.5)


def test_an_upstream_that_never_answers_fetch_costs_nothing_but_that_part(under_liar):
    relay, liar = under_liar
    liar.put(liar.part(0), liar.sub)
    viewer = watcher(relay, liar.source)
    liar.part(1)  # in the hash chain, never sent
    after = liar.part(2)
    liar.put(after, liar.sub)
    assert viewer.chunk(5, where=lambda header: header == after.header)[1] == after.payload
    assert liar.expect(FETCH).payload[8:18] == struct.pack(">QH", liar.segment, 1)


def test_a_relay_killed_in_the_middle_of_a_part_comes_back_and_still_knows_the_epoch(tmp_path):
    relay = Relay(tmp_path, "killed", "--open", "--any-stream")
    try:
        publisher = relay.live()
        chunk = publisher.source.chunk(publisher.segment, 0, os.urandom(40_000), INDEPENDENT)
        publisher.put(chunk, publisher.sub)
        half = publisher.source.chunk(publisher.segment, 1, os.urandom(40_000))
        ref = publisher.put_header(half, publisher.sub)
        publisher.put_slice(ref, 0, half.slices[0], publisher.sub)
        assert publisher.alive()
        time.sleep(0.5)
        relay.program.kill()
        relay.program = harness.Program("killed", relay.program.child.args, tmp_path)
        relay.port = int(harness.wait_until(lambda: [line for line in relay.program.out().splitlines() if line.startswith("listening")][1:],
                                            "the second listening line")[0].rsplit(":", 1)[1])
        older = Source(root=publisher.source.root, session=publisher.source.session, epoch=publisher.source.epoch - (1 << 16))
        assert relay.publisher(older.session, older).ending() == [5]
        again = relay.publisher(publisher.source.session, publisher.source)
        wanted = again.accept(publisher.source)
        path = f"/live/{publisher.source.id.hex()}/{publisher.source.epoch}/0/{publisher.segment}"
        assert relay.get(f"{path}.1.chunk")[0] == 404
        again.put(half, wanted.sub)
        assert again.alive() and relay.get(f"{path}.1.chunk")[1].endswith(half.payload)
    finally:
        relay.program.clean_up()
