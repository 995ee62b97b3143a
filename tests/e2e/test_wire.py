"""The relay as an independent peer of SRW/1 sees it: the good path octet for octet, receipts and tickets.

Every test has a stream of its own; the relays serve all of them.
"""
import os
import struct

import pytest

import harness
from srw_client import (CERT, CHUNK, CREDIT, DISCONTINUITY, DROP, END, ERROR, FETCH, INDEPENDENT, INIT, INIT_PART, LAST,
                        RECEIPT, RECEIPT_ACK, RELAY, SLICE, SUB_END, SUB_OK, VIEWER, Key, Peer, Source, now_us, receipt,
                        ticket)
from wire_lab import open_viewer, relay, relays, start_stream, strict  # noqa: F401 (fixtures)

SECOND_US = 1_000_000


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
