"""Player programs that people have, each started on one HLS address, ended by itself, and judged by what it decoded.

    evening = Evening(folder, "http://127.0.0.1:8080/live/talk.m3u8")
    evening.start(); evening.result("mpv")      # (reason it could not run, or None, what it said)
"""
import json
import os
import pathlib
import shutil
import subprocess

BROWSER = pathlib.Path(__file__).resolve().parent / "browser"
BROWSER_PLAYERS = ("hls:low", "hls:default", "shaka:low", "shaka:default")
PROGRAMS = ("mpv", "ffmpeg", "vlc", "gstreamer-playbin", "gstreamer-playbin3")
SECONDS = 8
NOBODY = 65534


def unprivileged(folder):
    """Words before a command that refuses root: it runs as nobody with a home of its own. Nothing where we are not root."""
    if os.geteuid() != 0:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    for parent in folder.parents:
        if parent.stat().st_uid == 0 and parent != pathlib.Path("/") and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "env", f"HOME={folder}",
            f"XDG_RUNTIME_DIR={folder}", f"XDG_CONFIG_HOME={folder / '.config'}"]


def gst_command(element, url):
    """Plays with a clock and without a window and tells what it rendered, until it is ended."""
    return ["gst-launch-1.0", "-v", element, f"uri={url}", "audio-sink=fakesink sync=true",
            "video-sink=fpsdisplaysink text-overlay=false video-sink=fakesink fps-update-interval=500"]


def commands(url, folder):
    """Program name to (command, what it needs to be installed)."""
    return {
        "mpv": (["mpv", "--no-config", "--vo=null", "--ao=null", f"--length={SECONDS}", "--term-status-msg=at ${=time-pos}\n", url], "mpv"),
        "ffmpeg": (["ffmpeg", "-hide_banner", "-nostdin", "-i", url, "-t", SECONDS, "-f", "null", "-"], "ffmpeg"),
        "vlc": ([*unprivileged(folder / "vlc"), "cvlc", "--no-one-instance", "--play-and-exit", f"--run-time={SECONDS + 6}",
                 "--sout", f"#std{{access=file,mux=ts,dst={folder / 'vlc' / 'film.ts'}}}", url, "vlc://quit"], "cvlc"),
        "gstreamer-playbin": (gst_command("playbin", url), "gst-launch-1.0"),
        "gstreamer-playbin3": (gst_command("playbin3", url), "gst-launch-1.0"),
    }


class Evening:
    """All players at one address at the same time."""

    def __init__(self, folder, url):
        self.folder, self.url = pathlib.Path(folder), url
        self.children, self.absent = {}, {}

    def start(self, programs=PROGRAMS, browser=BROWSER_PLAYERS, limit_s=60):
        every = commands(self.url, self.folder)
        for name in programs:
            command, needs = every[name]
            self._start(name, command, needs, limit_s)
        if browser:
            words = [word for player in browser for word in ("--player", player)]
            self._start("browser", ["node", BROWSER / "play.mjs", self.url, *words, "--seconds", SECONDS, "--timeout", limit_s - 10],
                        "node", limit_s)

    def _start(self, name, command, needs, limit_s):
        if shutil.which(needs) is None:
            self.absent[name] = f"{needs} is not installed"
            return
        with (self.folder / f"{name}.log").open("wb") as log:
            self.children[name] = subprocess.Popen(["timeout", "-k", "3", str(limit_s), *map(str, command)],
                                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def said(self, name):
        """(exit code, output) of a program, waited for."""
        code = self.children[name].wait()
        return code, self.so_far(name)

    def so_far(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def in_browser(self, player):
        """What a player in the browser saw."""
        _, text = self.said("browser")
        for line in text.splitlines():
            if line.startswith("{"):
                seen = json.loads(line)
                if seen["player"] == player:
                    return seen
        raise AssertionError(f"{player} said nothing: {text[-2000:]}")

    def stop(self):
        for child in self.children.values():
            if child.poll() is None:
                child.terminate()
                child.wait(10)
