"""The first system's reading routes, uptime_v0 and the status page."""
import decimal
import sqlite3
import time

from client import Node, Stream, report, wait_for
from test_streams import live


def test_one_node_on_a_stream_with_a_pool_of_1000_gets_1000(lab):
    stream = Stream(lab.api, pool="1000.0")
    stream.post()
    node = Node(lab.api)
    node.register()
    assert node.heartbeat([report(stream.id)]).status == 200
    reply = lab.api.get("/payouts?hours_back=1").json
    assert reply["status"] == "success" and reply["calculation_time"] == "Last 1 hour(s)"
    entry = reply["payouts"][stream.id.hex()]
    assert (entry["total_pool"], entry["node_count"], entry["individual_earnings"]) == (1000.0, 1, 1000.0)
    assert entry["node_payouts"][node.node_id]["final_payout"] == 1000.0
    assert b'"total_pool":1000.0' in lab.api.get("/payouts").body
    earned = lab.api.get(f"/nodes/{node.node_id}/earnings?days_back=7").json
    assert earned["total_estimated_earnings"] == 1000.0 and earned["streams_participated"] == 1
    assert decimal.Decimal(earned["earned"]) == 1000 and earned["bytes_settled"] == "0"
    detail = earned["stream_details"][0]
    assert detail["stream_id"] == stream.id.hex() and 0 < detail["uptime_percentage"] <= 1


def test_a_pool_is_divided_to_the_last_micro_unit(lab):
    stream = Stream(lab.api, pool="100.0")
    stream.post()
    nodes = [Node(lab.api) for _ in range(3)]
    for node in nodes:
        node.register()
        node.heartbeat([report(stream.id)])
    entry = lab.api.get("/payouts").json["payouts"][stream.id.hex()]
    shares = {n.node_id: decimal.Decimal(str(entry["node_payouts"][n.node_id]["final_payout"])) for n in nodes}
    assert sum(shares.values()) == 100
    smallest = min(nodes, key=lambda n: n.key.hex)
    assert shares[smallest.node_id] == decimal.Decimal("33.333334")
    assert entry["individual_earnings"] == 33.333333 and entry["node_count"] == 3


def test_a_stream_nobody_serves_pays_nobody(lab):
    stream = Stream(lab.api, pool="5.5")
    stream.post()
    entry = lab.api.get("/payouts").json["payouts"][stream.id.hex()]
    assert (entry["total_pool"], entry["node_count"], entry["individual_earnings"], entry["node_payouts"]) == (5.5, 0, 0.0, {})


def test_pay_survives_a_kill_and_is_not_doubled(lab):
    stream = Stream(lab.api, pool="1000.0")
    stream.post()
    node = Node(lab.api)
    node.register()
    node.heartbeat([report(stream.id)])
    before = lab.api.get("/payouts").json
    lab.coordinator.kill()
    lab.coordinator.start()
    after = lab.api.get("/payouts").json["payouts"][stream.id.hex()]
    assert after["individual_earnings"] == before["payouts"][stream.id.hex()]["individual_earnings"] == 1000.0
    node.api = lab.api
    assert node.heartbeat([report(stream.id)]).status == 200
    assert lab.api.get(f"/nodes/{node.node_id}/earnings").json["earned"] == "1000.0"


def test_an_unknown_node_has_earned_nothing(api):
    body = api.get("/nodes/nobody/earnings").json
    assert body == {"node_id": "nobody", "period": "Last 7 days", "total_estimated_earnings": 0.0, "streams_participated": 0,
                    "stream_details": [], "entries": 0, "earned": "0.0", "bytes_settled": "0"}


def test_the_dashboard_lists_streams_with_their_active_nodes(start):
    lab = start("--allow-private", "--heartbeat-ms", "500")
    stream, origin, relays = live(lab)
    entry = lab.api.get("/dashboard").json["streams"][0]
    assert entry["stream_id"] == stream.id.hex() and entry["status"] == "LIVE" and entry["node_count"] == 3
    assert all(n["stats_url"] == "" for n in entry["nodes"]) and "active_nodes" not in entry
    assert "http" not in lab.api.get("/dashboard").body.decode()

    def silent():
        shown = lab.api.get("/dashboard?node_statuses=inactive").json["streams"][0]
        return shown["node_count"] == 3

    assert wait_for(silent, 5)
    assert lab.api.get("/dashboard?node_statuses=active&node_statuses=inactive").json["streams"][0]["node_count"] == 3
    assert lab.api.get("/dashboard?limit=0").json["streams"] == []


def test_streams_are_live_while_their_newest_segment_rises(start):
    lab = start("--allow-private", "--heartbeat-ms", "500")
    origin = lab.origin()
    stream = Stream(lab.api)
    stream.post()
    shown = lab.api.get("/streams").json
    assert shown[0]["status"] == "READY" and "stream_key" not in shown[0]
    origin.heartbeat([report(stream.id, newest=5)])
    assert [s["stream_id"] for s in lab.api.get("/streams/live").json] == [stream.id.hex()]
    assert lab.api.get("/streams?status=OFFLINE").json == [] and len(lab.api.get("/streams?status=LIVE").json) == 1

    def offline():
        origin.heartbeat([report(stream.id, newest=5)])
        return lab.api.get("/streams?status=OFFLINE").json

    assert wait_for(offline, 6)[0]["offline_at"]
    assert wait_for(lambda: origin.heartbeat([report(stream.id, newest=6)]).status == 200, 3)
    assert len(lab.api.get("/streams/live").json) == 1


def test_the_leaderboard_ranks_by_slots(lab):
    stream = Stream(lab.api, pool="10.0")
    stream.post()
    nodes = [Node(lab.api) for _ in range(3)]
    for node in nodes:
        node.register()
        node.heartbeat([report(stream.id)])
    body = lab.api.get("/leaderboard?limit=2").json
    assert body["status"] == "success" and len(body["leaderboard"]) == 2
    assert set(body["leaderboard"][0]) >= {"node_id", "uptime_percentage", "total_probes", "successful_probes", "estimated_score"}


def test_wrong_queries_get_422_with_detail_beside_error(api):
    for target in ("/payouts?hours_back=x", "/payouts?hours_back=0", "/payouts?hours_back=99999999999999999999", "/leaderboard?limit=-1",
                   "/dashboard?limit=1.5", "/dashboard?node_statuses=king", "/streams?status=NOPE", "/nodes/a/earnings?days_back=-3"):
        refused = api.get(target)
        assert refused.status == 422, target
        assert refused.json["detail"][0]["loc"][0] == "query" and refused.json["error"]["code"], target


def test_health_and_front_answer(api):
    assert api.get("/health").json["status"] == "healthy" and api.get("/health").json["service"] == "coordinator"
    front = api.get("/").json
    assert set(front) == {"message", "version"} and front["version"].count(".") == 2
    page = api.get("/", {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"})
    assert page.headers["content-type"].startswith("text/html") and b"<!doctype html>" in page.body.lower()
    for name in ("style.css", "status.js"):
        assert f"/page/{name}".encode() in page.body and api.get(f"/page/{name}").status == 200
    assert b"http://" not in page.body.replace(b"http://www.w3.org", b"") and b"https://" not in page.body


def test_reading_routes_may_be_read_from_anywhere(api):
    for target in ("/", "/dashboard", "/payouts", "/leaderboard", "/streams", "/streams/live", "/health", "/nodes/x/earnings"):
        reply = api.request("HEAD", target)
        assert reply.status == 200 and reply.body == b"" and int(reply.headers["content-length"]) > 0, target
        assert reply.headers["access-control-allow-origin"] == "*"
        options = api.request("OPTIONS", target)
        assert options.status == 204 and options.headers["access-control-allow-origin"] == "*"
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            refused = api.request(method, target)
            assert (refused.status, refused.code) == (405, "method_not_allowed") and "GET" in refused.headers["allow"]
    missing = api.get("/nothing/here")
    assert missing.status == 404 and missing.json["detail"] and missing.json["error"]["code"] == "not_found"


def test_the_status_names_hops_health_and_earnings(lab):
    stream, origin, (one, two) = live(lab, pool="90.0")
    body = lab.api.get("/v1/status").json
    assert body["heartbeats"] == 3 and body["earned"] == "90.0"
    shown = {row["key"]: row for row in body["nodes"]}
    assert [shown[n.key.hex]["hop"] for n in (origin, one, two)] == [0, 1, 2]
    assert {row["health"] for row in body["nodes"]} == {"online"}
    assert [shown[n.key.hex]["earned"] for n in (origin, one, two)] == ["0.0", "45.0", "45.0"]
    assert body["streams"][0]["newest"] == 100 and body["streams"][0]["status"] == "LIVE"


def test_hours_missed_while_it_was_down_are_closed_once_each(lab):
    stream = Stream(lab.api, pool="1000.0")
    stream.post()
    nodes = [Node(lab.api) for _ in range(2)]
    for node in nodes:
        node.register()
    assert lab.coordinator.stop() == 0
    hour = int(time.time()) // 3600
    database = sqlite3.connect(lab.coordinator.database)

    def beat(node, in_hour, count):
        rows = [(in_hour * 3_600_000 + 10_000 * i, stream.id, node.key.public, 10_000) for i in range(count)]
        database.executemany("INSERT INTO beat(at_ms, stream, node, heartbeat_ms) VALUES(?,?,?,?)", rows)

    beat(nodes[0], hour - 5, 360)              # alone: the whole pool
    beat(nodes[0], hour - 3, 300)              # shared
    beat(nodes[1], hour - 3, 100)
    database.execute("UPDATE setting SET value=? WHERE name='closed_hour'", (str(hour - 6),))
    assert database.total_changes == 761
    database.commit()
    database.close()

    def closed():
        with sqlite3.connect(lab.coordinator.database) as reader:
            return reader.execute("SELECT hour, pool FROM hour ORDER BY hour").fetchall()

    for _ in range(4):
        lab.coordinator.start()
        lab.coordinator.kill()
    lab.coordinator.start()
    assert closed() == [(hour - 5, 1_000_000_000), (hour - 3, 1_000_000_000)]
    earned = [decimal.Decimal(lab.api.get(f"/nodes/{n.node_id}/earnings").json["earned"]) for n in nodes]
    assert sum(earned) == 2000 and earned[0] > 1700 and earned[1] > 200
    assert lab.api.get("/payouts?hours_back=24").json["payouts"][stream.id.hex()]["total_pool"] == 1000.0
