"""What the demo measures, all of it from the programs' own figures: /stats.json of each relay, the lines of the viewer and
the publisher, the coordinator's /payouts. Nothing here is a constant."""
import time

from network import RELAYS, fetch_json

NODES = [*RELAYS, "viewer"]


def milliseconds(histogram):
    """p50 and p99 in ms of a histogram in µs, nothing where it is empty."""
    if not histogram or not histogram.get("count"):
        return None
    return {"p50": round(histogram["p50"] / 1000, 1), "p99": round(histogram["p99"] / 1000, 1)}


class Figures:
    """Newest figures of each program, kept so that they survive the programs."""

    def __init__(self, network):
        self.network = network
        self.stats, self.payouts, self.status = {}, {}, {}
        self.viewer, self.publisher = {}, {}
        self.last_payouts_s = 0.0

    def stream_of(self, name):
        """The demo's stream in a relay's figures."""
        for stream in self.stats.get(name, {}).get("streams", []):
            if stream.get("stream") == self.network.stream_id:
                return stream
        return {}

    def look(self):
        """Asks every program once."""
        for name in RELAYS:
            found = fetch_json(self.network.http(name) + "/stats.json")
            if isinstance(found, dict):
                self.stats[name] = found
        self.viewer = self.network.figures_of("viewer") or self.viewer
        self.publisher = self.network.figures_of("publisher") or self.publisher
        if time.monotonic() - self.last_payouts_s >= 2:
            self.look_at_coordinator()

    def look_at_coordinator(self):
        self.last_payouts_s = time.monotonic()
        self.status = fetch_json(self.network.http("coordinator") + "/v1/status") or self.status
        found = fetch_json(self.network.http("coordinator") + "/payouts?hours_back=1")
        if isinstance(found, dict) and isinstance(found.get("payouts"), dict):
            self.payouts = found["payouts"]

    def look_last(self):
        """Once more before everything ends, as far as it still answers."""
        if self.network.stream_id:
            self.look()
            self.look_at_coordinator()

    # ---- what came out --------------------------------------------------------------------------------------------
    def node_of(self, name):
        """A relay as the coordinator sees it."""
        key = self.network.node_keys.get(name)
        return next((node for node in self.status.get("nodes", []) if node.get("key") == key), {})

    def earned(self, name):
        """What a relay has earned so far by the coordinator's /payouts."""
        shares = self.payouts.get(self.network.stream_id, {}).get("node_payouts", {})
        return shares.get(self.node_of(name).get("node_id"), {}).get("final_payout", 0)

    def pool(self):
        return self.payouts.get(self.network.stream_id, {}).get("total_pool", 0)

    def rows(self):
        """One line of the screen for each node."""
        latency, found = self.report()["latency_ms"], []
        for name in NODES:
            stream = self.stream_of(name) if name != "viewer" else self.viewer
            times = latency[name] or {"p50": "–", "p99": "–"}
            found.append({
                "name": name, "hop": stream.get("hop", "–"),
                "health": self.node_of(name).get("health", "–") if name != "viewer" else "watching",
                "chunks": stream.get("chunks", 0), "verified": f"{stream.get('verified_bytes', 0) / 1e6:.1f} MB",
                "rejected": stream.get("slices_rejected", stream.get("rejected", 0)),
                "p50": f"{times['p50']} ms", "p99": f"{times['p99']} ms",
                "earned": f"{self.earned(name):.2f}" if name != "viewer" else ""})
        return found

    def report(self):
        live = [self.stream_of(name) for name in RELAYS if self.stream_of(name)]
        latency = {name: milliseconds(self.stream_of(name).get("latency_us", {}).get("chunk")) for name in RELAYS}
        latency["viewer"] = milliseconds({"count": self.viewer.get("chunks"), "p50": self.viewer.get("latency_p50_us"),
                                          "p99": self.viewer.get("latency_p99_us")})
        return {
            "published_chunks": self.publisher.get("published_chunks", 0),
            "delivered_chunks": self.viewer.get("chunks", 0),
            "verified_bytes": self.viewer.get("verified_bytes", 0),
            "rejected_slices": sum(stream.get("slices_rejected", 0) for stream in live) + self.viewer.get("rejected", 0),
            "relays": len(live),
            "hops": max((stream.get("hop", 0) for stream in live), default=0),
            "first_picture_ms": self.viewer.get("first_picture_ms", -1),
            "latency_ms": latency,
            "heartbeats": self.status.get("heartbeats", 0),
            "payouts": sum(1 for name in RELAYS if self.earned(name) > 0),
            "earned": {name: self.earned(name) for name in RELAYS},
        }

    def failures(self, report, timed):
        """One sentence for everything that did not hold; a run that a person ended early owes only a clean end."""
        wrong = []
        if report["processes_left"]:
            wrong.append(f"{report['processes_left']} processes were left behind")
        if report["rejected_slices"]:
            wrong.append(f"{report['rejected_slices']} slices were rejected, expected none")
        if not timed:
            return wrong
        if report["relays"] != len(RELAYS) or report["hops"] != len(RELAYS):
            wrong.append(f"the stream reached {report['relays']} relays over {report['hops']} hops, expected 3 and 3")
        if not report["published_chunks"] or not report["delivered_chunks"]:
            wrong.append(f"{report['published_chunks']} chunks were published and {report['delivered_chunks']} delivered")
        missing = [name for name in NODES if not report["latency_ms"][name]]
        if missing:
            wrong.append(f"no latency was measured at {', '.join(missing)}")
        if report["first_picture_ms"] < 0:
            wrong.append("the viewer saw no picture")
        if not report["heartbeats"] or not report["payouts"]:
            wrong.append(f"{report['heartbeats']} heartbeats led to {report['payouts']} payouts, expected more than none")
        if report["payouts"] and abs(sum(report["earned"].values()) - self.pool()) > 1e-5:
            wrong.append(f"the relays earned {sum(report['earned'].values())} in all, the pool is {self.pool()}")
        return wrong
