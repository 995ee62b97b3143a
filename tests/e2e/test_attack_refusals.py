"""Every line of *Must be refused* (docs/protocol.md, section 4) with the tests that provoke it; a line without one fails here."""
import os
import re
import struct
import time

import harness
from srw_client import CHUNK, DROP, REVOKE, SUB_END, SUB_OK
from wire_lab import open_viewer, relay, relays, start_stream  # noqa: F401 (fixtures)

WIRE, REFUSALS, HERE = "e2e/test_wire.py", "e2e/test_wire_refusals.py", "e2e/test_attack_refusals.py"
VERIFIER, RECEIPTS = "core/verifier_test.cpp", "core/receipts_test.cpp"
CHUNKS = (REFUSALS, "test_a_wrong_chunk_ends_the_connection")
SLICES = (REFUSALS, "test_a_bad_slice_gets_10_and_the_connection_goes_on")
FRAMES = (REFUSALS, "test_a_wrong_frame_ends_the_connection")
HELLOS = (REFUSALS, "test_a_wrong_hello_ends_the_connection")
RECEIPT = (WIRE, "test_a_wrong_receipt_is_refused_with_5")
# Beginning of the line → what provokes it: file and name of a test, or of a case in one of its tables.
TABLE = {
    "wrong magic, version, algorithm": [HELLOS, (REFUSALS, '"newer versions"'), (REFUSALS, '"signature algorithm"'), (REFUSALS, '"hash algorithm"'),
                                        (REFUSALS, "test_a_certificate_with_wrong_magic_version_or_algorithm_is_malformed"),
                                        (WIRE, "test_a_ticket_with_a_wrong_magic_or_version_is_malformed")],
    "text message, length": [(REFUSALS, "test_a_text_message_is_malformed"), (REFUSALS, '"message ends inside a frame"'), (REFUSALS, '"unknown TLV"')],
    "unknown type < 0x80": [FRAMES, (REFUSALS, '"type 15"'), (REFUSALS, '"type 7f"')],
    "slice_count": [CHUNKS, (REFUSALS, '"one slice too many"'), (REFUSALS, '"slices of 2 KiB"'), (REFUSALS, '"slices of 128 KiB"'),
                    (REFUSALS, '"nothing without GAP or END"'), (REFUSALS, '"GAP with bytes"'), (REFUSALS, '"END with bytes"'),
                    (REFUSALS, '"longer than 60 s"')],
    "track outside the mask": [(REFUSALS, "test_a_chunk_outside_the_certificates_tracks_or_segments_is_refused_with_5"), (REFUSALS, '"another track"'),
                               (REFUSALS, '"another epoch"'), (REFUSALS, '"taken before the certificate"'),
                               (REFUSALS, '"taken after the certificate"'), (REFUSALS, '"another signer"'),
                               (REFUSALS, "test_an_auth_that_is_not_signed_by_the_peer_is_refused_with_5")],
    "leaves that do not give the root": [(REFUSALS, "test_leaves_that_do_not_give_the_root_give_up_the_chunk_alone"), SLICES, (REFUSALS, '"too long"'),
                                         (REFUSALS, '"too short"'), (REFUSALS, '"index out of range"'), (REFUSALS, '"other octets"'),
                                         (REFUSALS, '"chunk never announced"'), (REFUSALS, '"chunk dropped by its sender"'),
                                         (REFUSALS, "test_the_ninth_bad_slice_ends_the_connection"),
                                         ("e2e/test_attack_upstream.py", "test_slices_that_an_upstream_altered_reach_nobody_and_the_good_ones_do")],
    "duplicate slice": [(REFUSALS, "test_duplicates_and_chunks_below_the_window_are_ignored"),
                        ("e2e/test_attack_upstream.py", "test_an_old_chunk_again_is_neither_sent_on_nor_counted")],
    "chunk_ref not increasing": [(REFUSALS, "test_a_chunk_number_that_does_not_rise_is_malformed")],
    "chunks whose media_time": [(REFUSALS, "test_more_than_a_quarter_above_max_kbps_in_10_s_is_refused_with_4"),
                                (VERIFIER, "a repeat of a known chunk is not counted towards the rate")],
    "no ticket": [(WIRE, "test_no_ticket_is_refused_with_6"), (WIRE, "test_a_ticket_of_another_signer_relay_or_viewer_is_refused_with_6"),
                  (WIRE, "test_a_ticket_counts_from_120_s_before_its_time_to_60_s_after")],
    "HAVE or CERT of a stream": [(REFUSALS, "test_a_stream_that_is_not_carried_is_refused_with_7")],
    "another frame in place of HELLO": [(REFUSALS, "test_another_frame_in_place_of_hello_or_auth_is_refused_with_5"),
                                        (REFUSALS, "test_a_publisher_that_no_certificate_names_is_refused_with_5"),
                                        (REFUSALS, "test_a_certificate_over_24_h_past_or_badly_signed_is_refused_with_5"),
                                        (REFUSALS, "test_a_lower_epoch_is_refused_with_5"), (REFUSALS, '"an unknown certificate"'),
                                        (VERIFIER, "a certificate of another stream is refused as authentication"),
                                        (VERIFIER, "a live chunk under a certificate that is past by the clock is refused, a kept one from FETCH is not"),
                                        ("e2e/test_attack_upstream.py", "test_an_older_epoch_from_an_upstream_is_refused_with_5")],
    "leaves ≠ slice_count": [(REFUSALS, '"fewer leaves than slices"'), (REFUSALS, '"more leaves than slices"'), (REFUSALS, '"role 0"'),
                             (REFUSALS, '"ticket of 100"'), (REFUSALS, '"SUBSCRIBE on sub 0"')],
    "message over 128 KiB": [FRAMES, (REFUSALS, '"a message over 128 KiB"')],
    "equivocation": [(REFUSALS, "test_two_chunks_in_one_place_are_refused_with_5_and_the_first_stays"),
                     (VERIFIER, "a second header that is not validly signed proves nothing and stops nothing")],
    "a chunk below the retained window": [(REFUSALS, "test_duplicates_and_chunks_below_the_window_are_ignored"),
                                          (VERIFIER, "a chunk below the retained window is ignored, as an answer to FETCH it is taken")],
    "receipt: signature": [RECEIPT, (WIRE, '"signature"'), (WIRE, '"relay"'), (WIRE, '"session"'), (WIRE, '"a seq again"'),
                           (WIRE, '"fewer bytes than before"'), (WIRE, '"more bytes than sent"'),
                           (RECEIPTS, "a receipt of more octets than the rate allows in its time is refused as authentication")],
    "loop": [(REFUSALS, "test_a_path_of_four_or_through_the_relay_itself_is_a_loop")],
    "HAVE newest < oldest": [(REFUSALS, "test_a_have_with_the_newest_below_the_oldest_is_malformed")],
    "revoked certificate": [(REFUSALS, "test_a_revoked_certificate_ends_its_viewers_and_its_publisher"),
                            (HERE, "test_chunks_that_wait_for_a_viewer_are_dropped_with_4_when_their_certificate_is_revoked")],
}


def refusals():
    """The lines of the paragraph, cut where the contract cuts them."""
    text = (harness.ROOT / "docs" / "protocol.md").read_text()
    paragraph = re.search(r"\*\*Must be refused\*\* \(.*?\):\n(.*?)\n\n", text, re.DOTALL)[1]
    return [line.strip() for line in " ".join(paragraph.split()).split(" · ")]


def test_every_line_of_must_be_refused_has_its_tests_and_every_test_named_here_is_there():
    lines = refusals()
    assert len(lines) == len(TABLE), lines
    for line in lines:
        assert any(line.startswith(beginning) for beginning in TABLE), f"nothing provokes: {line}"
    for beginning, tests in TABLE.items():
        for path, name in tests:
            assert name in (harness.ROOT / "tests" / path).read_text(), f"{beginning}: no {name} in {path}"


def revocation_of(source):
    body = b"SRV1" + bytes([1, 1, 0, 0]) + source.id + struct.pack(">QQ", 1 << 60, int(time.time()))
    return body + source.root.sign("streamr/revoke/v1", body)


def test_chunks_that_wait_for_a_viewer_are_dropped_with_4_when_their_certificate_is_revoked(relay):
    peer = relay.live()
    start_stream(peer)
    viewer = open_viewer(relay, peer.source, recv_limit=10_000)
    viewer.expect(SUB_OK)
    peer.put(peer.source.chunk(peer.segment, 1, os.urandom(12_000)), peer.sub)
    ref = viewer.expect(CHUNK).payload[:4]
    peer.send(REVOKE, revocation_of(peer.source))
    dropped = viewer.expect(DROP)
    assert dropped.payload[:6] == ref + b"\0\4"
    assert viewer.expect(SUB_END).code == 4
    assert viewer.alive()
