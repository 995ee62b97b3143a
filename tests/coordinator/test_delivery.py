"""Receipt batches, viewers' receipts and evidence (protocol §6, Delivery)."""
import json
import os
import struct
import time

from client import Key, merkle_root, now_us, receipt, sha256
from test_streams import live

MINUTE = 60


def batch(items, prev=bytes(32), **changes):
    receipts = sorted(items, key=lambda r: r[112:128])
    body = {"interval": int(time.time()) // MINUTE, "prev_batch_hash": prev.hex(), "root": merkle_root(receipts).hex(),
            "receipts": [r.hex() for r in receipts]}
    body.update(changes)
    return body


class Watched:
    """Sessions of viewers on one live stream with one relay."""

    def __init__(self, lab):
        self.stream, self.origin, (self.relay,) = live(lab, relays=1)

    def session(self):
        viewer = Key()
        reply = self.stream.open_session(viewer).json
        return viewer, bytes.fromhex(reply["session_id"])

    def receipt(self, viewer, session, **changes):
        return receipt(viewer, self.stream.id, self.relay.key.public, session, **changes)


def test_a_batch_settles_good_receipts_and_lists_bad_ones(lab):
    w = Watched(lab)
    good, bad, unknown = w.session(), w.session(), w.session()
    forged = bytearray(w.receipt(*bad))
    forged[140] ^= 1
    reply = w.relay.signed("/v1/receipts/batch", batch([
        w.receipt(*good, bytes_ok=5000), bytes(forged), w.receipt(unknown[0], os.urandom(16))]))
    assert reply.status == 200
    body = reply.json
    assert (body["settled"], body["stale"]) == (1, 0)
    codes = {r["session_id"]: r["code"] for r in body["refused"]}
    assert codes.pop(bad[1].hex()) == "signature_wrong" and list(codes.values()) == ["session_unknown"]
    earned = lab.api.get(f"/nodes/{w.relay.node_id}/earnings").json
    assert earned["bytes_settled"] == "5000"


def test_batches_form_a_chain_and_the_last_one_may_be_repeated(lab):
    w = Watched(lab)
    viewer, session = w.session()
    first = json.dumps(batch([w.receipt(viewer, session)])).encode()
    reply = w.relay.signed("/v1/receipts/batch", first)
    assert reply.json["batch_hash"] == sha256(first).hex()
    repeat = w.relay.signed("/v1/receipts/batch", first)
    assert (repeat.status, repeat.body) == (200, reply.body)
    broken = w.relay.signed("/v1/receipts/batch", batch([], prev=bytes(32)))
    assert (broken.status, broken.code) == (409, "chain_broken")
    expected = broken.json["expected_prev"]
    assert expected == sha256(first).hex()
    follow = batch([w.receipt(viewer, session, seq=2, bytes_ok=3000)], prev=bytes.fromhex(expected))
    assert w.relay.signed("/v1/receipts/batch", follow).json["settled"] == 1
    lab.coordinator.kill()
    lab.coordinator.start()
    w.relay.api = lab.api
    assert w.relay.signed("/v1/receipts/batch", first).json["expected_prev"] != sha256(first).hex()
    assert lab.api.get(f"/nodes/{w.relay.node_id}/earnings").json["bytes_settled"] == "3000"


def test_a_batch_of_the_wrong_form_is_refused_whole_and_the_chain_stays(lab):
    w = Watched(lab)
    one, two = sorted([w.session(), w.session()], key=lambda s: s[1])
    pair = [w.receipt(*one), w.receipt(*two)]
    minute = int(time.time()) // MINUTE
    cases = [({"interval": minute + 10}, "out_of_range"), ({"interval": minute - 8 * 24 * 60}, "out_of_range"),
             ({"interval": "1"}, "wrong_type"), ({"root": bytes(32).hex()}, "out_of_range"),
             ({"receipts": [r.hex() for r in reversed(pair)]}, "out_of_range"),
             ({"receipts": [pair[0].hex()] * 2}, "out_of_range"), ({"receipts": [pair[0].hex()[:-2]]}, "out_of_range"),
             ({"receipts": [5]}, "wrong_type"), ({"receipts": "x"}, "wrong_type"), ({"prev_batch_hash": "00"}, "out_of_range")]
    for change, word in cases:
        refused = w.relay.signed("/v1/receipts/batch", batch(pair, **change))
        assert (refused.status, refused.code) == (400, word), change
    assert w.relay.signed("/v1/receipts/batch", batch(pair, interval=minute - 7 * 24 * 60 + 5)).json["settled"] == 2


def test_older_receipts_are_stale_and_falling_or_foreign_ones_refused(lab):
    w = Watched(lab)
    viewer, session = w.session()
    reply = w.relay.signed("/v1/receipts/batch", batch([w.receipt(viewer, session, seq=5, bytes_ok=9000)]))

    def send(item):
        nonlocal reply
        reply = w.relay.signed("/v1/receipts/batch", batch([item], prev=bytes.fromhex(reply.json["batch_hash"])))
        refused = [r["code"] for r in reply.json["refused"]]
        return reply.json["settled"], reply.json["stale"], refused

    assert send(w.receipt(viewer, session, seq=5, bytes_ok=9000)) == (0, 1, [])
    assert send(w.receipt(viewer, session, seq=4, bytes_ok=99000)) == (0, 1, [])
    assert send(w.receipt(viewer, session, seq=6, bytes_ok=8999)) == (0, 0, ["receipt_refused"])
    assert send(w.receipt(Key(), session, seq=7)) == (0, 0, ["receipt_refused"])
    assert send(receipt(viewer, Key().public, w.relay.key.public, session, seq=8)) == (0, 0, ["receipt_refused"])
    assert send(receipt(viewer, w.stream.id, Key().public, session, seq=8)) == (0, 0, ["receipt_refused"])
    assert send(w.receipt(viewer, session, seq=9, bytes_ok=9001, last_us=now_us() + 3_700_000_000)) == (0, 0, ["receipt_refused"])
    assert send(w.receipt(viewer, session, seq=10, bytes_ok=9001)) == (1, 0, [])


def test_bytes_beyond_the_tickets_rate_do_not_count(lab):
    w = Watched(lab)
    viewer, session = w.session()
    w.relay.signed("/v1/receipts/batch", batch([w.receipt(viewer, session, bytes_ok=10**12)]))
    counted = int(lab.api.get(f"/nodes/{w.relay.node_id}/earnings").json["bytes_settled"])
    window_max, rate = 12000 * 125 * 4, 12000 * 1000 // 8 * 5 // 4
    assert window_max <= counted <= window_max + 60 * rate


def test_a_batch_over_1_mib_is_refused_and_a_large_one_is_not(lab):
    w = Watched(lab)
    refused = w.relay.signed("/v1/receipts/batch", b'{"x":"' + b"a" * (1 << 20) + b'"}')
    assert (refused.status, refused.code) == (413, "too_large")
    viewer = Key()
    many = [w.receipt(viewer, os.urandom(16)) for _ in range(1500)]
    reply = w.relay.signed("/v1/receipts/batch", batch(many))
    assert reply.status == 200 and len(reply.json["refused"]) == 1500


def test_a_viewer_posts_its_newest_receipt_once_a_minute(lab):
    w = Watched(lab)
    viewer, session = w.session()
    reply = lab.api.post("/v1/receipts", w.receipt(viewer, session, bytes_ok=700))
    assert (reply.status, reply.body) == (204, b"")
    soon = lab.api.post("/v1/receipts", w.receipt(viewer, session, seq=2, bytes_ok=800))
    assert soon.status == 429 and int(soon.headers["retry-after"]) >= 1
    assert lab.api.get(f"/nodes/{w.relay.node_id}/earnings").json["bytes_settled"] == "700"
    unknown = lab.api.post("/v1/receipts", w.receipt(viewer, os.urandom(16)))
    assert (unknown.status, unknown.code) == (403, "session_unknown")
    forged = bytearray(w.receipt(*w.session()))
    forged[-1] ^= 1
    refused = lab.api.post("/v1/receipts", bytes(forged))
    assert (refused.status, refused.code) == (403, "receipt_refused")
    assert lab.api.post("/v1/receipts", b"short").status == 400


def chunk_header(stream, payload=b"", part=0, leaves=None, slices=1, media_us=0):
    leaves = leaves if leaves is not None else [sha256(b"\0" + payload)]
    root = leaves[0]
    cert_id = sha256(stream.certificate)[:8]
    epoch = struct.unpack(">Q", stream.certificate[72:80])[0]
    body = b"SRC1" + bytes([1, 1, 1, 1]) + stream.id + struct.pack(">QHHIQQQ", epoch, 0, part, 500000, 5, media_us, now_us())
    body += struct.pack(">IBBH", len(payload), 14, 1, slices) + root + bytes(32) + cert_id
    return body + stream.session.sign("streamr/chunk/v1", body)


def test_evidence_of_each_kind_is_kept_and_a_repeat_has_the_same_id(lab):
    w = Watched(lab)
    stream, accused = w.stream, Key().hex
    good = b"a slice of media"
    header = chunk_header(stream, good)
    other = chunk_header(stream, b"another slice!!!")
    leaf = sha256(b"\0" + good)
    viewer, session = w.session()
    pieces = [("equivocation", [stream.certificate, header + other]),
              ("bad_slice", [stream.certificate, header + leaf, struct.pack(">H", 0) + b"something else"]),
              ("late", [header]), ("refused_receipt", [w.receipt(viewer, session)])]
    ids = set()
    for kind, objects in pieces:
        body = {"kind": kind, "relay_key": accused, "objects": [o.hex() for o in objects]}
        first = w.relay.signed("/v1/evidence", body)
        assert first.status == 200, (kind, first.body)
        assert w.relay.signed("/v1/evidence", body).json == first.json
        ids.add(first.json["evidence_id"])
    assert len(ids) == 4


def test_evidence_that_does_not_prove_is_refused(lab):
    w = Watched(lab)
    stream = w.stream
    good = b"a slice of media"
    header = chunk_header(stream, good)
    leaf = sha256(b"\0" + good)
    broken = header[:-1] + bytes([header[-1] ^ 1])
    cases = [("equivocation", [stream.certificate, header + header]), ("equivocation", [stream.certificate, header + broken]),
             ("equivocation", [stream.certificate, header + chunk_header(stream, good, part=1)]), ("equivocation", [header]),
             ("equivocation", [bytes(184), header + header]),
             ("bad_slice", [stream.certificate, header + leaf, struct.pack(">H", 0) + good]),
             ("bad_slice", [stream.certificate, header + leaf, struct.pack(">H", 1) + b"x"]),
             ("bad_slice", [stream.certificate, header, struct.pack(">H", 0) + b"x"]), ("late", [b"x"]), ("gossip", [header]),
             ("refused_receipt", [bytes(272)])]
    for kind, objects in cases:
        refused = w.relay.signed("/v1/evidence", {"kind": kind, "relay_key": Key().hex, "objects": [o.hex() for o in objects]})
        assert (refused.status, refused.code) == (400, "out_of_range"), (kind, refused.body)
    refused = w.relay.signed("/v1/evidence", {"kind": "late", "relay_key": Key().hex, "objects": ["zz"]})
    assert refused.code == "out_of_range"
    unsigned = lab.api.post("/v1/evidence", {"kind": "late"})
    assert (unsigned.status, unsigned.code) == (401, "signature_wrong")


def test_the_sixty_first_piece_of_evidence_of_an_hour_waits(lab):
    w = Watched(lab)
    header = chunk_header(w.stream, b"late")
    statuses = []
    for _ in range(61):
        body = {"kind": "late", "relay_key": Key().hex, "objects": [header.hex()]}
        statuses.append(w.relay.signed("/v1/evidence", body))
    assert [s.status for s in statuses] == [200] * 60 + [429] and statuses[60].headers["retry-after"]
    too_large = w.relay.signed("/v1/evidence", b'{"x":"' + b"a" * (256 * 1024) + b'"}')
    assert (too_large.status, too_large.code) == (413, "too_large")
