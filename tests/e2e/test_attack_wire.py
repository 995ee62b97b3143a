"""Hostile WebSocket and SRW/1 peers of a relay: the honest viewer and player beside them do not notice."""
import os
import select
import struct
import time

import pytest

from attack_lab import field, fields, in_threads, read_all, send_all  # noqa: F401 (fixtures)
from srw_client import (CERT, CHUNK, CREDIT, DROP, ERROR, FETCH, HAVE, HELLO, PING, PUBLISHER, RECEIPT, RECEIPT_ACK, SLICE, SUB_END, SUB_OK,
                        SUBSCRIBE, VIEWER, WELCOME, Closed, Key, Peer, Refused, Source, frame, now_us, receipt, ticket)

MASK = bytes([1, 2, 3, 4])


def octets(first, payload=b"", length=None, masked=True):
    """One WebSocket frame of a client with any first octet and any length that it claims."""
    length = len(payload) if length is None else length
    bit = 0x80 if masked else 0
    head = bytes([first, bit | length]) if length < 126 else (
        bytes([first, bit | 126]) + struct.pack(">H", length) if length < 65_536 else bytes([first, bit | 127]) + struct.pack(">Q", length))
    key = MASK if masked else b""
    body = payload.translate(None) if not masked else bytes(one ^ MASK[at & 3] for at, one in enumerate(payload))
    return head + key + body


def upgraded(scene, source="127.0.0.2"):
    return scene.keep(Peer(scene.field.relay.port, source=source))


def guest(scene, source="127.0.0.2", start=None, recv_limit=1 << 62, **granted):
    """An attacker who holds a good ticket for the live stream."""
    key = Key()
    relay = scene.field.relay
    paper = ticket(relay.coordinator, scene.field.stream, relay.key, key.public, **{"max_rate": 20_000_000, **granted})
    peer = upgraded(scene, source).open(key, VIEWER, paper, recv_limit=recv_limit)
    peer.key, peer.ticket = key, paper
    if start is not None:
        peer.subscribe(scene.field.stream, start=start)
        peer.sub_ok = peer.expect(SUB_OK).payload
    return peer


def flood(peers, data, seconds=1.0, reads=False):
    """Writes the same octets to all peers as fast as they are taken; how many went out."""
    end, count = time.monotonic() + seconds, 0
    live = {peer.socket for peer in peers}
    for one in live:
        one.setblocking(False)
    view, at = memoryview(data), {one: 0 for one in live}
    while live and time.monotonic() < end:
        readable, writable, _ = select.select(live if reads else [], live, [], 0.1)
        for one in readable:
            try:
                one.recv(262144)
            except OSError:
                live.discard(one)
        for one in writable:
            try:
                sent = one.send(view[at[one]:])
            except OSError:
                live.discard(one)
                continue
            count += sent
            at[one] = (at[one] + sent) % len(data)
    return count


# ---- half-open ----------------------------------------------------------------------------------------------------

def test_who_does_not_finish_the_handshake_is_closed_after_5_s(field):
    with field.attack() as scene:
        silent = [upgraded(scene) for _ in range(20)]
        hello_only = [upgraded(scene, "127.0.0.3") for _ in range(20)]
        for peer in hello_only:
            peer.hello(Key(), PUBLISHER)
            peer.expect(WELCOME)
        dripping = [upgraded(scene, "127.0.0.4") for _ in range(20)]
        text = octets(0x82, frame(HELLO, bytes(100)))
        began = time.monotonic()
        still_open = {peer.socket: peer for peer in silent + hello_only + dripping}
        sent = 0
        while still_open and time.monotonic() < began + 8:
            for peer in dripping:
                send_all(peer.socket, text[sent:sent + 1])
            sent += 1
            for one in select.select(list(still_open), [], [], 0.4)[0]:
                if read_all(one, 0.1)[1]:
                    assert time.monotonic() - began > 4, "closed before its time"
                    del still_open[one]
            time.sleep(0.1)
        assert not still_open, f"{len(still_open)} of 60 half-open peers are still there after 8 s"


def test_an_address_has_64_websockets_and_the_next_is_answered_503(field):
    with field.attack() as scene:
        for _ in range(64):
            upgraded(scene, "127.0.0.7")
        for _ in range(50):
            with pytest.raises((Refused, Closed)) as refusal:
                Peer(field.relay.port, source="127.0.0.7")
            assert refusal.value.status == 503
        upgraded(scene, "127.0.0.8")


# ---- WebSocket frames ---------------------------------------------------------------------------------------------

BROKEN = {
    "2^63 octets": octets(0x82, b"", 1 << 63), "2^64 - 1 octets": octets(0x82, b"", (1 << 64) - 1), "not masked": octets(0x82, b"abc", masked=False),
    "a reserved bit": octets(0xC2, b"abc"), "opcode 3": octets(0x83, b"abc"), "opcode 11": octets(0x8B, b""),
    "a ping in two": octets(0x09, b"a") + octets(0x80, b"b"), "a close in two": octets(0x08, b"") + octets(0x80, b""),
    "a ping of 126": octets(0x89, bytes(126)), "a continuation of nothing": octets(0x80, b"abc"),
    "a message inside a message": octets(0x02, b"a") + octets(0x82, b"b"), "a close of 1 octet": octets(0x88, b"\3"),
    "a length in a longer form than needed": bytes([0x82, 0xFE, 0, 3]) + MASK + b"abc",
    "8 octets for a length of 3": bytes([0x82, 0xFF]) + struct.pack(">Q", 3) + MASK + b"abc",
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_websocket_frame_ends_the_connection(field, what):
    peer = Peer(field.relay.port, source="127.0.0.2").open(Key(), PUBLISHER)
    send_all(peer.socket, BROKEN[what])
    assert "open" not in peer.ending(3)
    peer.close()


FLOODS = {
    "empty continuations without end": octets(0x02, b"\x0e") + octets(0x00) * 20_000, "pings whose pongs nobody reads": octets(0x89, bytes(125)) * 2000,
    "empty pings": octets(0x89) * 20_000, "pongs": octets(0x8A, b"x") * 20_000, "empty messages": octets(0x82) * 20_000,
    "PING frames whose PONGs nobody reads": octets(0x82, frame(PING, bytes(16))) * 4000,
    "5000 PINGs in one message": octets(0x82, frame(PING, bytes(16)) * 5000) * 4,
    "unknown frames that may be ignored": octets(0x82, frame(0x80, bytes(60_000))) * 8,
    "5000 ignored frames a message": octets(0x82, frame(0x90) * 16_000) * 2,
}


@pytest.mark.parametrize("what", FLOODS)
def test_a_flood_of_frames_disturbs_nobody(field, what):
    with field.attack() as scene:
        assert flood([guest(scene) for _ in range(4)], FLOODS[what]) > 0


def test_a_message_of_single_octets_is_read_like_any_other(field):
    with field.attack() as scene:
        peer = guest(scene)
        text = frame(PING, bytes(range(16)))
        parts = [octets(0x02 if at == 0 else 0x80 if at == len(text) - 1 else 0x00, text[at:at + 1]) for at in range(len(text))]
        send_all(peer.socket, octets(0x89, b"in between").join(parts))
        assert peer.alive()
        big = b"".join(octets(0x02 if at == 0 else 0x00, b"\x80") for at in range(131_073))
        other = guest(scene)
        send_all(other.socket, big)
        assert other.ending() == [4]


# ---- those who do not read ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("octets_a_second", [0, 1])
def test_viewers_that_do_not_read_disturb_nobody(field, octets_a_second):
    with field.attack() as scene:
        viewers = [guest(scene, source=f"127.0.0.{2 + index % 3}", start=3) for index in range(60)]
        for _ in range(4):
            for peer in viewers if octets_a_second else ():
                read_all(peer.socket, 0.01, most=1)
            time.sleep(1)


def test_viewers_that_never_give_credit_get_nothing_and_disturb_nobody(field):
    with field.attack() as scene:
        viewers = [guest(scene, start=3, recv_limit=0) for _ in range(20)]
        flood(viewers, octets(0x82, frame(CREDIT, bytes(8))) * 1000, reads=True)
        stingy = guest(scene, start=3, recv_limit=0)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            stingy.send(CREDIT, struct.pack(">Q", 0))
            assert stingy.quiet(CHUNK, 0.1)


# ---- receipts -----------------------------------------------------------------------------------------------------

def test_who_sends_no_receipts_is_paused_at_the_window_and_ended_with_9(field):
    with field.attack() as scene:
        viewers = [guest(scene, start=0) for _ in range(10)]
        began, got, code = time.monotonic(), 0, None
        while code is None:
            came = viewers[0].next(7)
            got += len(came.payload) - 8 if came.type == SLICE else 0
            code = came.code if came.type == ERROR else None
        assert code == 9 and got <= 262_144 and 5 < time.monotonic() - began < 9


def test_forged_and_replayed_receipts_end_the_connection_alone(field):
    with field.attack() as scene:
        def one(index):
            peer = guest(scene, source=f"127.0.0.{2 + index}", start=0)
            header, payload = peer.chunk()
            good = receipt(peer.key, peer.ticket, field.epoch, 1, len(payload))
            if index % 2:
                peer.send(RECEIPT, good)
                peer.expect(RECEIPT_ACK)
                peer.send(RECEIPT, good)
            else:
                peer.send(RECEIPT, good[:-1] + bytes([good[-1] ^ 1]))
            return peer.ending()
        assert in_threads(10, one) == [[5]] * 10


# ---- storms of good frames ----------------------------------------------------------------------------------------

def test_a_storm_of_subscribing_and_leaving_disturbs_nobody(field):
    with field.attack() as scene:
        come = frame(SUBSCRIBE, field.stream + struct.pack(">QHBBIQH6x", 0, 0, 3, 0, 0, 0, 0), 1)
        go = frame(SUB_END, struct.pack(">HHIQ", 0, 0, 0, 0), 1)
        assert flood([guest(scene) for _ in range(4)], octets(0x82, come + go) * 500, reads=True) > 100_000


def test_a_storm_of_changed_subscriptions_disturbs_nobody(field):
    with field.attack() as scene:
        first, flags = field.newest()[0], (0, 1)
        again = b"".join(frame(SUBSCRIBE, field.stream + struct.pack(">QHBBIQH6x", 0, 0, 2, 0, 0, first, part), 1, flags[part % 2]) for part in range(10))
        assert flood([guest(scene, start=0) for _ in range(4)], octets(0x82, again) * 100, reads=True) > 100_000


def test_more_than_64_outstanding_fetches_are_refused_with_4_or_answered(field):
    segment, part = field.newest()
    with field.attack() as scene:
        peer = guest(scene, start=0, recv_limit=100)
        peer.message_out(b"".join(frame(FETCH, struct.pack(">QQHHHH", field.epoch, segment, part, 0, 0, 0), 1) for _ in range(65)))
        assert peer.ending() == [4]
        hungry = [guest(scene, start=0) for _ in range(4)]
        flood(hungry, octets(0x82, frame(FETCH, struct.pack(">QQHHHH", field.epoch, segment, part, 0, 0, 0), 1)) * 100, reads=True)
        missing = guest(scene, start=0)
        for _ in range(20):
            missing.message_out(b"".join(frame(FETCH, struct.pack(">QQHHHH", field.epoch, 5, at, 0, 0, 0), 1) for at in range(60)))
            for _ in range(60):
                assert missing.expect(DROP).payload[4:6] == b"\0\3"


def test_a_storm_of_certificates_disturbs_nobody(field):
    with field.attack() as scene:
        source = Source()
        certificates = b"".join(frame(CERT, Source(root=source.root, session=source.session, epoch=source.epoch, serial=source.epoch + at).cert)
                                for at in range(600))
        peers = [upgraded(scene, f"127.0.0.{2 + index}").open(source.session, PUBLISHER) for index in range(4)]
        flood(peers, octets(0x82, certificates), reads=True)


def test_bad_certificates_from_ever_new_connections_are_refused_and_disturb_nobody(field):
    with field.attack() as scene:
        source = Source()
        wrong = source.cert[:-1] + bytes([source.cert[-1] ^ 1])
        end, count = time.monotonic() + 1.2, 0
        while time.monotonic() < end:
            peer = upgraded(scene, f"127.0.0.{2 + count % 20}").open(source.session, PUBLISHER)
            peer.send(CERT, wrong)
            assert peer.ending() == [5]
            peer.close()
            count += 1
        assert count > 10


def test_announcements_without_a_stream_behind_them_disturb_nobody(field):
    with field.attack() as scene:
        def one(index):
            session = Key()
            peer = upgraded(scene, f"127.0.0.{2 + index}").open(session, PUBLISHER)
            for _ in range(100):
                peer.announce(Source(session=session))
            return peer
        in_threads(8, one)
        source = Source()
        peer = upgraded(scene).open(source.session, PUBLISHER)
        peer.announce(source)
        wanted = peer.accept(source)
        again = frame(HAVE, struct.pack(">QQQHBBI", source.epoch, 0, 0, 0, 0, 0, 100_000) + source.id, 0, 1)
        flood([peer], octets(0x82, again * 100), reads=True)
        assert wanted.sub


def test_tickets_of_nobody_are_refused_one_by_one_and_disturb_nobody(field):
    with field.attack() as scene:
        end, count, forger = time.monotonic() + 1.2, 0, Key()
        while time.monotonic() < end:
            key = Key()
            peer = upgraded(scene, f"127.0.0.{2 + count % 20}")
            peer.hello(key, VIEWER, ticket(forger, field.stream, field.relay.key, key.public))
            assert peer.ending() == [6]
            peer.close()
            count += 1
        assert count > 10


def test_a_publisher_that_floods_with_headers_alone_is_refused_and_disturbs_nobody(field):
    with field.attack() as scene:
        source = Source(max_kbps=100_000)
        peer = upgraded(scene).open(source.session, PUBLISHER)
        peer.announce(source)
        sub = peer.accept(source).sub
        segment = int(time.time())
        for part in range(9):
            chunk = source.chunk(segment, part, os.urandom(30_000))
            peer.put_header(chunk, sub)
        assert peer.ending() == [4]


def test_a_publisher_of_eight_megabyte_chunks_is_held_to_its_rate_and_the_memory_to_its_setting(field):
    with field.attack(fills=True) as scene:
        source = Source(max_kbps=1_000_000)
        peer = upgraded(scene).open(source.session, PUBLISHER)
        peer.announce(source)
        sub, segment, began = peer.accept(source).sub, int(time.time()), now_us()
        payload, limit, sent = os.urandom(8 << 20), int.from_bytes(peer.welcome[80:88], "big"), 0
        for part in range(12):
            chunk = source.chunk(segment + part, 0, payload, 5, slice_log2=16, media_us=part * 2_000_000, capture_us=began, duration_us=2_000_000)
            ref = peer.put_header(chunk, sub)
            sent += 232 + 32 * len(chunk.leaves)
            for index, data in enumerate(chunk.slices):
                while sent + 8 + len(data) > limit:
                    try:
                        came = peer.next(3)
                    except (Closed, TimeoutError):
                        return
                    if came.type == CREDIT:
                        limit = int.from_bytes(came.payload[:8], "big")
                sent += 8 + len(data)
                peer.put_slice(ref, index, data, sub)
