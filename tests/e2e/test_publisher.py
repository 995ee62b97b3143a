"""streamr-publish and streamr-keygen as a person meets them: files, refusals, exit codes, waiting, ending."""
import json
import os
import pathlib
import socket
import stat
import subprocess
import time

import harness
from harness import BIN, HOST, STREAM_KEY, wait_until

NOBODY = "http://127.0.0.1:1"  # an address where no coordinator answers


def run(program, *arguments, environment=None, limit_s=20):
    """One program to its end: (exit code, standard output, standard error)."""
    done = subprocess.run([BIN / program, *map(str, arguments)], capture_output=True, text=True, timeout=limit_s,
                          stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    return done.returncode, done.stdout, done.stderr


def new_root(folder):
    code, out, err = run("streamr-keygen", "--json", "root", folder / "root.key")
    assert code == 0, err
    return json.loads(out)["stream_id"]


def publish(folder, *arguments, **options):
    return run("streamr-publish", "--coordinator", NOBODY, "--key", folder / "root.key", *arguments, **options)


def test_a_new_key_is_readable_by_its_owner_alone_and_is_never_overwritten(tmp_path):
    stream_id = new_root(tmp_path)
    key = tmp_path / "root.key"
    assert len(stream_id) == 64 and int(stream_id, 16) >= 0
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    code, _, err = run("streamr-keygen", "root", key)
    assert code == 3 and "never overwritten" in err
    assert key.read_bytes() == before
    assert run("streamr-keygen", "show", key)[1].split() == ["public_key", stream_id]


def test_a_session_gets_certificates_with_rising_epochs_and_serials_for_24_hours_at_most(tmp_path):
    stream_id = new_root(tmp_path)
    code, _, err = run("streamr-keygen", "session", "--root", tmp_path / "root.key", "--max-kbps", 8000, "--count", 3,
                       tmp_path / "s.key", tmp_path / "s.cert")
    assert code == 0, err
    found = [json.loads(run("streamr-keygen", "--json", "show", tmp_path / f"s.cert.{i}")[1]) for i in (1, 2, 3)]
    for certificate in found:
        assert certificate["stream_id"] == stream_id
        assert certificate["not_after"] - certificate["not_before"] <= 86400
        assert certificate["max_kbps"] == 8000 and certificate["track_mask"] == 1
    assert [int(c["epoch"]) for c in found] == sorted({int(c["epoch"]) for c in found})
    assert [int(c["serial"]) for c in found] == sorted({int(c["serial"]) for c in found})
    assert (tmp_path / "s.cert.1").stat().st_size == 184
    code, _, err = run("streamr-keygen", "session", "--root", tmp_path / "root.key", "--max-kbps", 8000, "--minutes", 1441,
                       tmp_path / "t.key", tmp_path / "t.cert")
    assert code == 2 and not (tmp_path / "t.key").exists(), err


def test_a_revocation_names_the_stream_and_the_highest_serial(tmp_path):
    stream_id = new_root(tmp_path)
    code, _, err = run("streamr-keygen", "revoke", "--root", tmp_path / "root.key", "--serial-max", 77, tmp_path / "r")
    assert code == 0, err
    assert (tmp_path / "r").stat().st_size == 120
    shown = json.loads(run("streamr-keygen", "--json", "show", tmp_path / "r")[1])
    assert shown["stream_id"] == stream_id and shown["serial_max"] == "77"


def test_a_key_that_others_may_read_is_refused_by_every_program(tmp_path):
    new_root(tmp_path)
    (tmp_path / "root.key").chmod(0o640)
    for code, _, err in (publish(tmp_path, "--rtmp", f"{HOST}:0", "--stream-key", "k"),
                         run("streamr-keygen", "revoke", "--root", tmp_path / "root.key", "--serial-max", 1, tmp_path / "r")):
        assert code == 3 and "can be read by others" in err and "chmod 600" in err


def test_every_wrong_command_line_gets_one_sentence_and_exit_code_2(tmp_path):
    new_root(tmp_path)
    source = ("--rtmp", f"{HOST}:0", "--stream-key", "k")
    for wrong, word in (((), "--rtmp"), (("--rtmp", f"{HOST}:0"), "stream key"), (("--rtmp", "1935", "--stream-key", "k"), "HOST:PORT"),
                        ((*source, "--alias", "Not An Alias"), "--alias"), ((*source, "--pool", "1,5"), "--pool"),
                        ((*source, "--input", "film.mp4"), "--input"), ((*source, "--no-such-flag"), "--no-such-flag"),
                        ((*source, "--session-key", "s"), "--key")):
        code, out, err = publish(tmp_path, *wrong)
        assert code == 2 and out == "" and word in err, (wrong, err)
        assert len(err.strip().splitlines()) == 1


def test_a_missing_key_a_missing_file_and_a_taken_port_have_their_own_exit_codes(tmp_path):
    code, _, err = publish(tmp_path, "--rtmp", f"{HOST}:0", "--stream-key", "k")
    assert code == 3 and "does not exist" in err
    new_root(tmp_path)
    code, _, err = publish(tmp_path, "--input", tmp_path / "nothing.mp4")
    assert code == 5 and "does not exist" in err
    with socket.create_server((HOST, 0)) as taken:
        code, _, err = publish(tmp_path, "--rtmp", f"{HOST}:{taken.getsockname()[1]}", "--stream-key", "k")
    assert code == 4 and "in use" in err


def test_help_gives_examples_and_explains_the_exit_codes():
    for program in ("streamr-publish", "streamr-keygen"):
        code, out, _ = run(program, "--help")
        assert code == 0 and "Examples:" in out and "Exit codes:" in out
        assert run(program, "--version")[1].startswith(program + " ")


def test_without_a_coordinator_the_publisher_waits_says_so_hides_its_key_and_ends_with_0(lab):
    lab.stream_id = lab.key("root", "channel", "stream_id")
    program = lab.start("publisher", [BIN / "streamr-publish", "--coordinator", NOBODY, "--key", lab.folder / "channel.key",
                                      "--rtmp", f"{HOST}:0", "--stream-key", STREAM_KEY, "--log", "json", "--json"])
    program.listening()
    assert program.out().startswith("listening on ")
    wait_until(lambda: "waiting for the coordinator" in program.err(), "the sentence about the coordinator")
    for line in program.err().splitlines():
        assert {"time_us", "level", "event", "text"} <= json.loads(line).keys()
    assert STREAM_KEY not in pathlib.Path(f"/proc/{program.pid}/cmdline").read_text()
    begin = time.monotonic()
    assert program.terminate() == 0
    assert time.monotonic() - begin < 3
    assert program.json_lines()[-1]["event"] == "ended"


def test_a_file_is_published_with_a_certificate_made_elsewhere_and_its_end_is_told(lab):
    lab.coordinator()
    lab.relay("origin", role="origin")
    film = lab.folder / "film.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25", "-t", "6", "-c:v", "libx264", "-g", "25",
                    "-preset", "ultrafast", "-pix_fmt", "yuv420p", film], check=True, stdin=subprocess.DEVNULL)
    code, _, err = run("streamr-keygen", "session", "--root", lab.folder / "channel.key", "--max-kbps", 9000,
                       lab.folder / "s.key", lab.folder / "s.cert")
    assert code == 0, err
    code, out, err = run("streamr-publish", "--coordinator", lab.url("coordinator"), "--session-key", lab.folder / "s.key",
                         "--certificate", lab.folder / "s.cert", "--input", film, "--alias", harness.ALIAS, "--json", limit_s=30)
    assert code == 0, err
    ended = json.loads(out.splitlines()[-1])
    certificate = json.loads(run("streamr-keygen", "--json", "show", lab.folder / "s.cert")[1])
    assert ended["epoch"] == certificate["epoch"] and ended["segments"] == 3 and ended["gaps"] == 0
    wait_until(lambda: "#EXT-X-ENDLIST" in (lab.playlist("origin") or ""), "the end of the list", 15)


def test_a_source_that_comes_back_is_a_new_epoch_in_the_same_playlist(lab):
    lab.coordinator()
    lab.relay("origin", role="origin")
    lab.publisher()
    first = lab.push_rtmp("first")
    lab.wait_live("origin")
    first.kill()
    lab.push_rtmp("second")
    text = wait_until(lambda: "#EXT-X-DISCONTINUITY\n" in (lab.playlist("origin") or "") and lab.playlist("origin"), "a discontinuity", 25)
    epochs = {line.split("/")[-3] for line in text.splitlines() if line.endswith(".m4s")}
    assert len(epochs) == 2 and "#EXT-X-ENDLIST" not in text
