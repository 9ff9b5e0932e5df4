#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Reads every text file of a mount whose target does not move (it has ended, or is a replay at its end) and
holds it against the rules that the mount's README states.

usage: text_check.py MOUNT

- flat files: `key value` a line, no key twice but those with a line a value, the unit in the key, numbers
  finite, `?` and `-` for what is not known and what there is none of, and the JSON twin says the same;
- tables: each line as many cells as the header, the same for cells;
- a figure that stands in two files is the same in both;
- Prometheus text: a type for each name, no series twice, numbers finite.

Prints what breaks a rule; the exit status is 1 when something does.
"""
import datetime
import json
import math
import os
import re
import sys
import time

SLACK = float(os.environ.get("SLACK", "4"))  # of tests/lib.sh: the factor of all deadlines

LISTS = {"warning", "limit", "loss", "probe", "difference", "meaning", "waits_on"}
# For people, beside the same with a unit in its key.
HUMAN = {"attached_for": "attached_for_ns"}
# Text whatever it looks like.
TEXT = {"audit", "verdict", "goroutines_as", "overhead_is", "sampling", "recording_session", "executed",
        "gogc", "binary", "type", "function", "site", "sample", "go_version", "object", "wait_reason"} | LISTS
# What a number is of: the unit, or things that are counted.
UNITS = ("_ns", "_bytes", "_percent", "_per_second", "_per_second_least", "_hz", "_share", "_ratio")  # _share: a part of one; _ratio: of two times
INTEGER = ("_ns", "_bytes")
COUNTED = re.compile(
    r"^(pid|exit_status|exit_signal|goid|parent|woken_by|children|cap|len|n_waiters|live|waiting|goroutines|created|exited|count|size|samples|objects"
    r"|events|stays|suspect|leaked|unconfirmed|candidates|passes|readers|processors|comparisons|ended_by|threads|open_files|open_files_limit|gomaxprocs|gogc"
    r"|alloc_samples|spans_in_use|probes_attached|probes_out_of_line|probes_switched|event_readers|gc_cycles|gc_cycles_forced"
    r"|numbers_given|hits_skipped|alloc_sample_hits|reads_faulted|processes_\w+|dropped_\w+|bytes"
    r"|(events|lost|loss|goroutines|creations|sample|samples|differences|estimated|trimmed|retained|malformed|recorded|missed"
    r"|hits|numbers|budget|unknown|not_recorded|recording_missed|goids_given|runnable|running|syscall|preempted|waiting|leaked"
    r"|created|exited|wait_reason|makeslice|makemap|newobject|from|alloc_samples)_\w+"
    r"|\w+_(count|total|events|retained|in_memory|by_events)|\w*samples(_\w+)?"
    # The original's figures of itself, as it names them; and those of a table whose header has no room.
    r"|rps|pps|ewp|bps|percent|speed)$")
NUMBER = re.compile(r"^-?\d+(\.\d+)?$")
WITH_UNIT = re.compile(r"^\d+(\.\d+)?\s?(ns|us|µs|ms|s|m|h|d|B|[kKMG]i?B|%)(\d+(ms|s|m|h))?$")
NOTHING = {"", "nan", "inf", "-inf", "null", "none", "n/a", "nil", "(unknown)", "<nil>"}
# These have a word for it; audit none: there is none of it, and why.
WORDS = {"probes_level", "state", "writer", "overhead_most_by", "recording", "audit"}

FLAT = {"stats", "health", "audit", "heap", "sched/latency", "control/replay"}
TABLES = {"sites", "summary", "range", "stays", "waits"}
OWN = {"README", "events", "events_wall", "events.jsonl", "stacks", "top", "problems", "looked_for", "leaks", "sched/procs", "metrics", "flame/stacks", "flame/origin"}
# The same word for two things: whose state it is, and what a file is about.
APART = {"state", "audit", "count", "replay", "type", "wait"}
# A figure under another name.
ALIAS = {"sched/latency": {"count": "runnable_to_running_count", "sum_ns": "runnable_to_running_sum_ns",
                           "mean_ns": "runnable_to_running_mean_ns"},
         "health": {"attached_for_ns": "uptime_ns", "program_ns": "lat_ns", "apply_ns": "prc_ns",
                    "events_per_second": "pps", "events_waiting": "ewp"}}

problems = []


def bad(where, what):
    problems.append(f"{where}: {what}")


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def check_number(where, key, value, table):
    # In a table a whole number without a unit is a count.
    known = any(key.endswith(u) for u in UNITS) or COUNTED.match(key) or key == "ns" or table and "." not in value
    if not known:
        bad(where, f"{key} {value}: no unit in the key")
    if any(key.endswith(u) for u in INTEGER) and "." in value:
        bad(where, f"{key} {value}: not a whole number")
    if not math.isfinite(float(value)):
        bad(where, f"{key} {value}: not finite")


def check_value(where, key, value, table=False):
    if value in ("?", "-"):
        return
    if value.lower() in NOTHING and key not in WORDS:
        bad(where, f"{key} {value!r}: `?` and `-` stand for what is not known and what there is none of")
    elif key in TEXT:
        return
    elif NUMBER.match(value):
        check_number(where, key, value, table)
    elif WITH_UNIT.match(value) and key not in HUMAN:
        bad(where, f"{key} {value}: the unit belongs into the key")
    elif any(key.endswith(u) for u in UNITS):
        bad(where, f"{key} {value}: no number")


def same(text, twin):
    """Is that value of text the one of JSON?"""
    if twin is None:
        return text in ("?", "-")
    if isinstance(twin, bool):
        return text in (("yes", "true") if twin else ("no", "false"))
    if isinstance(twin, (int, float)):
        return bool(NUMBER.match(text)) and (float(text) if "." in text else int(text)) == twin
    return text == twin


def check_flat(where, text, twin):
    """Returns what it says: key -> value."""
    said, lists = {}, {}
    for n, line in enumerate(text.splitlines(), 1):
        match = re.match(r"^([a-z][a-z0-9_]*) (\S.*|)$", line)
        if not match:
            bad(f"{where}:{n}", f"no `key value`: {line!r}")
            continue
        key, value = match.groups()
        if key in LISTS:
            lists.setdefault(key, []).append(value)
            continue
        if key in said:
            bad(f"{where}:{n}", f"{key} a second time")
        said[key] = value
        check_value(f"{where}:{n}", key, value)
    for key, other in HUMAN.items():
        if key in said and other not in said:
            bad(where, f"{key} without {other}")
    if twin is None:
        return said
    for key, value in said.items():
        if key not in twin:
            bad(where, f"{key} is not in its JSON twin")
        elif not same(value, twin[key]):
            bad(where, f"{key} {value}, and {twin[key]!r} in its JSON twin")
    for key in LISTS & set(twin):
        told, want = lists.get(key, []), twin[key]
        if told != want if isinstance(want, list) else len(told) != 1 or not same(told[0], want):
            bad(where, f"{key} {told}, and {want!r} in its JSON twin")
    return said


def check_table(where, text, twin):
    """Returns the rows: [{column: value}]."""
    lines = text.splitlines()
    columns = lines[0].split("\t") if lines else []
    rows = []
    if len(set(columns)) != len(columns) or not all(re.match(r"^[a-z][a-z0-9_]*$", c) for c in columns):
        bad(where, f"no header: {columns}")
    for n, line in enumerate(lines[1:], 2):
        if line.startswith("... "):
            continue
        cells = line.split("\t")
        if len(cells) != len(columns):
            bad(f"{where}:{n}", f"{len(cells)} cells under {len(columns)} columns")
            continue
        rows.append(dict(zip(columns, cells)))
        for column, cell in rows[-1].items():
            check_value(f"{where}:{n}", column, cell, True)
    if not isinstance(twin, list):
        return rows
    twin = [t for t in twin if "cut" not in t and list(t) != ["as_of_unix_ns"]]
    if len(twin) != len(rows):
        bad(where, f"{len(rows)} rows, {len(twin)} in its JSON twin")
    for n, (row, other) in enumerate(zip(rows, twin), 2):
        for column, cell in row.items():
            if column not in other or not isinstance(other[column], (list, dict)) and not same(cell, other[column]):
                bad(f"{where}:{n}", f"{column} {cell}, and {other.get(column)!r} in its JSON twin")
    return rows


def check_metrics(where, text):
    types, seen = {}, {}
    for n, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            match = re.match(r"^# (HELP|TYPE) (\w+) (.+)$", line)
            if not match:
                bad(f"{where}:{n}", f"neither HELP nor TYPE: {line!r}")
            elif match[1] == "TYPE":
                types[match[2]] = match[3]
            continue
        match = re.match(r'^([a-z_]+)((?:\{(?:\w+="(?:[^"\\]|\\.)*",?)+\})?) (\S+)$', line)
        if not match:
            bad(f"{where}:{n}", f"no sample: {line!r}")
            continue
        name = re.sub(r"_(bucket|sum|count)$", "", match[1])
        if name not in types and match[1] not in types:
            bad(f"{where}:{n}", f"no type: {line!r}")
        if match[1] + match[2] in seen:
            bad(f"{where}:{n}", f"a second time: {line!r}")
        if not NUMBER.match(match[3]):
            bad(f"{where}:{n}", f"no finite number: {line!r}")
        seen[match[1] + match[2]] = match[3]
    return seen


def check_events(where, text):
    """Quotes hang on the key: a reason has them always."""
    for n, line in enumerate(text.splitlines(), 1):
        match = re.match(r'^\d+\.\d{9} \d+ [a-z]+((?: [a-z_]+=(?:"(?:[^"\\]|\\.)*"(?::\d+)?|[^ "]+))*)$', line)
        if not match:
            bad(f"{where}:{n}", f"no event: {line!r}")
        elif re.search(r" reason=[^\"]", match[1]):
            bad(f"{where}:{n}", f"a reason without quotes: {line!r}")
        if len(problems) > 50:
            return


def check_wall(mount, text):
    """events_wall is events with other times."""
    wall = read(os.path.join(mount, "events_wall")).splitlines()
    lines = text.splitlines()
    if len(wall) != len(lines):
        bad("events_wall", f"{len(wall)} lines, events has {len(lines)}")
    for n, (other, line) in enumerate(zip(wall, lines), 1):
        at, _, rest = line.partition(" ")
        date, _, same_rest = other.partition(" ")
        seconds, ns = at.split(".")
        if date != datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc).strftime(f"%Y-%m-%dT%H:%M:%S.{ns}Z") or rest != same_rest:
            bad(f"events_wall:{n}", f"{other!r}, and {line!r} in events")
            return


def twin_of(mount, name):
    for twin in (name, name.removesuffix(".tsv")):
        path = os.path.join(mount, twin + ".json")
        if os.path.exists(path):
            return json.loads(read(path))
    return None


def compare(figures):
    """figures: key -> {file: value}"""
    for key, by in figures.items():
        if len(set(by.values())) > 1 and key not in APART:
            bad(key, ", ".join(f"{value} in {file}" for file, value in sorted(by.items())))


def note(figures, name, said):
    for key, value in said.items():
        key = ALIAS.get(name, {}).get(key, key)
        if key not in HUMAN:
            figures.setdefault(key, {})[name] = value


def check_process(mount):
    """The files of a process. Returns (figures by file, rows of goroutines.tsv)."""
    figures, goroutines = {}, []
    names = [n for n in os.listdir(mount) if os.path.isfile(os.path.join(mount, n))]
    names += ["sched/latency", "sched/procs", "control/replay", "by-state/COUNTS", "by-wait/COUNTS", "by-func/COUNTS"]
    for name in sorted(names):
        path = os.path.join(mount, name)
        if not os.path.isfile(path) or name.endswith((".json", ".jsonl")) or name in OWN:
            continue
        try:
            text, twin = read(path), twin_of(mount, name)
        except OSError as e:  # of now, and that is over
            if name not in ("heap", "waits", "sched/procs"):
                bad(name, e.strerror)
            continue
        if name in FLAT:
            note(figures, name, check_flat(name, text, twin))
        elif name in TABLES or name.endswith((".tsv", "/COUNTS")):
            rows = check_table(name, text, twin)
            if name == "goroutines.tsv":
                goroutines = rows
            if name == "losses.tsv":
                note(figures, name, {f"loss_{r['way']}": r["count"] for r in rows})
        else:
            bad(name, "a file that nothing is known of: say in text_check.py what it is")
    top = json.loads(read(os.path.join(mount, "top.json")))
    note(figures, "top", {k: str(v) for k, v in top.items() if k.startswith("goroutines_")})
    metrics = check_metrics("metrics", read(os.path.join(mount, "metrics")))
    note(figures, "metrics", of_metrics(metrics))
    events = read(os.path.join(mount, "events"))
    check_events("events", events)
    check_wall(mount, events)
    return figures, goroutines


def of_metrics(metrics):
    said = {}
    for series, value in metrics.items():
        name, labels = re.match(r"^xgotopfs_(\w+)(.*)$", series).groups()
        labels = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if name == "events_total":
            said[f"events_{labels['event']}"] = value
        elif name == "lost_events_total":
            said[f"lost_{labels['event']}"] = value
        elif name == "losses_total":
            said[f"loss_{labels['way']}"] = value
        elif name == "goroutines":
            said["goroutines_state_unknown" if labels["state"] == "unknown" else f"goroutines_{labels['state']}"] = value
        elif name in ("goroutines_created_total", "goroutines_exited_total", "goroutines_healed_total"):
            said[name[:-6]] = value
        elif name == "allocated_bytes_total":
            said["alloc_bytes"] = value
        elif name in ("memory_bytes", "retained_events"):
            said[name] = value
    return said


def check_goroutines(mount, rows):
    for row in rows:
        folder = f"goroutines/{row['goid']}"
        if not os.path.isdir(os.path.join(mount, folder)):
            bad(folder, "is in goroutines.tsv and has no folder")
            continue
        figures = {}
        note(figures, "goroutines.tsv", {"events_total" if k == "events" else k: v for k, v in row.items()})
        for name in ("status", "stats"):
            note(figures, name, check_flat(f"{folder}/{name}", read(f"{mount}/{folder}/{name}"), twin_of(mount, f"{folder}/{name}")))
        check_table(f"{folder}/allocations", read(f"{mount}/{folder}/allocations"), twin_of(mount, f"{folder}/allocations"))
        for key, by in figures.items():
            if len(set(by.values())) > 1:
                bad(f"{folder}: {key}", by)


def check_sums(figures, rows):
    """Live and dead apart, and each counted once."""
    live = [r for r in rows if r["state"] != "dead"]
    said = {key: by["stats"] for key, by in figures.items() if "stats" in by}
    if str(len(live)) != said["goroutines_live"]:
        bad("goroutines.tsv", f"{len(live)} live, goroutines_live {said['goroutines_live']}")
    if str(len(rows) - len(live)) != said["goroutines_exited_retained"]:
        bad("goroutines.tsv", f"{len(rows) - len(live)} dead, goroutines_exited_retained {said['goroutines_exited_retained']}")


def standing(mount):
    """What should stand still."""
    return read(f"{mount}/stats") + read(f"{mount}/health")


def check_types(mount):
    for name in sorted(os.listdir(os.path.join(mount, "types"))):
        if name.endswith(".json"):
            continue
        text = read(os.path.join(mount, "types", name))
        said = check_flat(f"types/{name}", text, None)
        if said.get("makemap_bytes", "?") != "?":
            bad(f"types/{name}", "makemap_bytes is not known")


def main():
    mount = sys.argv[1]
    end = time.monotonic() + 30 * SLACK  # until then the tracer's own figures have come to rest
    while True:
        before = standing(mount)
        problems.clear()
        figures, rows = check_process(mount)
        if standing(mount) == before:
            break
        if time.monotonic() > end:
            bad(mount, "moves all the time")
            break
    compare(figures)
    check_goroutines(mount, rows)
    check_sums(figures, rows)
    check_types(mount)
    for problem in problems[:60]:
        print(problem)
    print(f"{len(figures)} figures, {len(rows)} goroutines, {len(problems)} problems")
    sys.exit(bool(problems) or not figures or not rows)


main()
