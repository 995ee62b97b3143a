"""The players that people have, all at once at one relay behind an origin: in a browser hls.js and shaka-player, each in
low-latency and in default mode; outside of it mpv, ffmpeg, VLC and GStreamer."""
import json
import re
import subprocess
import urllib.request

import pytest

import players
from harness import ALIAS, Lab, wait_until


@pytest.fixture(scope="module")
def evening(tmp_path_factory):
    folder = tmp_path_factory.mktemp("players")
    lab = Lab(folder)
    made = None
    try:
        lab.coordinator()
        lab.relay("origin", role="origin")
        lab.relay("relay1")
        lab.relay("relay2")
        lab.publisher()
        lab.push_rtmp(size="320x180", kbps=600)
        # hlsdemux2 of GStreamer 1.22 loses its place where the first list that it sees holds a single segment.
        wait_until(lambda: (lab.playlist("relay1") or "").count("#EXTINF") >= 3, "three segments at relay1", 30)
        made = players.Evening(folder, f"{lab.url('relay1')}/live/{ALIAS}.m3u8")
        made.lab = lab
        made.start()
        yield made
    finally:
        if made:
            made.stop()
        lab.stop()


def needs(evening, name):
    if name in evening.absent:
        pytest.skip(evening.absent[name])


@pytest.mark.parametrize("player", players.BROWSER_PLAYERS)
def test_a_player_in_a_browser_plays_on(evening, player):
    needs(evening, "browser")
    seen = evening.in_browser(player)
    assert seen["ok"], seen
    assert (seen["width"], seen["height"]) == (320, 180)
    assert seen["frames"] > 100
    assert not set(seen["requests"]["refused"]) - {"404"}, seen


@pytest.mark.parametrize("player", ["hls:low", "shaka:low"])
def test_a_player_in_low_latency_mode_reloads_by_waiting_and_plays_parts(evening, player):
    needs(evening, "browser")
    asked = evening.in_browser(player)["requests"]
    assert asked["blocking"] > 5 and asked["parts"] > 5, asked


def test_mpv_plays_on(evening):
    needs(evening, "mpv")
    code, text = evening.said("mpv")
    places = [float(place) for place in re.findall(r"at (\d+\.\d+)", text)]
    assert code == 0 and places and places[-1] - places[0] > players.SECONDS - 2, text[-2000:]


def test_ffmpeg_decodes_without_a_complaint(evening):
    needs(evening, "ffmpeg")
    code, text = evening.said("ffmpeg")
    assert code == 0, text[-2000:]
    assert int(re.findall(r"frame=\s*(\d+)", text)[-1]) >= players.SECONDS * 25, text[-2000:]
    assert not re.search(r"error|invalid|corrupt|non-existing", text, re.IGNORECASE), text[-2000:]


def test_vlc_plays_on(evening):
    needs(evening, "vlc")
    code, text = evening.said("vlc")
    film = evening.folder / "vlc" / "film.ts"
    assert code == 0 and film.exists(), text[-2000:]
    probe = subprocess.run(["ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=codec_type,nb_read_packets",
                            "-of", "json", film], capture_output=True, text=True)
    packets = {stream["codec_type"]: int(stream["nb_read_packets"]) for stream in json.loads(probe.stdout)["streams"]}
    assert packets.get("video", 0) >= 100 and packets.get("audio", 0) >= 100, (packets, text[-2000:])


@pytest.mark.parametrize("element", ["playbin", "playbin3"])
def test_gstreamer_plays_on(evening, element):
    needs(evening, f"gstreamer-{element}")
    name = f"gstreamer-{element}"

    def rendered():
        counts = re.findall(r"rendered: (\d+)", evening.so_far(name))
        return bool(counts) and int(counts[-1]) >= players.SECONDS * 20

    wait_until(lambda: rendered() or evening.children[name].poll() is not None, "the end of the play", 60)
    text = evening.so_far(name)
    assert rendered() and "ERROR" not in text, text[-2000:]
    evening.children[name].terminate()


def test_a_browser_that_loses_its_relay_goes_on_at_the_next_pathway(evening):
    needs(evening, "browser")
    lab = evening.lab
    for name in evening.children:  # the others are through with their relay
        evening.said(name)

    def steering():
        with urllib.request.urlopen(f"{lab.url('coordinator')}/steering/{lab.stream_id}", timeout=3) as reply:
            manifest = json.load(reply)
        return manifest if len(manifest["PATHWAY-PRIORITY"]) >= 3 else None

    wait_until(steering, "a steering manifest with both relays and the origin")
    with (evening.folder / "steered.out").open("w+") as out:
        child = subprocess.Popen(["node", players.BROWSER / "play.mjs", evening.url, "--player", "hls:low", "--seconds", "14",
                                  "--timeout", "50"], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, text=True)
        line = child.stderr.readline()
        lost = re.fullmatch(r"playing hls:low at (\S+:(\d+))\n", line)
        assert lost, line + child.stderr.read()
        next(lab.programs[name] for name, port in lab.ports.items() if port == int(lost[2])).kill()
        code = child.wait(60)
        out.seek(0)
        text = out.read()
    assert code == 0, text
    asked = json.loads(text.splitlines()[-1])["requests"]["hosts"]
    assert sum(count for host, count in asked.items() if host != lost[1]) > 10, text
