"""Rows of the result: one figure of ours, one of the peer's, their ratio, the target, and whether it is met."""
from lab import spread


def row(case, ours, peer, unit, *, peer_name, target=None, of="ours", note="", digits=3):
    """`ours`, `peer`: lists of repetitions, or nothing. `target` bounds the ratio (of="ratio") or our figure (of="ours")."""
    one = {"case": case, "unit": unit, "peer_name": peer_name, "target": target, "of": of, "note": note,
           "ours": spread(ours, digits) if ours else None, "peer": spread(peer, digits) if peer else None, "ratio": None, "met": None}
    if one["ours"] and one["peer"] and one["peer"]["median"]:
        one["ratio"] = round(one["ours"]["median"] / one["peer"]["median"], 2)
    judged = one["ratio"] if of == "ratio" else one["ours"]["median"] if one["ours"] else None
    if target is not None and judged is not None:
        one["met"] = judged <= target
    return one


def skipped(case, why):
    return {"case": case, "skipped": why, "met": None}


def figure(value):
    return "–" if value is None else f"{value['median']:g} ({value['min']:g}–{value['max']:g})"


def cells(one):
    target = "–" if one["target"] is None else f"≤ {one['target']:g}" + (" ×" if one["of"] == "ratio" else "")
    met = {True: "yes", False: "NO", None: "–"}[one["met"]]
    return [one["case"], figure(one["ours"]), figure(one["peer"]), one["unit"], "–" if one["ratio"] is None else f"{one['ratio']:.2f}",
            target, met, one["peer_name"] + (f"; {one['note']}" if one["note"] else "")]


HEAD = ["case", "ours: median (min–max)", "peer: median (min–max)", "unit", "ratio", "target", "met", "peer, note"]


def show(rows):
    lines = [HEAD] + [[one["case"], "skipped: " + one["skipped"]] if "skipped" in one else cells(one) for one in rows]
    widths = [max(len(line[i]) for line in lines if len(line) == len(HEAD)) for i in range(len(HEAD) - 1)]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths + [0])) if len(line) == len(HEAD) else "  ".join(line))


def markdown(rows):
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    for one in rows:
        words = [one["case"], "skipped: " + one["skipped"]] + [""] * (len(HEAD) - 2) if "skipped" in one else cells(one)
        lines.append("| " + " | ".join(words) + " |")
    return "\n".join(lines) + "\n"
