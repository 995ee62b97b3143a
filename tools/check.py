"""Builds libstreamr and runs every test; a stage that fails does not hide another one.

Real processes and the search of the fuzzers go on beside what compiles and computes. The last line is always
"N passed, N failed", with what was skipped. Exit code 0 when nothing failed, 1 when something did, 2 on wrong usage.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "checking"))
from lanes import Lanes  # noqa: E402
from results import Tally, count_ctest, count_pytest  # noqa: E402,F401 (the tests of this program use them here)
from screen import Screen  # noqa: E402
from stage import BUILD, LAST, LOGS, ROOT, YIELDING, Stage  # noqa: E402

BROWSER = ROOT / "tests" / "e2e" / "browser"
# The distribution's interpreter is the one that sees the distribution's pytest.
PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
PROGRAMS = ("streamr-coordinator", "streamr-keygen", "streamr-publish", "streamr-relay", "streamr-watch")
SLOWEST = 10


def build_dev(stage):
    """Library and programs in the dev preset."""
    # Unit and loopback tests run under the sanitizers, once each: to compile them here as well would cost minutes.
    return stage.build("dev", ["streamr", *PROGRAMS, "tests-sim"])


def run_dev(stage):
    """The tree itself, the coordinator's wire, and small simulated networks."""
    stage.ctest("dev", ["-L", "^(arch|e2e|sim)$"], stage.options.jobs)


def build_storm(stage):
    """The storm has a folder of its own, which its nightly command builds."""
    return True


def run_storm(stage):
    """Storms on 500 simulated relays, 10 virtual minutes each, in the release preset."""
    options = stage.options
    code = stage.run([PYTHON, ROOT / "tests" / "sim" / "nightly", *([] if options.nightly else ["--plain"]),
                      "--seeds", str(1000 if options.nightly else options.storm_seeds), "--jobs", str(options.jobs)], nice=YIELDING)
    count = re.search(r"(?m)^(\d+) passed, (\d+) failed$", stage.log_path.read_text(errors="replace"))
    failed = int(count[2]) if count else 0
    stage.tally.add(int(count[1]) if count else 0, ["a seed broke a promise, its replay stands in the log"] * failed)
    if code != 0 and not failed:
        stage.tally.add(0, [f"the storm ended with {code}"])
    if code != 0:
        stage.show_tail()


def build_asan(stage):
    return stage.build("asan", ["tests-unit"])


def run_asan(stage):
    """Unit tests under AddressSanitizer and UndefinedBehaviorSanitizer."""
    stage.ctest("asan", ["-L", "^unit$"], stage.options.jobs,
                {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1"}, nice=YIELDING)


def build_tsan(stage):
    return stage.build("tsan", ["tests-loopback"])


def run_tsan(stage):
    """Loopback tests under ThreadSanitizer."""
    stage.ctest("tsan", ["-L", "^loopback$"], stage.options.jobs, {"TSAN_OPTIONS": "halt_on_error=0:exitcode=66"})


def build_fuzz(stage):
    return stage.build("fuzz", [])


def fuzz_targets():
    """The fuzzers of the build with the folders ctest would hand them."""
    described = subprocess.run(["ctest", "--test-dir", str(BUILD / "fuzz"), "--show-only=json-v1"], capture_output=True, text=True)
    if described.returncode != 0:
        return []
    return [entry["command"] for entry in json.loads(described.stdout)["tests"] if "command" in entry]


def run_fuzz(stage):
    """Every fuzzer replays its kept corpus and searches on from it, beside everything else and after it in priority."""
    waiting = fuzz_targets()
    if not waiting:
        stage.tally.add(0, ["no fuzzer was found"])
    lock = threading.Lock()

    def search():
        while True:
            with lock:
                if not waiting:
                    return
                command = waiting.pop(0)
            begun, name = time.monotonic(), pathlib.Path(command[0]).name
            log = LOGS / f"{name}.log"
            log.write_text("")
            code = stage.run([word.replace("-runs=0", f"-max_total_time={stage.options.fuzz_seconds}") for word in command],
                             nice=LAST, log_path=log)
            stage.tally.add(code == 0, [] if code == 0 else [f"{name} found something, see {log.relative_to(ROOT)}"],
                            times=[(time.monotonic() - begun, name)])
            if code != 0:
                stage.show_tail(log)
    threads = [threading.Thread(target=search) for _ in range(stage.options.jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def build_e2e(stage):
    """The programs, and the packages of the browser test in its own folder."""
    if (BROWSER / "package-lock.json").exists() and shutil.which("npm"):
        wanted = (BROWSER / "package-lock.json").read_bytes()
        mark = BROWSER / "node_modules" / ".installed-lock"
        if not mark.exists() or mark.read_bytes() != wanted:
            if stage.must(["npm", "ci", "--ignore-scripts", "--no-fund", "--no-audit"], "npm ci", cwd=BROWSER):
                mark.write_bytes(wanted)
    return stage.build("dev", ["streamr", *PROGRAMS])


def run_e2e(stage):
    """Real processes: coordinator, relays, publisher, viewers, players, a browser."""
    Lanes(stage, PYTHON, ROOT / "tests" / "e2e", stage.options.file or ()).run(stage.options.lanes)


# In this order; the two of BESIDE run on while the others build and compute.
STAGES = {"e2e": (build_e2e, run_e2e), "fuzz": (build_fuzz, run_fuzz), "asan": (build_asan, run_asan), "tsan": (build_tsan, run_tsan),
          "dev": (build_dev, run_dev), "storm": (build_storm, run_storm)}
BESIDE = ("e2e", "fuzz")


def run_stages(names, options, screen):
    """Runs the stages and gives them back, each with its results."""
    stages, beside = [], []

    def run(stage, test):
        try:
            test(stage)
        except Exception as why:  # noqa: BLE001: a stage that breaks is a failure and hides no other one
            stage.tally.add(0, [f"the stage broke: {why!r}"])
        stage.end()
    for name in (name for name in STAGES if name in names):
        if options.interrupted.is_set():
            break
        build, test = STAGES[name]
        stage = Stage(name, screen, options)
        stages.append(stage)
        stage.say(test.__doc__)
        if not build(stage):
            stage.end()
        elif name in BESIDE:
            beside.append(threading.Thread(target=run, args=(stage, test)))
            beside[-1].start()
        else:
            run(stage, test)
    for thread in beside:
        thread.join()
    return stages


def interrupt(options):
    """Ctrl-C reaches every child as well; each is waited for, none is begun any more."""
    def interrupted(*_):
        options.interrupted.set()
    signal.signal(signal.SIGINT, interrupted)


def report(stages, took_s, options, screen):
    """One row a stage, the slowest tests, what failed, and the last line; gives the exit code."""
    total = Tally()
    if options.interrupted.is_set():
        total.add(0, ["the run was interrupted (SIGINT); stages that are not in the table did not begin"])
    rows = [f"{'stage':6}{'took':>7}{'of it building':>16}{'processor':>11}   results"]
    for stage in stages:
        rows.append(f"{stage.name:6}{stage.took_s:5.0f} s{stage.built_s:14.0f} s{stage.cpu_s:9.0f} s   {stage.tally.counts()}")
        total.take(stage.tally, f"{stage.name}: ")
    slowest = sorted(((seconds, stage.name, name) for stage in stages for seconds, name in stage.tally.times), reverse=True)[:SLOWEST]
    rows += ["The slowest tests:", *(f"{seconds:9.1f} s  {stage}: {name}" for seconds, stage, name in slowest)] if slowest else []
    rows += [f"FAILED {failure}" for failure in total.failures]
    rows.append(f"The whole run took {took_s:.0f} s; logs are in build/logs.")
    screen.line("\n".join(rows))
    screen.line(total.counts())
    return 1 if total.failures else 0


def parse_options():
    cores = os.cpu_count() or 2
    parser = argparse.ArgumentParser(prog="./check", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", action="append", choices=STAGES, metavar="STAGE",
                        help=f"run this stage alone, may be repeated: {', '.join(STAGES)}")
    parser.add_argument("--file", action="append", metavar="WORD", help="of the real processes only files whose name holds this word")
    parser.add_argument("--fuzz-seconds", type=int, default=60, metavar="N", help="time each fuzzer searches (60)")
    parser.add_argument("--storm-seeds", type=int, default=50, metavar="N", help="storms on 500 simulated relays (50)")
    parser.add_argument("--nightly", action="store_true", help="only the storm, with 1000 seeds and under the sanitizers: many hours")
    parser.add_argument("--jobs", type=int, metavar="N", default=cores, help="compilers and computing tests at a time (all cores)")
    parser.add_argument("--lanes", type=int, metavar="N", default=max(3, cores), help="files of real processes at a time (3, or all cores)")
    parser.add_argument("--yes", action="store_true", help="install what is missing without asking")
    options = parser.parse_args()
    options.interrupted = threading.Event()
    return options


def main():
    options, screen = parse_options(), Screen()
    begun = time.monotonic()
    setup = [str(ROOT / "tools" / "setup"), "check", *(["--yes"] if options.yes else [])]
    if subprocess.run(setup).returncode != 0:
        print("0 passed, 1 failed")
        return 1
    LOGS.mkdir(parents=True, exist_ok=True)
    interrupt(options)
    stages = run_stages(["storm"] if options.nightly else options.only or list(STAGES), options, screen)
    return report(stages, time.monotonic() - begun, options, screen)


if __name__ == "__main__":
    sys.exit(main())
