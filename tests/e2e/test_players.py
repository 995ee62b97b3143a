"""What players and strangers meet at a relay's HTTP side: playlists, reloads that wait, media, chunks. test_player_programs.py
runs the players themselves."""
import gzip
import re
import time
import urllib.error
import urllib.request

import pytest

from harness import ALIAS, http_get


@pytest.fixture
def live(lab):
    """A relay behind an origin, with a running stream; gives the address below which everything stands."""
    lab.coordinator()
    lab.relay("origin", role="origin")
    lab.relay("relay1")
    lab.publisher()
    lab.push_rtmp()
    lab.wait_live("relay1")
    return lab.url("relay1") + "/live/" + ALIAS


def ask(url, method="GET", headers=None):
    """(status, headers, body) of a request."""
    request = urllib.request.Request(url, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=8) as reply:
            return reply.status, reply.headers, reply.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.headers, refusal.read()


def media_playlist(live):
    status, _, body = ask(live + "/0.m3u8")
    assert status == 200
    return body.decode()


def test_a_reload_waits_for_the_promised_part_and_the_part_is_there(live):
    hint = re.search(r'PRELOAD-HINT:TYPE=PART,URI="(\d+/0/(\d+)\.(\d+)\.m4s)"', media_playlist(live))
    begun = time.monotonic()
    status, _, body = ask(f"{live}/0.m3u8?_HLS_msn={hint[2]}&_HLS_part={hint[3]}")
    assert status == 200
    assert hint[1] in body.decode()
    assert time.monotonic() - begun < 3
    status, headers, part = ask(f"{live}/{hint[1]}")
    assert status == 200 and len(part) > 1000
    assert len(headers["Streamr-Chunk"]) == 448


def test_media_answers_ranges_head_and_strangers_origins_and_a_chunk_holds_its_header(live):
    name = re.findall(r"^(\d+/0/\d+)\.m4s$", media_playlist(live), re.MULTILINE)[-1]
    status, headers, whole = ask(f"{live}/{name}.m4s")
    assert status == 200 and headers["Content-Type"] == "video/mp4" and "immutable" in headers["Cache-Control"]
    assert headers["Access-Control-Allow-Origin"] == "*" and "Streamr-Chunk" not in headers
    status, headers, cut = ask(f"{live}/{name}.m4s", headers={"Range": "bytes=10-19"})
    assert (status, headers["Content-Range"], cut) == (206, f"bytes 10-19/{len(whole)}", whole[10:20])
    assert ask(f"{live}/{name}.m4s", headers={"Range": f"bytes={len(whole)}-"})[0] == 416
    status, headers, body = ask(f"{live}/{name}.m4s", method="HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(len(whole)), b"")
    status, headers, _ = ask(f"{live}/{name}.m4s", method="OPTIONS")
    assert status == 204 and "Range" in headers["Access-Control-Allow-Headers"]
    status, headers, first = ask(f"{live}/{name}.0.m4s")
    assert status == 200 and whole.startswith(first)
    chunk = ask(f"{live}/{name}.0.chunk")[2]
    assert chunk[:224].hex() == headers["Streamr-Chunk"] and chunk.endswith(first)


def test_playlists_are_zipped_for_who_asks_and_nonsense_is_refused(live):
    status, headers, body = ask(live + ".m3u8", headers={"Accept-Encoding": "gzip", "Range": "bytes=0-"})
    assert (status, headers["Content-Encoding"], headers["Vary"]) == (200, "gzip", "Accept-Encoding")
    assert gzip.decompress(body) == ask(live + ".m3u8")[2]
    assert ask(live + "/0.m3u8?_HLS_part=1")[0] == 400
    assert ask(live + "/0.m3u8?_HLS_msn=18446744073709551615")[0] == 400
    for nonsense in ("/00.m3u8", "/9.m3u8", "/1/0/1.m4s", "/x/0/1.m4s", "-nobody.m3u8"):
        status, headers, _ = ask(live + nonsense)
        assert status == 404 and headers["Cache-Control"] == "no-store", nonsense
    status, headers, _ = ask(live + ".m3u8", method="DELETE")
    assert status == 405 and "GET" in headers["Allow"]
    assert b"/live/" in http_get(live.rsplit("/live/", 1)[0] + "/")[1]
