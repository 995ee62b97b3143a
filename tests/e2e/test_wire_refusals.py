"""What an independent peer of SRW/1 must not send: each is refused with its code and ends the connection, or does not."""
import os
import struct
import time

import pytest

from srw_client import (AUTH, CERT, CHUNK, DROP, END, ERROR, GAP, GOAWAY, HAVE, INDEPENDENT, PING, PONG, REVOKE, SUB_END,
                        SUB_OK, SUBSCRIBE, VIEWER, WELCOME, Key, Peer, Refused, Source, frame)
from wire_lab import open_viewer, relay, relays, start_stream  # noqa: F401 (fixtures)

SECOND_US = 1_000_000


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
