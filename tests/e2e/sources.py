"""Programs that streamers use, started so that they publish over RTMP as they do in their default settings."""
import json
import os
import pathlib
import re
import subprocess

from harness import STREAM_KEY, wait_until
from players import unprivileged

SCREEN = "640x360"  # OBS takes the size of the screen that it finds as its canvas


def push_gstreamer(lab):
    """GStreamer's rtmp2sink behind x264 and AAC."""
    return lab.start("gstreamer", [
        "gst-launch-1.0", "-e", "flvmux", "name=mux", "streamable=true", "!", "rtmp2sink",
        f"location=rtmp://127.0.0.1:{lab.ports['rtmp']}/live/{STREAM_KEY}", "videotestsrc", "is-live=true", "!",
        "video/x-raw,width=320,height=180,framerate=30/1", "!", "x264enc", "tune=zerolatency", "speed-preset=ultrafast",
        "key-int-max=60", "bitrate=500", "!", "h264parse", "!", "mux.", "audiotestsrc", "is-live=true", "!",
        "audio/x-raw,rate=48000,channels=2", "!", "voaacenc", "!", "aacparse", "!", "mux."])


def obs_home(folder, server):
    """A home as OBS leaves it after its first start, where somebody entered an RTMP server and a key and nothing else."""
    base = folder / ".config" / "obs-studio"
    profile = base / "basic" / "profiles" / "Untitled"
    scenes = base / "basic" / "scenes"
    profile.mkdir(parents=True)
    scenes.mkdir(parents=True)
    (base / "global.ini").write_text("[General]\nFirstRun=true\n\n[Basic]\nProfile=Untitled\nProfileDir=Untitled\n"
                                     "SceneCollection=Untitled\nSceneCollectionFile=Untitled\n")
    (profile / "basic.ini").write_text("[General]\nName=Untitled\n")
    (profile / "service.json").write_text(json.dumps({
        "type": "rtmp_custom", "settings": {"server": server, "key": STREAM_KEY, "use_auth": False, "bwtest": False}}))
    (scenes / "Untitled.json").write_text(json.dumps({
        "name": "Untitled", "current_scene": "Scene", "current_program_scene": "Scene", "scene_order": [{"name": "Scene"}],
        "sources": [{"id": "scene", "versioned_id": "scene", "name": "Scene", "settings": {"items": [], "id_counter": 0}}]}))
    return folder


class Screen:
    """An X server without a monitor."""

    def __init__(self):
        read, write = os.pipe()
        self.child = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", f"{SCREEN}x24", "-nolisten", "tcp", "-ac"],
                                      pass_fds=[write], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as told:
            self.display = ":" + told.readline().strip()

    def stop(self):
        self.child.terminate()
        self.child.wait(10)


def push_obs(lab, screen):
    """OBS as it is installed, told only where to stream to."""
    home = obs_home(pathlib.Path(lab.folder) / "obs-home", f"rtmp://127.0.0.1:{lab.ports['rtmp']}/live")
    return lab.start("obs", [*unprivileged(home), "obs", "--multi", "--startstreaming", "--disable-updater"],
                     {"DISPLAY": screen.display, "LIBGL_ALWAYS_SOFTWARE": "1", "HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config"),
                      "QT_QPA_PLATFORM": "xcb"})


def target_duration(lab, name):
    """EXT-X-TARGETDURATION of the stream at a relay, once it lists a segment."""
    text = lab.playlist(name) or ""
    found = re.search(r"#EXT-X-TARGETDURATION:(\d+)", text)
    return int(found[1]) if found and "#EXTINF" in text else None


def wait_target_duration(lab, name, limit_s):
    return wait_until(lambda: target_duration(lab, name), f"a first segment at {name}", limit_s)
