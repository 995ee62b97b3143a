"""Bad input, slow peers, limits, kills and full disks: nothing of it may disturb others or lose data."""
import concurrent.futures
import http.client
import json
import resource
import signal
import socket
import subprocess
import threading
import time

import pytest

from client import Key, Stream, report, wait_for
from conftest import program


def raw(port, data, timeout=5.0, end=True):
    """Everything that the coordinator answers to these octets."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as peer:
        peer.sendall(data)
        if end:
            peer.shutdown(socket.SHUT_WR)
        got = b""
        while True:
            try:
                piece = peer.recv(65536)
            except (TimeoutError, ConnectionResetError):
                return got
            if not piece:
                return got
            got += piece


def run(*flags, **options):
    return subprocess.run([str(program()), *flags], capture_output=True, text=True, timeout=20, **options)


def test_help_and_version_answer():
    assert "--allow-private" in run("--help").stdout and run("--help").returncode == 0
    assert run("--version").stdout.strip().count(".") == 2


def test_each_bad_start_gets_one_sentence_and_its_exit_code(tmp_path, lab):
    database = f"sqlite:{tmp_path}/other.db"
    taken = run("--listen", f"127.0.0.1:{lab.coordinator.port}", "--db", database)
    assert taken.returncode == 4 and "in use" in taken.stderr and taken.stderr.count("\n") == 1
    key = tmp_path / "open.key"
    assert run("--listen", "nowhere", "--db", database).returncode == 2
    assert run("--no-such-flag").returncode == 2
    assert run("--origin", "xyz", "--db", database).returncode == 2
    key.write_bytes(b"not a key")
    key.chmod(0o600)
    assert run("--listen", "127.0.0.1:0", "--db", database, "--key", str(key)).returncode == 3
    made = lab.coordinator.database.with_name(lab.coordinator.database.name + ".key")
    assert made.stat().st_mode & 0o777 == 0o600
    made.chmod(0o644)
    refused = run("--listen", "127.0.0.1:0", "--db", database, "--key", str(made))
    assert refused.returncode == 3 and "0600" in refused.stderr and refused.stderr.count("\n") == 1
    for bad in ("postgresql://localhost/x", "mysql:x", f"sqlite:{tmp_path}/no/such/dir/x.db"):
        refused = run("--listen", "127.0.0.1:0", "--db", bad)
        assert refused.returncode == 7 and refused.stderr.count("\n") == 1, bad
    (tmp_path / "junk.db").write_bytes(b"this is not a database, not at all" * 100)
    assert run("--listen", "127.0.0.1:0", "--db", f"sqlite:{tmp_path}/junk.db").returncode == 7


def test_sigterm_ends_with_0(start):
    lab = start()
    lab.coordinator.process.send_signal(signal.SIGTERM)
    assert lab.coordinator.process.wait(5) == 0


def test_the_coordinators_key_outlives_restarts(lab):
    before = lab.api.get("/.well-known/streamr.json").json["coordinator_key"]
    lab.coordinator.stop()
    lab.coordinator.start()
    assert lab.api.get("/.well-known/streamr.json").json["coordinator_key"] == before


@pytest.mark.parametrize("octets,status", [
    (b"GARBAGE\r\n\r\n", b"HTTP/1.1 4"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"HTTP/1.1 400"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", b"HTTP/1.1 400"),
    (b"POST /v1/streams HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde", b"HTTP/1.1 400"),
    (b"GET http://x/ HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 400"),
    (b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 400"),
    (b"GET /a\x00b HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 400"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 20000 + b"\r\n\r\n", b"HTTP/1.1 431"),
    (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 431"),
    (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X%d: a\r\n" % i for i in range(100)) + b"\r\n", b"HTTP/1.1 431"),
])
def test_malformed_requests_are_refused(api, octets, status):
    answer = raw(api.port, octets)
    assert answer.startswith(status), answer[:200]
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]["code"]
    assert api.get("/health").status == 200


def test_an_oversized_body_is_refused_before_it_is_read(api):
    head = b"POST /v1/streams HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n"
    assert raw(api.port, head, end=False).startswith(b"HTTP/1.1 413")
    chunked = b"POST /v1/streams HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"8000\r\n" + b"a" * 0x8000 + b"\r\n") * 3
    assert raw(api.port, chunked, end=False).startswith(b"HTTP/1.1 413")


def test_a_chunked_body_and_pipelined_requests_are_read(api):
    body = json.dumps({"public_key": Key().hex}).encode()
    chunked = b"POST /v1/nodes/challenge HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    answers = raw(api.port, chunked + b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
    assert answers.count(b"HTTP/1.1 200 OK") == 4 and b"challenge_id" in answers


def test_a_wish_to_upgrade_is_passed_over(api):
    wish = b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    answers = raw(api.port, wish * 2 + b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answers.count(b"HTTP/1.1 200 OK") == 3 and answers.count(b"HTTP/1.1 ") == 3


def test_slow_peers_disturb_nobody_and_are_ended(api):
    slow = [socket.create_connection(("127.0.0.1", api.port)) for _ in range(200)]
    for peer in slow:
        peer.sendall(b"POST /v1/streams HTTP/1.1\r\nHost: a\r\nContent-Le")
    begun = time.monotonic()
    for _ in range(20):
        assert api.get("/health").status == 200
    assert time.monotonic() - begun < 3
    slow[0].settimeout(15)
    assert slow[0].recv(100) == b""
    for peer in slow:
        peer.close()


def test_one_address_cannot_take_every_connection(api):
    held = [socket.create_connection(("127.0.0.1", api.port)) for _ in range(256)]
    answer = raw(api.port, b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 503") and b"Retry-After" in answer
    for peer in held:
        peer.close()
    assert wait_for(lambda: raw(api.port, b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 200"), 5)


def test_a_flood_is_slowed_but_steering_never(api):
    def many(target):
        with socket.create_connection(("127.0.0.1", api.port), timeout=20) as peer:
            request = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % target
            threading.Thread(target=peer.sendall, args=(request * 2500,), daemon=True).start()
            got = b""
            while got.count(b"HTTP/1.1 ") < 2500:
                got += peer.recv(1 << 20)
            return got

    assert many(b"/health").count(b"HTTP/1.1 429") > 0
    assert many(b"/steering/nobody").count(b"HTTP/1.1 404") == 2500


def test_a_kill_at_any_moment_loses_nothing_that_was_answered(lab):
    stream = Stream(lab.api, pool="1000.0")
    assert stream.post().status == 200
    node = lab.relay()
    answered, beats = [], 0
    for attempt in range(6):
        stop = threading.Event()

        def work(number=attempt):
            count = 0
            while not stop.is_set():
                alias = f"s{number}-{count}"
                count += 1
                try:
                    if Stream(lab.api, alias=alias).post().status == 200:
                        answered.append(alias)
                except (OSError, ValueError, http.client.HTTPException):
                    return

        worker = threading.Thread(target=work)
        worker.start()
        time.sleep(0.05 + 0.07 * attempt)
        lab.coordinator.kill()
        stop.set()
        worker.join(10)
        lab.coordinator.start()
        node.api = lab.api
        reply = node.heartbeat([report(stream.id)])
        assert reply.status == 200
        beats += 1
    known = {s["alias"] for s in lab.api.get("/v1/streams").json["streams"]}
    assert answered and set(answered) <= known
    shown = next(r for r in lab.api.get("/v1/status").json["nodes"] if r["key"] == node.key.hex)
    assert shown["heartbeats"] == beats
    assert lab.api.get(f"/nodes/{node.node_id}/earnings").json["earned"] == "1000.0"


def test_a_full_disk_refuses_writes_goes_on_reading_and_recovers(start):
    lab = start("--allow-private")
    stream = Stream(lab.api, pool="1000.0")
    assert stream.post().status == 200
    node = lab.relay()
    assert node.heartbeat([report(stream.id)]).status == 200
    pid = lab.coordinator.process.pid
    sizes = [path.stat().st_size for path in lab.coordinator.directory.iterdir() if path.name.startswith("coordinator.db")]
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (max(sizes), hard))

    def refused():
        reply = node.heartbeat([report(stream.id)])
        return reply if reply.status == 503 else None

    reply = wait_for(refused, 5, "a refused write")
    assert int(reply.headers["retry-after"]) >= 1 and reply.code == "unavailable"
    for target in ("/payouts", "/v1/status", "/streams", "/v1/streams", "/dashboard"):
        assert lab.api.get(target).status == 200, target
    assert lab.api.get("/health").status == 503
    assert "cannot be written" in lab.coordinator.log()
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
    assert wait_for(lambda: node.heartbeat([report(stream.id)]).status == 200, 5)
    assert wait_for(lambda: lab.api.get("/health").status == 200, 5)
    assert "can be written again" in lab.coordinator.log()


def test_many_nodes_and_viewers_at_once(lab):
    stream = Stream(lab.api, pool="1000.0")
    stream.post()
    origin = lab.origin()
    nodes = [lab.relay(name=f"relay {i}") for i in range(12)]

    def work(node):
        return [node.heartbeat([report(stream.id)]).status for _ in range(5)]

    wait_for(lambda: all(r["url"] for r in lab.api.get("/v1/status").json["nodes"]), 10)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(s == 200 for statuses in pool.map(work, [origin, *nodes]) for s in statuses)
        sessions = list(pool.map(lambda _: stream.open_session(Key()), range(60)))
    assert all(s.status == 200 and len(s.json["relays"]) == 2 for s in sessions)
    hops = [r["hop"] for r in lab.api.get("/v1/status").json["nodes"]]
    assert max(hops) <= 3 and hops.count(0) == 1 and None not in hops
