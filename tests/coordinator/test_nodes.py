"""Registration, leases, counters and heartbeats (protocol §6, Nodes)."""
import json
import os

from client import Key, Node, Stream, now_us, report, wait_for


def test_a_node_registers_and_keeps_its_id_for_ever(lab):
    node = Node(lab.api)
    reply = node.register()
    assert reply.status == 200
    body = reply.json
    assert set(body) >= {"node_id", "lease", "heartbeat_ms", "server_time_us", "policy"}
    assert len(bytes.fromhex(body["lease"])) == 16 and body["heartbeat_ms"] == 10000
    again = Node(lab.api, key=node.key)
    assert again.register().json["node_id"] == body["node_id"]
    lab.coordinator.kill()
    lab.coordinator.start()
    once_more = Node(lab.api, key=node.key)
    assert once_more.register().json["node_id"] == body["node_id"]


def test_a_challenge_names_the_coordinators_key_and_lives_a_minute(api):
    reply = Node(api).challenge()
    known = api.get("/.well-known/streamr.json").json
    assert reply.status == 200 and reply.json["coordinator_key"] == known["coordinator_key"]
    assert len(bytes.fromhex(reply.json["nonce"])) == 32
    assert 0 < reply.json["expires_at_ms"] - now_us() // 1000 <= 60_000
    assert known["version"] == 1


def test_the_ninth_open_challenge_of_an_address_waits_and_displaces_none(api):
    nodes = [Node(api) for _ in range(9)]
    challenges = [node.challenge() for node in nodes]
    assert [c.status for c in challenges] == [200] * 8 + [429]
    assert int(challenges[8].headers["retry-after"]) >= 1
    first = nodes[0].post_registration(challenges[0].json, json.dumps(nodes[0].registration(challenges[0].json)).encode())
    assert first.status == 200
    assert nodes[8].challenge().status == 200


def test_a_challenge_serves_one_success_and_only_its_key(api):
    node, other = Node(api), Node(api)
    challenge = node.challenge().json
    body = json.dumps(node.registration(challenge)).encode()
    stolen = json.dumps(other.registration(challenge)).encode()
    assert other.post_registration(challenge, stolen).code == "challenge_unknown"
    wrong = node.post_registration(challenge, body, key=Key())
    assert (wrong.status, wrong.code) == (401, "signature_wrong")
    assert node.post_registration(challenge, body).status == 200
    repeat = node.post_registration(challenge, body)
    assert (repeat.status, repeat.code) == (401, "challenge_unknown")


def test_a_registration_is_refused_for_each_wrong_member(api):
    node = Node(api)
    challenge = node.challenge().json
    good = node.registration(challenge)

    def post(change):
        return node.post_registration(challenge, json.dumps(change(dict(good))).encode())

    def without(name):
        return lambda body: {k: v for k, v in body.items() if k != name}

    for name in good:
        refused = post(without(name))
        assert (refused.status, refused.code) == (400, "missing_member"), name
    address = {"kind": "public", "url": "ws://192.0.2.1:1/relay", "priority": 1}
    cases = [
        ({"role": 5}, "wrong_type"), ({"role": "king"}, "out_of_range"), ({"name": "x" * 65}, "out_of_range"),
        ({"software": "é" * 33}, "out_of_range"), ({"capacity_kbps": -1}, "out_of_range"),
        ({"capacity_kbps": "1"}, "wrong_type"), ({"addresses": {}}, "wrong_type"), ({"addresses": [address] * 9}, "out_of_range"),
        ({"addresses": [{**address, "kind": "street"}]}, "out_of_range"), ({"addresses": [{**address, "url": "ftp://a/"}]}, "out_of_range"),
        ({"addresses": [{"kind": "public", "url": "ws://a/"}]}, "missing_member"), ({"addresses": [7]}, "wrong_type"),
        ({"public_key": "ab"}, "out_of_range"), ({"public_key": node.key.hex.upper()}, "out_of_range"),
        ({"public_key": "00" * 32}, "key_weak"), ({"public_key": "01" + "00" * 31}, "key_weak"),
    ]
    for change, word in cases:
        refused = post(lambda body: {**body, **change})
        assert (refused.status, refused.code) == (400, word), change
    assert node.post_registration(challenge, json.dumps(good).encode()).status == 200


def test_json_outside_the_rules_is_refused(api):
    for text in [b"", b"{", b"[]x", b'{"public_key":"a","public_key":"b"}', b'{"a":1.5}', b'{"a":1e3}', b"\xff\xfe",
                 b'{"public_key":"\xc3\x28"}', b"[" * 17 + b"]" * 17, b'{"a":1} x']:
        refused = api.post("/v1/nodes/challenge", text)
        assert (refused.status, refused.code) == (400, "malformed_json"), text
    assert api.post("/v1/nodes/challenge", b"[]").code == "wrong_type"
    assert api.post("/v1/nodes/challenge", b'{"public_key": 5}').code == "wrong_type"
    assert api.post("/v1/nodes/challenge", {}).code == "missing_member"
    too_long = api.post("/v1/nodes/challenge", b'{"public_key":"' + b"a" * 70_000 + b'"}')
    assert (too_long.status, too_long.code) == (413, "too_large")


def test_the_role_origin_needs_a_key_that_the_operator_named(lab):
    refused = Node(lab.api, role="origin").register()
    assert (refused.status, refused.code) == (403, "not_owner")
    refused = Node(lab.api, role="origin").register(invite="let me in")
    assert (refused.status, refused.code) == (403, "not_owner")
    assert Node(lab.api, role="origin", key=lab.origin_key).register().status == 200
    assert Node(lab.api, role="publisher").register().status == 200


def test_every_heartbeat_brings_a_new_lease(lab):
    node = lab.relay()
    first = node.lease
    reply = node.heartbeat()
    assert reply.status == 200 and node.lease != first
    assert set(reply.json) >= {"lease", "server_time_us", "assignments", "revocations", "min_version", "assignments_version"}
    assert isinstance(reply.json["min_version"], int) and "warning" not in reply.json


def test_the_lease_before_serves_one_retry_then_both_are_void(lab):
    node = lab.relay()
    old = node.lease
    lost = node.heartbeat().json["lease"]           # suppose this reply was lost
    retry = node.heartbeat(lease=old)
    assert retry.status == 200
    newest = node.lease
    again = node.signed("/v1/nodes/heartbeat", node.heartbeat_body(), lease=old)
    assert (again.status, again.code) == (401, "lease_unknown")
    voided = node.signed("/v1/nodes/heartbeat", node.heartbeat_body(), lease=bytes.fromhex(lost))
    assert (voided.status, voided.code) == (401, "lease_unknown")
    assert node.heartbeat(lease=newest).status == 200


def test_a_registration_voids_earlier_leases(lab):
    node = lab.relay()
    old = node.lease
    assert node.register().status == 200
    refused = node.signed("/v1/nodes/heartbeat", node.heartbeat_body(), lease=old)
    assert (refused.status, refused.code) == (401, "lease_unknown")
    assert node.heartbeat().status == 200


def test_a_counter_rises_within_a_boot_and_old_boots_stay_old(lab):
    node = lab.relay()
    top = 2**64 - 2
    assert node.heartbeat(counter=top).status == 200
    for counter in (top, top - 1, 0):
        refused = node.heartbeat(counter=counter)
        assert (refused.status, refused.code) == (401, "counter_replayed")
    assert node.heartbeat(counter=top + 1).status == 200
    first_boot, node.boot_id = node.boot_id, os.urandom(16)
    assert node.heartbeat(counter=5).status == 200
    refused = node.heartbeat(counter=9, boot_id=first_boot)
    assert (refused.status, refused.code) == (401, "boot_old")
    lab.coordinator.kill()
    lab.coordinator.start()
    node.api = lab.api
    assert node.heartbeat(counter=5).code == "counter_replayed"
    assert node.heartbeat(counter=6).status == 200


def test_a_replayed_heartbeat_fails_and_harms_nothing(lab):
    node = lab.relay()
    body = json.dumps(node.heartbeat_body()).encode()
    headers = node.signature("POST", "/v1/nodes/heartbeat", body)
    first = node.api.post("/v1/nodes/heartbeat", body, headers)
    node.lease = bytes.fromhex(first.json["lease"])
    replay = node.api.post("/v1/nodes/heartbeat", body, headers)
    assert (replay.status, replay.code) == (401, "counter_replayed")
    assert node.heartbeat().status == 200


def test_a_wrong_signature_costs_nothing(lab):
    node = lab.relay()
    body = json.dumps(node.heartbeat_body()).encode()
    good = node.signature("POST", "/v1/nodes/heartbeat", body, counter=7)
    bad = dict(good)
    bad["Streamr-Sig"] = good["Streamr-Sig"][:-2] + ("00" if good["Streamr-Sig"][-2:] != "00" else "01")
    for headers in (bad, {}, {"Streamr-Sig": "v1;x"}, {"Streamr-Sig": good["Streamr-Sig"].replace("v1", "v2")}):
        refused = node.api.post("/v1/nodes/heartbeat", body, headers)
        assert (refused.status, refused.code) == (401, "signature_wrong")
    tampered = node.api.post("/v1/nodes/heartbeat", body + b" ", good)
    assert tampered.code == "signature_wrong"
    elsewhere = node.api.post("/v1/evidence", body, good)
    assert elsewhere.code == "signature_wrong"
    assert node.api.post("/v1/nodes/heartbeat", body, good).status == 200


def test_a_refused_heartbeat_spends_its_counter_and_keeps_its_lease(lab):
    node = lab.relay()
    refused = node.signed("/v1/nodes/heartbeat", b"{}", counter=50)
    assert (refused.status, refused.code) == (400, "missing_member")
    assert node.heartbeat(counter=50).code == "counter_replayed"
    assert node.heartbeat(counter=51).status == 200


def test_an_unknown_node_is_told_to_register(lab):
    node = Node(lab.api)
    node.lease = os.urandom(16)
    refused = node.heartbeat()
    assert (refused.status, refused.code) == (401, "node_unknown")


def test_a_wrong_clock_is_warned_then_refused(lab):
    node = lab.relay()
    assert node.heartbeat(at_us=now_us() - 300_000_000).json["warning"] == "clock"
    refused = node.heartbeat(at_us=now_us() + 700_000_000)
    assert (refused.status, refused.code) == (425, "clock_off")
    assert node.heartbeat().status == 200


def test_more_than_ten_heartbeats_a_second_are_slowed_with_the_lease_unchanged(lab):
    node = lab.relay()
    statuses = []
    for _ in range(30):
        reply = node.heartbeat()
        statuses.append(reply.status)
        if reply.status == 429:
            assert reply.headers["retry-after"] == "1"
            break
    assert statuses[:10] == [200] * 10 and 429 in statuses
    assert wait_for(lambda: node.heartbeat().status == 200, 3)


def test_a_heartbeat_is_refused_for_each_wrong_member(lab):
    node = lab.relay()
    stream = Stream(lab.api)
    entry = report(stream.id)
    cases = [
        ({"seq": -1}, "out_of_range"), ({"seq": 2**53}, "out_of_range"), ({"load_pct": 101}, "out_of_range"),
        ({"streams": [entry] * 25}, "out_of_range"), ({"streams": [{**entry, "epoch": 5}]}, "wrong_type"),
        ({"streams": [{**entry, "epoch": "-5"}]}, "out_of_range"), ({"streams": [{**entry, "head": "00"}]}, "out_of_range"),
        ({"counters": []}, "wrong_type"), ({"free_kbps": None}, "wrong_type"),
    ]
    for change, word in cases:
        wait_for(lambda: node.heartbeat().status == 200, 3)
        refused = node.heartbeat(body_changes=change)
        if refused.status == 429:
            wait_for(lambda: node.heartbeat().status == 200, 3)
            refused = node.heartbeat(body_changes=change)
        assert (refused.status, refused.code) == (400, word), change


def test_a_heartbeat_over_8_kib_is_refused(lab):
    node = lab.relay()
    refused = node.heartbeat(body_changes={"counters": {"x" * 60 + str(i): i for i in range(150)}})
    assert (refused.status, refused.code) == (413, "too_large")
    assert node.heartbeat().status == 200


def test_heartbeats_survive_a_kill(lab):
    node = lab.relay()
    assert node.heartbeat().status == 200
    lab.coordinator.kill()
    lab.coordinator.start()
    node.api = lab.api
    assert node.heartbeat().status == 200
