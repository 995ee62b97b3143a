"""What a person sees while the demo runs: a short screen that stays up to date, or a line now and then."""
import json
import sys
import time

LINE_EVERY_S = 10


class Screen:
    """On a terminal the screen is drawn over itself; elsewhere, and with --seconds, lines are written."""

    def __init__(self, live):
        self.live = live and sys.stdout.isatty()
        self.urls = None
        self.drawn = 0
        self.begun_s = time.monotonic()
        self.last_line_s = 0.0

    def note(self, text):
        self.clear()
        print(text, flush=True)

    def clear(self):
        if self.drawn:
            print(f"\033[{self.drawn}A\033[J", end="")
            self.drawn = 0

    def ready(self, urls):
        self.urls = urls
        self.begun_s = time.monotonic()
        if not self.live:
            print("\n".join(self.addresses()), flush=True)

    def addresses(self):
        hls = self.urls["hls"]
        return [f"  status page  {self.urls['status']}",
                f"  HLS          origin  {hls['origin']}",
                f"               relay1  {hls['relay1']}",
                f"               relay2  {hls['relay2']}",
                f"  OBS          server  {self.urls['rtmp']}   stream key  {self.urls['stream_key']}"]

    def show(self, figures):
        if self.live:
            self.draw(figures)
        elif time.monotonic() - self.last_line_s >= LINE_EVERY_S:
            self.last_line_s = time.monotonic()
            now = figures.report()
            print(f"{time.monotonic() - self.begun_s:5.0f} s  {now['published_chunks']} chunks published, "
                  f"{now['delivered_chunks']} delivered, {now['verified_bytes'] / 1e6:.1f} MB verified, "
                  f"{now['rejected_slices']} slices rejected", flush=True)

    def draw(self, figures):
        now = figures.report()
        head = (f"  stream {figures.network.stream_id[:16]}…   {time.monotonic() - self.begun_s:.0f} s   "
                f"published {now['published_chunks']} chunks   delivered {now['delivered_chunks']}   "
                f"rejected {now['rejected_slices']} slices")
        rows = [head, "", f"  {'node':10}{'hop':>4} {'health':9}{'chunks':>8}{'verified':>12}{'rejected':>9}{'p50':>11}{'p99':>11}"
                          f"{'earned':>12}"]
        for row in figures.rows():
            rows.append(f"  {row['name']:10}{row['hop']:>4} {row['health']:9}{row['chunks']:>8}{row['verified']:>12}"
                        f"{row['rejected']:>9}{row['p50']:>11}{row['p99']:>11}{row['earned']:>12}")
        rows += ["", *self.addresses(), "", "  Ctrl-C ends everything."]
        self.clear()
        print("\n".join(rows), flush=True)
        self.drawn = len(rows)

    def end(self, report, failures, logs):
        self.clear()
        print(json.dumps({name: value for name, value in report.items() if name != "failures"}, indent=2))
        if failures:
            for failure in failures:
                print(f"Did not hold: {failure}", file=sys.stderr)
            print(f"The programs' logs are in {logs}.", file=sys.stderr)
        else:
            print("Everything held.")
