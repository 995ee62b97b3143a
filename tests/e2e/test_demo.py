"""./demo as a person runs it: everything holds, a browser and ffmpeg play what it serves, nothing is left behind."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

from harness import BIN, ROOT, wait_until

BROWSER = ROOT / "tests" / "e2e" / "browser"
# A small picture leaves the processor to the browser; the way it takes is the same.
SMALL = ["--size", "640x360", "--kbps", "1500"]


def start_demo(folder, *arguments):
    """The demo with its addresses, once everything answers."""
    urls = folder / "urls.json"
    process = subprocess.Popen(["python3", "-B", ROOT / "tools" / "demo", "--programs", BIN, "--urls", urls, *arguments],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def answered():
        if process.poll() is not None:
            pytest.fail(f"the demo ended with {process.returncode}: {process.stdout.read()[-2000:]}")
        return urls.exists()
    wait_until(answered, "urls.json", 60)
    return process, json.loads(urls.read_text())


def test_a_browser_plays_ten_seconds_from_relay_2_and_the_report_says_that_everything_held(tmp_path):
    if not (BROWSER / "node_modules").exists() or not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        pytest.skip("no Chromium or no browser packages on this machine")
    report = tmp_path / "report.json"
    demo, urls = start_demo(tmp_path, *SMALL, "--seconds", "40", "--report", report)
    played = subprocess.run(["node", BROWSER / "play.mjs", urls["hls"]["relay2"], "--seconds", "10", "--timeout", "35"],
                            capture_output=True, text=True)
    said = demo.communicate(timeout=60)[0]
    assert played.returncode == 0, played.stdout + played.stderr
    assert demo.returncode == 0, said[-3000:]
    found = json.loads(report.read_text())
    assert found["rejected_slices"] == 0 and found["processes_left"] == 0
    assert found["hops"] == 3 and found["relays"] == 3
    assert found["delivered_chunks"] > 40 and found["published_chunks"] >= found["delivered_chunks"]
    assert found["heartbeats"] > 0 and found["payouts"] > 0 and found["first_picture_ms"] > 0
    for node in ("origin", "relay1", "relay2", "viewer"):
        assert 0 < found["latency_ms"][node]["p50"] <= found["latency_ms"][node]["p99"]


def test_ffmpeg_reads_every_relay_and_ctrl_c_ends_everything_within_three_seconds(tmp_path):
    demo, urls = start_demo(tmp_path, *SMALL)
    for address in urls["hls"].values():
        read = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", address, "-t", "3", "-f", "null", "-"],
                              capture_output=True, text=True, timeout=60)
        assert read.returncode == 0 and read.stderr == "", read.stderr
    begun = time.monotonic()
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=10)
    assert time.monotonic() - begun < 3.0
    assert not processes_of(urls["stream_key"])


def processes_of(word):
    """Processes whose command line holds a word that only this demo knows."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if word.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
