#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Holds the mount against REST, for every row of the table of views.

usage: views_agree.py TABLE FOLDER URL BASE            byte for byte: nothing moves
       views_agree.py TABLE FOLDER URL BASE under-load what is read last is bounded by what was read before and after

TABLE: what view_table prints. FOLDER: of the mount, or processes/PID in it. BASE: api/live?proc=0 or api/sessions/ID.
Each view is read in each of its forms. Under load: mount, REST, mount; a counter of REST lies between those two each time,
any other number at least once in the rounds (a gauge may be elsewhere in between; a figure that is computed in another
way, or in another unit, never is there), a text is one of the two at least once. Prints what disagrees; status 1 then."""
import gzip
import json
import os
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

SLACK = float(os.environ.get("SLACK", "4"))  # of tests/lib.sh: the factor of all deadlines

WHOLE, BATCH, SECONDS = 3, 6, 40.0  # rounds over all, views at once; then those only that are not done
TRIES = 25  # as many times a number may be elsewhere by chance
SETTLED = 5 * SLACK  # rates of the last second are 0 by then
FRESH = 0.11  # a file shows what it showed up to 0.1 s ago
# Of the web server's own source of a session, or of the process that serves it, and not of what was recorded.
OURS = re.compile(r"(rps|pps|ewp|lat_ns|prc_ns|bps|bfl_ns|qwl_ns|hits_per_second|lost_per_second|(trap|step)(_at_start)?_ns|overhead_\w+"
                  r"|program_ns|apply_ns|events_per_second|events_waiting|memory_bytes|retained_events(_max)?|trimmed_events|all_processes_logged_events|paused"
                  r"|xgotopfs_(read|processed)_events_per_second|xgotopfs_(waiting_events|memory_bytes|retained_events|trimmed_events_total)"
                  r"|xgotopfs_(program|process|batch_flush|batch_wait|trap|step)_seconds"
                  r"|xgotopfs_(probe_hits_per_second|overhead_(ratio|seconds_total)))")
COUNTED = ("stats", "metrics", "health", "types", "allocations", "sched/latency")
COUNTERS = re.compile(r"(events|lost)_(total|casgstatus|makeslice|makemap|newobject|newgoroutine|goexit)|goroutines_(created|exited)|alloc_bytes"
                      r"|(runnable_to_running_)?(count|sum_ns)|bytes|children|hits_total|xgotopfs_\w+_(total|count|sum|bucket)(\{.*)?")
SINCE = re.compile(r"state_since_ns$")
AGES = re.compile(r"oldest_age_ns$|^root .* > ns$")
BELOW = " > "  # in the key of what is in a list or an object
KEYS = ("goid", "begin_ns", "kind", "type", "function", "site", "name", "key")
UNITS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9, "d": 86400e9}
wrong = []


def complain(what):
    wrong.append(what)


def rows_of(table):
    """[(scope, name, suffix, [form])]"""
    with open(table) as f:
        fields = [line.rstrip("\n").split("\t") for line in f]
    return [(scope, name, suffix, forms.split()) for scope, name, suffix, forms, _, place, _, _ in fields if place == "mount"]


def file_of(folder, name, suffix, form):
    return os.path.join(folder, name + (".json" if form == "json" else suffix))


def read_file(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError as e:
        return e.strerror.encode()


def read_rest(url, base, path, form, choice):
    base, _, query = base.partition("?")
    # In JSON the API tells of some goroutines, and how many there are; the file is the list of all.
    some = path == "goroutines" and form == "json"
    query = "&".join(filter(None, [query, f"format={form}" if choice else "", "limit=10000" if some else ""]))
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/{base}/{path}{'?' + query if query else ''}", timeout=30 * SLACK) as r:
            data = r.read()
            return json.dumps(json.loads(data)["goroutines"]).encode() if some else data
    except urllib.error.HTTPError as e:
        return f"{e.code} {e.read()[:200]!r}".encode()


# --- forms as {key: value} ----------------------------------------------------------------------------

def number(value):
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return value
    if re.fullmatch(r"-?\d+(\.\d+)?(e[-+]?\d+)?", value):
        return float(value) if "." in value or "e" in value else int(value)
    if re.fullmatch(r"(\d+(\.\d+)?(ns|us|ms|s|m|h|d))+", value):
        return sum(float(n) * UNITS[u] for n, _, u in re.findall(r"(\d+(\.\d+)?)(ns|us|ms|s|m|h|d)", value))
    return value


def identity(row, index):
    if isinstance(row, list) and len(row) > 2:
        return f"{row[0]}|{row[1]}"
    if isinstance(row, dict) and any(k in row for k in KEYS):
        return "|".join(str(row[k]) for k in KEYS if k in row)
    return str(row["state"]) if isinstance(row, dict) and "state" in row else str(index)


def flatten(value, path, out):
    if isinstance(value, dict):
        for key, v in value.items():
            flatten(v, f"{path}{BELOW}{key}" if path else key, out)
    elif isinstance(value, list):
        for i, v in enumerate(value):
            flatten(v, f"{path}{BELOW}{identity(v, i)}", out)
    else:
        out[path] = number(value)


def parse_text(name, text):
    lines = text.splitlines()
    out = {}
    if lines and "\t" in lines[0]:
        header = lines[0].split("\t")
        out["header"] = lines[0]
        for i, line in enumerate(lines[1:]):
            row = dict(zip(header, line.split("\t")))
            flatten(row, identity(row, i), out)
        return out
    for line in lines:
        if not line or line.startswith("#"):
            continue
        at_end = name == "metrics" or name.startswith("flame/")
        key, _, value = line.rpartition("\t") if "\t" in line else line.rpartition(" ") if at_end else line.partition(" ")
        n = sum(k == key or k.startswith(key + BELOW) for k in out)
        out[f"{key}{BELOW}{n}" if n else key] = number(value)
    return out


def parse(form, name, data):
    if form == "json":
        value = json.loads(data)
        if name == "top":  # of the last second, each time another
            return {"keys": " ".join(k for k in value if not k.startswith("sample_"))}
        if name == "sched/procs":  # who runs where is another thing each time
            return {"keys": " ".join(value), "ps": [list(p) for p in value["ps"]], "ms": list(value["ms"][0])}
        out = {"a": type(value).__name__}
        flatten(value, "", out)
        return out
    if form == "binary":
        return {"gzip": bool(gzip.decompress(data))} if data[:2] == b"\x1f\x8b" else {"bytes": bool(data)}
    text = data.decode()
    if name == "top":
        return {"header": next(line for line in text.splitlines() if line.startswith("      GOID"))}
    if name == "sched/procs":
        return {"lines": " ".join(re.findall(r"^SCHED|^  P\d+:|\w+(?==)", text.split("  M")[0], re.M)), "ms": "  M0: " in text}
    if name == "blame":  # sentences, of another wait each time
        text = text.partition("\n\n")[0]
    if name in ("stacks", "stack"):
        return {f"goroutine{BELOW}{goid}": True for goid in re.findall(r"^goroutine (\d+) \[", text, re.M)}
    return {"text": text} if name == "README" else parse_text(name, text)


# --- pprof's profiles: the samples, whatever their order ---------------------------------------------------

def fields_of(data):
    """[(number, value)] of a protobuf message."""
    at, out = 0, []

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        value = varint()
        if key & 7 == 2:
            at += value
            value = data[at - value:at]
        out.append((key >> 3, value))
    return out


def packed(data):
    return [v for _, v in fields_of(b"".join(b"\x08" + bytes([b]) if not i or data[i - 1] < 0x80 else bytes([b])
                                            for i, b in enumerate(data)))]


def profile(data):
    """Every sample as (functions and lines, values, labels), and the comments; sorted."""
    fields = fields_of(gzip.decompress(data))
    strings = [v.decode() for n, v in fields if n == 6]
    functions = {f[1]: (strings[f.get(2, 0)], strings[f.get(4, 0)]) for f in (dict(fields_of(v)) for n, v in fields if n == 5)}
    places = {}
    for location in (fields_of(v) for n, v in fields if n == 4):
        lines = [dict(fields_of(v)) for n, v in location if n == 4]
        places[dict(location)[1]] = [(functions[line[1]], line.get(2, 0)) for line in lines]
    samples = []
    for sample in (fields_of(v) for n, v in fields if n == 2):
        stack = [places[i] for n, v in sample if n == 1 for i in (packed(v) if isinstance(v, bytes) else [v])]
        values = [i for n, v in sample if n == 2 for i in (packed(v) if isinstance(v, bytes) else [v])]
        labels = [{k: strings[v] if k in (1, 2) else v for k, v in fields_of(v)} for n, v in sample if n == 3]
        samples.append(repr((stack, values, labels)))
    return sorted(samples) + sorted(repr((n, v)) for n, v in fields if n in (9, 10)) + sorted(strings)


# --- exactly ----------------------------------------------------------------------------------------

def without_ours(form, name, data):
    if name not in ("stats", "health", "metrics") or form == "binary":
        return data
    parsed = parse(form, name, data)
    return {k: v for k, v in parsed.items() if not OURS.match(k)}


def same(form, name, a, b, recorded):
    if recorded and form == "binary" and name.startswith("pprof/"):
        return profile(a) == profile(b)
    if a == b or (name == "goroutines" and form == "json" and json.loads(a)[:10000] == json.loads(b)):
        return True
    return recorded and without_ours(form, name, a) == without_ours(form, name, b)


def exactly(views, folder, url, base, recorded):
    compared = 0
    for where, path, name, suffix, forms in views:
        for form in forms:
            end = time.monotonic() + SETTLED
            while True:
                file = read_file(file_of(os.path.join(folder, where), name, suffix, form))
                rest = read_rest(url, base, path, form, len(forms) > 1 or where == "types")
                missing = file == b"No such file or directory" and rest.startswith(b"501 ")
                agree = missing or same(form, name, file, rest, recorded)
                if agree or time.monotonic() > end:
                    break
                time.sleep(0.1)
            if not agree:
                at = next((i for i, (x, y) in enumerate(zip(file, rest)) if x != y), min(len(file), len(rest)))
                complain(f"{path} ({form}): at byte {at}: the mount has {file[max(0, at - 60):at + 60]!r}, "
                         f"REST {rest[max(0, at - 60):at + 60]!r}")
            compared += not missing
    return compared


# --- between ------------------------------------------------------------------------------------------

NUMBER = re.compile(r"\d+(?:\.\d+)?")


def text_inside(low, value, high):
    """A sentence that is one of the two, or is the same but for numbers that lie between theirs."""
    if value in (low, high):
        return True
    if not all(isinstance(x, str) for x in (low, value, high)) or len({NUMBER.sub("#", x) for x in (low, value, high)}) > 1:
        return False
    numbers = zip(*(map(float, NUMBER.findall(x)) for x in (low, value, high)))
    return all(min(a, b) <= n <= max(a, b) for a, n, b in numbers)


class Seen:
    """What of one view, in one form, was seen to agree."""

    def __init__(self, path, name, form):
        self.what, self.strict = f"{path} ({form})", name in COUNTED
        self.times, self.good = {}, set()
        self.last = {}
        self.ended = False

    def add(self, before, rest, after, took_ns):
        open_still = 0
        for key in before.keys() & after.keys():
            self.times[key] = self.times.get(key, 0) + 1
            if key not in rest:
                self.last[key] = (before[key], "nothing", after[key])
                open_still += key not in self.good
                continue
            low, value, high = before[key], rest[key], after[key]
            self.last[key] = (low, value, high)
            counts = all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in (low, value, high))
            if not counts:
                inside = text_inside(low, value, high)
            elif SINCE.search(key):  # it went on, or began anew since then
                inside = low <= value <= low + took_ns or value <= took_ns
            elif AGES.search(key):  # the sum or the greatest of such
                inside = value <= 2 * max(low, high) + took_ns
            else:
                inside = min(low, high) <= value <= max(low, high)
                if self.strict and COUNTERS.fullmatch(key.rsplit(BELOW)[-1]) and not inside:
                    complain(f"{self.what}: {key}: {low}, then {value} by REST, then {high}")
            if inside:
                self.good.add(key)
            open_still += key not in self.good
        for key in rest.keys() - before.keys() - after.keys():
            if BELOW not in key and self.strict:
                complain(f"{self.what}: REST alone has {key}")
        return open_still

    def missing(self, least):
        return [key for key, n in self.times.items() if n >= least and key not in self.good]


def has_ended(folder, where):
    """A goroutine of which some files are no more; REST says of it that there is nothing."""
    status = read_file(os.path.join(folder, where, "status")).decode()
    return where.startswith("goroutines/") and ("\nstate dead\n" in status or status == "No such file or directory")


def look(some, folder, url, base, seen):
    """Reads some views: mount, REST, mount. Returns those of which not all was seen to agree yet."""
    asked = [(view, form, file_of(os.path.join(folder, view[0]), view[2], view[3], form)) for view in some for form in view[4]]
    begin = time.monotonic()
    before = [read_file(file) for _, _, file in asked]
    old = time.monotonic() + FRESH
    rest = [read_rest(url, base, view[1], form, len(view[4]) > 1 or view[0] == "types") for view, form, _ in asked]
    time.sleep(max(0.0, old - time.monotonic()))
    after = [read_file(file) for _, _, file in asked]
    took_ns = (time.monotonic() - begin + FRESH) * 1e9
    open_still = []
    for (view, form, _), *three in zip(asked, before, rest, after):
        s = seen.setdefault((view[1], form), Seen(view[1], view[2], form))
        if b"No such file or directory" in (three[0], three[2]) and has_ended(folder, view[0]):
            s.ended = True
            continue
        try:
            if s.add(*(parse(form, view[2], data) for data in three), took_ns) and view not in open_still:
                open_still.append(view)
        except (ValueError, UnicodeDecodeError) as e:
            complain(f"{s.what}: {e}: {[data[:80] for data in three]}")
    return open_still


def under_load(views, folder, url, base):
    seen = {}
    end = time.monotonic() + SECONDS
    todo, turn = views, 0
    while todo and not wrong and time.monotonic() < end:
        turn += 1
        open_still = []
        for at in range(0, len(todo), BATCH):
            open_still += look(todo[at:at + BATCH], folder, url, base, seen)
        todo = views if turn < WHOLE else open_still
    for s in seen.values():
        # A goroutine that was there for a moment is not held to it.
        for key in s.missing(TRIES)[:5]:
            complain(f"{s.what}: {key}: never between: last {s.last[key]}")
        if not s.times and not s.ended:
            complain(f"{s.what}: nothing was compared")
    print(f"{turn} rounds")
    return sum(len(s.times) for s in seen.values())


def goroutines(folder):
    """Some that stay: the eldest that live, and the busiest."""
    rows = json.loads(read_file(os.path.join(folder, "goroutines.json")))
    live = [r for r in rows if r["state"] != "dead" and not r["system"]]
    return sorted({r["goid"] for r in live[:3] + sorted(live, key=lambda r: -r["events"])[:2]})


def main():
    table, folder, url, base, *how = sys.argv[1:]
    views = []
    for scope, name, suffix, forms in rows_of(table):
        if name == "README" and "sessions" in base:
            continue  # of the mount and what can be done in it
        if scope == "process":
            views.append(("", name, name, suffix, forms))
        elif scope == "goroutine":
            views += [(f"goroutines/{g}", f"goroutines/{g}/{name}", name, suffix, forms) for g in goroutines(folder)]
        elif scope == "type":
            # Its file's name is the type's where nothing in it had to be escaped.
            types = [t for t in sorted(os.listdir(os.path.join(folder, "types"))) if "%" not in t][:5]
            views += [("types", f"types/{urllib.parse.quote(t)}", t, "", ["text"]) for t in types]
        else:
            complain(f"{scope} {name}: views_agree.py does not know how to ask for it")
    if how == ["under-load"]:
        compared = under_load(views, folder, url, base)
    else:
        compared = exactly(views, folder, url, base, "sessions" in base)
    print(f"{compared} compared")
    if compared < 20:
        complain(f"only {compared} compared")
    print("\n".join(wrong[:20]))
    sys.exit(1 if wrong else 0)


main()
