"""Hostile HTTP on the port of a relay: whatever comes, the honest viewer and player of the same relay do not notice."""
import gzip
import json
import select
import socket
import time

import pytest

import harness
from attack_lab import field, fields, read_all, send_all  # noqa: F401 (fixtures)

HOST_LINE = b"Host: relay\r\n"
ADDRESSES = [f"127.0.0.{last}" for last in range(2, 40)]


def get(path, *headers, version="1.1"):
    lines = "".join(line + "\r\n" for line in headers)
    return f"GET {path} HTTP/{version}\r\nHost: relay\r\n{lines}\r\n".encode()


def plain(field, text):
    """A socket outside an attack, with `text` sent."""
    one = socket.create_connection((harness.HOST, field.relay.port), timeout=5)
    send_all(one, text)
    return one


def statuses(data):
    """Status of each answer in a run of bytes; heads alone are looked at."""
    return [int(part[:3]) for part in data.split(b"HTTP/1.1 ")[1:]]


def answers(one, count, limit_s=6.0):
    """`count` whole answers with Content-Length: [(status, headers, body)]; fewer where the connection ended."""
    end, data, found = time.monotonic() + limit_s, b"", []
    while len(found) < count:
        head, mark, rest = data.partition(b"\r\n\r\n")
        if mark:
            lines = head.decode("latin-1").split("\r\n")
            fields_ = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            length = int(fields_.get("content-length", 0))
            if len(rest) >= length:
                found.append((int(lines[0].split()[1]), fields_, rest[:length]))
                data = rest[length:]
                continue
        one.settimeout(max(0.01, end - time.monotonic()))
        try:
            more = one.recv(262144)
        except OSError:
            break
        if not more:
            break
        data += more
    return found


# ---- too slow -----------------------------------------------------------------------------------------------------

def test_who_sends_a_request_octet_by_octet_is_closed_and_disturbs_nobody(field):
    head, body = get("/healthz", "X-Slow: " + "a" * 200), b"POST /v1/receipts HTTP/1.1\r\n" + HOST_LINE + b"Content-Length: 272\r\n\r\n"
    with field.attack() as scene:
        slow = [(scene.connect("127.0.0.2"), head) for _ in range(40)]
        bodies = [(scene.connect("127.0.0.3", body), bytes(272)) for _ in range(40)]  # these have longer: 30 s in all
        still_open = {one for one, _ in slow} | {scene.connect("127.0.0.4") for _ in range(40)}
        end, sent = time.monotonic() + 12, 0
        while still_open and time.monotonic() < end:
            for one, text in slow + bodies:
                if not send_all(one, text[sent:sent + 1]):
                    still_open.discard(one)
            sent += 1
            step = time.monotonic() + 0.5
            while (left := step - time.monotonic()) > 0 and still_open:
                for one in select.select(list(still_open), [], [], left)[0]:
                    if read_all(one, 0.2)[1]:
                        still_open.discard(one)
        assert not still_open, f"{len(still_open)} of 80 connections without a request are still there after 12 s"


@pytest.mark.parametrize("pace", ["never", "an octet a second"])
def test_who_does_not_read_the_answer_costs_little_and_disturbs_nobody(field, pace):
    segment, part = field.newest()
    with field.attack() as scene:
        readers = []
        for index in range(120):
            path = field.path(segment, part) if index % 2 else field.playlist
            readers.append(scene.connect(ADDRESSES[index % 4], get(path) * 20, receive_bytes=4096))
        for _ in range(3):
            if pace != "never":
                for one in readers:
                    read_all(one, 0.01, most=1)
            time.sleep(1)


# ---- too much -----------------------------------------------------------------------------------------------------

FLOODS = {
    "one field of 64 KiB": b"X: " + b"a" * 65_536 + b"\r\n", "10 000 fields": b"X: y\r\n" * 10_000,
    "a target of 64 KiB": b"", "a field that never ends": b"X: " + b"a" * 1_000_000, "a method that never ends": b"",
}


@pytest.mark.parametrize("what", FLOODS)
def test_a_flood_of_headers_is_refused_and_disturbs_nobody(field, what):
    text = b"GET /healthz HTTP/1.1\r\n" + HOST_LINE + FLOODS[what] + b"\r\n"
    if what == "a target of 64 KiB":
        text = get("/live/" + "a" * 65_536)
    if what == "a method that never ends":
        text = b"G" * 1_000_000
    with field.attack() as scene:
        for index in range(60):
            one = scene.connect(ADDRESSES[index % 3])
            send_all(one, text)
            data, closed = read_all(one, 3)
            assert closed, "the connection went on"
            assert not data or statuses(data)[0] in (400, 414, 431, 501), data[:200]


def test_an_address_has_256_connections_and_the_next_gets_503_or_is_closed(field):
    with field.attack() as scene:
        first = [scene.connect("127.0.0.9") for _ in range(256)]
        for one in (first[0], first[255]):
            send_all(one, get("/healthz"))
            assert answers(one, 1)[0][0] == 200
        for _ in range(100):
            data, closed = read_all(scene.connect("127.0.0.9", get("/healthz")), 3)
            assert closed and (not data or statuses(data) == [503]), data[:100]
        assert answers(scene.connect("127.0.0.10", get("/healthz")), 1)[0][0] == 200
        first.pop().close()
        harness.wait_until(lambda: [got[0] for got in answers(scene.connect("127.0.0.9", get("/healthz")), 1)] == [200],
                           "room for another connection of this address", 3)


def test_thousands_of_connections_from_many_addresses_disturb_nobody(field):
    with field.attack() as scene:
        for _ in range(100):
            for address in ADDRESSES[:30]:
                scene.connect(address)
        assert len(scene.sockets) == 3000


def test_connections_that_come_and_go_disturb_nobody(field):
    with field.attack() as scene:
        end, count = time.monotonic() + 2, 0
        while time.monotonic() < end:
            scene.connect(ADDRESSES[count % 30], get(field.playlist)[:count % 60]).close()
            count += 1
        assert count > 200


def test_a_pipeline_without_end_is_answered_in_order_or_waits(field):
    with field.attack() as scene:
        one = scene.connect("127.0.0.2")
        send_all(one, b"".join(get(f"/live/nobody/{index}/0/1.0.ts") for index in range(600)))
        assert [status for status, _, _ in answers(one, 600)] == [404] * 600
        floods = [scene.connect("127.0.0.3", receive_bytes=4096) for _ in range(20)]
        for flood in floods:
            flood.setblocking(False)
        request, end = get(field.playlist) * 200, time.monotonic() + 2
        while time.monotonic() < end:
            for flood in floods:
                try:
                    flood.send(request)
                except OSError:
                    pass
            time.sleep(0.01)


# ---- two readings of one request ----------------------------------------------------------------------------------

HIDDEN = get("/stats.json")
CHUNKED = b"Transfer-Encoding: chunked\r\n"
SMUGGLING = {
    "both lengths": b"Content-Length: 6\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
    "two lengths": b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "two lengths in one field": b"Content-Length: 0, 5\r\n\r\nhello", "a signed length": b"Content-Length: +5\r\n\r\nhello",
    "a hex length": b"Content-Length: 0x5\r\n\r\nhello", "a negative length": b"Content-Length: -1\r\n\r\n",
    "a length over 64 bits": b"Content-Length: 18446744073709551617\r\n\r\nx", "a length with a blank inside": b"Content-Length: 1 0\r\n\r\nhello",
    "an empty length": b"Content-Length: \r\n\r\n" + HIDDEN,
    "a blank before the colon": b"Content-Length : 5\r\n\r\nhello", "a folded field": b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a coding that is no chunked": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "chunked twice": CHUNKED * 2 + b"\r\n0\r\n\r\n" + HIDDEN,
    "chunked not last": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a vertical tab": b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a NUL": b"X: a\0b\r\n\r\n", "a bare CR": b"X: a\rContent-Length: 5\r\n\r\nhello", "a field without a colon": b"nothing\r\n\r\n",
    "a nameless field": b": x\r\n\r\n", "a chunk size with a sign": CHUNKED + b"\r\n+5\r\nhello\r\n0\r\n\r\n",
    "a chunk size in hex form": CHUNKED + b"\r\n0x5\r\nhello\r\n0\r\n\r\n", "a chunk size over 64 bits": CHUNKED + b"\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
    "a chunk longer than its size": CHUNKED + b"\r\n3\r\nhello\r\n0\r\n\r\n",
    "a bare LF in a chunk extension": CHUNKED + b"\r\n5;a\nhello\r\n0\r\n\r\n" + HIDDEN,
    "an endless chunk extension": CHUNKED + b"\r\n5;" + b"a" * 200_000, "two hosts": b"Host: other\r\n\r\n",
}


@pytest.mark.parametrize("what", SMUGGLING)
def test_a_request_that_can_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_read(field, what):
    with plain(field, b"POST /v1/receipts HTTP/1.1\r\n" + HOST_LINE + SMUGGLING[what]) as one:
        data, closed = read_all(one, 3)
    assert closed, "the connection went on"
    assert statuses(data) and statuses(data)[0] in (400, 411, 413, 431, 501) and len(statuses(data)) == 1, data[:300]


def test_bare_line_feeds_are_refused_or_read_as_line_ends_but_never_hide_a_request(field):
    for text in (b"GET /healthz HTTP/1.1\nHost: a\n\n", b"GET /healthz HTTP/1.1\r\nHost: a\nX: GET /stats.json HTTP/1.1\r\n\r\n"):
        with plain(field, text) as one:
            data, _ = read_all(one, 0.5)
        assert statuses(data) in ([400], [200]) and b"streams" not in data, data[:200]


TARGETS = [
    "/../../etc/passwd", "/live/../../../etc/passwd", "/live/%2e%2e/%2e%2e/etc/passwd", "/live/..%2f..%2fetc%2fpasswd", "//etc/passwd",
    "/live/{stream}/../../../../etc/passwd", "/live/{stream}/{epoch}/0/../../../../key.key", "/live/{stream}/{epoch}/0/%00.ts", "/live/.m3u8",
    "/live/{stream}/{epoch}/0/18446744073709551616.0.ts", "/live/{stream}/{epoch}/0/-1.0.ts", "/live/{stream}/{epoch}/0/1.65536.ts",
    "/live/{stream}/{epoch}/0/1e3.0.ts", "/live/{stream}/{epoch}/99999/1.0.ts", "/live/{stream}/{epoch}/0/0x1.0.ts", "/live//0/0/1.0.ts",
    "/live/{stream}/{epoch}/0/headers", "/live/{stream}/{epoch}/0/headers?from=1.0&n=99999999", "/live/{stream}/{epoch}/0/headers?n=-1",
    "/live/{stream}/{epoch}/0/cert/zz", "/live/{stream}/{epoch}/0/cert/" + "0" * 16, "/live/%s.m3u8" % ("f" * 64),
    "/live/{stream}/0.m3u8?_HLS_part=1", "/live/{stream}/0.m3u8?_HLS_msn=1e9", "/live/{stream}/0.m3u8?_HLS_msn=-1",
    "/live/{stream}/0.m3u8?_HLS_msn=18446744073709551615", "/live/{stream}/0.m3u8?_HLS_msn=18446744073709551616&_HLS_part=0",
    "/live/{stream}/0.m3u8?_HLS_msn=1&_HLS_msn=18446744073709551615", "/live/{stream}/0.m3u8?_HLS_part=65536&_HLS_msn=1",
    "/live/{stream}/0.m3u8?" + "a=b&" * 1900,
]


@pytest.mark.parametrize("target", TARGETS, ids=[str(index) for index in range(len(TARGETS))])
def test_a_target_that_names_nothing_is_answered_at_once_and_shows_nothing(field, target):
    path = target.replace("{stream}", field.stream.hex()).replace("{epoch}", str(field.epoch))
    with plain(field, get(path)) as one:
        got = answers(one, 1, 1.0)
    assert got, "no answer within a second"
    status, headers, body = got[0]
    assert status in (200, 400, 404, 414) and b"root:" not in body and b"streamr-key" not in body
    if status != 200:
        assert "no-store" in headers.get("cache-control", "") or "no-cache" in headers.get("cache-control", ""), headers


# ---- costly questions ---------------------------------------------------------------------------------------------

def test_what_accept_encoding_says_never_yields_what_the_client_cannot_read(field):
    for value, may_be_gzip in (("gzip", True), ("gzip;q=0", False), ("*;q=0", False), ("identity", False), ("gzip;q=0, *", False),
                               ("x-gzip;q=0,gzip;q=0.0,deflate", False), ("GZIP", True), ("br, gzip;q=0.5", True), ("gzipx", False),
                               (",,,;;q=;gzip;q=zz", True), ("gzip," * 1500, True)):
        with plain(field, get(field.playlist, "Accept-Encoding: " + value)) as one:
            status, headers, body = answers(one, 1)[0]
        coding = headers.get("content-encoding")
        assert coding is None or (coding == "gzip" and may_be_gzip), f"{value[:40]}: {coding}"
        text = gzip.decompress(body) if coding else body
        assert text.startswith(b"#EXTM3U") if status == 200 else status in (400, 431)
        assert status != 200 or "accept-encoding" in headers.get("vary", "").lower()


def test_a_storm_of_ranges_is_answered_whole_or_in_one_piece(field):
    segment, part = field.newest()
    path, whole = field.path(segment, part), 50_000
    many = "Range: bytes=" + ",".join(f"{at}-" for at in range(1500))
    with field.attack() as scene:
        for value, wanted in ((many, (200, 400, 416, 431)), ("Range: bytes=0-,0-,0-", (200, 400, 416)), ("Range: bytes=5-2", (200, 416, 400)),
                              ("Range: bytes=99999999999999999999-", (200, 400, 416)), ("Range: bytes=50000-", (416,)), ("Range: bytes=0-0", (206,)),
                              ("Range: bytes=-1", (206,)), ("Range: bytes=-0", (416, 200)), ("Range: potatoes=0-", (200,))):
            one = scene.connect("127.0.0.2", get(path, value))
            status, headers, body = answers(one, 1)[0]
            assert status in wanted and len(body) in (1, whole) or status in (400, 416, 431), (value[:40], status, len(body))
            assert "multipart" not in headers.get("content-type", "")
            one.close()
        one = scene.connect("127.0.0.2")
        for _ in range(10):
            send_all(one, b"".join(get(path, f"Range: bytes={at}-") for at in range(49_000, 49_100)))
            assert len(answers(one, 100)) == 100


def test_ten_thousand_questions_for_future_parts_are_answered_at_once_but_for_the_hinted_one(field):
    segment, _ = field.newest()
    with field.attack() as scene:
        one = scene.connect("127.0.0.2")
        for hundred in range(100):
            send_all(one, b"".join(get(field.path(segment + 5 + hundred, part)) for part in range(100)))
            assert [status for status, _, _ in answers(one, 100, 2)] == [404] * 100


def test_many_who_wait_for_the_hinted_part_get_it_and_are_forgotten(field):
    with field.attack() as scene:
        waiting = []
        for index in range(1000):
            segment, part = field.newest() if index % 100 == 0 else (segment, part)
            ahead = part + 2
            path = field.path(segment + ahead // 10, ahead % 10)
            waiting.append(scene.connect(ADDRESSES[index % 8], get(path)))
        for one in waiting[-200::2]:
            one.close()
        got = [answers(one, 1, 4) for one in waiting[-199::2]]
        assert {status for answer in got for status, _, _ in answer} <= {200, 404} and all(got)


def test_thousands_of_distinct_blocked_playlists_by_one_client_disturb_nobody(field):
    with field.attack() as scene:
        segment, part = field.newest()
        clients = [scene.connect("127.0.0.2") for _ in range(200)]
        for turn in range(10):
            for index, one in enumerate(clients):
                ahead = index % 9
                query = f"?_HLS_msn={segment + 1 + ahead // 10}&_HLS_part={ahead % 10}&x={turn * 1000 + index}&_HLS_skip={'YES' if index % 2 else 'v2'}"
                send_all(one, get(field.playlist + query))
        time.sleep(1)
        one = scene.connect("127.0.0.3", get(field.playlist + f"?_HLS_msn={segment + 50}&_HLS_part=0"))
        assert [status for status, _, _ in answers(one, 1, 2)] == [400]


def test_guessing_names_finds_nothing_and_costs_little(field):
    with field.attack() as scene:
        one = scene.connect("127.0.0.2")
        for hundred in range(30):
            send_all(one, b"".join(get(f"/live/name-{hundred}-{index}.m3u8") for index in range(100)))
            assert [status for status, _, _ in answers(one, 100)] == [404] * 100
        stats = answers(scene.connect("127.0.0.3", get("/stats.json")), 1)[0][2]
        assert len(json.loads(stats)["streams"]) == 1
