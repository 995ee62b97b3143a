"""What streamers use, each in its default settings, reaches a player: OBS and GStreamer (ffmpeg feeds every other test)."""
import json
import shutil
import subprocess

import pytest

import sources
from harness import ALIAS, Lab

PLAYED_S = 4


@pytest.fixture(scope="module")
def labs(tmp_path_factory):
    """Both sources at once, since OBS takes its time: name to lab, or to the reason why there is none."""
    made, screen = {}, None
    try:
        for name, needs in (("obs", ("obs", "Xvfb")), ("gstreamer", ("gst-launch-1.0",))):
            absent = [program for program in needs if shutil.which(program) is None]
            if absent:
                made[name] = f"{' and '.join(absent)} not installed"
                continue
            lab = made[name] = Lab(tmp_path_factory.mktemp(name))
            lab.coordinator()
            lab.relay("origin", role="origin")
            lab.publisher()
            if name == "obs":
                screen = sources.Screen()
                sources.push_obs(lab, screen)
            else:
                sources.push_gstreamer(lab)
        yield made
    finally:
        for lab in made.values():
            if isinstance(lab, Lab):
                lab.stop()
        if screen:
            screen.stop()


def watched(labs, name, first_segment_s):
    """Target duration and what ffmpeg decoded of a source's stream."""
    if not isinstance(labs[name], Lab):
        pytest.skip(labs[name])
    lab = labs[name]
    try:
        target_s = sources.wait_target_duration(lab, "origin", first_segment_s)
    except AssertionError as late:
        raise AssertionError(f"{late}\n{lab.programs[name].err()[-1500:]}\n{lab.programs['publisher'].err()[-1500:]}") from None
    film = lab.folder / "film.mkv"
    played = subprocess.run(["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-i", f"{lab.url('origin')}/live/{ALIAS}.m3u8",
                             "-t", str(PLAYED_S), "-c", "copy", "-y", film], capture_output=True, text=True, timeout=60)
    assert played.returncode == 0, played.stderr
    probe = subprocess.run(["ffprobe", "-v", "error", "-count_frames", "-show_entries",
                            "stream=codec_type,codec_name,width,height,nb_read_frames", "-of", "json", film],
                           capture_output=True, text=True, timeout=60)
    assert probe.stderr == "", probe.stderr
    return target_s, {stream["codec_type"]: stream for stream in json.loads(probe.stdout)["streams"]}


def test_gstreamer_publishes_and_is_decoded(labs):
    target_s, streams = watched(labs, "gstreamer", 30)
    assert target_s == 2
    assert (streams["video"]["codec_name"], streams["video"]["width"], streams["video"]["height"]) == ("h264", 320, 180)
    assert int(streams["video"]["nb_read_frames"]) >= PLAYED_S * 25
    assert streams["audio"]["codec_name"] == "aac" and int(streams["audio"]["nb_read_frames"]) >= PLAYED_S * 40


def test_obs_in_its_default_settings_publishes_and_is_decoded(labs):
    target_s, streams = watched(labs, "obs", 60)
    assert 2 < target_s <= 10  # its key frames are 8.3 s apart
    assert (streams["video"]["codec_name"], streams["video"]["width"], streams["video"]["height"]) == ("h264", 640, 360)
    assert int(streams["video"]["nb_read_frames"]) >= PLAYED_S * 25
    assert streams["audio"]["codec_name"] == "aac" and int(streams["audio"]["nb_read_frames"]) >= PLAYED_S * 40
