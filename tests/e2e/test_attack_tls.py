"""Hostile TLS on the port of a relay, and certificates renewed under load: the honest ones, who use TLS too, do not notice."""
import itertools
import os
import select
import signal
import ssl
import subprocess
import time

import pytest

import harness
from attack_lab import Field, in_threads, read_all, send_all
from srw_client import PUBLISHER, Key, Peer
from test_attack_http import ADDRESSES, answers, get, statuses
from test_attack_wire import BROKEN
from tls_lab import DAY, Authority, KeyUpdater, RecordWriter, client_hello, serial_of
from wire_lab import Relay

MAY_BE_REFUSED = 16       # handshake messages after the handshake that a relay bears
HEAD_WITHIN_S = 10        # what a relay gives a client for a handshake, and again for the head of a request


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def tls_flags(authority):
    return "--tls-cert", authority.folder / "relay.pem", "--tls-key", authority.folder / "relay.key"


@pytest.fixture(scope="module")
def secure_fields(tmp_path_factory, authority):
    made = []

    def give():
        if not made or made[-1].spoilt:
            while made:
                made.pop().stop()
            serial = authority.issue()
            made.append(Field(tmp_path_factory.mktemp("field"), *tls_flags(authority), authority=authority.file))
            made[-1].serial = serial
        return made[-1]
    yield give
    for one in made:
        one.stop()


@pytest.fixture
def field(secure_fields):
    """A relay under TLS with honest ones; a new one where an earlier test left it broken."""
    return secure_fields()


def secured(scene, authority, source="127.0.0.2", context=None, session=None, **more):
    plain = scene.connect(source, **more)
    one = (context or authority.client()).wrap_socket(plain, server_hostname=harness.HOST, session=session)
    scene.sockets.append(one)
    return one


def hello_record(authority):
    message = client_hello(authority)
    return bytes([22, 3, 1]) + len(message).to_bytes(2, "big") + message


# ---- too slow -----------------------------------------------------------------------------------------------------

def test_a_handshake_or_a_request_that_takes_for_ever_is_given_up_after_10_s(field, authority):
    hello, head = hello_record(authority), get("/healthz", "X-Slow: " + "a" * 200)
    with field.attack() as scene:
        began = time.monotonic()
        silent = [scene.connect("127.0.0.2") for _ in range(20)]
        halves = [scene.connect("127.0.0.3", hello[:len(hello) // 2]) for _ in range(20)]
        greeted = [scene.connect("127.0.0.4", hello) for _ in range(20)]
        dripping = [scene.connect("127.0.0.5") for _ in range(20)]
        inside = [secured(scene, authority, "127.0.0.6") for _ in range(20)]
        still_open, sent = set(silent + halves + greeted + dripping + inside), 0
        while still_open and time.monotonic() < began + HEAD_WITHIN_S + 2:
            for one in dripping:
                send_all(one, hello[sent:sent + 1])
            for one in inside:
                send_all(one, head[sent:sent + 1])
            sent += 1
            step = time.monotonic() + 1
            while (left := step - time.monotonic()) > 0 and still_open:
                for one in select.select(list(still_open), [], [], left)[0]:
                    if read_all(one, 0.05)[1]:
                        assert time.monotonic() > began + HEAD_WITHIN_S - 1, "closed before its time"
                        still_open.discard(one)
        assert not still_open, f"{len(still_open)} of 100 are still there after {HEAD_WITHIN_S + 2} s"


# ---- not TLS, not as it should be ---------------------------------------------------------------------------------

def test_plain_http_is_told_so_in_plain_text(field):
    with field.attack() as scene:
        for index in range(200):
            data, closed = read_all(scene.connect(ADDRESSES[index % 4], get("/healthz")), 3)
            assert closed and statuses(data) == [400] and b"https://" in data, data[:200]


def test_tls_below_1_2_is_refused_and_1_2_is_not(field, authority):
    with field.attack() as scene:
        for newest, taken in ((ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)):
            context = authority.client(newest)
            context.minimum_version = ssl.TLSVersion.TLSv1_1
            context.set_ciphers("DEFAULT@SECLEVEL=0")
            try:
                one = secured(scene, authority, context=context)
                assert taken and one.version() == "TLSv1.2"
            except ssl.SSLError as refusal:
                assert not taken and "ALERT_PROTOCOL_VERSION" in str(refusal), refusal


def garbage(hello):
    yield "octets that are no record", bytes([22]) + os.urandom(100_000)
    yield "a record longer than any", bytes([22, 3, 1, 0xFF, 0xFF]) + bytes(70_000)
    yield "a ClientHello longer than any", (bytes([22, 3, 1, 0x40, 0]) + bytes([1, 0xFF, 0xFF, 0xFF]) + bytes(16_380)) * 8
    yield "empty records without end", bytes([22, 3, 1, 0, 0]) * 20_000
    yield "ChangeCipherSpec without end", hello + bytes([20, 3, 3, 0, 1, 1]) * 20_000
    yield "warnings without end", hello + bytes([21, 3, 3, 0, 2, 1, 90]) * 20_000
    yield "a second ClientHello", hello * 2
    yield "data in the clear", hello + bytes([23, 3, 3, 0, 100]) + bytes(100)


@pytest.mark.parametrize("what", [name for name, _ in garbage(b"")])
def test_a_broken_handshake_ends_the_connection_alone(field, authority, what):
    data = dict(garbage(hello_record(authority)))[what]
    with field.attack() as scene:
        for index in range(20):
            one = scene.connect(ADDRESSES[index % 4])
            send_all(one, data)
            assert read_all(one, 3)[1], "the connection went on"


def test_handshakes_from_ever_new_connections_disturb_nobody(field, authority):
    with field.attack() as scene:
        end, count = time.monotonic() + 1.5, itertools.count()
        context = authority.client()

        def come_and_go(index):
            while time.monotonic() < end:
                secured(scene, authority, ADDRESSES[index], context).close()
                next(count)
        in_threads(4, come_and_go)
        assert next(count) > 20


# ---- after the handshake ------------------------------------------------------------------------------------------

def test_a_second_handshake_is_refused_and_a_flood_of_them_ends_the_connection(field, authority, tmp_path):
    again = client_hello(authority)
    with field.attack() as scene:
        one = RecordWriter(authority, scene.connect(), tmp_path / "keys")
        send_all(one.socket, one.record(one.HANDSHAKE, again) + one.record(one.DATA, get("/healthz")))
        data, closed = read_all(one.socket, 1)
        assert not closed and data[:2] == b"\x15\3" and b"\x17\3\3" in data, "a refusal and then the answer were expected"
        for index in range(10):
            one = RecordWriter(authority, scene.connect(ADDRESSES[index]), tmp_path / f"keys-{index}")
            taken = send_all(one.socket, b"".join(one.record(one.HANDSHAKE, again) for _ in range(5000)))
            data, closed = read_all(one.socket, 3)
            assert closed and data.count(b"\x15\3\3") <= MAY_BE_REFUSED + 2, f"{len(data)} octets came, all taken: {taken}"


def test_openssl_asking_for_a_new_handshake_is_refused(field, authority):
    with field.attack():
        command = ["openssl", "s_client", "-connect", f"{harness.HOST}:{field.relay.port}", "-tls1_2", "-CAfile", authority.file]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as asking:
            asking.stdin.write(b"R\n")
            asking.stdin.flush()
            told = asking.communicate(timeout=5)[0]
        assert b"RENEGOTIATING" in told and b"no renegotiation" in told, told[-500:]


def test_a_few_key_updates_are_followed_and_a_flood_of_them_ends_the_connection(field):
    with field.attack() as scene:
        for index in range(10):
            one = KeyUpdater(scene.connect(ADDRESSES[index]))
            try:
                assert all(one.update() for _ in range(5))
                assert one.ask(get("/healthz")).startswith(b"HTTP/1.1 200")
                for _ in range(20_000):
                    if not one.update():
                        break
                assert not one.ask(get("/healthz")), "the connection went on after 20 000 key updates"
            finally:
                one.free()


# ---- sessions and certificates ------------------------------------------------------------------------------------

def hang_up(field, wanted, told):
    """SIGHUP, and the moment at which the log says what came of it."""
    before = field.relay.program.err().count(told)
    field.relay.program.child.send_signal(signal.SIGHUP)
    harness.wait_until(lambda: field.relay.program.err().count(told) > before, f"{wanted} in the log", 5)


RENEWED, REFUSED = "new connections get the certificate", "the configuration is as before"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed_also_after_the_certificate_was_renewed(field, authority, version):
    context = authority.client(version)
    with field.attack() as scene:
        def ask(session):
            one = secured(scene, authority, context=context, session=session)
            send_all(one, get("/healthz"))
            assert answers(one, 1)[0][0] == 200
            return one
        first = ask(None)
        second = ask(first.session)
        field.serial = authority.issue()
        hang_up(field, "the new certificate", RENEWED)
        third = ask(second.session)
        assert [one.session_reused for one in (first, second, third)] == [False, True, True]
        assert serial_of(ask(None)) == field.serial


def test_a_certificate_renewed_during_a_slow_download_drops_nobody_and_is_shown_to_the_next(field, authority):
    harness.wait_until(lambda: field.newest()[0] > field.first, "a whole segment", 5)
    path = field.path(field.newest()[0] - 1)
    with field.attack() as scene:
        whole = secured(scene, authority)
        send_all(whole, get(path))
        body = answers(whole, 1)[0][2]
        assert len(body) == 500_000
        slow = secured(scene, authority, receive_bytes=8192)
        before = serial_of(slow)
        send_all(slow, get(path))
        came, renewed = b"", False
        while len(came) < len(body):
            came += (data := slow.recv(8192))
            assert data, f"the download ended after {len(came)} octets"
            time.sleep(0.04)
            if not renewed and len(came) > 100_000:
                renewed, field.serial = True, authority.issue()
                hang_up(field, "the new certificate", RENEWED)
                assert serial_of(secured(scene, authority)) == field.serial != before
        head, _, rest = came.partition(b"\r\n\r\n")
        while len(rest) < len(body):
            rest += (data := slow.recv(65_536))
            assert data, "the download ended before its end"
        assert rest == body
        send_all(slow, get("/healthz"))
        assert answers(slow, 1)[0][0] == 200, "the connection was of no use after the download"


def spoil(authority, what):
    certificate, key = authority.folder / "relay.pem", authority.folder / "relay.key"
    if what == "expired":
        authority.issue(until=-DAY / 2)
    elif what == "the key of another":
        authority.issue("other")
        certificate.write_bytes((authority.folder / "other.pem").read_bytes())
    elif what == "a key for all to read":
        authority.issue()
        key.chmod(0o644)
    elif what == "gone":
        certificate.unlink()
    else:
        certificate.write_text("-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")


def test_bad_certificates_leave_the_good_one_in_use(field, authority):
    with field.attack() as scene:
        before = serial_of(secured(scene, authority))
        for what in ("not a certificate", "expired", "the key of another", "a key for all to read", "gone"):
            spoil(authority, what)
            hang_up(field, f"the refusal of {what}", REFUSED)
            assert serial_of(secured(scene, authority)) == before, what
            (authority.folder / "relay.key").chmod(0o600)
        field.serial = authority.issue()
        hang_up(field, "the new certificate", RENEWED)
        assert serial_of(secured(scene, authority)) == field.serial != before


# ---- SRW/1 --------------------------------------------------------------------------------------------------------

def test_srw_inside_tls_ends_as_it_does_without(field, authority):
    with field.attack() as scene:
        for index in range(20):
            peer = scene.keep(Peer(field.relay.port, source=ADDRESSES[index % 4], tls=authority.client()))
            peer.open(Key(), PUBLISHER)
            send_all(peer.socket, BROKEN["2^64 - 1 octets"])
            assert "open" not in peer.ending(3)


def test_the_programs_publish_watch_and_relay_over_wss_and_trust_nobody_unknown(lab, authority):
    authority.issue()
    origin = Relay(lab.folder, "origin", "--open", "--any-stream", *tls_flags(authority))
    lab.programs["origin"] = origin.program
    url, trusting = f"wss://{harness.HOST}:{origin.port}/relay", {"SSL_CERT_FILE": str(authority.file)}
    stream = lab.key("root", "channel", "stream_id")
    publisher = lab.start("publisher", [harness.BIN / "streamr-publish", "--origin", url, "--key", lab.folder / "channel.key", "--rtmp",
                                        f"{harness.HOST}:0"], {"STREAMR_STREAM_KEY": harness.STREAM_KEY, **trusting})
    lab.ports["rtmp"] = publisher.listening()
    lab.push_rtmp(kbps=500, size="320x180")
    nearby = Relay(lab.folder, "nearby", "--open", "--carry", f"{stream}={url}", "--tls-authorities", authority.file)
    lab.programs["nearby"], lab.ports["nearby"] = nearby.program, nearby.port
    lab.stream_id = stream
    watch = [harness.BIN / "streamr-watch", "--json", "--relay", url, "--relay-key", origin.key.hex(), "--out", "/dev/null", stream]
    viewer, stranger = lab.start("viewer", watch, trusting), lab.start("stranger", watch)
    harness.wait_until(lambda: any(line.get("chunks", 0) >= 3 for line in viewer.json_lines()), "three chunks at the viewer", 15)
    harness.wait_until(lambda: lab.stream("nearby").get("chunks", 0) >= 3, "three chunks at a relay behind wss", 15)
    harness.wait_until(lambda: "certificate" in stranger.err(), "the stranger's complaint about the certificate", 5)
    assert not any(line.get("chunks", 0) for line in stranger.json_lines())
