"""The honest ones beside an attack, in a process of their own: a publisher, an SRW/1 viewer and an HTTP player of one stream.

    python3 honest_audience.py PLAN.json        (written by attack_lab.py)

Every 200 ms the publisher sends one part. For each part that came whole and verified, the viewer and the player write
{"who", "part" (counted from 0), "put" (s, monotonic clock), "delay_ms"}; what must not happen they write as
{"who", "error"}. The monotonic clock is the machine's, so the test that attacks can lay its own times beside these.
"""
import hashlib
import http.client
import json
import os
import re
import ssl
import sys
import threading
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from srw_client import (CHUNK, CREDIT, DROP, INDEPENDENT, LAST, PUBLISHER, RECEIPT, SLICE, VIEWER, Key, Peer, Source, place, receipt,
                        sha256, ticket)

PART_US = 200_000
PARTS = 10          # a segment
MPEG_TS = 2         # a content type that players get playlists of, without an init section
GIVE_UP_S = 10


class Audience:
    def __init__(self, plan):
        self.port, self.host, self.part_bytes = plan["port"], plan["host"], plan["part_bytes"]
        self.tls = ssl.create_default_context(cafile=plan["authority"]) if plan.get("authority") else None
        self.coordinator = Key()
        self.coordinator.private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(plan["coordinator"]))
        self.relay_key = bytes.fromhex(plan["relay_key"])
        self.source = Source(max_kbps=plan["max_kbps"])
        self.tell_lock = threading.Lock()
        self.put_at = {}      # part number -> (monotonic time, hash of the payload)
        self.first = None     # segment of part 0
        self.newest = -1

    def tell(self, **what):
        with self.tell_lock:
            print(json.dumps(what), flush=True)

    def number(self, segment, part):
        return (segment - self.first) * PARTS + part

    def arrived(self, who, number, payload):
        at, digest = self.put_at[number]
        if hashlib.sha256(payload).digest() != digest:
            self.tell(who=who, error=f"part {number} came with other octets")
        self.tell(who=who, part=number, put=at, delay_ms=(time.monotonic() - at) * 1000)

    # ---- the publisher
    def publish(self):
        peer = Peer(self.port, host=self.host, tls=self.tls).open(self.source.session, PUBLISHER)
        self.limit, self.sent = int.from_bytes(peer.welcome[80:88], "big"), 0
        peer.announce(self.source)
        wanted = peer.accept(self.source, part_us=PART_US, kbps=8 * self.part_bytes * 1000 // PART_US)
        self.first = max(int(time.time()), int.from_bytes(wanted.payload[48:56], "big"))
        self.tell(who="publisher", stream=self.source.id.hex(), epoch=self.source.epoch, first=self.first)
        zero, number = time.monotonic(), 0
        while True:
            self.put_part(peer, wanted.sub, number)
            number += 1
            while (left := zero + number * PART_US / 1e6 - time.monotonic()) > 0:
                self.listen(peer, left)

    def put_part(self, peer, sub, number):
        part = number % PARTS
        flags = (0 if part else INDEPENDENT) | (LAST if part == PARTS - 1 else 0)
        chunk = self.source.chunk(self.first + number // PARTS, part, os.urandom(self.part_bytes), flags, content_type=MPEG_TS,
                                  media_us=number * PART_US, duration_us=PART_US)
        self.sent += 232 + len(chunk.leaves) * 32 + sum(8 + len(data) for data in chunk.slices)
        while self.sent > self.limit:
            self.listen(peer, 0.05)
        self.put_at[number] = (time.monotonic(), hashlib.sha256(chunk.payload).digest())
        self.newest = number
        peer.put(chunk, sub)

    def listen(self, peer, limit_s):
        try:
            came = peer.next(limit_s)
        except TimeoutError:
            return
        if came.type == CREDIT:
            self.limit = int.from_bytes(came.payload[:8], "big")

    # ---- the viewer of SRW/1
    def watch(self):
        key = Key()
        granted = ticket(self.coordinator, self.source.id, self.relay_key, key.public, max_rate=50_000_000, window_max=8 << 20)
        peer = Peer(self.port, host=self.host, tls=self.tls).open(key, VIEWER, granted)
        peer.subscribe(self.source.id, start=0)
        open_chunks, got_bytes, expected = {}, 0, None
        for seq in range(1, 1 << 30):
            taken = 0
            while taken < 65_536:
                came = peer.next(GIVE_UP_S)
                if came.type == DROP:
                    self.tell(who="viewer", error=f"DROP {came.payload.hex()}")
                elif came.type == CHUNK:
                    open_chunks[came.payload[:4]] = (came.payload[8:232], came.payload[232:], {})
                elif came.type == SLICE and came.payload[:4] in open_chunks:
                    header, leaves, slices = open_chunks[came.payload[:4]]
                    index, data = int.from_bytes(came.payload[4:6], "big"), came.payload[8:]
                    if sha256(b"\0" + data) != leaves[32 * index:32 * index + 32]:
                        self.tell(who="viewer", error="a slice that is not its leaf")
                    slices[index] = data
                    taken += len(data)
                    if len(slices) * 32 == len(leaves):
                        number = self.number(*place(header))
                        if expected is not None and number != expected:
                            self.tell(who="viewer", error=f"part {number} came, {expected} was next")
                        expected = number + 1
                        self.arrived("viewer", number, b"".join(slices[at] for at in sorted(slices)))
                        del open_chunks[came.payload[:4]]
            got_bytes += taken
            peer.send(RECEIPT, receipt(key, granted, self.source.epoch, seq, got_bytes))

    # ---- the player
    def play(self):
        client = (http.client.HTTPSConnection(self.host, self.port, timeout=GIVE_UP_S, context=self.tls) if self.tls
                  else http.client.HTTPConnection(self.host, self.port, timeout=GIVE_UP_S))
        folder = f"/live/{self.source.id.hex()}/"
        number = self.newest + 2
        while True:
            segment, part = self.first + number // PARTS, number % PARTS
            text = self.get(client, f"{folder}0.m3u8?_HLS_msn={segment}&_HLS_part={part}").decode()
            path = f"{self.source.epoch}/0/{segment}.{part}.ts"
            if not re.search(f'#EXT-X-PART:[^\n]*URI="[^"\n]*{path}"', text):
                self.tell(who="player", error=f"a playlist without {path}, which it was asked to wait for: {text[-400:]}")
            self.arrived("player", number, self.get(client, folder + path))
            number += 1

    def get(self, client, path):
        client.request("GET", path)
        reply = client.getresponse()
        body = reply.read()
        if reply.status != 200:
            raise RuntimeError(f"{reply.status} for {path}: {body[:200]!r}")
        return body

    def run(self, who, work):
        try:
            work()
        except Exception as why:  # noqa: BLE001: whatever ended an honest one is what the test must hear
            self.tell(who=who, error=f"{type(why).__name__}: {why}")


def main():
    with open(sys.argv[1]) as plan:
        audience = Audience(json.load(plan))
    threading.Thread(target=audience.run, args=("publisher", audience.publish), daemon=True).start()
    while audience.newest < 0:
        time.sleep(0.01)
    for who, work in (("viewer", audience.watch), ("player", audience.play)):
        threading.Thread(target=audience.run, args=(who, work), daemon=True).start()
    while os.getppid() != 1:
        time.sleep(0.5)


if __name__ == "__main__":
    main()
