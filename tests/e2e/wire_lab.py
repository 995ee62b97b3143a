"""Relays without a coordinator for tests of the wire: one open, one that asks for tickets, one that carries one stream."""
import json
import os
import subprocess
import time

import pytest

import harness
from srw_client import (INDEPENDENT, PUBLISHER, SUB_OK, VIEWER, Key, Peer, Source, sub_ok, ticket)


class Relay:
    """One relay without a coordinator, with what a test needs to talk to it. `before`: words in front of its command."""

    def __init__(self, folder, name, *flags, before=()):
        self.coordinator = Key()
        done = subprocess.run([harness.BIN / "streamr-keygen", "--json", "node", folder / f"{name}.key"], capture_output=True, text=True,
                              check=True)
        self.key = bytes.fromhex(json.loads(done.stdout)["public_key"])
        trust = ["--open"] if "--open" in flags else ["--coordinator-key", self.coordinator.public.hex()]
        self.program = harness.Program(name, [
            *before, harness.BIN / "streamr-relay", "--listen", "127.0.0.1:0", "--key", folder / f"{name}.key", "--role", "origin",
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
