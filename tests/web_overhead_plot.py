# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Draws the web overhead test: METRICS-FOLDER OUT-FOLDER REQUESTS CONNECTIONS. See web_overhead_test.sh."""

import json
import os
import platform
import statistics
import sys

metrics_dir, out_dir, requests, connections = sys.argv[1:5]


def busy_mean(run, key):
    """The mean over the seconds in which there were events."""
    values = [v for v, r in zip(run[key], run["rps"]) if r > 0]
    return sum(values) / len(values) if values else 0


runs = {}
for name in os.listdir(metrics_dir):
    if name.endswith(".json"):
        mode, kind, readers = name[:-5].split("_")
        with open(os.path.join(metrics_dir, name)) as f:
            run = json.load(f)
        with open(os.path.join(metrics_dir, name[:-5] + ".meta")) as f:
            run["meta"] = json.load(f)
        run["rate"] = int(requests) * 1000 / max(1, run["meta"]["load_ms"])
        runs.setdefault((kind, mode), {})[int(readers)] = run

ORDER = {"off": 0, "on": 1, "client": 2}
lines = sorted(runs, key=lambda k: (k[0] != "protobuf", ORDER[k[1]]))
with open(os.path.join(out_dir, "web_overhead_test.md"), "w") as f:
    f.write("# Web overhead test\n\n")
    f.write(
        "`tests/web_overhead_test.sh`: the demo server answers %s requests on %s connections as fast as they go, once for each line. "
        "Web off: recording only; on: the server runs, nobody looks; client: one client reads all of /ws. RPS, PPS, LAT and PRC are means "
        "over the seconds with events. Requests a second are the target's: /off is against the same line with the web off, single runs. "
        "Measured on %s CPUs (%s, Linux %s).\n\n"
        % (requests, connections, os.cpu_count(), platform.machine(), platform.release())
    )
    f.write("| format | web | readers | requests/s | /off | events | RPS | PPS | LAT ns | PRC ns | lost | missed |\n")
    f.write("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
    for kind, mode in lines:
        for readers in sorted(runs[kind, mode]):
            run = runs[kind, mode][readers]
            off = runs.get((kind, "off"), {}).get(readers)
            meta = run["meta"]
            f.write(
                "| %s | %s | %d | %.0f | %s | %d | %.0f | %.0f | %.0f | %.0f | %d | %d |\n"
                % (
                    kind, mode, readers, run["rate"], "%.2f" % (run["rate"] / off["rate"]) if off else "",
                    meta["event_count"], busy_mean(run, "rps"), busy_mean(run, "pps"), busy_mean(run, "lat"),
                    busy_mean(run, "prc"), meta["lost_events"], meta["missed_events"],
                )
            )
    f.write("\n")
    for mode in sorted({m for _, m in lines} - {"off"}):
        ratios = [
            runs[kind, mode][n]["rate"] / runs[kind, "off"][n]["rate"]
            for kind, m in lines if m == mode for n in runs[kind, mode] if n in runs.get((kind, "off"), {})
        ]
        if ratios:
            f.write("Median of /off, web %s: %.2f (%d runs).\n" % (mode, statistics.median(ratios), len(ratios)))
    f.write("\n")
    for picture in ("requests", "throughput", "latency", "processing"):
        f.write("![](web_overhead_test_%s.png)\n" % picture)

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

pictures = {
    "requests": ("requests a second of the target", lambda r: r["rate"]),
    "throughput": ("events processed a second (PPS)", lambda r: busy_mean(r, "pps")),
    "latency": ("ns a probe hit (LAT)", lambda r: busy_mean(r, "lat")),
    "processing": ("ns an event (PRC)", lambda r: busy_mean(r, "prc")),
}
STYLE = {"off": ":", "on": "--", "client": "-"}
for picture, (label, value) in pictures.items():
    figure, axes = plt.subplots(figsize=(8, 4.5))
    for kind, mode in lines:
        counts = sorted(runs[kind, mode])
        axes.plot(
            counts, [value(runs[kind, mode][n]) for n in counts], marker="o", linestyle=STYLE[mode],
            color="tab:blue" if kind == "protobuf" else "tab:orange", label="%s, web %s" % (kind, mode),
        )
    axes.set_xscale("log", base=2)
    axes.set_xticks(sorted({n for k in runs for n in runs[k]}))
    axes.get_xaxis().set_major_formatter(plt.ScalarFormatter())
    axes.set_xlabel("readers (-rw)")
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(os.path.join(out_dir, "web_overhead_test_%s.png" % picture), dpi=110)
    plt.close(figure)
