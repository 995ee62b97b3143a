"""What goes wrong in a real network, with real programs: a bit flips, a relay dies, the coordinator is away."""
import re
import signal
import socket
import subprocess

import pytest

from flip_proxy import FlipProxy
from harness import ALIAS, HOST, http_get, http_json, wait_until

FRAME_S = 1 / 30


def start_chain(lab, advertise=None):
    """coordinator, origin → relay1 → relay2, publisher and source; `advertise` is relay1's."""
    lab.coordinator()
    lab.relay("origin", role="origin")
    lab.relay("relay1", advertise=advertise)
    wait_until(lambda: http_get(lab.url("relay1") + "/healthz")[0] == 200, "relay1")
    lab.relay("relay2")
    lab.publisher()
    lab.push_rtmp()
    for name in ("origin", "relay1", "relay2"):
        lab.wait_live(name)


def segment_names(playlist):
    """Segment addresses of a media playlist."""
    return [line for line in playlist.splitlines() if line and not line.startswith("#")]


def media_of(lab, name, segments):
    """Bytes of segments as one relay serves them, by the last part of their name."""
    found = {}
    for address in segment_names(lab.playlist(name)):
        short = address.rsplit("/", 1)[-1]
        if short in segments:
            url = address if address.startswith("/") else f"/live/{address}"
            found[short] = http_get(lab.url(name) + url)[1]
    return found


def decodes(path):
    """Errors of a full decode, and the number of pictures in a file."""
    checked = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", path, "-f", "null", "-"], capture_output=True, text=True)
    counted = subprocess.run(["ffprobe", "-v", "error", "-count_packets", "-select_streams", "v", "-show_entries",
                              "stream=nb_read_packets", "-of", "csv=p=0", path], capture_output=True, text=True)
    return checked.stderr, int(re.search(r"\d+", counted.stdout)[0])


def largest_step_s(path):
    """Longest time from one picture to the next: what is missing in between shows here."""
    listed = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of",
                             "csv=p=0", path], capture_output=True, text=True)
    times = sorted(float(line.strip(",")) for line in listed.stdout.split() if line)
    return max(later - earlier for earlier, later in zip(times, times[1:]))


def stall_ms(program):
    """How long a player with a second of media in hand would have stood still."""
    return program.json_lines()[-1]["stall_ms"]


def viewer_chunks(program):
    lines = program.json_lines()
    return lines[-1].get("chunks", 0) if lines else 0


def test_one_flipped_bit_is_rejected_and_never_reaches_anybody(lab, tmp_path):
    lab.coordinator()
    lab.relay("origin", role="origin")
    # relay1 listens first, so that the proxy knows where to go; it advertises the proxy.
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        relay1_port = probe.getsockname()[1]
    proxy = FlipProxy(relay1_port)
    try:
        lab.relay("relay1", advertise=f"ws://{HOST}:{proxy.port}/relay", port=relay1_port)
        wait_until(lambda: lab.stats("relay1"), "relay1")
        lab.relay("relay2")
        lab.publisher()
        lab.push_rtmp()
        for name in ("origin", "relay1", "relay2"):
            lab.wait_live(name)
        film = tmp_path / "film.mp4"
        viewer = lab.viewer("viewer", out=film)
        wait_until(lambda: viewer_chunks(viewer) > 4, "the viewer's first chunks")
        proxy.arm()
        wait_until(lambda: proxy.flipped == 1, "a slice to flip a bit in", 10)
        wait_until(lambda: lab.stream("relay2").get("slices_rejected", 0) == 1, "the rejection at relay2", 10)
        before = viewer_chunks(viewer)
        wait_until(lambda: viewer_chunks(viewer) >= before + 8, "chunks after the flip", 10)
        # Every segment that relay2 lists is whole and the same as at the origin, the one with the flip among them.
        listed = lab.playlist("relay2")
        segments = [name.rsplit("/", 1)[-1] for name in segment_names(listed)]
        assert len(segments) >= 3 and "EXT-X-GAP" not in listed and "GAP=YES" not in listed, listed
        wait_until(lambda: set(segments) <= {n.rsplit("/", 1)[-1] for n in segment_names(lab.playlist("origin"))}, "segments at the origin", 10)
        assert media_of(lab, "relay2", segments) == media_of(lab, "origin", segments)
        viewer.terminate()
        errors, pictures = decodes(film)
        assert errors == "" and pictures > 60
        assert largest_step_s(film) < 2 * FRAME_S and stall_ms(viewer) <= 1000
    finally:
        proxy.close()


def test_the_viewer_goes_on_when_a_relay_dies_and_no_chunk_is_missing(lab, tmp_path):
    start_chain(lab)
    film = tmp_path / "film.mp4"
    viewer = lab.viewer("viewer", out=film)
    wait_until(lambda: viewer_chunks(viewer) > 4, "the viewer's first chunks")
    lab.programs["relay1"].kill()
    before = viewer_chunks(viewer)
    wait_until(lambda: viewer_chunks(viewer) >= before + 6, "chunks after the kill", 10)
    wait_until(lambda: lab.stream("relay2").get("hop") == 2, "relay2 directly behind the origin", 20)
    viewer.terminate()
    errors, pictures = decodes(film)
    assert errors == "" and pictures > 90
    assert largest_step_s(film) < 2 * FRAME_S and stall_ms(viewer) <= 2000


def test_what_a_viewer_wrote_holds_every_published_picture_and_decodes(lab, tmp_path):
    lab.coordinator()
    lab.relay("origin", role="origin")
    lab.relay("relay1")
    lab.publisher()
    source = lab.push_rtmp()
    lab.wait_live("relay1")
    film = tmp_path / "film.mp4"
    viewer = lab.viewer("viewer", out=film)
    wait_until(lambda: viewer_chunks(viewer) >= 2 * 2 * 9, "nine seconds of two tracks in parts of half a second", 60)
    source.child.send_signal(signal.SIGTERM)
    source.child.wait(30)
    # The source may come back within 20 s; then the stream is ended and its viewers end by themselves.
    wait_until(lambda: not viewer.running(), "the end", 60)
    errors, pictures = decodes(film)
    assert errors == ""
    assert pictures >= 8 * 30


def test_a_source_with_a_wrong_key_is_refused_and_the_right_one_taken(lab):
    lab.coordinator()
    lab.relay("origin", role="origin")
    lab.publisher()
    wrong = lab.push_rtmp("wrong", key="not-the-key", seconds=20)
    assert wrong.child.wait(15) != 0
    assert "not-the-key" not in lab.programs["publisher"].err()
    assert lab.stream("origin").get("chunks", 0) == 0
    lab.push_rtmp("right")
    lab.wait_live("origin")


@pytest.mark.parametrize("away_s", [20])
def test_delivery_goes_on_while_the_coordinator_is_away_and_no_payout_is_doubled(lab, tmp_path, away_s):
    start_chain(lab)
    film = tmp_path / "film.mp4"
    viewer = lab.viewer("viewer", out=film)
    wait_until(lambda: viewer_chunks(viewer) > 4, "the viewer's first chunks")
    port = lab.ports["coordinator"]
    lab.programs["coordinator"].kill()
    before = viewer_chunks(viewer)
    wait_until(lambda: viewer_chunks(viewer) >= before + 2 * away_s - 4, f"{away_s} s of chunks without a coordinator", away_s + 10)
    assert lab.stats("relay2")["heartbeats_failed"] > 0
    beats = lab.stats("relay2")["heartbeats_ok"]
    lab.coordinator(port=port)
    wait_until(lambda: lab.stats("relay2").get("heartbeats_ok", 0) > beats, "heartbeats after the return", 40)
    payouts = http_json(lab.url("coordinator") + "/payouts?hours_back=1")["payouts"]
    paid = next(payout for name, payout in payouts.items() if name in (lab.stream_id, ALIAS))
    assert paid["total_pool"] == 1000.0
    assert sum(value for value in paid["node_payouts"].values() if isinstance(value, float)) <= 1000.0 + 1e-6
    viewer.terminate()
    errors, _ = decodes(film)
    assert errors == ""
    assert largest_step_s(film) < 2 * FRAME_S and stall_ms(viewer) == 0
