#!/usr/bin/env python3
"""Writes the kept corpora of the fuzzers from tests/vectors/chunks.json: one small file a frame, object and JSON text.

    tests/fuzz/make_corpus.py            writes tests/fuzz/corpus

Files that a fuzzer found and that are worth keeping are added by hand as found-<what it was>; this script leaves them.
"""
import json
import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent
VECTORS = json.loads((HERE.parent / "vectors" / "chunks.json").read_text())

CERTIFICATE = bytes.fromhex(VECTORS["certificate"]["bytes"])
HEADER = bytes.fromhex(VECTORS["chunk"]["header"])
LEAVES = b"".join(bytes.fromhex(leaf) for leaf in VECTORS["chunk"]["leaves"])
TICKET = bytes.fromhex(VECTORS["ticket"]["bytes"])
RECEIPT = bytes.fromhex(VECTORS["receipt"]["bytes"])
STREAM = bytes.fromhex(VECTORS["keys"]["root"]["public"])
REVOCATION = b"SRV1\x01\x01\0\0" + STREAM + struct.pack(">QQ", 6, 1_760_000_100) + bytes(64)


def frame(kind, payload, sub=0, flags=0):
    return struct.pack(">BBHI", kind, flags, sub, len(payload)) + payload


def tlv(kind, value):
    return struct.pack(">HH", kind, len(value)) + value


def frames():
    path = bytes(range(16))
    tracks = tlv(1, struct.pack(">HBBI", 0, 2, 1, 8000) + struct.pack(">HBBI", 1, 3, 1, 128))
    have = struct.pack(">QQQHBBI", 1, 5, 9, 2, 10, 2, 50_000) + STREAM + path + tracks
    sub_ok = struct.pack(">QQHHIIIQBBHI", 1, 42, 3, 0, 500_000, 8000, 6000, 30, 2, 2, 0, 0) + CERTIFICATE + path
    text, uri = b"bad slice", b"wss://relay.example/relay"
    yield "hello", bytes.fromhex(VECTORS["handshake"]["hello_frame"])
    yield "welcome", bytes.fromhex(VECTORS["handshake"]["welcome_frame"])
    yield "auth", bytes.fromhex(VECTORS["handshake"]["auth_frame"])
    yield "subscribe", frame(4, STREAM + struct.pack(">QHBBIQH6x", 0, 0, 1, 0, 3000, 0, 0), 1, 1)
    yield "sub-ok", frame(5, sub_ok, 1)
    yield "sub-end", frame(6, struct.pack(">HHIQ", 1, 0, 0, 42), 1)
    yield "chunk", frame(7, struct.pack(">II", 9, 0) + HEADER + LEAVES, 1)
    yield "slice", frame(8, struct.pack(">IHH", 9, 2, 0) + bytes(range(64)), 1)
    yield "drop", frame(9, struct.pack(">IHHQ", 0, 3, 1, 42), 1)
    yield "fetch", frame(10, struct.pack(">QQHHHH", 1, 42, 3, 0, 0, 0), 1)
    yield "credit", frame(11, struct.pack(">Q", 1 << 20))
    yield "receipt", frame(12, RECEIPT)
    yield "receipt-ack", frame(13, struct.pack(">IIQ", 1, 524_288, 40_000))
    yield "ping-pong", frame(14, bytes(16)) + frame(15, bytes(16))
    yield "goaway", frame(16, struct.pack(">HHI", 2, len(uri), 1000) + uri)
    yield "error", frame(17, struct.pack(">HHI", 10, len(text), 9) + text)
    yield "have", frame(18, have)
    yield "cert", frame(19, CERTIFICATE)
    yield "revoke", frame(20, REVOCATION)
    yield "ignored", frame(0x90, b"later") + frame(11, bytes(8) + tlv(0x8001, b"later"))
    yield "unknown-tlv", frame(11, bytes(8) + tlv(2, b"must be known"))
    yield "cut", frame(11, bytes(8))[:-1]
    yield "too-long", struct.pack(">BBHI", 8, 0, 1, 65_545)


def objects():
    gap = bytearray(HEADER)
    gap[7], gap[80:84], gap[86:88] = 16, bytes(4), bytes(2)
    yield "chunk-header", HEADER
    yield "gap", bytes(gap)
    yield "certificate", CERTIFICATE
    yield "ticket", TICKET
    yield "receipt", RECEIPT
    yield "revocation", REVOCATION
    yield "two-headers", HEADER + bytes(gap)


def texts():
    yield "heartbeat", json.dumps({"seq": 1, "streams": [{"stream": STREAM.hex(), "epoch": "1", "newest": 42}], "addresses": [],
                                   "counters": {}}, separators=(",", ":")).encode()
    yield "session", json.dumps({"relays": [{"url": "wss://a/relay", "ticket": TICKET.hex()}], "steering_url": None}).encode()
    yield "numbers", b"[0,-0,-1,18446744073709551615,-9223372036854775808,18446744073709551616,9007199254740993]"
    yield "escapes", rb'{"a\"\\\/\b\f\n\r\t":"\u0041\u00e9\ud83d\ude00"}' + b"\n"
    yield "utf8", '["é","€","😀"]'.encode()
    yield "deep", b"[" * 16 + b"]" * 16
    yield "too-deep", b'{"a":' * 17 + b"1" + b"}" * 17
    yield "twice", b'{"a":1,"\\u0061":2}'
    yield "fraction", b'{"a":1.5}'
    yield "surrogate", rb'"\ud800"'
    yield "nul", rb'"\u0000"'
    yield "literals", b" [true , false , null , {} ] "


def http():
    def asks(text, cut=7):
        return bytes([0, cut]) + text.replace("\n", "\r\n").encode()

    def says(*frames, cut=3):
        return bytes([1, cut]) + b"".join(frames)

    def masked(first, payload):
        key = bytes([1, 2, 3, 4])
        length = bytes([0x80 | len(payload)]) if len(payload) < 126 else struct.pack(">BH", 0xFE, len(payload))
        return bytes([first]) + length + key + bytes(octet ^ key[at % 4] for at, octet in enumerate(payload))

    upgrade = ("GET /relay HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Protocol: streamr.relay.v1\n\n")
    yield "get", asks("GET /live/a.m3u8?_HLS_msn=4 HTTP/1.1\nHost: a:80\nAccept: */*\n\nHEAD / HTTP/1.0\n\n")
    yield "post", asks("POST /v1/receipts HTTP/1.1\nHost: a\nContent-Length: 5\n\nhelloGET / HTTP/1.1\nHost: a\n\n")
    yield "chunked", asks("POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n3;x=y\nabc\n0\nLate: 1\n\nGET / HTTP/1.0\n\n")
    yield "both-lengths", asks("POST / HTTP/1.1\nHost: a\nContent-Length: 1\nTransfer-Encoding: chunked\n\n0\n\n")
    yield "absolute", asks("OPTIONS http://a/x HTTP/1.1\nHost: a\nExpect: 100-continue\n\nOPTIONS * HTTP/1.1\nHost: a\n\n")
    yield "upgrade", asks(upgrade)
    yield "folded", asks("GET / HTTP/1.1\nHost: a\nB: c\n d\n\n")
    yield "version", asks("GET / HTTP/3.0\nHost: a\n\n")
    yield "messages", says(masked(0x82, b"one"), masked(0x02, b"tw"), masked(0x89, b"p"), masked(0x80, b"o"), masked(0x82, bytes(300)))
    yield "text", says(masked(0x81, b"text"), masked(0x8A, b""), masked(0x88, b"\x03\xe8"))
    yield "too-long", says(b"\x82\xff\0\0\0\0\0\x02\0\x01" + bytes(40))
    yield "not-masked", says(b"\x82\x01a")


def node():
    """Plays for node_fuzz: the kind of node, then steps (kind, link, arguments)."""
    publisher, viewer, poor = bytes([0, 2]), bytes([0, 0]), bytes([0, 16 + 2 * 64])
    answer, tick = bytes([18, 0, 0]), bytes([11, 4, 0x7A, 0x12])

    def whole(number, link=0):
        return bytes([2, link, number, 3])

    def join(link=1, start=1):
        return bytes([7, link, start << 4, 0, 0, 0])

    def asks(form, place=0, headers=0):
        return bytes([12, 0, form | headers, place])

    def parts(first, count, link=0):
        return b"".join(whole(first + number, link) + tick for number in range(count))

    live = bytes([2]) + publisher + answer + whole(0) + viewer + join()
    ticketed = bytes([0]) + publisher + answer + whole(0) + viewer + join()
    yield "live", live + parts(1, 24)
    yield "two-tracks", live + bytes([7, 1, 0x18, 0, 0, 1]) + b"".join(whole(n) + whole(25 + n) + tick for n in range(1, 24))
    yield "receipts", ticketed + parts(1, 8) + b"".join(bytes([10, 1, seq, 0x20, 0, seq]) + tick for seq in range(1, 4)) + parts(9, 6)
    yield "credit", bytes([2]) + publisher + answer + whole(0) + poor + join() + parts(1, 4) + bytes([9, 1, 0xFF, 0xFF]) + parts(5, 4)
    yield "next-epoch", live + parts(1, 5) + bytes([18, 0, 0x46]) + whole(50) + parts(51, 8)
    yield "fetch", live + parts(1, 6) + bytes([8, 1, 0, 1, 0, 0, 0]) + tick
    yield "spoilt", live + bytes([2, 0, 1, 0, 4, 0, 1, 0x38, 0, 0, 4, 0, 1, 0, 2, 0, 2, 128, 7, 7]) + parts(3, 3)
    yield "player", live + parts(1, 6) + b"".join(asks(form, 0x0B) for form in range(16)) + asks(2, 0x3A) + parts(7, 4) + asks(5, 8, 32)
    yield "revoked", live + parts(1, 3) + bytes([18, 0, 0x45]) + parts(4, 2)
    yield "from-upstream", bytes([2 | 8]) + bytes([18, 0, 6, 18, 0, 7]) + answer + whole(0) + viewer + join() + parts(1, 6)
    yield "source-gone", live + publisher + bytes([18, 2, 0]) + parts(1, 3) + bytes([15, 0]) + tick * 4 + parts(4, 3, link=2)
    yield "limits", live + parts(1, 3) + bytes([17, 0, 0, 1, 1, 255, 1]) + viewer + join(2) + parts(4, 6)


def main():
    for name, seeds in {"frames": frames(), "chunk_header": objects(), "json": texts(), "http": http(), "node": node()}.items():
        folder = HERE / "corpus" / name
        folder.mkdir(parents=True, exist_ok=True)
        for seed, data in seeds:
            (folder / seed).write_bytes(data)


if __name__ == "__main__":
    main()
