"""The servers beside which ours is measured, in their best realistic configuration; Debian's packages (bench/setup).

Each writes its configuration into the case's folder from bench/peers/, runs in the foreground on a free port and is ended by id.
"""
import os
import pathlib
import shutil
import string
import subprocess

from lab import HOST, SERVER_CORE, Skipped, answers, free_port, wait_until

PLACE = pathlib.Path(__file__).resolve().parent / "peers"
PART_BYTES, PARTS = 200_000, 20
CHUNK_BYTES = 33_333
SEGMENT_BYTES, SEGMENTS = 4_000_000, 5


def program(name):
    for folder in (*os.environ["PATH"].split(":"), "/usr/sbin", "/usr/local/sbin"):
        if (pathlib.Path(folder) / name).exists():
            return pathlib.Path(folder) / name
    raise Skipped(f"{name} is not installed: bench/setup installs the peers")


def configured(lab, name, **values):
    target = lab.folder / name
    target.write_text(string.Template((PLACE / name).read_text()).substitute(folder=lab.folder, host=HOST, **values))
    return target


def static_files(lab, small_bytes=3000):
    """The same sizes that the relay serves, as files in memory (tmpfs where the machine has it)."""
    www = lab.folder / "www"
    www.mkdir(exist_ok=True)
    for number in range(PARTS):
        (www / f"p{number}.m4s").write_bytes(os.urandom(PART_BYTES))
        (www / f"c{number}.m4s").write_bytes(os.urandom(CHUNK_BYTES))
    for number in range(SEGMENTS):
        (www / f"s{number}.m4s").write_bytes(os.urandom(SEGMENT_BYTES))
    (www / "small.m3u8").write_bytes(os.urandom(small_bytes))
    return www


def certificate(lab):
    """A P-256 certificate for this run: (certificate, key)."""
    found = lab.folder / "tls.crt", lab.folder / "tls.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-out", found[0], "-keyout", found[1]], check=True, capture_output=True)
    return found


def nginx(lab, name="nginx-static.conf", core=SERVER_CORE, **values):
    """An nginx with one worker; `port` of plain HTTP, `tls_port` where the configuration has it."""
    binary = program("nginx")
    port = free_port()
    user = "user root;" if os.getuid() == 0 else ""   # its workers read the files of the case, which are the owner's alone
    file = configured(lab, name, port=port, user=user, **values)
    child = lab.start(name, [binary, "-p", lab.folder, "-c", file, "-e", lab.folder / "nginx.err"], core)
    child.port = port
    wait_until(lambda: answers(port) or child.poll() is not None, "nginx")
    if child.poll() is not None:
        raise SystemExit(f"bench/run: nginx ended: {lab.errors(name)}")
    return child


def varnish(lab, upstream_port, core=SERVER_CORE):
    binary = program("varnishd")
    if not shutil.which("cc") and not shutil.which("gcc"):
        raise Skipped("varnish compiles its configuration and finds no cc")
    port = free_port()
    file = configured(lab, "varnish.vcl", upstream_port=upstream_port)
    child = lab.start("varnish", [binary, "-j", "none", "-F", "-n", lab.folder / "varnish", "-f", file, "-a", f"{HOST}:{port}", "-s", "malloc,256m",
                                  "-p", "thread_pools=1", "-p", "thread_pool_min=600", "-p", "thread_pool_max=1200"], core)
    child.port = port
    wait_until(lambda: answers(port) or child.poll() is not None, "varnish", 30)
    if child.poll() is not None:
        raise SystemExit(f"bench/run: varnish ended: {lab.errors('varnish')}")
    return child

