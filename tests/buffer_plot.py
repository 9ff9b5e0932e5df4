# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Draws the buffer test: METRICS-FOLDER OUT-FOLDER REQUESTS CONNECTIONS. See buffer_test.sh."""

import json
import os
import platform
import sys

metrics_dir, out_dir, requests, connections = sys.argv[1:5]


def busy_mean(run, key, by="rps"):
    """The mean over the seconds in which there were events."""
    values = [v for v, r in zip(run[key], run[by]) if r > 0]
    return sum(values) / len(values) if values else 0


runs = {}
for name in os.listdir(metrics_dir):
    if name.endswith(".json"):
        kind, size = name[:-5].rsplit("_", 1)
        with open(os.path.join(metrics_dir, name)) as f:
            run = json.load(f)
        with open(os.path.join(metrics_dir, name[:-5] + ".meta")) as f:
            run["meta"] = json.load(f)
        runs.setdefault(kind, {})[int(size)] = run

with open(os.path.join(out_dir, "buffer_test.md"), "w") as f:
    f.write("# Buffer test\n\n")
    f.write(
        "`tests/buffer_test.sh`: the demo server answers %s requests on %s connections for each line, with `-web` on. "
        "RPS, PPS, LAT, flush and wait are means over the seconds with events; lost is of the tracing, missed of the "
        "recorder. A batch larger than what comes in -batch-flush-interval (100 ms) is written at the interval, not when "
        "it is full. Measured on %s CPUs (%s, Linux %s).\n\n"
        % (requests, connections, os.cpu_count(), platform.machine(), platform.release())
    )
    f.write("| format | batch | events | RPS | PPS | LAT ns | flush us | wait us | bytes/event | lost | missed |\n")
    f.write("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
    for kind in sorted(runs, reverse=True):
        for size in sorted(runs[kind]):
            run = runs[kind][size]
            meta = run["meta"]
            f.write(
                "| %s | %d | %d | %.0f | %.0f | %.0f | %.0f | %.0f | %.1f | %d | %d |\n"
                % (
                    kind,
                    size,
                    meta["event_count"],
                    busy_mean(run, "rps"),
                    busy_mean(run, "pps"),
                    busy_mean(run, "lat"),
                    busy_mean(run, "bfl") / 1e3,
                    busy_mean(run, "qwl") / 1e3,
                    meta["bytes"] / max(1, meta["event_count"]),
                    meta["lost_events"],
                    meta["missed_events"],
                )
            )
    f.write("\n")
    for picture in ("throughput", "latency", "flush", "queue"):
        f.write("![](buffer_test_%s.png)\n" % picture)

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

pictures = {
    "throughput": ("events a second", [("rps", "read", 1), ("pps", "processed", 1)]),
    "latency": ("ns a probe hit (LAT)", [("lat", "", 1)]),
    "flush": ("us a batch, packing and writing", [("bfl", "", 1e3)]),
    "queue": ("us a due batch waited", [("qwl", "", 1e3)]),
}
for picture, (label, lines) in pictures.items():
    figure, axes = plt.subplots(figsize=(8, 4.5))
    for kind in sorted(runs, reverse=True):
        sizes = sorted(runs[kind])
        for key, what, unit in lines:
            axes.plot(
                sizes,
                [busy_mean(runs[kind][s], key) / unit for s in sizes],
                marker="o",
                linestyle="--" if key == "pps" else "-",
                label=(kind + " " + what).strip(),
            )
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(s) for s in sizes])
    axes.set_xlabel("batch size, events")
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(os.path.join(out_dir, "buffer_test_%s.png" % picture), dpi=110)
    plt.close(figure)
