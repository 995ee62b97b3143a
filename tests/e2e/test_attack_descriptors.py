"""A relay that may open few descriptors, flooded with connections: whoever is there stays served, room is used when it is free again."""
import time

import pytest

import harness
from attack_lab import MEMORY_MB, Field, read_all
from test_attack_http import ADDRESSES, answers, get, statuses
from wire_lab import Relay

DESCRIPTORS = 128


@pytest.fixture
def small_field(tmp_path):
    relay = Relay(tmp_path, "small", "--any-stream", "--memory-mb", str(MEMORY_MB), "--loops", "2",
                  before=("prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}"))
    made = Field(tmp_path, relay=relay)
    yield made
    made.stop()


def test_a_relay_without_free_descriptors_serves_those_who_are_there_and_recovers(small_field):
    field = small_field
    with field.attack() as scene:
        early = scene.connect("127.0.0.50", get("/healthz"))
        assert answers(early, 1)[0][0] == 200
        held = [scene.connect(ADDRESSES[index % 30]) for index in range(3 * DESCRIPTORS)]
        harness.wait_until(lambda: field.process.descriptors() >= DESCRIPTORS - 4, "as many descriptors as there may be", 5)
        end, cpu = time.monotonic() + 2, field.process.cpu_s()
        while time.monotonic() < end:
            data, closed = read_all(scene.connect("127.0.0.51", get("/healthz")), 2)
            assert closed and (not data or statuses(data) == [503]), f"a newcomer was left waiting: {data[:80]}"
            time.sleep(0.02)
        assert field.process.cpu_s() - cpu < 1.5, "the relay turns in a circle"
        early.sendall(get(field.playlist))
        assert answers(early, 1)[0][0] == 200, "who was there is not served any more"
        for one in held:
            one.close()
        harness.wait_until(lambda: [got[0] for got in answers(scene.connect("127.0.0.52", get("/healthz")), 1)] == [200],
                           "room for newcomers", 3)
        told = answers(scene.connect("127.0.0.52", get("/stats.json")), 1)[0][2].decode()
        assert '"descriptors":0' not in told.replace(" ", ""), "refusals for want of descriptors are not counted"
