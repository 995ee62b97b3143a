"""A whole network on this machine: coordinator, origin, two relays, publisher, viewer, and a live source over RTMP.

Runs until Ctrl-C, or for --seconds. Exit codes: 0 everything held · 1 something did not, and a sentence says what ·
2 wrong usage · 3 what is missing could not be installed
"""
import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from figures import Figures  # noqa: E402
from network import DemoFailed, Network  # noqa: E402
from screen import Screen  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ["streamr-coordinator", "streamr-relay", "streamr-publish", "streamr-watch", "streamr-keygen"]
START_LIMIT_S = 60


def parse_options():
    parser = argparse.ArgumentParser(prog="./demo", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, metavar="N", help="run for N seconds once everything answers, without a screen")
    parser.add_argument("--report", type=pathlib.Path, metavar="FILE", help="write what was measured as JSON")
    parser.add_argument("--urls", type=pathlib.Path, metavar="FILE", help="write the addresses as JSON as soon as all of them answer")
    parser.add_argument("--no-source", action="store_true", help="start no test source: OBS or ffmpeg pushes instead")
    parser.add_argument("--size", default="1920x1080", metavar="WxH", help="picture of the test source (1920x1080)")
    parser.add_argument("--kbps", type=int, default=8000, metavar="N", help="rate of the test source (8000)")
    parser.add_argument("--programs", type=pathlib.Path, metavar="DIR", help="take the programs from there and build nothing")
    parser.add_argument("--yes", action="store_true", help="install what is missing without asking")
    options = parser.parse_args()
    if options.seconds is not None and options.seconds <= 0:
        parser.error("--seconds wants a number above 0")
    return options


def install(options):
    """Installs what is missing; False when that did not work."""
    command = [str(ROOT / "tools" / "setup"), "demo", *(["--yes"] if options.yes or options.seconds else [])]
    return subprocess.run(command).returncode == 0


def show_step(line, state):
    """One line of the build's progress: in place on a terminal, now and then elsewhere."""
    if not line.startswith("["):
        return
    if sys.stdout.isatty():
        print(f"\r\033[K{line.strip()[:100]}", end="", flush=True)
    elif time.monotonic() - state.get("shown", 0) > 10:
        state["shown"] = time.monotonic()
        print(line.strip()[:100], flush=True)


def build():
    """Builds the programs in the release preset; returns their folder, or nothing when the build failed."""
    print("Building the programs (build/release)…", flush=True)
    configure = ["cmake", "--preset", "release", "-DSTREAMR_BUILD_BENCH=OFF"]
    made = subprocess.run(configure, cwd=ROOT, capture_output=True, text=True)
    if made.returncode != 0:
        print(made.stdout + made.stderr, file=sys.stderr)
        return None
    command = ["cmake", "--build", "build/release", f"-j{os.cpu_count() or 2}", "--target", *PROGRAMS]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    lines, state = [], {}
    for line in process.stdout:
        lines.append(line)
        show_step(line, state)
    print("\r\033[K" if sys.stdout.isatty() else "", end="")
    if process.wait() != 0:
        print("".join(lines[-30:]), file=sys.stderr)
        return None
    return ROOT / "build" / "release" / "bin"


def write_json(path, value):
    """Writes a file whole or not at all, so that whoever waits for it never reads half of it."""
    path = path.absolute()
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(json.dumps(value, indent=2) + "\n")
    part.replace(path)


class Stop(Exception):
    """Somebody asked the demo to end."""


def on_signal(_number, _frame):
    raise Stop


def run_network(network, figures, screen, options):
    """Starts everything, then keeps the screen up to date until it is time to end."""
    network.start(screen.note)
    network.wait_until_live(START_LIMIT_S if not options.no_source else None, screen.note)
    urls = network.urls()
    if options.urls:
        write_json(options.urls, urls)
    screen.ready(urls)
    end = time.monotonic() + options.seconds if options.seconds else None
    while end is None or time.monotonic() < end:
        network.look_after_source(screen.note)
        network.check_alive()
        figures.look()
        screen.show(figures)
        time.sleep(min(1.0, max(0.0, end - time.monotonic())) if end else 1.0)
    figures.look()


def run(options, programs):
    """Runs the network in a folder of its own; returns the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    failures = []
    screen = Screen(live=options.seconds is None)
    with tempfile.TemporaryDirectory(prefix="streamr-demo-") as folder:
        logs = ROOT / "build" / "logs" / "demo"
        network = Network(programs, pathlib.Path(folder), logs, options)
        figures = Figures(network)
        try:
            run_network(network, figures, screen, options)
        except Stop:
            screen.note("Ending…")
        except DemoFailed as failure:
            failures.append(str(failure))
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            figures.look_last()
            network.stop()
        report = figures.report()
        report["processes_left"] = network.processes_left()
    failures += figures.failures(report, timed=options.seconds is not None)
    report["failures"] = failures
    if options.report:
        write_json(options.report, report)
    screen.end(report, failures, logs)
    return 1 if failures else 0


def main():
    options = parse_options()
    try:
        if not options.programs:
            if not install(options):
                return 3
            options.programs = build()
            if options.programs is None:
                print("The build failed; the lines above say where.", file=sys.stderr)
                return 1
        return run(options, options.programs.absolute())
    except (Stop, KeyboardInterrupt):
        return 130


if __name__ == "__main__":
    sys.exit(main())
