"""The real coordinator for each test that asks for one, on a free port and in a folder of its own."""
import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from client import Coordinator, Key, Listener, Node  # noqa: E402


def program():
    named = os.environ.get("STREAMR_COORDINATOR")
    build = os.environ.get("STREAMR_BUILD", str(HERE.parents[1] / "build" / "dev"))
    return pathlib.Path(named) if named else pathlib.Path(build) / "bin" / "streamr-coordinator"


class Lab:
    """One coordinator that knows an origin's key, with listeners for nodes that are to be told."""

    def __init__(self, folder, *flags, **options):
        self.origin_key = Key()
        self.coordinator = Coordinator(program(), folder, "--origin", self.origin_key.hex, *flags, **options).start()
        self.listeners = []

    @property
    def api(self):
        return self.coordinator.api()

    def listener(self):
        self.listeners.append(Listener())
        return self.listeners[-1]

    def relay(self, **options):
        node = Node(self.api, listener=self.listener(), **options)
        assert node.register().status == 200
        return node

    def origin(self):
        node = Node(self.api, role="origin", key=self.origin_key, listener=self.listener(), name="origin")
        assert node.register().status == 200
        return node

    def end(self):
        for listener in self.listeners:
            listener.close()
        return self.coordinator.stop()


@pytest.fixture
def start(tmp_path):
    """Starts a coordinator with the flags given."""
    made = []

    def make(*flags, **options):
        made.append(Lab(tmp_path, *flags, **options))
        return made[-1]

    yield make
    for lab in made:
        lab.end()


@pytest.fixture
def lab(start):
    return start("--allow-private")


@pytest.fixture
def api(lab):
    return lab.api
