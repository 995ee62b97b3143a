"""Certificates for tests, and two clients of TLS that do what no honest client does."""
import ctypes
import ctypes.util
import datetime
import hashlib
import hmac
import ipaddress
import itertools
import socket
import ssl
import struct

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID

import harness

DAY = datetime.timedelta(days=1)


class Authority:
    """An authority that signs for 127.0.0.1; its own certificate stands in `file`."""

    def __init__(self, folder):
        self.folder, self.key, self.serials = folder, ec.generate_private_key(ec.SECP256R1()), itertools.count(100)
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.certificate = self.sign(self.name, self.key.public_key(), 1, x509.BasicConstraints(ca=True, path_length=0))
        self.file = folder / "authority.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def sign(self, name, public, serial, *extensions, until=DAY):
        now = datetime.datetime.now(datetime.timezone.utc)
        made = x509.CertificateBuilder().subject_name(name).issuer_name(self.name).public_key(public).serial_number(serial)
        made = made.not_valid_before(now - 2 * DAY).not_valid_after(now + until)
        for extension in extensions:
            made = made.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return made.sign(self.key, hashes.SHA256())

    def issue(self, name="relay", **more):
        """Writes NAME.pem and NAME.key; gives the serial number that clients are shown."""
        key, serial = ec.generate_private_key(ec.SECP256R1()), next(self.serials)
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(harness.HOST))])
        shown = self.sign(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay")]), key.public_key(), serial, names, **more)
        (self.folder / f"{name}.pem").write_bytes(shown.public_bytes(serialization.Encoding.PEM))
        secret = self.folder / f"{name}.key"
        secret.touch(mode=0o600)
        secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                             serialization.NoEncryption()))
        return serial

    def client(self, newest=ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=self.file)
        context.maximum_version = newest
        return context


def serial_of(one):
    """Serial number of the certificate that the other side of a TLS socket showed."""
    return x509.load_der_x509_certificate(one.getpeercert(binary_form=True)).serial_number


class KeyUpdater:
    """A TLS 1.3 client that asks for new keys again and again, by the functions of OpenSSL."""

    WITH_ANSWER = 1

    def __init__(self, plain):
        self.ssl = ctypes.CDLL(ctypes.util.find_library("ssl"))
        for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
            getattr(self.ssl, name).restype = ctypes.c_void_p
        self.context = ctypes.c_void_p(self.ssl.SSL_CTX_new(ctypes.c_void_p(self.ssl.TLS_client_method())))
        self.session = ctypes.c_void_p(self.ssl.SSL_new(self.context))
        plain.settimeout(None)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 5, 0))
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 5, 0))
        self.ssl.SSL_set_fd(self.session, plain.fileno())
        assert self.ssl.SSL_connect(self.session) == 1

    def update(self):
        """True where the request for new keys could be written."""
        return self.ssl.SSL_key_update(self.session, self.WITH_ANSWER) == 1 and self.ssl.SSL_do_handshake(self.session) == 1

    def ask(self, text):
        self.ssl.SSL_write(self.session, text, len(text))
        room = ctypes.create_string_buffer(65_536)
        count = self.ssl.SSL_read(self.session, room, len(room))
        return room.raw[:max(0, count)]

    def free(self):
        self.ssl.SSL_free(self.session)
        self.ssl.SSL_CTX_free(self.context)


class RecordWriter:
    """A TLS 1.2 client that, after an honest handshake, seals records of any type by itself."""

    ALERT, HANDSHAKE, DATA = 21, 22, 23

    def __init__(self, authority, plain, key_log):
        self.socket, context = plain, authority.client(ssl.TLSVersion.TLSv1_2)
        context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        context.keylog_filename = str(key_log)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session, heard, done = context.wrap_bio(incoming, outgoing, server_hostname=harness.HOST), b"", False
        while not done:
            try:
                session.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                pass
            plain.sendall(outgoing.read())
            if not done:
                came = plain.recv(65_536)
                assert came, "the relay ended the handshake"
                heard += came
                incoming.write(came)
        _, client_random, master = key_log.read_text().splitlines()[-1].split()
        seed = b"key expansion" + heard[11:43] + bytes.fromhex(client_random)    # the first record is ServerHello
        self.seal_with(bytes.fromhex(master), seed)

    def seal_with(self, master, seed):
        def mac(data):
            return hmac.new(master, data, hashlib.sha256).digest()
        block, link = b"", seed
        while len(block) < 40:
            link = mac(link)
            block += mac(link + seed)
        self.cipher, self.salt, self.number = AESGCM(block[:16]), block[32:36], 1    # record 0 was Finished

    def record(self, kind, data):
        place = struct.pack(">Q", self.number)
        self.number += 1
        sealed = self.cipher.encrypt(self.salt + place, data, place + struct.pack(">BHH", kind, 0x0303, len(data)))
        return struct.pack(">BHH", kind, 0x0303, 8 + len(sealed)) + place + sealed


def client_hello(authority):
    """The first message of a TLS 1.2 client, without the record around it."""
    outgoing = ssl.MemoryBIO()
    session = authority.client(ssl.TLSVersion.TLSv1_2).wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=harness.HOST)
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()[5:]
