"""The relay as an independent peer of SRW/1 sees it: good path octet for octet, then what must be refused, with its code.

Every test has a stream of its own; two relays serve all of them: one open, one that asks for tickets of a key held here.
"""
import json
import os
import re
import struct
import subprocess
import time

import pytest

import harness
from srw_client import (AUTH, CERT, CHUNK, CREDIT, DISCONTINUITY, DROP, END, ERROR, FETCH, GAP, GOAWAY, HAVE, INDEPENDENT, INIT,
                        INIT_PART, LAST, PING, PONG, PUBLISHER, RECEIPT, RECEIPT_ACK, RELAY, REVOKE, SLICE, SUB_END, SUB_OK,
                        SUBSCRIBE, VIEWER, WELCOME, Key, Peer, Refused, Source, frame, now_us, receipt, sub_ok, ticket)

SECOND_US = 1_000_000


class Relay:
    """One relay without a coordinator, with what a test needs to talk to it."""

    def __init__(self, folder, name, *flags):
        self.coordinator = Key()
        done = subprocess.run([harness.BIN / "streamr-keygen", "--json", "node", folder / f"{name}.key"], capture_output=True, text=True,
                              check=True)
        self.key = bytes.fromhex(json.loads(done.stdout)["public_key"])
        trust = ["--open"] if "--open" in flags else ["--coordinator-key", self.coordinator.public.hex()]
        self.program = harness.Program(name, [
            harness.BIN / "streamr-relay", "--listen", "127.0.0.1:0", "--key", folder / f"{name}.key", "--role", "origin",
            "--state", folder / f"{name}-state", *trust, *(flag for flag in flags if flag != "--open")], folder)
        self.port = self.program.listening()

    def publisher(self, key, source=None):
        peer = Peer(self.port).open(key, PUBLISHER)
        if source:
            peer.announce(source)
        return peer

    def live(self, **certificate):
        """A publisher whose stream the relay took, with one chunk already there."""
        source = Source(**certificate)
        peer = self.publisher(source.session, source)
        wanted = peer.accept(source)
        peer.source, peer.sub = source, wanted.sub
        peer.segment = max(int(time.time()), int.from_bytes(wanted.payload[48:56], "big"))
        return peer

    def viewer(self, source=None, start=None, key=None, **more):
        """A viewer; with a start it subscribes on sub 1 and waits for SUB_OK. Where tickets count it has one."""
        key = key or Key()
        granted = b"" if source is None else ticket(self.coordinator, source.id, self.key, key.public, **more)
        peer = Peer(self.port).open(key, VIEWER, granted)
        peer.key, peer.ticket = key, granted
        if start is not None:
            peer.subscribe(source.id, start=start)
            peer.sub_ok = peer.expect(SUB_OK).payload
        return peer

    def get(self, path):
        return harness.http_get(f"http://127.0.0.1:{self.port}{path}")


@pytest.fixture(scope="module")
def relays(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wire")
    made = []
    try:
        made.append(Relay(folder, "open", "--open", "--any-stream"))
        made.append(Relay(folder, "strict", "--any-stream"))
        made.append(Relay(folder, "closed", "--open", "--carry", Key().public.hex()))
        yield made
    finally:
        for relay in made:
            relay.program.clean_up()


@pytest.fixture
def relay(relays):
    return relays[0]


@pytest.fixture
def strict(relays):
    return relays[1]


def open_viewer(relay, source, start=0, **more):
    peer = Peer(relay.port).open(Key(), VIEWER, **more)
    peer.subscribe(source.id, start=start)
    return peer


def start_stream(peer, size=1000):
    """The first chunk of a stream, taken by the relay when this returns."""
    chunk = peer.source.chunk(peer.segment, 0, os.urandom(size), INDEPENDENT)
    peer.put(chunk, peer.sub)
    peer.alive()
    return chunk


# ---- the good path ------------------------------------------------------------------------------------------------

def test_a_viewer_gets_init_and_chunks_octet_for_octet(relay):
    peer = relay.live()
    source = peer.source
    init = source.chunk(peer.segment, INIT_PART, b"init" * 100, INIT | INDEPENDENT, duration_us=0)
    peer.put(init, peer.sub)
    first = start_stream(peer, 40_000)
    viewer = open_viewer(relay, source, start=1)
    assert viewer.expect(CERT).payload == source.cert
    answer = viewer.expect(SUB_OK).payload
    assert struct.unpack_from(">QQHHI", answer) == (source.epoch, peer.segment, 0, 0, 500_000)
    assert answer[41] == 2 and answer[48:232] == source.cert
    assert answer[40] == 1 and answer[232:] == relay.key[:8]
    assert viewer.chunk() == (init.header, init.payload)
    assert viewer.chunk() == (first.header, first.payload)
    second = source.chunk(peer.segment, 1, os.urandom(70_000))
    peer.put(second, peer.sub)
    assert viewer.chunk() == (second.header, second.payload)


def test_a_slice_goes_on_before_its_chunk_is_whole(relay):
    peer = relay.live()
    start_stream(peer)
    viewer = open_viewer(relay, peer.source)
    viewer.expect(SUB_OK)
    chunk = peer.source.chunk(peer.segment, 1, os.urandom(50_000))
    ref = peer.put_header(chunk, peer.sub)
    peer.put_slice(ref, 2, chunk.slices[2], peer.sub)
    assert viewer.expect(CHUNK).payload[8:232] == chunk.header
    assert viewer.expect(SLICE).payload[4:] == bytes([0, 2, 0, 0]) + chunk.slices[2]
    peer.put_slice(ref, 2, chunk.slices[2], peer.sub)
    peer.put_slice(ref, 0, chunk.slices[0], peer.sub)
    assert viewer.expect(SLICE).payload[4:8] == bytes([0, 0, 0, 0])


def test_a_bad_slice_is_refused_and_its_good_copy_still_goes_on(relay):
    peer = relay.live()
    start_stream(peer)
    viewer = open_viewer(relay, peer.source)
    viewer.expect(SUB_OK)
    chunk = peer.source.chunk(peer.segment, 1, os.urandom(20_000))
    ref = peer.put_header(chunk, peer.sub)
    peer.put_slice(ref, 1, bytes(len(chunk.slices[1])), peer.sub)
    peer.put_slice(ref, 1, chunk.slices[1], peer.sub)
    assert viewer.expect(SLICE).payload[8:] == chunk.slices[1]
    while (came := peer.next()).type != ERROR:
        pass
    assert came.code == 10


def test_a_standby_gets_headers_and_fetches_what_it_asks_for(relay):
    peer = relay.live()
    start_stream(peer)
    source = peer.source
    viewer = Peer(relay.port).open(Key(), VIEWER)
    viewer.subscribe(source.id, flags=1)
    viewer.expect(SUB_OK)
    chunk = source.chunk(peer.segment, 1, os.urandom(20_000))
    peer.put(chunk, peer.sub)
    assert viewer.expect(CHUNK).payload[8:232] == chunk.header
    assert viewer.quiet(SLICE)
    viewer.fetch(source.epoch, peer.segment, 1, first=1, count=1)
    answer = viewer.expect(CHUNK).payload
    assert answer[8:232] == chunk.header
    assert viewer.expect(SLICE).payload == answer[:4] + bytes([0, 1, 0, 0]) + chunk.slices[1]
    viewer.fetch(source.epoch, peer.segment, 9)
    assert viewer.expect(DROP).payload == struct.pack(">IHHQ", 0, 3, 9, peer.segment)


def test_a_repeated_subscribe_makes_a_standby_the_source_without_a_second_answer(relay):
    peer = relay.live()
    start_stream(peer)
    viewer = Peer(relay.port).open(Key(), VIEWER)
    viewer.subscribe(peer.source.id, flags=1)
    viewer.expect(SUB_OK)
    viewer.subscribe(peer.source.id)
    viewer.alive()
    chunk = peer.source.chunk(peer.segment, 1, os.urandom(20_000))
    peer.put(chunk, peer.sub)
    while (came := viewer.next()).type != SLICE:
        assert came.type != SUB_OK


def test_who_unsubscribed_gets_no_chunk_and_may_use_the_number_again(relay):
    peer = relay.live()
    start_stream(peer)
    viewer = open_viewer(relay, peer.source)
    viewer.expect(SUB_OK)
    viewer.send(SUB_END, bytes(16), 1)
    viewer.alive()
    peer.put(peer.source.chunk(peer.segment, 1, b"x"), peer.sub)
    assert viewer.quiet(CHUNK)
    viewer.subscribe(peer.source.id)
    viewer.expect(SUB_OK)


def test_a_new_epoch_goes_on_under_the_same_number_and_a_fixed_epoch_ends(relay):
    peer = relay.live()
    start_stream(peer)
    source = peer.source
    viewer = open_viewer(relay, source)
    viewer.expect(SUB_OK)
    viewer.subscribe(source.id, sub=2, epoch=source.epoch)
    viewer.expect(SUB_OK)
    last = source.chunk(peer.segment, 1, b"", END | LAST)
    peer.put(last, peer.sub)
    assert viewer.expect(SUB_END).payload == struct.pack(">HHIQ", 1, 0, 0, peer.segment)
    newer = source.next_epoch()
    peer.send(CERT, newer.cert)
    chunk = newer.chunk(peer.segment + 1, 0, b"new", INDEPENDENT | DISCONTINUITY)
    peer.put(chunk, peer.sub)
    seen = [viewer.next()]
    while seen[-1].type != CHUNK or seen[-1].payload[8:232] != chunk.header:
        seen.append(viewer.next())
    kinds = [came.type for came in seen]
    assert CERT in kinds and SUB_OK not in kinds and seen[-1].sub == 1


def test_the_relay_fetches_the_chunk_that_the_hash_chain_misses(relay):
    peer = relay.live()
    start_stream(peer)
    source = peer.source
    missing = source.chunk(peer.segment, 1, b"missing")
    peer.put(source.chunk(peer.segment, 2, b"there"), peer.sub)
    asked = peer.expect(FETCH).payload
    assert struct.unpack_from(">QQH", asked) == (source.epoch, peer.segment, 1)
    peer.put(missing, peer.sub)
    peer.alive()
    status, body = relay.get(f"/live/{source.id.hex()}/{source.epoch}/0/{peer.segment}.1.chunk")
    assert (status, body) == (200, missing.header + b"".join(missing.leaves) + b"missing")


def test_nothing_is_sent_beyond_the_viewers_credit(relay):
    peer = relay.live()
    start_stream(peer)
    viewer = open_viewer(relay, peer.source, recv_limit=8_000)
    viewer.expect(SUB_OK)
    peer.put(peer.source.chunk(peer.segment, 1, os.urandom(12_000)), peer.sub)
    viewer.expect(CHUNK)
    assert viewer.quiet(SLICE)
    viewer.send(CREDIT, struct.pack(">Q", 100_000))
    viewer.expect(SLICE)


def test_ping_comes_back_as_pong(relay):
    assert Peer(relay.port).open(Key(), VIEWER).alive()


# ---- receipts -----------------------------------------------------------------------------------------------------

def drain(viewer):
    """Payload bytes of the slices that come until nothing more does."""
    total = 0
    while True:
        try:
            came = viewer.next(0.4)
        except TimeoutError:
            return total
        total += len(came.payload) - 8 if came.type == SLICE else 0


def test_a_receipt_opens_the_window_and_each_good_one_doubles_it(strict):
    peer = strict.live(max_kbps=100_000)
    source = peer.source
    viewer = strict.viewer(source, start=0, max_rate=50_000_000)
    assert int.from_bytes(viewer.welcome[88:92], "big") == 262_144
    for part in range(7):
        peer.put(source.chunk(peer.segment, part, os.urandom(65_536), 0 if part else INDEPENDENT), peer.sub)
    got = drain(viewer)
    assert got == 262_144
    windows = []
    for seq in (1, 2, 3):
        viewer.send(RECEIPT, receipt(viewer.key, viewer.ticket, source.epoch, seq, got))
        answer = struct.unpack(">IIQ", viewer.expect(RECEIPT_ACK).payload)
        assert (answer[0], answer[2]) == (seq, got)
        windows.append(answer[1])
        got += drain(viewer) if seq == 1 else 0
    assert got == 7 * 65_536
    assert windows == [524_288, 1_048_576, 1_048_576]


def test_a_receipt_goes_by_http_too(strict):
    peer = strict.live()
    start_stream(peer, 1000)
    viewer = strict.viewer(peer.source, start=1)
    viewer.chunk()
    good = receipt(viewer.key, viewer.ticket, peer.source.epoch, 1, 1000)
    assert post(strict, good) == (200, struct.pack(">IIQ", 1, 524_288, 1000))
    assert post(strict, good)[0] == 403
    unknown = Key()
    other = ticket(strict.coordinator, peer.source.id, strict.key, unknown.public)
    assert post(strict, receipt(unknown, other, peer.source.epoch, 1, 1000))[0] == 404


def post(relay, body):
    request = harness.urllib.request.Request(f"http://127.0.0.1:{relay.port}/v1/receipts", data=body, method="POST")
    try:
        with harness.urllib.request.urlopen(request, timeout=3) as reply:
            return reply.status, reply.read()
    except harness.urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read()


def test_a_second_socket_of_the_session_goes_on_with_its_counters(strict):
    peer = strict.live()
    start_stream(peer, 1000)
    one = strict.viewer(peer.source, start=1)
    one.chunk()
    one.send(RECEIPT, receipt(one.key, one.ticket, peer.source.epoch, 1, 1000))
    one.expect(RECEIPT_ACK)
    one.send(RECEIPT, receipt(one.key, one.ticket, peer.source.epoch, 1, 1000))
    assert one.ending() == [5]
    two = Peer(strict.port).open(one.key, VIEWER, one.ticket)
    two.subscribe(peer.source.id, start=1, latency_ms=60_000)
    two.chunk()
    two.send(RECEIPT, receipt(one.key, one.ticket, peer.source.epoch, 2, 2000))
    assert struct.unpack(">IIQ", two.expect(RECEIPT_ACK).payload)[::2] == (2, 2000)


BAD_RECEIPTS = {
    "signature": dict(key=True), "relay": dict(changes={48: bytes(32)}), "session": dict(changes={112: bytes(16)}),
    "stream": dict(changes={8: bytes(32)}), "viewer": dict(changes={80: bytes(32)}), "a seq again": dict(before=(1, 500)),
    "fewer bytes than before": dict(before=(1, 1000), seq=2, bytes_ok=999), "more bytes than sent": dict(bytes_ok=1001),
}


@pytest.mark.parametrize("what", BAD_RECEIPTS)
def test_a_wrong_receipt_is_refused_with_5(strict, what):
    wrong = dict(BAD_RECEIPTS[what])
    peer = strict.live()
    start_stream(peer, 1000)
    viewer = strict.viewer(peer.source, start=1)
    viewer.chunk()
    if "before" in wrong:
        viewer.send(RECEIPT, receipt(viewer.key, viewer.ticket, peer.source.epoch, *wrong["before"]))
        viewer.expect(RECEIPT_ACK)
    viewer.send(RECEIPT, receipt(viewer.key, viewer.ticket, peer.source.epoch, wrong.get("seq", 1), wrong.get("bytes_ok", 1000),
                                 changes=wrong.get("changes"), key=Key() if wrong.get("key") else None))
    assert viewer.ending() == [5]


# ---- tickets ------------------------------------------------------------------------------------------------------

def ending_of_ticket(node, signer=None, relay=None, viewer_key=None, **wrong):
    viewer = Key()
    peer = Peer(node.port)
    made = ticket(signer or node.coordinator, os.urandom(32), relay or node.key, viewer_key or viewer.public, **wrong)
    peer.hello(viewer, VIEWER, made)
    return peer.ending()


def test_no_ticket_is_refused_with_6(strict):
    for role in (VIEWER, RELAY):
        peer = Peer(strict.port)
        peer.hello(Key(), role)
        assert peer.ending() == [6]


def test_a_ticket_of_another_signer_relay_or_viewer_is_refused_with_6(strict):
    assert ending_of_ticket(strict, signer=Key()) == [6]
    assert ending_of_ticket(strict, relay=bytes(32)) == [6]
    assert ending_of_ticket(strict, viewer_key=bytes(32)) == [6]


def test_a_ticket_counts_from_120_s_before_its_time_to_60_s_after(strict):
    now = now_us()
    assert ending_of_ticket(strict, start_us=now - 500 * SECOND_US, end_us=now - 65 * SECOND_US) == [6]
    assert ending_of_ticket(strict, start_us=now + 125 * SECOND_US, end_us=now + 500 * SECOND_US) == [6]
    source = Source()
    assert strict.viewer(source, start_us=now - 500 * SECOND_US, end_us=now - 50 * SECOND_US).alive()
    assert strict.viewer(source, start_us=now + 110 * SECOND_US, end_us=now + 500 * SECOND_US).alive()


def test_a_ticket_with_a_wrong_magic_or_version_is_malformed(strict):
    assert ending_of_ticket(strict, changes={0: b"X"}) == [2]
    assert ending_of_ticket(strict, changes={4: b"\2"}) == [2]


def test_a_ticket_for_another_stream_or_epoch_ends_the_subscription_alone(strict):
    peer = strict.live()
    start_stream(peer)
    viewer = strict.viewer(Source())
    viewer.subscribe(peer.source.id, sub=3)
    refused = viewer.expect(SUB_END)
    assert (refused.sub, refused.code) == (3, 4)
    assert viewer.alive()
    viewer = strict.viewer(peer.source, epoch=5)
    viewer.subscribe(peer.source.id, epoch=peer.source.epoch)
    assert viewer.expect(SUB_END).code == 4
    assert viewer.alive()


def test_a_stream_track_or_epoch_not_held_ends_the_subscription_alone(relay):
    peer = relay.live()
    start_stream(peer)
    viewer = Peer(relay.port).open(Key(), VIEWER)
    for what in (dict(stream=Key().public), dict(stream=peer.source.id, track=7), dict(stream=peer.source.id, epoch=peer.source.epoch + 1)):
        viewer.subscribe(**what)
        assert viewer.expect(SUB_END).code == 2
    assert viewer.alive()


# ---- what a publisher must not send -------------------------------------------------------------------------------

def later(seconds):
    return (int(time.time()) + seconds) * SECOND_US


BAD_CHUNKS = {
    "magic": (2, lambda: dict(changes={0: b"SRX1"})), "version": (2, lambda: dict(changes={4: b"\2"})),
    "hash algorithm": (2, lambda: dict(changes={5: b"\2"})), "signature algorithm": (2, lambda: dict(changes={6: b"\2"})),
    "one slice too many": (2, lambda: dict(slice_count=2, leaves=[bytes(32)] * 2)),
    "fewer leaves than slices": (2, lambda: dict(leaves=[])), "more leaves than slices": (2, lambda: dict(leaves=[bytes(32)] * 2, slice_count=1)),
    "slices of 2 KiB": (2, lambda: dict(slice_log2=11)), "slices of 128 KiB": (2, lambda: dict(slice_log2=17)),
    "nothing without GAP or END": (2, lambda: dict(payload=b"")), "GAP with bytes": (2, lambda: dict(flags=GAP)),
    "END with bytes": (2, lambda: dict(flags=END)), "longer than 60 s": (2, lambda: dict(duration_us=60_000_001)),
    "another track": (5, lambda: dict(track=1)), "another epoch": (5, lambda: dict(changes={40: struct.pack(">Q", 1 << 50)})),
    "taken before the certificate": (5, lambda: dict(capture_us=later(-140))),
    "taken after the certificate": (5, lambda: dict(capture_us=later(3600 + 130))), "another signer": (5, lambda: dict(key=Key())),
    "another stream": (5, lambda: dict(changes={8: bytes(32)})), "an unknown certificate": (5, lambda: dict(changes={152: b"12345678"})),
    "more than 16 MiB": (4, lambda: dict(payload=b"", changes={80: struct.pack(">IBBH", (16 << 20) + 1, 16, 3, 257)}, leaves=[bytes(32)] * 257)),
    "1025 slices": (4, lambda: dict(payload=b"", changes={80: struct.pack(">IBBH", 1025 << 12, 12, 3, 1025)}, leaves=[bytes(32)] * 1025)),
}


@pytest.mark.parametrize("what", BAD_CHUNKS)
def test_a_wrong_chunk_ends_the_connection(relay, what):
    code, make = BAD_CHUNKS[what]
    peer = relay.live()
    start_stream(peer)
    peer.put(peer.source.chunk(peer.segment, 1, **{"payload": b"x" * 1000, **make()}), peer.sub)
    assert peer.ending() == [code]


def test_a_chunk_outside_the_certificates_tracks_or_segments_is_refused_with_5(relay):
    for certificate in (dict(track_mask=0xFFFFFFFE), dict(min_segment=1 << 40)):
        peer = relay.live(**certificate)
        peer.put(peer.source.chunk(peer.segment, 0, b"x", INDEPENDENT), peer.sub)
        assert peer.ending() == [5]


BAD_SLICES = {
    "other octets": lambda p, c, ref: p.put_slice(ref, 0, bytes(16_384), p.sub),
    "too short": lambda p, c, ref: p.put_slice(ref, 0, c.slices[0][:-1], p.sub),
    "empty": lambda p, c, ref: p.put_slice(ref, 0, b"", p.sub),
    "too long": lambda p, c, ref: p.put_slice(ref, 0, c.slices[0] + b"x", p.sub),
    "index out of range": lambda p, c, ref: p.put_slice(ref, 2, c.slices[0], p.sub),
    "chunk never announced": lambda p, c, ref: p.put_slice(ref + 9, 0, c.slices[0], p.sub),
    "chunk dropped by its sender": lambda p, c, ref: (p.send(DROP, struct.pack(">IHHQ", ref, 2, 1, p.segment), p.sub),
                                                      p.put_slice(ref, 0, c.slices[0], p.sub)),
}


@pytest.mark.parametrize("what", BAD_SLICES)
def test_a_bad_slice_gets_10_and_the_connection_goes_on(relay, what):
    peer = relay.live()
    start_stream(peer)
    chunk = peer.source.chunk(peer.segment, 1, os.urandom(20_000))
    BAD_SLICES[what](peer, chunk, peer.put_header(chunk, peer.sub))
    peer.send(PING, bytes(16))
    assert until_pong(peer) == [10]


def until_pong(peer):
    """Codes of the ERRORs before the PONG."""
    codes = []
    while (came := peer.next()).type != PONG:
        codes += [came.code] if came.type == ERROR else []
    return codes


def test_the_ninth_bad_slice_ends_the_connection(relay):
    peer = relay.live()
    start_stream(peer)
    for _ in range(8):
        peer.put_slice(99, 0, b"x", peer.sub)
    peer.send(PING, bytes(16))
    assert until_pong(peer) == [10] * 8
    peer.put_slice(99, 0, b"x", peer.sub)
    assert peer.ending() == [10]


def test_leaves_that_do_not_give_the_root_give_up_the_chunk_alone(relay):
    peer = relay.live()
    start_stream(peer)
    peer.put(peer.source.chunk(peer.segment, 1, b"x" * 1000, root=bytes(32)), peer.sub)
    peer.send(PING, bytes(16))
    assert until_pong(peer) == [10]


def test_duplicates_and_chunks_below_the_window_are_ignored(relay):
    peer = relay.live()
    start_stream(peer)
    chunk = peer.source.chunk(peer.segment, 1, os.urandom(20_000))
    ref = peer.put(chunk, peer.sub)
    peer.put_slice(ref, 0, chunk.slices[0], peer.sub)
    peer.put(chunk, peer.sub)
    peer.put(peer.source.chunk(1, 0, b"old", INDEPENDENT, chain=False), peer.sub)
    peer.send(PING, bytes(16))
    assert until_pong(peer) == []


def test_a_chunk_number_that_does_not_rise_is_malformed(relay):
    peer = relay.live()
    start_stream(peer)
    peer.put_header(peer.source.chunk(peer.segment, 1, b"x"), peer.sub, ref=1)
    assert peer.ending() == [2]


def test_two_chunks_in_one_place_are_refused_with_5_and_the_first_stays(relay):
    peer = relay.live()
    first = start_stream(peer)
    peer.source.prev.clear()
    peer.put(peer.source.chunk(peer.segment, 0, b"another", INDEPENDENT), peer.sub)
    assert peer.ending() == [5]
    status, body = relay.get(f"/live/{peer.source.id.hex()}/{peer.source.epoch}/0/{peer.segment}.0.chunk")
    assert status == 200 and body[:224] == first.header


def test_more_than_a_quarter_above_max_kbps_in_10_s_is_refused_with_4(relay):
    peer = relay.live(max_kbps=600)
    for part in range(9):
        peer.put(peer.source.chunk(peer.segment, part, os.urandom(100_000), media_us=1000 * part), peer.sub)
    assert peer.alive()
    peer.put(peer.source.chunk(peer.segment, 9, os.urandom(100_000), media_us=9000), peer.sub)
    assert peer.ending() == [4]


def test_eight_chunks_may_be_unfinished_and_four_of_them_without_a_slice(relay):
    for count, with_slice in ((4, False), (8, True)):
        peer = relay.live()
        start_stream(peer)
        for part in range(1, count + 2):
            if part == count + 1:
                assert peer.alive()
            chunk = peer.source.chunk(peer.segment, part, os.urandom(20_000))
            ref = peer.put_header(chunk, peer.sub)
            if with_slice:
                peer.put_slice(ref, 0, chunk.slices[0], peer.sub)
        assert peer.ending() == [4]


# ---- announcements ------------------------------------------------------------------------------------------------

def test_a_stream_that_is_not_carried_is_refused_with_7(relays):
    source = Source()
    assert relays[2].publisher(source.session, source).ending() == [7]
    peer = relays[2].publisher(source.session)
    peer.send(CERT, source.cert)
    assert peer.ending() == [7]


def test_a_publisher_that_no_certificate_names_is_refused_with_5(relay):
    assert relay.publisher(Key(), Source()).ending() == [5]


def test_a_lower_epoch_is_refused_with_5(relay):
    peer = relay.live()
    start_stream(peer)
    older = Source(root=peer.source.root, session=peer.source.session, epoch=peer.source.epoch - 65536)
    assert relay.publisher(older.session, older).ending() == [5]


def test_a_certificate_over_24_h_past_or_badly_signed_is_refused_with_5(relay):
    for wrong in (dict(lifetime_s=86_401), dict(start_s=int(time.time()) - 4000)):
        source = Source(**wrong)
        assert relay.publisher(source.session, source).ending() == [5]
    source = Source()
    source.cert = source.cert[:-1] + bytes([source.cert[-1] ^ 1])
    assert relay.publisher(source.session, source).ending() == [5]


@pytest.mark.parametrize("changes", [{0: b"X"}, {4: b"\2"}, {5: b"\2"}])
def test_a_certificate_with_wrong_magic_version_or_algorithm_is_malformed(relay, changes):
    source = Source(cert_changes=changes)
    assert relay.publisher(source.session, source).ending() == [2]


def have(peer, oldest=0, newest=0, path=b""):
    source = peer.source
    peer.send(HAVE, struct.pack(">QQQHBBI", source.epoch, oldest, newest, 0, 0, len(path) // 8, 1000) + source.id + path)
    return peer.ending()


def test_a_have_with_the_newest_below_the_oldest_is_malformed(relay):
    assert have(relay.live(), oldest=9, newest=8) == [2]


def test_a_path_of_four_or_through_the_relay_itself_is_a_loop(relay):
    assert have(relay.live(), path=os.urandom(32)) == [11]
    assert have(relay.live(), path=relay.key[:8]) == [11]


def test_a_revoked_certificate_ends_its_viewers_and_its_publisher(relay):
    peer = relay.live()
    start_stream(peer)
    source = peer.source
    viewer = open_viewer(relay, source)
    viewer.expect(SUB_OK)
    body = b"SRV1" + bytes([1, 1, 0, 0]) + source.id + struct.pack(">QQ", 1 << 60, int(time.time()))
    peer.send(REVOKE, body + source.root.sign("streamr/revoke/v1", body))
    assert viewer.expect(SUB_END).code == 4
    peer.put(source.chunk(peer.segment, 1, b"x"), peer.sub)
    assert peer.ending() == [12]
    assert relay.publisher(source.session, source).ending() == [12]


# ---- framing and handshake ----------------------------------------------------------------------------------------

ignorable = struct.pack(">HH", 0x8001, 4) + b"abcd"
BAD_FRAMES = {
    "type 15": (3, frame(0x15)), "type 0": (3, frame(0)), "type 7f": (3, frame(0x7F, b"abc")),
    "message ends inside a frame": (2, frame(PING, bytes(16), length=17)), "octets after a frame": (2, frame(PING, bytes(16)) + b"x"),
    "less than a frame header": (2, b"abc"), "short payload": (2, frame(PING, bytes(15))),
    "unknown TLV": (2, frame(PING, bytes(16) + struct.pack(">HH", 0x101, 1) + b"x")),
    "torn TLV": (2, frame(PING, bytes(16) + struct.pack(">HH", 0x8001, 9) + b"x")), "17 TLVs": (4, frame(PING, bytes(16) + ignorable * 17)),
    "a TLV of 1025": (4, frame(PING, bytes(16) + struct.pack(">HH", 0x8001, 1025) + bytes(1025))),
    "a payload of 65545": (4, frame(0x80, bytes(65_545))), "a CHUNK of 33001": (4, frame(CHUNK, bytes(33_001), 1)),
    "a message over 128 KiB": (4, frame(0x80, bytes(65_528)) * 2 + b"x"), "WELCOME from a client": (2, frame(WELCOME, bytes(160))),
    "a uri of 513": (4, frame(GOAWAY, struct.pack(">HHI", 0, 513, 0) + b"a" * 513)),
    "a text of 257": (4, frame(ERROR, struct.pack(">HHI", 2, 257, 0) + b"a" * 257)),
    "SUBSCRIBE on sub 0": (2, frame(SUBSCRIBE, bytes(64))),
}


@pytest.mark.parametrize("what", BAD_FRAMES)
def test_a_wrong_frame_ends_the_connection(relay, what):
    code, message = BAD_FRAMES[what]
    peer = Peer(relay.port).open(Key(), VIEWER)
    peer.message_out(message)
    assert peer.ending() == [code]


def test_a_text_message_is_malformed(relay):
    peer = Peer(relay.port).open(Key(), VIEWER)
    peer.message_out(b"hello", opcode=1)
    assert peer.ending() == [2]


def test_what_may_be_ignored_is_ignored_up_to_the_limits(relay):
    peer = Peer(relay.port).open(Key(), VIEWER)
    peer.send(0x80, bytes(65_544))
    peer.message_out(frame(0x80, bytes(65_528)) * 2)
    peer.send(PING, bytes(16) + ignorable * 16)
    peer.send(PING, bytes(16) + struct.pack(">HH", 0x8001, 1024) + bytes(1024))
    assert peer.alive()


def test_32_subscriptions_are_taken_and_the_next_is_refused_with_4(relay):
    peer = relay.live()
    start_stream(peer)
    viewer = Peer(relay.port).open(Key(), VIEWER)
    for sub in range(1, 33):
        viewer.subscribe(peer.source.id, sub=sub)
    assert viewer.alive()
    viewer.subscribe(peer.source.id, sub=33)
    assert viewer.ending() == [4]


def test_a_live_sub_cannot_change_its_stream_or_track(relay):
    peer = relay.live()
    start_stream(peer)
    for other in (dict(stream=peer.source.id, track=1), dict(stream=Key().public)):
        viewer = open_viewer(relay, peer.source)
        viewer.expect(SUB_OK)
        viewer.subscribe(**other)
        assert viewer.ending() == [2]


BAD_HELLOS = {
    "magic": (2, dict(magic=b"SRX1")), "newer versions": (1, dict(versions=(2, 3))), "older versions": (1, dict(versions=(0, 0))),
    "role 0": (2, dict(role=0)), "role 4": (2, dict(role=4)), "ticket of 100": (2, dict(ticket_bytes=bytes(100))),
    "ticket that is not there": (2, dict(ticket_length=248)), "unknown TLV": (2, dict(tail=struct.pack(">HH", 1, 1) + b"x")),
    "more than 4 KiB": (4, dict(tail=(struct.pack(">HH", 0x8001, 1000) + bytes(1000)) * 5)),
}


@pytest.mark.parametrize("what", BAD_HELLOS)
def test_a_wrong_hello_ends_the_connection(relay, what):
    code, wrong = BAD_HELLOS[what]
    peer = Peer(relay.port)
    peer.hello(Key(), **{"role": VIEWER, **wrong})
    assert peer.ending() == [code]


def test_another_frame_in_place_of_hello_or_auth_is_refused_with_5(relay):
    peer = Peer(relay.port)
    peer.send(PING, bytes(16))
    assert peer.ending() == [5]
    peer = Peer(relay.port)
    peer.hello(Key(), VIEWER)
    peer.expect(WELCOME)
    peer.send(PING, bytes(16))
    assert peer.ending() == [5]


def test_an_auth_that_is_not_signed_by_the_peer_is_refused_with_5(relay):
    peer = Peer(relay.port)
    peer.hello(Key(), VIEWER)
    peer.expect(WELCOME)
    peer.send(AUTH, bytes(64))
    assert peer.ending() == [5]


def test_another_subprotocol_is_answered_400(relay):
    for name in ("other.v1", None):
        with pytest.raises(Refused) as refusal:
            Peer(relay.port, subprotocol=name)
        assert refusal.value.status == 400
