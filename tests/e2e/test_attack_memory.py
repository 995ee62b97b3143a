"""The memory of a relay stays within --memory-mb and a stated constant, whatever its readers and publishers do."""
import os
import time

import pytest

import harness
from attack_lab import Field, field, fields  # noqa: F401 (fixtures)
from srw_client import INDEPENDENT, LAST, PUBLISHER, Peer, Source
from test_attack_http import ADDRESSES, answers, get
from test_attack_wire import guest

STREAM_KBPS = 40_000


@pytest.fixture
def fast_field(tmp_path):
    """A relay of 64 MB under one stream of 40 Mbit/s."""
    made = Field(tmp_path, part_bytes=STREAM_KBPS * 200 // 8, max_kbps=STREAM_KBPS * 2)
    yield made
    made.stop()


def test_slow_readers_of_every_part_of_a_fast_stream_do_not_keep_what_the_store_gave_up(fast_field):
    """Players that each ask for another part and never read it, viewers that never read, and questions that are held."""
    with fast_field.attack(fills=True) as scene:
        viewers = [guest(scene, f"127.0.0.{2 + index % 3}", start=3) for index in range(30)]
        end, count = time.monotonic() + 9, 0
        while time.monotonic() < end:
            segment, part = fast_field.newest()
            for _ in range(8):
                scene.connect(ADDRESSES[count % 6], get(fast_field.path(segment, part)), receive_bytes=4096)
                count += 1
            ahead = part + 1
            scene.connect("127.0.0.30", get(f"{fast_field.playlist}?_HLS_msn={segment + ahead // 10}&_HLS_part={ahead % 10}&x={count}"))
            time.sleep(0.1)
        assert viewers


def test_a_fast_stream_alone_stays_within_the_setting(fast_field):
    with fast_field.attack(fills=True):
        time.sleep(8)
        stats = harness.http_json(f"http://127.0.0.1:{fast_field.relay.port}/stats.json")
        assert stats["memory_bytes"] <= fast_field.memory_mb << 20


def test_many_streams_share_one_setting(field):
    with field.attack(fills=True) as scene:
        streams = []
        for index in range(24):
            source = Source(max_kbps=100_000)
            peer = scene.keep(Peer(field.relay.port, source=f"127.0.0.{2 + index % 4}")).open(source.session, PUBLISHER)
            peer.announce(source)
            streams.append((source, peer, peer.accept(source).sub))
        payload, segment = os.urandom(1 << 19), int(time.time())
        for turn in range(10):
            for source, peer, sub in streams:
                peer.put(source.chunk(segment + turn, 0, payload, INDEPENDENT | LAST, media_us=500_000 * turn, capture_us=source.zero_us), sub)
        stats = harness.http_json(f"http://127.0.0.1:{field.relay.port}/stats.json")
        assert stats["memory_bytes"] <= field.memory_mb << 20
        answer = answers(scene.connect("127.0.0.9", get("/healthz")), 1)
        assert answer[0][0] == 200
