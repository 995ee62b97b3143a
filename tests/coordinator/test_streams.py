"""Streams, sessions, steering, assignments and address proof (protocol §6)."""
import json
import struct
import time

from client import Key, Listener, Node, Stream, certificate, now_us, report, revocation, wait_for


def live(lab, relays=2, **options):
    """An origin and relays that all report one stream near its edge."""
    origin = lab.origin()
    nodes = [lab.relay(name=f"relay {i + 1}") for i in range(relays)]
    stream = Stream(lab.api, **options)
    assert stream.post().status == 200
    for node in [origin, *nodes]:
        wait_for(lambda: told(lab, node), what="address proof")
        assert node.heartbeat([report(stream.id)]).status == 200
    return stream, origin, nodes


def told(lab, node):
    rows = lab.api.get("/v1/status").json["nodes"]
    return any(row["key"] == node.key.hex and row["url"] for row in rows)


def test_a_stream_is_registered_found_and_told_its_origins(lab):
    stream = Stream(lab.api, pool="1000.0")
    reply = stream.post()
    assert reply.status == 200 and reply.json == {"stream_id": stream.id.hex(), "origins": []}
    origin = lab.origin()
    wait_for(lambda: told(lab, origin))
    assert stream.post().json["origins"] == [{"url": origin.listener.url, "relay_key": origin.key.hex}]
    for name in (stream.id.hex(), stream.alias):
        found = lab.api.get(f"/v1/streams/{name}").json
        assert (found["stream_id"], found["alias"], found["title"]) == (stream.id.hex(), stream.alias, "A test")
    assert [s["stream_id"] for s in lab.api.get("/v1/streams").json["streams"]] == [stream.id.hex()]
    unknown = lab.api.get("/v1/streams/nobody")
    assert (unknown.status, unknown.code) == (404, "stream_unknown")


def test_the_same_body_again_is_fine_and_an_older_signature_is_not(lab):
    stream = Stream(lab.api)
    at = now_us()
    assert stream.post(at_us=at).status == 200
    assert stream.post(at_us=at).status == 200
    assert stream.post(at_us=at + 1).status == 200
    older = stream.post(at_us=at - 1, title="other")
    assert (older.status, older.code) == (401, "counter_replayed")
    assert stream.post(at_us=at + 1, title="other").code == "counter_replayed"


def test_a_stream_is_refused_for_each_wrong_member(lab):
    stream = Stream(lab.api)
    good = stream.body()
    for name in ("stream_id", "alias", "title", "certificate"):
        body = {k: v for k, v in good.items() if k != name}
        refused = stream.post(raw=json.dumps(body).encode())
        assert (refused.status, refused.code) == (400, "missing_member"), name
    cases = [({"alias": "live"}, "out_of_range"), ({"alias": "-a"}, "out_of_range"), ({"alias": "A"}, "out_of_range"),
             ({"alias": "a" * 64}, "out_of_range"), ({"alias": "ab" * 32}, "out_of_range"), ({"alias": ""}, "out_of_range"),
             ({"alias": 3}, "wrong_type"), ({"pool": 1000}, "wrong_type"), ({"pool": "-1"}, "out_of_range"),
             ({"pool": "1e3"}, "out_of_range"), ({"pool": "1.0000001"}, "out_of_range"), ({"certificate": "00"}, "out_of_range"),
             ({"certificate": "00" * 184}, "out_of_range"), ({"stream_id": "00" * 32}, "key_weak"),
             ({"stream_id": Key().hex}, "out_of_range")]
    for change, word in cases:
        refused = stream.post(**change)
        assert (refused.status, refused.code) == (400, word), change
    forged = bytearray(stream.certificate)
    forged[150] ^= 1
    refused = stream.post(certificate=forged.hex())
    assert (refused.status, refused.code) == (401, "signature_wrong")
    expired = certificate(stream.root, stream.session, start_s=int(time.time()) - 9000, lifetime_s=3600)
    assert stream.post(certificate=expired.hex()).code == "out_of_range"
    too_long = certificate(stream.root, stream.session, lifetime_s=90000)
    assert stream.post(certificate=too_long.hex()).code == "out_of_range"
    wrong_key = stream.post(key=Key())
    assert (wrong_key.status, wrong_key.code) == (401, "signature_wrong")
    late = stream.post(at_us=now_us() - 121_000_000)
    assert (late.status, late.code) == (425, "clock_off")
    assert stream.post().status == 200


def test_an_alias_belongs_to_one_stream_and_rests_when_freed(lab):
    one, two = Stream(lab.api, alias="name"), Stream(lab.api, alias="name")
    assert one.post().status == 200
    taken = two.post()
    assert (taken.status, taken.code) == (409, "alias_taken")
    assert one.post(alias="other").status == 200
    assert two.post().code == "alias_taken"
    assert lab.api.get("/v1/streams/name").status == 404
    assert one.post(alias="name").status == 200


def test_serials_rise(lab):
    stream = Stream(lab.api, serial=5)
    assert stream.post().status == 200
    low = certificate(stream.root, stream.session, serial=4)
    refused = stream.post(certificate=low.hex())
    assert (refused.status, refused.code) == (409, "serial_too_low")
    same = certificate(stream.root, stream.session, serial=5, max_kbps=1)
    refused = stream.post(certificate=same.hex())
    assert (refused.status, refused.code) == (409, "serial_used")
    assert stream.post(certificate=certificate(stream.root, stream.session, serial=6).hex()).status == 200


def test_the_account_that_comes_first_owns_the_stream(lab):
    stream = Stream(lab.api)
    assert stream.post().status == 200
    mine = {"Authorization": "Bearer mine"}
    assert stream.post(headers=mine).status == 200
    for headers in ({}, {"Authorization": "Bearer other"}):
        refused = stream.post(headers=headers)
        assert (refused.status, refused.code) == (403, "not_owner")
    assert stream.post(headers=mine).status == 200


def test_a_revocation_ends_tickets_and_reaches_every_node(lab):
    stream, origin, relays = live(lab)
    assert stream.open_session(Key()).status == 200
    revoked = revocation(stream.root, 1)
    broken = lab.api.post("/v1/revocations", revoked[:-1] + bytes([revoked[-1] ^ 1]))
    assert (broken.status, broken.code) == (401, "signature_wrong")
    assert lab.api.post("/v1/revocations", revoked[:-1]).status == 400
    assert lab.api.post("/v1/revocations", revocation(Key(), 1)).status == 404
    for _ in range(2):
        assert lab.api.post("/v1/revocations", revoked).status == 200
    refused = stream.open_session(Key())
    assert refused.status == 503 and refused.headers["retry-after"] == "2"
    reply = relays[0].heartbeat([report(stream.id)]).json
    assert reply["revocations"] == [revoked.hex()] and reply["assignments"] == []
    assert stream.post().code == "serial_too_low"
    fresh = certificate(stream.root, stream.session, serial=2)
    assert stream.post(certificate=fresh.hex()).status == 200


def test_a_session_names_two_relays_with_tickets_of_the_coordinator(lab):
    stream, origin, relays = live(lab)
    viewer = Key()
    reply = stream.open_session(viewer, max_kbps=4000)
    assert reply.status == 200
    body = reply.json
    assert set(body) == {"session_id", "stream_id", "relays", "steering_url", "origin_url"}
    assert body["stream_id"] == stream.id.hex()
    assert {r["relay_key"] for r in body["relays"]} == {r.key.hex for r in relays}
    assert body["steering_url"] == f"http://127.0.0.1:{lab.coordinator.port}/steering/{stream.id.hex()}"
    assert body["origin_url"] == origin.listener.url.replace("ws://", "http://").replace("/relay", "") + f"/live/{stream.id.hex()}.m3u8"
    for entry in body["relays"]:
        ticket = bytes.fromhex(entry["ticket"])
        assert len(ticket) == 248 and ticket[:8] == b"SRT1\x01\0\0\0"
        assert ticket[8:40] == stream.id and ticket[40:48] == bytes(8)
        assert ticket[48:80].hex() == entry["relay_key"] and ticket[80:112] == viewer.public
        assert ticket[112:128].hex() == body["session_id"]
        begins, ends, rate, start, most = struct.unpack(">QQIII", ticket[128:156])
        assert ends - begins == 3_600_000_000 and abs(begins - now_us()) < 5_000_000
        assert rate == 4000 * 1000 // 8 * 5 // 4 and start == 262_144 and most == 4000 * 1000 // 8 * 4
        key = bytes.fromhex(lab.api.get("/.well-known/streamr.json").json["coordinator_key"])
        verify(key, "streamr/ticket/v1", ticket[:184], ticket[184:])


def verify(key, prefix, data, signature):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    Ed25519PublicKey.from_public_bytes(key).verify(signature, prefix.encode() + b"\0" + data)


def test_a_seat_keeps_its_relays(lab):
    stream, origin, relays = live(lab, relays=4)
    viewer = Key()
    answers = [[r["relay_key"] for r in stream.open_session(viewer).json["relays"]] for _ in range(12)]
    assert all(a == answers[0] for a in answers) and len(set(answers[0])) == 2
    first = {stream.open_session(Key()).json["relays"][0]["relay_key"] for _ in range(60)}
    assert len(first) >= 3


def test_a_relay_far_behind_or_silent_is_not_told(lab):
    stream, origin, (near, far) = live(lab)
    assert far.heartbeat([report(stream.id, newest=90)]).status == 200
    assert [r["relay_key"] for r in stream.open_session(Key()).json["relays"]] == [near.key.hex]
    assert far.heartbeat([report(stream.id, newest=97)]).status == 200
    assert len(stream.open_session(Key()).json["relays"]) == 2
    assert far.heartbeat([]).status == 200
    assert [r["relay_key"] for r in stream.open_session(Key()).json["relays"]] == [near.key.hex]
    assert far.heartbeat([report(stream.id, lag_ms=20_000)]).status == 200
    assert [r["relay_key"] for r in stream.open_session(Key()).json["relays"]] == [near.key.hex]


def test_without_relays_the_origin_serves_and_without_it_one_waits(lab):
    stream = Stream(lab.api)
    stream.post()
    waiting = stream.open_session(Key())
    assert waiting.status == 503 and waiting.headers["retry-after"] == "2"
    origin = lab.origin()
    wait_for(lambda: told(lab, origin))
    assert stream.open_session(Key()).status == 503
    origin.heartbeat([report(stream.id)])
    reply = stream.open_session(Key())
    assert reply.status == 200 and reply.json["relays"] == [] and reply.json["origin_url"].startswith("http://127.0.0.1")


def test_a_session_is_refused_for_each_wrong_member(lab):
    stream, _, _ = live(lab, relays=1)
    path = f"/v1/streams/{stream.alias}/sessions"
    good = {"viewer_key": Key().hex, "kinds": ["public"]}
    assert lab.api.post(path, good).status == 200
    cases = [({"viewer_key": "00" * 32}, "key_weak"), ({"viewer_key": "xx"}, "out_of_range"), ({"viewer_key": 1}, "wrong_type"),
             ({"kinds": "public"}, "wrong_type"), ({"kinds": ["moon"]}, "out_of_range"), ({"kinds": [1]}, "wrong_type"),
             ({"max_kbps": 0}, "out_of_range"), ({"max_kbps": "5"}, "wrong_type"), ({"region": 5}, "wrong_type")]
    for change, word in cases:
        refused = lab.api.post(path, {**good, **change})
        assert (refused.status, refused.code) == (400, word), change
    assert lab.api.post(path, {"kinds": []}).code == "missing_member"
    assert lab.api.post("/v1/streams/unknown/sessions", good).code == "stream_unknown"
    assert lab.api.post(path, {"viewer_key": Key().hex, "kinds": ["vpn"]}).json["relays"] == []


def test_steering_lists_relays_and_the_origin_last(lab):
    stream, origin, relays = live(lab)
    reply = lab.api.get(f"/steering/{stream.alias}?_HLS_pathway={relays[1].key.hex[:16]}")
    assert reply.status == 200 and reply.headers["cache-control"] == "no-store"
    assert reply.headers["access-control-allow-origin"] == "*"
    body = reply.json
    assert body["VERSION"] == 1 and body["TTL"] == 10 and body["RELOAD-URI"].startswith("http://127.0.0.1:")
    assert body["PATHWAY-PRIORITY"] == [r.key.hex[:16] for r in relays] + ["origin"]
    clones = {c["ID"]: c for c in body["PATHWAY-CLONES"]}
    assert set(clones) == {relays[0].key.hex[:16], "origin"}
    assert clones["origin"]["URI-REPLACEMENT"]["HOST"] == f"127.0.0.1:{origin.listener.port}"
    assert all(c["BASE-ID"] == relays[1].key.hex[:16] for c in clones.values())
    assert lab.api.get("/steering/nobody").code == "stream_unknown"


def test_relays_form_a_chain_under_the_origin_with_a_standby(lab):
    stream, origin, (one, two) = live(lab)
    assert origin.assignments == [{"stream": stream.id.hex(), "alias": stream.alias, "upstreams": []}]
    ups = [u["relay_key"] for u in one.assignments[0]["upstreams"]]
    assert ups == [origin.key.hex]
    ups = two.assignments[0]["upstreams"]
    assert [u["relay_key"] for u in ups] == [one.key.hex, origin.key.hex]
    ticket = bytes.fromhex(ups[0]["ticket"])
    assert ticket[48:80] == one.key.public and ticket[80:112] == two.key.public and ticket[8:40] == stream.id


def test_assignments_are_left_out_while_unchanged_and_sent_again_when_asked(lab):
    stream, origin, (one, _) = live(lab)
    reply = one.heartbeat([report(stream.id)]).json
    assert "assignments" not in reply
    again = one.heartbeat([report(stream.id)], body_changes={"assignments_version": 0}).json
    assert again["assignments"] == one.assignments and again["assignments_version"] == reply["assignments_version"]
    second = Stream(lab.api, alias="second")
    second.post()
    changed = one.heartbeat([report(stream.id)]).json
    assert changed["assignments_version"] > reply["assignments_version"]
    assert {a["alias"] for a in changed["assignments"]} == {"stream-one", "second"}


def test_a_relay_that_registers_anew_brings_new_tickets_to_both_ends_of_its_sessions(lab):
    stream, origin, (one, two) = live(lab)
    before = two.assignments[0]["upstreams"][0]["ticket"]
    above = one.assignments[0]["upstreams"][0]["ticket"]
    assert one.register().status == 200
    one.heartbeat([report(stream.id)])
    assert one.assignments[0]["upstreams"][0]["ticket"] != above
    reply = two.heartbeat([report(stream.id)]).json
    renewed = reply["assignments"][0]["upstreams"][0]
    assert renewed["relay_key"] == one.key.hex and renewed["ticket"] != before
    assert bytes.fromhex(renewed["ticket"])[112:128] != bytes.fromhex(before)[112:128]


def test_a_relay_moves_when_its_parent_falls_silent(start):
    lab = start("--allow-private", "--heartbeat-ms", "500")
    stream, origin, (one, two) = live(lab)

    def moved():
        origin.heartbeat([report(stream.id)])
        two.heartbeat([report(stream.id)])
        return [u["relay_key"] for u in two.assignments[0]["upstreams"]] == [origin.key.hex]

    assert wait_for(moved, 5)
    rows = {r["key"]: r for r in lab.api.get("/v1/status").json["nodes"]}
    assert rows[one.key.hex]["health"] == "offline" and rows[two.key.hex]["hop"] == 1
    one.heartbeat([report(stream.id)])
    assert [u["relay_key"] for u in one.assignments[0]["upstreams"]] == [two.key.hex, origin.key.hex]


def test_private_addresses_are_neither_dialled_nor_told_without_the_flag(start):
    lab = start()
    origin, listener = lab.origin(), lab.listener()
    forms = [f"ws://{host}:{listener.port}/relay" for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433",
                                                              "0x7f.1", "0177.0.0.1", "10.0.0.1")]
    relay = Node(lab.api, listener=listener)
    assert relay.register(addresses=[{"kind": "public", "url": url, "priority": 1} for url in forms]).status == 200
    stream = Stream(lab.api)
    assert stream.post().json["origins"] == []
    for node in (origin, relay):
        assert node.heartbeat([report(stream.id)]).status == 200
    assert stream.open_session(Key()).status == 503
    assert listener.accepted == 0 and origin.listener.accepted == 0


def test_an_address_that_does_not_answer_is_not_told(lab):
    origin = lab.origin()
    gone = Listener()
    gone.close()
    relay = Node(lab.api, listener=gone)
    assert relay.register().status == 200
    stream = Stream(lab.api)
    stream.post()
    wait_for(lambda: told(lab, origin))
    for node in (origin, relay):
        node.heartbeat([report(stream.id)])
    assert stream.open_session(Key()).json["relays"] == []


def test_a_lan_address_is_told_only_to_the_same_public_address(lab):
    origin = lab.origin()
    relay = Node(lab.api)
    relay.register(addresses=[{"kind": "lan", "url": "ws://192.168.1.5:9000/relay", "priority": 1},
                              {"kind": "vpn", "url": "ws://100.64.0.9:9000/relay", "priority": 1}])
    stream = Stream(lab.api)
    stream.post()
    wait_for(lambda: told(lab, origin))
    for node in (origin, relay):
        node.heartbeat([report(stream.id)])
    assert stream.open_session(Key()).json["relays"] == []
    # The node and this viewer stand behind one address, as the coordinator sees them.
    assert stream.open_session(Key(), kinds=["public", "lan"]).json["relays"][0]["url"] == "ws://192.168.1.5:9000/relay"
    assert stream.open_session(Key(), kinds=["vpn"]).json["relays"][0]["url"] == "ws://100.64.0.9:9000/relay"
