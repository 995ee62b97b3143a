/*
 * streamr.h: the whole public contract of libstreamr.
 *
 * Publish, relay or watch a live stream through machines that nobody has to trust, and prove what each relay delivered.
 *
 * Conventions, stated once:
 *  - Every function that can fail returns a streamr_status_t: 0 is success, failures are negative and never reused.
 *  - Keys, hashes, ids and signatures are raw octets of fixed length; text is UTF-8, NUL-terminated unless a length follows.
 *  - A length follows its pointer. Out-parameters stand last. `const` marks what is only read. Nothing passed in is kept
 *    after the call returns, unless the function says so.
 *  - What a `create`, `open`, `generate` or `load` gives, the matching `destroy` or `close` takes; NULL is fine there.
 *  - Structs that begin with `struct_size` are set up by their _INIT macro; zero in any other member means the default.
 *  - Thread words: `any`; `poll` (only the thread that calls streamr_node_poll); `setup` (before start or after stop).
 *  - Nothing is global: no signal handlers, no output to the terminal, any number of nodes in one process.
 *  - Names in capitals with _US, _MS, _S, _BYTES, _KBPS carry their unit; money is int64_t micro-units.
 */
#ifndef STREAMR_STREAMR_H
#define STREAMR_STREAMR_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#  if defined(STREAMR_BUILDING)
#    define STREAMR_API __declspec(dllexport)
#  else
#    define STREAMR_API __declspec(dllimport)
#  endif
#elif defined(__GNUC__)
#  define STREAMR_API __attribute__((visibility("default")))
#else
#  define STREAMR_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ sizes */

#define STREAMR_KEY_BYTES 32u          /* Ed25519 public key, stream id */
#define STREAMR_HASH_BYTES 32u         /* SHA-256 */
#define STREAMR_SIGNATURE_BYTES 64u    /* Ed25519 */
#define STREAMR_SESSION_ID_BYTES 16u
#define STREAMR_CERTIFICATE_BYTES 184u
#define STREAMR_HEADER_BYTES 224u
#define STREAMR_TICKET_BYTES 248u
#define STREAMR_RECEIPT_BYTES 272u
#define STREAMR_REVOCATION_BYTES 120u
#define STREAMR_CHUNK_MAX_BYTES (16u * 1024u * 1024u)
#define STREAMR_TRACK_MAX 31u

/* ----------------------------------------------------------------- status */

typedef int32_t streamr_status_t;

/* X(NAME, number, one sentence) : the only list of results. */
#define STREAMR_STATUS_LIST(X)                                                                    \
  X(OK, 0, "success")                                                                             \
  X(E_INVALID, -1, "an argument is outside its documented range; nothing changed")                \
  X(E_STATE, -2, "the call does not fit the object's state; nothing changed")                     \
  X(E_AGAIN, -3, "a queue is full or nothing is there yet; try again later")                      \
  X(E_NOMEM, -4, "memory could not be had")                                                       \
  X(E_IO, -5, "the operating system refused a file or socket operation")                          \
  X(E_MALFORMED, -6, "bytes do not have the form that the format asks for")                       \
  X(E_SIGNATURE, -7, "a signature does not hold for these bytes and this key")                    \
  X(E_EXPIRED, -8, "an object is past or before its time")                                        \
  X(E_NOTFOUND, -9, "what was named does not exist")                                              \
  X(E_PERMISSION, -10, "a key file can be read by others than its owner")                         \
  X(E_INUSE, -11, "the address or name is already in use")                                        \
  X(E_REFUSED, -12, "the other side refused the request")                                         \
  X(E_TIMEOUT, -13, "the deadline passed")                                                        \
  X(E_LIMIT, -14, "a documented limit would be exceeded")                                         \
  X(E_VERSION, -15, "struct_size belongs to a newer header than this library knows")              \
  X(E_INTERNAL, -16, "the library met a state that should not exist; please report it")

enum {
#define STREAMR_X(name, number, text) STREAMR_##name = number,
  STREAMR_STATUS_LIST(STREAMR_X)
#undef STREAMR_X
  STREAMR_STATUS_END = -2147483647
};

/** Error record that a caller owns; `create`, `open`, `start` and `load` fill it. Text is one line, NUL-terminated. */
typedef struct streamr_error {
  uint32_t struct_size;
  streamr_status_t status;
  char text[256];
} streamr_error_t;
#define STREAMR_ERROR_INIT { sizeof(streamr_error_t), 0, { 0 } }

/**
 * Name of a status, such as "E_INVALID".
 *  Result  static text; "E_UNKNOWN" for a number that is not a status
 *  Thread  any      Since 0.1
 */
STREAMR_API const char* streamr_status_name(streamr_status_t status);

/**
 * One sentence that explains a status.
 *  Result  static text      Thread any      Since 0.1
 */
STREAMR_API const char* streamr_status_message(streamr_status_t status);

/**
 * Version of the library that is running, "major.minor.patch".
 *  Result  static text      Thread any      Since 0.1
 */
STREAMR_API const char* streamr_version(void);

/* -------------------------------------------------------------------- key */

/** An Ed25519 key pair. The secret half never leaves it except into a file of mode 0600. */
typedef struct streamr_key streamr_key_t;

/**
 * Makes a key pair from the system's randomness.
 *  Result  STREAMR_OK, E_NOMEM      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_key_generate(streamr_key_t** key);

/**
 * Makes the key pair that belongs to a 32-byte seed (RFC 8032), for tests and for hosts with a key store of their own.
 *  Result  STREAMR_OK, E_INVALID (len is not 32), E_NOMEM      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_key_from_seed(const uint8_t* seed, size_t len, streamr_key_t** key);

/**
 * Reads a key file that streamr_key_save wrote.
 *  Result  STREAMR_OK
 *          E_NOTFOUND    no such file
 *          E_PERMISSION  group or others may read it (mode must be 0600 or stricter)
 *          E_MALFORMED   not a key file
 *          E_IO          the system's own reason stands in `error`
 *  Thread  any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_key_load(const char* path, streamr_key_t** key, streamr_error_t* error);

/**
 * Writes a new key file of mode 0600, complete or not at all. An existing file is never overwritten.
 *  Result  STREAMR_OK, E_INUSE (the file exists), E_IO      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_key_save(const streamr_key_t* key, const char* path, streamr_error_t* error);

/** Copies the public key, STREAMR_KEY_BYTES octets.  Result STREAMR_OK, E_INVALID (NULL)   Thread any   Since 0.1 */
STREAMR_API streamr_status_t streamr_key_public(const streamr_key_t* key, uint8_t out[32]);

/**
 * Signs `prefix` (NUL-terminated, the NUL is signed too) followed by `len` octets.
 *  Result  STREAMR_OK, E_INVALID (a pointer is NULL)      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_key_sign(const streamr_key_t* key, const char* prefix, const uint8_t* bytes,
                                              size_t len, uint8_t signature[64]);

/** Wipes and frees a key.   Thread any   Since 0.1 */
STREAMR_API void streamr_key_destroy(streamr_key_t* key);

/* ------------------------------------------------------- signed objects */

/** Fields of a stream key certificate (protocol §2). */
typedef struct streamr_certificate {
  uint32_t struct_size;
  uint32_t track_mask;         /* bit n allows track n; 0 = all */
  uint8_t stream_id[32];
  uint8_t session_key[32];
  uint64_t epoch;
  uint64_t not_before_s;       /* unix seconds */
  uint64_t not_after_s;        /* at most 24 h after not_before_s */
  uint64_t serial;
  uint64_t min_segment;
  uint32_t max_kbps;           /* sum over tracks; 0 is refused */
  uint32_t reserved;
} streamr_certificate_t;
#define STREAMR_CERTIFICATE_INIT { sizeof(streamr_certificate_t), 0, { 0 }, { 0 }, 0, 0, 0, 0, 0, 0, 0 }

/**
 * Signs a certificate with the root key; stream_id is taken from it.
 *  Result  STREAMR_OK, E_INVALID (times, max_kbps, pointers)      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_certificate_issue(const streamr_key_t* root, const streamr_certificate_t* fields,
                                                       uint8_t out[184]);

/**
 * Reads a certificate and checks its form, its lifetime (at most 24 h) and the root signature.
 *  Result  STREAMR_OK, E_MALFORMED, E_SIGNATURE      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_certificate_check(const uint8_t* bytes, size_t len, streamr_certificate_t* fields);

/** Fields of a session ticket (protocol §2). */
typedef struct streamr_ticket {
  uint32_t struct_size;
  uint32_t max_rate_bps;       /* bytes a second */
  uint8_t stream_id[32];
  uint8_t relay_key[32];
  uint8_t viewer_key[32];
  uint8_t session_id[16];
  uint64_t epoch;              /* 0 = any */
  uint64_t not_before_us;
  uint64_t not_after_us;
  uint32_t window_start_bytes;
  uint32_t window_max_bytes;
} streamr_ticket_t;
#define STREAMR_TICKET_INIT { sizeof(streamr_ticket_t), 0, { 0 }, { 0 }, { 0 }, { 0 }, 0, 0, 0, 0, 0 }

/**
 * Issues a ticket, signed by the coordinator's key.
 *  Result  STREAMR_OK, E_INVALID (not_after_us not after not_before_us, windows of 0)      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_ticket_issue(const streamr_key_t* coordinator, const streamr_ticket_t* fields,
                                                  uint8_t out[248]);

/**
 * Reads a ticket and checks form and signature, not its times.
 *  Result  STREAMR_OK, E_MALFORMED, E_SIGNATURE      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_ticket_check(const uint8_t* bytes, size_t len, const uint8_t coordinator_key[32],
                                                  streamr_ticket_t* fields);

/** Fields of a receipt (protocol §2); every counter runs from the start of the session. */
typedef struct streamr_receipt {
  uint32_t struct_size;
  uint32_t flags;              /* 1 FINAL */
  uint8_t stream_id[32];
  uint8_t relay_key[32];
  uint8_t viewer_key[32];
  uint8_t session_id[16];
  uint64_t epoch;
  uint32_t seq;
  uint32_t interval_ms;
  uint64_t bytes_ok;
  uint64_t first_us;
  uint64_t last_us;
  uint64_t last_segment;
  uint32_t slices_ok;
  uint32_t slices_bad_or_late;
  uint32_t ttfb_ms;
  uint32_t stall_ms;
} streamr_receipt_t;
#define STREAMR_RECEIPT_INIT \
  { sizeof(streamr_receipt_t), 0, { 0 }, { 0 }, { 0 }, { 0 }, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/**
 * Signs a receipt with the viewer's key.
 *  Result  STREAMR_OK, E_INVALID      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_receipt_issue(const streamr_key_t* viewer, const streamr_receipt_t* fields,
                                                   uint8_t out[272]);

/**
 * Reads a receipt and checks form and the viewer's signature.
 *  Result  STREAMR_OK, E_MALFORMED, E_SIGNATURE      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_receipt_check(const uint8_t* bytes, size_t len, streamr_receipt_t* fields);

/**
 * Signs the revocation of every certificate of the root's stream with a serial up to and including `serial_max`.
 *  Result  STREAMR_OK, E_INVALID      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_revocation_issue(const streamr_key_t* root, uint64_t serial_max, uint64_t at_s,
                                                      uint8_t out[120]);

/**
 * Reads a revocation and checks form and root signature.
 *  Result  STREAMR_OK, E_MALFORMED, E_SIGNATURE      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_revocation_check(const uint8_t* bytes, size_t len, uint8_t stream_id[32],
                                                      uint64_t* serial_max, uint64_t* at_s);

/** Fields of a chunk header (protocol §2). */
typedef struct streamr_chunk_header {
  uint32_t struct_size;
  uint32_t flags;              /* STREAMR_CHUNK_* */
  uint8_t stream_id[32];
  uint64_t epoch;
  uint64_t segment;
  uint64_t media_time_us;
  uint64_t capture_time_us;
  uint32_t duration_us;
  uint32_t payload_bytes;
  uint16_t track;
  uint16_t part;
  uint16_t slice_count;
  uint8_t slice_log2;
  uint8_t content_type;        /* STREAMR_CONTENT_* */
  uint8_t merkle_root[32];
  uint8_t prev_header_hash[32];
  uint8_t cert_id[8];
} streamr_chunk_header_t;
#define STREAMR_CHUNK_HEADER_INIT \
  { sizeof(streamr_chunk_header_t), 0, { 0 }, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, { 0 }, { 0 }, { 0 } }

#define STREAMR_CHUNK_INDEPENDENT 1u
#define STREAMR_CHUNK_INIT 2u
#define STREAMR_CHUNK_LAST_IN_SEGMENT 4u
#define STREAMR_CHUNK_DISCONTINUITY 8u
#define STREAMR_CHUNK_GAP 16u
#define STREAMR_CHUNK_END 32u

#define STREAMR_CONTENT_CMAF 1u
#define STREAMR_CONTENT_MPEG_TS 2u
#define STREAMR_CONTENT_OPAQUE 3u

#define STREAMR_TRACK_MUXED 1u
#define STREAMR_TRACK_VIDEO 2u
#define STREAMR_TRACK_AUDIO 3u
#define STREAMR_TRACK_OTHER 4u

/**
 * Reads a 224-byte chunk header and checks it against a certificate: form, epoch, track, segment, times, signature.
 *  Result  STREAMR_OK, E_MALFORMED, E_SIGNATURE      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_chunk_header_check(const uint8_t* header, size_t len, const uint8_t* certificate,
                                                        size_t certificate_len, streamr_chunk_header_t* fields);

/* ---------------------------------------------------------------- control
 * What a coordinator needs to check what it receives. Pure functions: no state, no clock. */

/** SHA-256 of `len` octets.   Result STREAMR_OK, E_INVALID   Thread any   Since 0.1 */
STREAMR_API streamr_status_t streamr_control_hash(const uint8_t* bytes, size_t len, uint8_t out[32]);

/** Fills `out` with octets from the system's randomness.   Result STREAMR_OK, E_INVALID, E_IO   Thread any   Since 0.1 */
STREAMR_API streamr_status_t streamr_control_random(uint8_t* out, size_t len);

/**
 * Root of the RFC 9162 tree over `count` leaves; leaf i is `leaf_len` octets at leaves + i * leaf_len, hashed with 0x00.
 *  Result  STREAMR_OK (count 0 gives H("")), E_INVALID      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_control_merkle_root(const uint8_t* leaves, size_t leaf_len, size_t count,
                                                         uint8_t out[32]);

/**
 * Checks a strict Ed25519 signature over `prefix` (its NUL included) and `len` octets.
 *  Result  STREAMR_OK, E_SIGNATURE, E_INVALID      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_control_verify(const uint8_t public_key[32], const char* prefix,
                                                    const uint8_t* bytes, size_t len, const uint8_t signature[64]);

/**
 * Whether 32 octets are a public key that may be trusted with signatures: on the curve, canonical, not of small order.
 *  Result  STREAMR_OK, E_INVALID      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_control_key_check(const uint8_t public_key[32]);

/**
 * Checks the signature of a registration (protocol §6): nonce ‖ coordinator_key ‖ public_key ‖ H(body).
 *  Result  STREAMR_OK, E_SIGNATURE, E_INVALID      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_control_check_registration(const uint8_t public_key[32], const uint8_t nonce[32],
                                                                const uint8_t coordinator_key[32], const uint8_t* body,
                                                                size_t body_len, const uint8_t signature[64]);

/** A node's signed request, as its Streamr-Sig header and the HTTP request give it. */
typedef struct streamr_request {
  uint32_t struct_size;
  uint32_t reserved;
  const char* method;
  const char* target;          /* request-target as received */
  const uint8_t* body;
  size_t body_len;
  uint8_t public_key[32];
  uint64_t unix_us;
  uint64_t counter;
  uint8_t boot_id[16];
  uint8_t lease[16];           /* the lease that the check assumes */
  uint8_t signature[64];
} streamr_request_t;

/**
 * Checks the signature of a node's request (protocol §6, prefix streamr/req/v1) under the lease in `request`.
 *  Result  STREAMR_OK, E_SIGNATURE, E_INVALID      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_control_check_request(const streamr_request_t* request);

/**
 * Checks strict JSON: UTF-8, depth, node count, no duplicate member, no number with fraction or exponent, no bytes after.
 *  max_bytes, max_depth   the limits to apply; 0 = 65536 and 16
 *  Result  STREAMR_OK, E_MALFORMED (reason in `error`), E_LIMIT (too long)      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_control_check_json(const char* text, size_t len, size_t max_bytes,
                                                        uint32_t max_depth, streamr_error_t* error);

/* ------------------------------------------------------------------- node */

/** One peer in the network: its identity, sockets and streams. */
typedef struct streamr_node streamr_node_t;

#define STREAMR_ROLE_VIEWER 1u
#define STREAMR_ROLE_RELAY 2u
#define STREAMR_ROLE_PUBLISHER 3u
#define STREAMR_ROLE_ORIGIN 4u       /* a relay that the operator runs; registers as "origin" */

typedef struct streamr_node_options {
  uint32_t struct_size;
  uint32_t role;                     /* STREAMR_ROLE_*; 0 = viewer */
  const streamr_key_t* identity;     /* copied; NULL = a fresh key for this run */
  const char* coordinator_url;       /* http(s)://host:port; NULL = none */
  const char* listen;                /* "HOST:PORT", port 0 = any free; NULL = serve nothing */
  const char* advertise_url;         /* ws(s)://… told to the coordinator; NULL = from listen */
  const char* state_dir;             /* small durable facts (highest epochs, batch chain); NULL = memory only */
  const char* name;                  /* shown by the coordinator, at most 64 octets */
  const char* software;              /* "program/version", at most 64 octets; NULL = libstreamr/version */
  const uint8_t* coordinator_key;    /* 32 octets that tickets are checked with; NULL = asked from coordinator_url */
  uint32_t capacity_kbps;            /* offered upload; 0 = 100 000 */
  uint32_t memory_bytes_kib;         /* limit of retained media in KiB; 0 = 262 144 (256 MiB) */
  uint32_t event_queue;              /* events kept before chunks push back; 0 = 256 */
  uint32_t flags;                    /* STREAMR_NODE_* */
  void (*wakeup)(void* user);        /* called once when events become available; may be NULL; must not block */
  void* user;
  uint32_t http_per_address;         /* HTTP connections that one address may have; 0 = 256 */
  uint32_t websockets_per_address;   /* WebSocket connections that one address may have; 0 = 64 */
  uint32_t loops;                    /* event loops that serve `listen`, a thread for each beyond the first; 0 = 1, at most 256 */
  uint32_t max_connections;          /* sockets accepted in all; 0 = 8192 */
  const char* tls_certificate_file;  /* PEM, leaf first: `listen` speaks https and wss only; NULL = no TLS */
  const char* tls_key_file;          /* PEM, not readable by others; both files or neither */
  uint32_t upload_kbps;              /* what may be sent in all; beyond it viewers are refused; 0 = no limit */
  uint32_t max_viewers;              /* viewers that may be connected at the same time; 0 = no limit */
  const char* tls_authorities_file;  /* PEM: authorities trusted for wss:// beside the system's; NULL = none */
} streamr_node_options_t;
#define STREAMR_NODE_OPTIONS_INIT \
  { sizeof(streamr_node_options_t), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

#define STREAMR_NODE_HOST_LOOP 1u        /* no own thread: the host drives fd, timeout_ms and run */
#define STREAMR_NODE_OPEN_TICKETS 2u     /* viewers need no ticket (a relay that a person runs for friends) */
#define STREAMR_NODE_ANY_STREAM 4u       /* a relay that takes any stream a publisher announces to it */

/**
 * Makes a node; nothing is opened yet.
 *  Result  STREAMR_OK, E_INVALID, E_VERSION, E_NOMEM; the reason in `error`      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_node_create(const streamr_node_options_t* options, streamr_node_t** node,
                                                 streamr_error_t* error);

/**
 * Opens the listening socket and starts to register. A coordinator that is down is no error: the node waits and says so.
 *  Result  STREAMR_OK, E_INUSE, E_IO, E_STATE (already started)      Thread setup      Since 0.1
 */
STREAMR_API streamr_status_t streamr_node_start(streamr_node_t* node, streamr_error_t* error);

/**
 * Says good-bye to peers (GOAWAY, final receipts), then closes everything; returns within `deadline_ms`.
 *  Result  STREAMR_OK, E_TIMEOUT (closed by force), E_STATE      Thread any, not from a callback      Since 0.1
 */
STREAMR_API streamr_status_t streamr_node_stop(streamr_node_t* node, uint32_t deadline_ms);

/** Stops where needed and frees.   Thread any, not from a callback   Since 0.1 */
STREAMR_API void streamr_node_destroy(streamr_node_t* node);

/** Limits of a node that may change while it runs. Zero has the meaning that it has in streamr_node_options_t. */
typedef struct streamr_limits {
  uint32_t struct_size;
  uint32_t upload_kbps;              /* what may be sent in all; 0 = no limit */
  uint32_t max_viewers;              /* viewers that may be connected at the same time; 0 = no limit */
  uint32_t memory_kib;               /* limit of retained media in KiB; 0 = 262 144 (256 MiB) */
  uint32_t http_per_address;         /* 0 = 256 */
  uint32_t websockets_per_address;   /* 0 = 64 */
  uint32_t max_connections;          /* 0 = 8192 */
  uint32_t reserved;                 /* 0 */
} streamr_limits_t;
#define STREAMR_LIMITS_INIT { sizeof(streamr_limits_t), 0, 0, 0, 0, 0, 0, 0 }

/**
 * Copies the limits that hold now; defaults stand as numbers, "no limit" as 0.
 *  Result  STREAMR_OK, E_INVALID      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_node_limits(const streamr_node_t* node, streamr_limits_t* limits);

/**
 * Puts new limits in force, all of them at once. Connections that are open stay, with one exception: above a lower
 * max_viewers the newest viewers are told to go elsewhere (GOAWAY load) and closed 2 s later. Less upload paces what is
 * sent, less memory drops the oldest media.
 *  upload_kbps  0 or at least 256
 *  memory_kib   0 or at least 16 384
 *  Result  STREAMR_OK
 *          E_INVALID  a member outside its range; nothing changed, the reason in `error`
 *          E_STATE    the node does not run
 *  Thread  any
 *  Since   0.1
 */
STREAMR_API streamr_status_t streamr_node_set_limits(streamr_node_t* node, const streamr_limits_t* limits,
                                                     streamr_error_t* error);

/**
 * Reads tls_certificate_file and tls_key_file again. New connections get the new certificate, open ones go on as they are.
 *  Result  STREAMR_OK
 *          E_INVALID  a file cannot be read, or they do not hold a certificate and its key; the old ones stay in use
 *          E_STATE    the node was created without TLS
 *  Thread  any
 *  Since   0.1
 */
STREAMR_API streamr_status_t streamr_node_reload_tls(streamr_node_t* node, streamr_error_t* error);

/** Copies the address that is really listened on, "HOST:PORT".  Result STREAMR_OK, E_STATE, E_LIMIT   Thread any   Since 0.1 */
STREAMR_API streamr_status_t streamr_node_listening(const streamr_node_t* node, char* out, size_t out_len);

/** Copies the node's public key.   Result STREAMR_OK, E_INVALID   Thread any   Since 0.1 */
STREAMR_API streamr_status_t streamr_node_public(const streamr_node_t* node, uint8_t out[32]);

/**
 * Copies the node's figures as JSON, the same text as /stats.json; `needed` gets its length with the NUL.
 *  Result  STREAMR_OK, E_LIMIT (out_len too small), E_STATE      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_node_stats(const streamr_node_t* node, char* out, size_t out_len, size_t* needed);

/** Descriptor that becomes readable when the node needs `run` (host loop) or has events.  Result >= 0, or a status.  Thread any  Since 0.1 */
STREAMR_API int32_t streamr_node_fd(const streamr_node_t* node);

/** Host loop: milliseconds until `run` must be called at the latest; -1 = no timer.   Thread poll   Since 0.1 */
STREAMR_API int32_t streamr_node_timeout_ms(const streamr_node_t* node);

/** Host loop: does what is due without blocking.  Result STREAMR_OK, E_STATE (the node has its own thread)   Thread poll   Since 0.1 */
STREAMR_API streamr_status_t streamr_node_run(streamr_node_t* node);

/* ------------------------------------------------------------------ relay */

/**
 * Carries a stream from named upstreams, beside or instead of what the coordinator assigns.
 *  stream_id     32 octets
 *  upstream_url  ws(s)://host:port/relay; NULL = be the origin of this stream
 *  ticket        STREAMR_TICKET_BYTES octets, or NULL where the upstream asks for none
 *  Result  STREAMR_OK, E_INVALID, E_LIMIT, E_STATE      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_relay_carry(streamr_node_t* node, const uint8_t stream_id[32],
                                                 const char* upstream_url, const uint8_t* ticket, size_t ticket_len);

/** Stops carrying a stream; peers get SUB_END.   Result STREAMR_OK, E_NOTFOUND   Thread any   Since 0.1 */
STREAMR_API streamr_status_t streamr_relay_drop(streamr_node_t* node, const uint8_t stream_id[32]);

/* ------------------------------------------------------------ publication */

/** A stream that this node is the source of. */
typedef struct streamr_publication streamr_publication_t;

typedef struct streamr_track {
  uint16_t track;                    /* 0 .. STREAMR_TRACK_MAX */
  uint8_t kind;                      /* STREAMR_TRACK_MUXED … */
  uint8_t content_type;              /* STREAMR_CONTENT_* */
  uint32_t kbps;
} streamr_track_t;

typedef struct streamr_publication_options {
  uint32_t struct_size;
  uint32_t track_count;
  const streamr_track_t* tracks;
  const streamr_key_t* session_key;  /* the certificate's; copied */
  const uint8_t* certificate;        /* STREAMR_CERTIFICATE_BYTES octets */
  const char* alias;                 /* human name; NULL = none */
  const char* title;                 /* NULL = alias */
  const char* pool;                  /* decimal sum an hour for uptime_v0, such as "1000.0"; NULL = none */
  const char* origin_url;            /* dial this origin; NULL = as the coordinator says */
  const char* bearer;                /* account token; NULL = none */
  uint32_t part_target_us;           /* 0 = 500 000 */
  uint32_t target_duration_s;        /* 0 = 2 */
  uint64_t first_segment;            /* 0 = ask the origin, without an answer unix seconds */
} streamr_publication_options_t;
#define STREAMR_PUBLICATION_OPTIONS_INIT { sizeof(streamr_publication_options_t), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/**
 * Announces a stream and begins the certificate's epoch. STREAMR_EVENT_READY says that an origin takes it.
 *  Result  STREAMR_OK, E_INVALID, E_SIGNATURE, E_STATE      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_publication_open(streamr_node_t* node, const streamr_publication_options_t* options,
                                                      streamr_publication_t** publication, streamr_error_t* error);

/** One part of a track. Segments are numbered by the library: the part after LAST_IN_SEGMENT opens the next one. */
typedef struct streamr_part {
  uint32_t struct_size;
  uint16_t track;
  uint16_t flags;                    /* STREAMR_CHUNK_*; INIT for an init section, GAP with len 0 */
  const uint8_t* bytes;
  size_t len;                        /* 1 .. STREAMR_CHUNK_MAX_BYTES, 0 with GAP */
  uint64_t media_time_us;            /* of the first sample */
  uint64_t capture_time_us;          /* unix time of the first sample */
  uint32_t duration_us;              /* at most 60 s */
  uint32_t reserved;
} streamr_part_t;
#define STREAMR_PART_INIT { sizeof(streamr_part_t), 0, 0, 0, 0, 0, 0, 0, 0 }

/**
 * Hands one part to the publication, which signs it as one chunk and sends it on.
 *  Result  STREAMR_OK
 *          E_INVALID  a member is outside its range, or time goes backwards; nothing changed
 *          E_STATE    ended, or a media part before the track's init section
 *          E_AGAIN    the command queue is full
 *          E_EXPIRED  the certificate's time is over: open a new publication
 *          E_LIMIT    more bytes in 10 s than 1.25 x max_kbps allow
 *  Thread  any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_publication_push(streamr_publication_t* publication, const streamr_part_t* part);

/** Ends every track of the epoch with an END chunk.   Result STREAMR_OK, E_STATE   Thread any   Since 0.1 */
STREAMR_API streamr_status_t streamr_publication_end(streamr_publication_t* publication);

/** Frees the handle; without `end` before, the stream stays open for a new epoch.   Thread any   Since 0.1 */
STREAMR_API void streamr_publication_close(streamr_publication_t* publication);

/* ----------------------------------------------------------- subscription */

/** A stream that this node watches. */
typedef struct streamr_subscription streamr_subscription_t;

#define STREAMR_START_EDGE 0u
#define STREAMR_START_INDEPENDENT 1u
#define STREAMR_START_EXACT 2u
#define STREAMR_START_OLDEST 3u

typedef struct streamr_subscription_options {
  uint32_t struct_size;
  uint32_t start;                    /* STREAMR_START_*; 0 = edge */
  const char* stream;                /* 64 hex digits or an alias (alias needs a coordinator) */
  const char* relay_url;             /* dial this relay instead of asking the coordinator */
  const uint8_t* relay_key;          /* 32 octets expected there; NULL = take what it proves */
  const uint8_t* ticket;             /* STREAMR_TICKET_BYTES octets for relay_url; NULL = none */
  uint32_t track_mask;               /* 0 = all tracks */
  uint32_t max_latency_ms;           /* 0 = the holder's default */
  uint64_t from_segment;             /* START_EXACT */
  uint32_t from_part;
  uint32_t flags;                    /* reserved, 0 */
} streamr_subscription_options_t;
#define STREAMR_SUBSCRIPTION_OPTIONS_INIT { sizeof(streamr_subscription_options_t), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/**
 * Watches a stream. Verified chunks come as STREAMR_EVENT_CHUNK in order per track; if the node listens, the same
 * stream is served there as HLS.
 *  Result  STREAMR_OK, E_INVALID, E_STATE, E_LIMIT      Thread any      Since 0.1
 */
STREAMR_API streamr_status_t streamr_subscription_open(streamr_node_t* node,
                                                       const streamr_subscription_options_t* options,
                                                       streamr_subscription_t** subscription, streamr_error_t* error);

/** Unsubscribes (a FINAL receipt is sent) and frees the handle.   Thread any   Since 0.1 */
STREAMR_API void streamr_subscription_close(streamr_subscription_t* subscription);

/** Tells that playback stood still for so long since the last call; goes into receipts.  Result STREAMR_OK, E_INVALID  Thread any  Since 0.1 */
STREAMR_API streamr_status_t streamr_subscription_stalled(streamr_subscription_t* subscription, uint32_t stall_ms);

/* ------------------------------------------------------------------ event */

/** Reference-counted payload of a verified chunk. */
typedef struct streamr_blob streamr_blob_t;

#define STREAMR_EVENT_NONE 0u
#define STREAMR_EVENT_CHUNK 1u        /* blob, header, latency_us (capture to verified) */
#define STREAMR_EVENT_READY 2u        /* publication: an origin takes the stream; subscription: first relay answered */
#define STREAMR_EVENT_WRITABLE 3u     /* after E_AGAIN from push */
#define STREAMR_EVENT_REGISTERED 4u   /* text = node_id */
#define STREAMR_EVENT_COORDINATOR 5u  /* value 1 reachable, 0 not; text says why */
#define STREAMR_EVENT_UPSTREAM 6u     /* value 1 connected, 0 lost, 2 switched; text = url and reason */
#define STREAMR_EVENT_REJECTED 7u     /* a peer's bytes were refused: value = protocol error code, text says what */
#define STREAMR_EVENT_ENDED 8u        /* a stream or subscription ended; value = SUB_END code */
#define STREAMR_EVENT_ERROR 9u        /* value = status, text says what */
#define STREAMR_EVENT_CARRYING 10u    /* relay: a stream was assigned (value 1) or taken away (0) */
#define STREAMR_EVENT_STOPPED 11u     /* nothing follows */
#define STREAMR_EVENT_PEER 12u        /* value 1 joined, 0 left; role; text = address, and why it left; bytes, duration_us */
#define STREAMR_EVENT_RECEIPT 13u     /* a receipt was refused: value = protocol error code, text says what */
#define STREAMR_EVENT_GOAWAY 14u      /* an upstream asks us to leave it: value = GOAWAY code, text = address and reason */

typedef struct streamr_event {
  uint32_t struct_size;
  uint32_t kind;                      /* STREAMR_EVENT_* */
  int64_t value;
  uint64_t time_us;                   /* unix time of the event */
  uint64_t latency_us;
  streamr_subscription_t* subscription;
  streamr_publication_t* publication;
  streamr_blob_t* blob;               /* owned by the receiver of the event: streamr_blob_release */
  uint8_t stream_id[32];
  streamr_chunk_header_t header;
  char text[256];
  uint64_t bytes;                     /* PEER: sent to it */
  uint64_t duration_us;               /* PEER: how long it was connected */
  uint32_t role;                      /* PEER: STREAMR_ROLE_* of the peer */
  uint32_t reserved;
} streamr_event_t;

/**
 * Takes the next event.
 *  timeout_ms  0 returns at once, UINT32_MAX waits without end (own thread only)
 *  Result  STREAMR_OK, E_AGAIN (nothing in time), E_STATE      Thread poll      Since 0.1
 */
STREAMR_API streamr_status_t streamr_node_poll(streamr_node_t* node, streamr_event_t* event, uint32_t timeout_ms);

/** Contiguous payload of a chunk; valid until the last release.   Thread any   Since 0.1 */
STREAMR_API const uint8_t* streamr_blob_data(const streamr_blob_t* blob);

/** Length of a chunk's payload in octets.   Thread any   Since 0.1 */
STREAMR_API size_t streamr_blob_size(const streamr_blob_t* blob);

/** One more owner.   Thread any   Since 0.1 */
STREAMR_API void streamr_blob_retain(streamr_blob_t* blob);

/** One owner less; the last one frees. NULL is fine.   Thread any   Since 0.1 */
STREAMR_API void streamr_blob_release(streamr_blob_t* blob);

#ifdef __cplusplus
}
#endif
#endif
