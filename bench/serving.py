"""Cases of serving: CPU of the server for each GB or request, ours and the peer's by turns in one run."""
import peers
from lab import HOST, LOAD_CORE, Skipped, free_port, http_get, watch
from table import row

VIEWERS = 500
STREAMS = 64          # viewers back to back
RELOADERS = 1000


class Serving:
    """A relay that verifies a live stream of 200 KB parts, 20 to a segment, and the loads on it."""

    def __init__(self, lab, options, *flags, **feed):
        self.lab, self.options = lab, options
        if "--tls-cert" in flags:   # the feed speaks without TLS to an origin on the other core; the measured relay takes it from there
            self.origin = lab.relay("origin", "--any-stream", core=LOAD_CORE)
            self.feed = lab.feed(self.origin, **{"seconds": 3600, **feed})
            self.relay = lab.relay("relay", "--carry", f"{self.feed.stream}=ws://{HOST}:{self.origin.port}/relay", *flags)
        else:
            self.origin = None
            self.relay = lab.relay("relay", "--any-stream", *flags)
            self.feed = lab.feed(self.relay, **{"seconds": 3600, **feed})
        self.common = {"warmup_ms": 1000, "measure_ms": int(options.seconds * 1000), "receive_buffer": 1 << 20}

    def stop(self):
        self.lab.stop(*[one for one in (self.relay, self.feed.child, self.origin) if one])

    def ours(self, plan, connections, *, kind="http", target="part", port=None, **more):
        asked = {"stream": self.feed.stream} if kind == "push" else {"plan": plan, "object": getattr(self.feed, target), "playlist": self.feed.playlist}
        return self.lab.load(kind=kind, port=port or self.relay.port, connections=connections, times=self.feed.times, watch=watch(self.relay),
                             **asked, **{**self.common, **more})

    def theirs(self, server, plan, connections, target, *, port=None, **more):
        return self.lab.load(kind="http", plan=plan, object=target, port=port or server.port, connections=connections, watch=watch(server),
                             **{**self.common, **more})


def turns(options, ours, theirs):
    """Repetitions by turns: (ours, theirs)."""
    first, second = [], []
    for _ in range(options.repetitions):
        first.append(ours())
        second.append(theirs())
    return first, second


def all_of(found, name, scale=1.0):
    return [one[name] * scale for one in found]


def ms(found, percentile, of="part_us"):
    return [one[of][percentile] / 1000 for one in found]


def paced(lab, options):
    """500 viewers, one 200 KB part each 200 ms."""
    case = Serving(lab, options)
    case.feed.wait(10)
    peers.static_files(lab)
    nginx = peers.nginx(lab, tls="")
    ours, theirs = turns(options, lambda: case.ours("paced", VIEWERS), lambda: case.theirs(nginx, "paced", VIEWERS, "/p%r.m4s"))
    cost = "cpu_s_per_gb"
    return [row("paced", all_of(ours, cost), all_of(theirs, cost), "CPU-s/GB", peer_name="nginx static", target=1.0, of="ratio"),
            row("paced, answer p99", ms(ours, "p99"), ms(theirs, "p99"), "ms", peer_name="nginx static")]


def back_to_back(lab, options):
    """64 viewers that ask again as soon as they have the last: whole segments of 4 MB, parts of 200 KB."""
    case = Serving(lab, options)
    peers.static_files(lab)
    nginx = peers.nginx(lab, tls="")
    case.feed.wait(42)
    return both_sizes(case, options, nginx, "back to back", nginx.port, case.relay.port, (1.1, 0.95), {})


def both_sizes(case, options, nginx, name, their_port, our_port, targets, more):
    rows = []
    for size, target, path, ring, behind, bound in (("4 MB", "segment", "/s%r.m4s", peers.SEGMENTS, 2 * 20, targets[0]),
                                                     ("200 KB", "part", "/p%r.m4s", peers.PARTS, 2, targets[1])):
        ours, theirs = turns(options, lambda: case.ours("saturate", STREAMS, target=target, behind=behind, port=our_port, **more),
                             lambda: case.theirs(nginx, "saturate", STREAMS, path, ring=ring, port=their_port, **more))
        rows.append(row(f"{name}, {size}", all_of(ours, "cpu_s_per_gb"), all_of(theirs, "cpu_s_per_gb"), "CPU-s/GB",
                        peer_name="nginx static", target=bound, of="ratio"))
        rate = lambda found: [one["bytes"] * 8e-9 / one["cpu_s"] for one in found]
        rows.append(row(f"{name}, {size}, a core", rate(ours), rate(theirs), "Gbit/s", peer_name="nginx static", digits=1))
    return rows


def push(lab, options):
    """The same 8 Mbit/s to 500 viewers over SRW/1: as parts of 200 KB, and frame by frame (33 KB each 33 ms)."""
    peers.static_files(lab)
    nginx = peers.nginx(lab, tls="")
    rows = []
    for name, feed, path, interval_ms in (("200 KB parts", {}, "/p%r.m4s", 200),
                                          ("33 KB chunks", {"bytes": 33_333, "part_ms": 33, "parts": 60}, "/c%r.m4s", 33)):
        case = Serving(lab, options, **feed)
        case.feed.wait(10)
        ours, theirs = turns(options, lambda: case.ours("", VIEWERS, kind="push"),
                             lambda: case.theirs(nginx, "paced", VIEWERS, path, interval_ms=interval_ms))
        rows += [row(f"push, {name}", all_of(ours, "cpu_s_per_gb"), all_of(theirs, "cpu_s_per_gb"), "CPU-s/GB",
                     peer_name="nginx static, same size and pace", target=0.25),
                 row(f"push, {name}, push to slice p50", ms(ours, "p50", "slice_us"), None, "ms", peer_name="–"),
                 row(f"push, {name}, push to slice p99", ms(ours, "p99", "slice_us"), None, "ms", peer_name="–", target=10)]
        case.stop()
    return rows


def playlists(lab, options):
    """1000 viewers in blocking reload; nginx answers a file of the same size, all viewers at once each 200 ms."""
    case = Serving(lab, options)
    case.feed.wait(42)
    size = len(http_get(case.relay.port, f"/live/{case.feed.stream}/0.m3u8"))
    peers.static_files(lab, small_bytes=size)
    nginx = peers.nginx(lab, tls="")
    ours, theirs = turns(options, lambda: case.ours("playlist", RELOADERS), lambda: case.theirs(nginx, "burst", RELOADERS, "/small.m3u8"))
    return [row("playlist reload", all_of(ours, "cpu_us_per_answer"), all_of(theirs, "cpu_us_per_answer"), "CPU-µs/request",
                peer_name="nginx static, same size", target=1.0, of="ratio", digits=2, note=f"{size} octets"),
            row("playlist reload, push to answer p99", ms(ours, "p99", "slice_us"), None, "ms", peer_name="–", digits=2)]


def players(lab, options):
    """500 LL-HLS players: blocking reload, then the part."""
    case = Serving(lab, options)
    case.feed.wait(10)
    peers.static_files(lab)
    nginx = peers.nginx(lab, tls="")
    ours, theirs = turns(options, lambda: case.ours("player", VIEWERS), lambda: case.theirs(nginx, "paced", VIEWERS, "/p%r.m4s"))
    return [row("LL-HLS players", all_of(ours, "cpu_s_per_gb"), all_of(theirs, "cpu_s_per_gb"), "CPU-s/GB", peer_name="nginx static, parts only",
                target=0.25),
            row("LL-HLS players, push to part p50", ms(ours, "p50"), None, "ms", peer_name="–"),
            row("LL-HLS players, push to part p99", ms(ours, "p99"), None, "ms", peer_name="–", target=60)]


def live_edge(lab, options):
    """500 viewers that all wait for each new part; varnish collapses the same requests in front of a relay of ours."""
    case = Serving(lab, options)
    case.feed.wait(10)
    upstream = lab.relay("upstream", "--any-stream", core=LOAD_CORE)
    their_feed = lab.feed(upstream, seconds=3600)
    their_feed.wait(10)
    theirs = None
    try:
        varnish = peers.varnish(lab, upstream.port)
        theirs = lambda: lab.load(kind="http", plan="edge", object=their_feed.part, port=varnish.port, connections=VIEWERS,
                                  times=their_feed.times, watch=watch(varnish), **case.common)
        ours, found = turns(options, lambda: case.ours("edge", VIEWERS), theirs)
    except Skipped as why:
        print(f"bench/run: live edge without its peer: {why}")
        ours, found = [case.ours("edge", VIEWERS) for _ in range(options.repetitions)], []
    name = "varnish before a relay"
    return [row("live edge", all_of(ours, "cpu_s_per_gb"), all_of(found, "cpu_s_per_gb"), "CPU-s/GB", peer_name=name, target=0.25),
            row("live edge, push to part p50", ms(ours, "p50"), ms(found, "p50"), "ms", peer_name=name, target=10),
            row("live edge, push to part p99", ms(ours, "p99"), ms(found, "p99"), "ms", peer_name=name, target=20)]


def tls_server(lab, certificate, key):
    """(nginx, its TLS port): TLS 1.3 with AES-128-GCM beside plain HTTP."""
    port = free_port()
    return peers.nginx(lab, tls=f"listen {HOST}:{port} ssl backlog=4096; ssl_certificate {certificate}; ssl_certificate_key {key}; "
                                "ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256; ssl_buffer_size 16k;"), port


def tls(lab, options):
    """Back to back over TLS 1.3 with AES-128-GCM."""
    certificate, key = peers.certificate(lab)
    peers.static_files(lab)
    nginx, their_port = tls_server(lab, certificate, key)
    case = Serving(lab, options, "--tls-cert", certificate, "--tls-key", key)
    case.feed.wait(42)
    return both_sizes(case, options, nginx, "TLS 1.3 AES-128-GCM", their_port, case.relay.port, (0.9, 0.9), {"tls": 1})
