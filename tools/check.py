"""Builds libstreamr and runs every test, one stage after the other; a stage that fails does not hide the next one.

The last line is always "N passed, N failed". Exit code 0 when nothing failed, 1 when something did, 2 on wrong usage.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
LOGS = BUILD / "logs"
BROWSER = ROOT / "tests" / "e2e" / "browser"
# The distribution's interpreter is the one that sees the distribution's pytest.
PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
TAIL_LINES = 40
PROGRAMS = ("streamr-coordinator", "streamr-keygen", "streamr-publish", "streamr-relay", "streamr-watch")


class Tally:
    """What passed and what failed, over all stages."""

    def __init__(self):
        self.passed = 0
        self.failures = []

    def add(self, passed, failures):
        self.passed += passed
        self.failures += failures


class Progress:
    """Where a long command stands: one line that changes on a terminal, a line now and then elsewhere."""

    EVERY_S = 20
    STEP = re.compile(r"^\s*(\[\s*\d+/\d+\].*|\d+/\d+ Test\s.*|\S+::\S+ (?:PASSED|FAILED|SKIPPED|ERROR).*)")

    def __init__(self, name):
        self.name = name
        self.is_terminal = sys.stdout.isatty()
        self.last = time.monotonic()

    def show(self, line):
        step = self.STEP.match(line)
        if not step:
            return
        if self.is_terminal:
            print(f"\r\033[K{self.name:5}   {step[1][:100]}", end="", flush=True)
        elif time.monotonic() - self.last >= self.EVERY_S:
            self.last = time.monotonic()
            print(f"{self.name:5}   {step[1][:100]}", flush=True)

    def end(self):
        if self.is_terminal:
            print("\r\033[K", end="", flush=True)


class Stage:
    """One stage: runs commands into its own log and counts their results."""

    def __init__(self, name, tally):
        self.name = name
        self.tally = tally
        self.log_path = LOGS / f"{name}.log"
        self.log_path.write_text("")
        self.progress = Progress(name)

    def run(self, command, cwd=ROOT, env=None):
        """Runs one command to its end; its output goes to the log, its progress to the terminal."""
        with self.log_path.open("a") as log:
            log.write(f"$ {' '.join(map(str, command))}\n")
            log.flush()
            process = subprocess.Popen(command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
            for line in process.stdout:
                log.write(line)
                self.progress.show(line)
            self.progress.end()
            return process.wait()

    def must(self, command, what, **options):
        """Runs a command whose failure is one failure of the stage; tells whether it went well."""
        code = self.run(command, **options)
        if code != 0:
            self.tally.add(0, [f"{self.name}: {what} ended with {code}"])
            self.show_tail()
        return code == 0

    def show_tail(self):
        lines = self.log_path.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        print("\n".join(f"    | {line}" for line in lines), flush=True)


def build(stage, preset, targets, jobs):
    """Configures a preset and builds the targets; [] builds everything.

    Several sources are compiled at once, which is quick; where two of them share a name, one by one, which always works.
    """
    command = ["cmake", "--build", f"build/{preset}", f"-j{jobs}", *(["--target", *targets] if targets else [])]
    for unity in ("ON", "OFF"):
        if not stage.must(["cmake", "--preset", preset, f"-DSTREAMR_UNITY={unity}"], f"configuring {preset}"):
            return False
        if stage.run(command) == 0:
            return True
    stage.show_tail()
    stage.tally.add(0, [f"{stage.name}: building {preset} failed"])
    return False


def count_ctest(log_text):
    """Results per ctest entry: doctest, pytest and unittest programs count by test case, others as one.

    Returns (passed, [names of failures]).
    """
    passed, failures = 0, []
    for entry in re.split(r"(?m)^(?=\d+/\d+ Testing: )", log_text):
        name = re.match(r"\d+/\d+ Testing: (\S+)", entry)
        if not name:
            continue
        ok = re.search(r"(?m)^Test Passed\.", entry) is not None
        cases = re.search(r"\[doctest\] test cases:\s+(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed", entry)
        if cases:
            passed += int(cases[2])
            failed = int(cases[3]) or (0 if ok else 1)
            failures += [name[1]] * failed
            continue
        python = re.search(r"(?m)^(?:=+ )?(?:(\d+) failed, )?(\d+) passed.* in [\d.]+s|^Ran (\d+) tests? in", entry)
        if ok:
            passed += int((python[2] or python[3]) if python else 1)
        else:
            passed += int(python[2] or 0) if python else 0
            failures += [name[1]] * int((python and python[1]) or 1)
    return passed, failures


def ctest(stage, preset, label_arguments, jobs, env=None):
    """Runs ctest in a preset's folder and adds its results to the tally."""
    folder = BUILD / preset
    code = stage.run(["ctest", "--test-dir", str(folder), "--output-on-failure", "--no-tests=error", f"-j{jobs}",
                      *label_arguments], env=env)
    log = next(folder.glob("Testing/*/LastTest.log"), None)
    passed, failures = count_ctest(log.read_text(errors="replace")) if log else (0, [])
    if code != 0 and not failures:
        failures = [f"ctest ended with {code}"]
    stage.tally.add(passed, [f"{stage.name}: {failure}" for failure in failures])
    if failures:
        stage.show_tail()


def stage_dev(stage, options):
    """Library and programs in the dev preset; tests of the tree, the coordinator's wire and the simulated network."""
    # Unit and loopback tests run under the sanitizers, once each: to compile them here as well would cost minutes.
    if build(stage, "dev", ["streamr", *PROGRAMS, "tests-sim"], options.jobs):
        ctest(stage, "dev", ["-LE", "^(unit|loopback)$"], options.jobs)


def stage_storm(stage, options):
    """Storms on 500 simulated relays, 10 virtual minutes each, in the release preset."""
    log = stage.log_path
    code = stage.run([PYTHON, str(ROOT / "tests" / "sim" / "nightly"), *([] if options.nightly else ["--plain"]),
                      "--seeds", str(1000 if options.nightly else options.storm_seeds), "--jobs", str(options.jobs)])
    count = re.search(r"(?m)^(\d+) passed, (\d+) failed$", log.read_text(errors="replace"))
    failed = int(count[2]) if count else 1
    stage.tally.add(int(count[1]) if count else 0, ["storm: a seed broke a promise, its replay stands in the log"] * failed)
    if code != 0 or failed:
        stage.show_tail()
    if code != 0 and not failed:
        stage.tally.add(0, [f"storm: ended with {code}"])


def stage_asan(stage, options):
    """Unit tests under AddressSanitizer and UndefinedBehaviorSanitizer."""
    if build(stage, "asan", ["tests-unit"], options.jobs):
        ctest(stage, "asan", ["-L", "^unit$"], options.jobs,
              {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1"})


def stage_tsan(stage, options):
    """Loopback tests under ThreadSanitizer."""
    if build(stage, "tsan", ["tests-loopback"], options.jobs):
        ctest(stage, "tsan", ["-L", "^loopback$"], 1, {"TSAN_OPTIONS": "halt_on_error=0:exitcode=66"})


def fuzz_targets():
    """The fuzzers of the build with the folders ctest would hand them."""
    described = subprocess.run(["ctest", "--test-dir", str(BUILD / "fuzz"), "--show-only=json-v1"],
                               capture_output=True, text=True)
    if described.returncode != 0:
        return []
    return [entry["command"] for entry in json.loads(described.stdout)["tests"] if "command" in entry]


def stage_fuzz(stage, options):
    """Every fuzzer searches from its kept corpus, two at a time, beside the real processes."""
    waiting = fuzz_targets()
    if not waiting:
        stage.tally.add(0, ["fuzz: no fuzzer was found"])
    running = []
    while waiting or running:
        while waiting and len(running) < options.jobs:
            command = [argument.replace("-runs=0", f"-max_total_time={options.fuzz_seconds}") for argument in waiting.pop(0)]
            name = pathlib.Path(command[0]).name
            log = (LOGS / f"{name}.log").open("wb")
            # Lowest priority: what runs beside it is measured against the clock, the search is not.
            process = subprocess.Popen(["nice", "-n", "19", *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            running.append((name, log, process))
        for entry in list(running):
            name, log, process = entry
            if process.poll() is None:
                continue
            running.remove(entry)
            log.close()
            if process.returncode == 0:
                stage.tally.add(1, [])
            else:
                stage.tally.add(0, [f"fuzz: {name} found something, see {LOGS / name}.log"])
        time.sleep(0.2)


def count_pytest(path):
    """Results of one pytest run from its JUnit file."""
    passed, failures, skipped = 0, [], []
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            failures.append(name)
        elif case.find("skipped") is not None:
            skipped.append(f"{name}: {case.find('skipped').get('message')}")
        else:
            passed += 1
    return passed, failures, skipped


def stage_e2e(stage, options):
    """Real processes: coordinator, relays, publisher, viewers, a browser."""
    if (BROWSER / "package-lock.json").exists() and shutil.which("npm"):
        wanted = (BROWSER / "package-lock.json").read_bytes()
        mark = BROWSER / "node_modules" / ".installed-lock"
        if not mark.exists() or mark.read_bytes() != wanted:
            if stage.must(["npm", "ci", "--ignore-scripts", "--no-fund", "--no-audit"], "npm ci", cwd=BROWSER):
                mark.write_bytes(wanted)
    report = LOGS / "e2e.xml"
    report.unlink(missing_ok=True)
    code = stage.run([PYTHON, "-m", "pytest", "-p", "no:cacheprovider", "-ra", "-v", "--durations=10", f"--junitxml={report}",
                      "tests/e2e"], env={"STREAMR_BUILD": str(BUILD / "dev"), "PYTHONDONTWRITEBYTECODE": "1"})
    if not report.exists():
        stage.tally.add(0, [f"e2e: pytest ended with {code}"])
        stage.show_tail()
        return
    passed, failures, skipped = count_pytest(report)
    stage.tally.add(passed, [f"e2e: {name}" for name in failures])
    for reason in skipped:
        print(f"    not run: {reason}", flush=True)
    if failures:
        stage.show_tail()


def run_stage(name, options):
    """One stage from its first line to its last; returns what passed and failed in it."""
    tally, started = Tally(), time.monotonic()
    print(f"{name:5} {STAGES[name].__doc__.splitlines()[0]}", flush=True)
    STAGES[name](Stage(name, tally), options)
    print(f"{name:5} {tally.passed} passed, {len(tally.failures)} failed, {time.monotonic() - started:.0f} s", flush=True)
    return tally


def run_stages(names, options):
    """One after the other; only the search of the fuzzers goes on beside the real processes, which mostly wait."""
    total, searches, search = Tally(), [], None
    for name in names:
        if name == "fuzz":
            found = Tally()
            if build(Stage("fuzz-build", found), "fuzz", [], options.jobs):
                search = threading.Thread(target=lambda: searches.append(run_stage("fuzz", options)))
                search.start()
        else:
            found = run_stage(name, options)
        total.add(found.passed, found.failures)
    if search:
        search.join()
    for found in searches:
        total.add(found.passed, found.failures)
    return total


STAGES = {"dev": stage_dev, "storm": stage_storm, "asan": stage_asan, "tsan": stage_tsan, "fuzz": stage_fuzz, "e2e": stage_e2e}


def parse_options():
    parser = argparse.ArgumentParser(prog="./check", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", action="append", choices=STAGES, metavar="STAGE",
                        help=f"run this stage alone, may be repeated: {', '.join(STAGES)}")
    parser.add_argument("--fuzz-seconds", type=int, default=60, metavar="N", help="time each fuzzer searches (60)")
    parser.add_argument("--storm-seeds", type=int, default=50, metavar="N", help="storms on 500 simulated relays (50)")
    parser.add_argument("--nightly", action="store_true", help="only the storm, with 1000 seeds and under the sanitizers: many hours")
    parser.add_argument("--jobs", type=int, metavar="N", default=os.cpu_count() or 2, help="compilers and tests at a time (all cores)")
    parser.add_argument("--yes", action="store_true", help="install what is missing without asking")
    return parser.parse_args()


def main():
    options = parse_options()
    begun = time.monotonic()
    setup = [str(ROOT / "tools" / "setup"), "check", *(["--yes"] if options.yes else [])]
    if subprocess.run(setup).returncode != 0:
        print("0 passed, 1 failed")
        return 1
    LOGS.mkdir(parents=True, exist_ok=True)
    tally = run_stages(["storm"] if options.nightly else options.only or list(STAGES), options)
    for failure in tally.failures:
        print(f"FAILED {failure}")
    print(f"The whole run took {time.monotonic() - begun:.0f} s; logs are in build/logs.")
    print(f"{tally.passed} passed, {len(tally.failures)} failed")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
