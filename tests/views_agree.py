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
import urllib.request

ROUNDS, SECONDS = 40, 40.0
SETTLED = 5.0  # rates of the last second are 0 by then
FRESH = 0.11  # a file shows what it showed up to 0.1 s ago
# Of the web server's own source of a session, or of the process that serves it, and not of what was recorded.
OURS = re.compile(r"(rps|pps|ewp|lat_ns|prc_ns|bps|bfl_ns|qwl_ns|hits_per_second|lost_per_second|trap_ns|overhead_estimate_percent"
                  r"|program_ns|apply_ns|events_per_second|events_waiting|memory_bytes|retained_events(_max)?|trimmed_events|paused"
                  r"|xgotopfs_(read|processed)_events_per_second|xgotopfs_(waiting_events|memory_bytes|retained_events|trimmed_events_total)"
                  r"|xgotopfs_(program|process|batch_flush|batch_wait)_seconds)")
COUNTERS = re.compile(r"(^|[/_])(events|lost|created|exited|count|sum_ns|total|alloc_bytes|children)(_|$|/)|_total(\{|$)|_count(\{|$)")
SINCE = re.compile(r"state_since_ns$")
KEYS = ("goid", "kind", "type", "function", "site", "name")
UNITS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9, "d": 86400e9}
wrong = []


def complain(what):
    wrong.append(what)


def rows_of(table):
    """[(scope, name, suffix, [form])]"""
    with open(table) as f:
        fields = [line.rstrip("\n").split("\t") for line in f]
    return [(scope, name, suffix, forms.split()) for scope, name, suffix, forms, _, place, _ in fields if place == "mount"]


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
        with urllib.request.urlopen(f"{url.rstrip('/')}/{base}/{path}{'?' + query if query else ''}", timeout=30) as r:
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
    if isinstance(row, dict) and "goid" in row:
        return str(row["goid"])
    if isinstance(row, dict) and any(k in row for k in KEYS):
        return "|".join(str(row[k]) for k in KEYS if k in row)
    return str(index)


def flatten(value, path, out):
    if isinstance(value, dict):
        for key, v in value.items():
            flatten(v, f"{path}/{key}" if path else key, out)
    elif isinstance(value, list):
        for i, v in enumerate(value):
            flatten(v, f"{path}/{identity(v, i)}", out)
    else:
        out[path] = number(value)


def parse_text(text):
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
        key, _, value = line.rpartition(" ") if line.startswith("xgotopfs_") else line.partition(" ")
        n = 0
        while f"{key}/{n}" in out or (n == 0 and key in out):
            n += 1
        out[f"{key}/{n}" if n else key] = number(value)
    return out


def parse(form, name, data):
    if form == "json":
        value = json.loads(data)
        out = {"a": type(value).__name__}
        flatten(value, "", out)
        return out
    if form == "binary":
        return {"gzip": bool(gzip.decompress(data))} if data[:2] == b"\x1f\x8b" else {"bytes": bool(data)}
    text = data.decode()
    if name in ("stacks", "stack"):
        return {f"goroutine/{goid}": True for goid in re.findall(r"^goroutine (\d+) \[", text, re.M)}
    return {"text": text} if name == "README" else parse_text(text)


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
    if recorded and form == "binary":
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
                rest = read_rest(url, base, path, form, len(forms) > 1)
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

class Seen:
    """What of one view, in one form, was seen to agree."""

    def __init__(self, what):
        self.what = what
        self.times, self.good = {}, set()
        self.last = {}

    def add(self, before, rest, after, took_ns):
        open_still = 0
        for key in before.keys() & after.keys():
            self.times[key] = self.times.get(key, 0) + 1
            if key not in rest:
                self.last[key] = (before[key], "nothing", after[key])
                continue
            low, value, high = before[key], rest[key], after[key]
            self.last[key] = (low, value, high)
            counts = all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in (low, value, high))
            if not counts:
                inside = value in (low, high)
            elif SINCE.search(key):  # it went on, or began anew since then
                inside = low <= value <= low + took_ns or value <= took_ns
            else:
                inside = min(low, high) <= value <= max(low, high)
                if COUNTERS.search(key) and low <= high and not inside and "state" not in key:
                    complain(f"{self.what}: {key}: {low}, then {value} by REST, then {high}")
            if inside:
                self.good.add(key)
            open_still += key not in self.good
        for key in rest.keys() - before.keys() - after.keys():
            if "/" not in key:
                complain(f"{self.what}: REST alone has {key}")
        return open_still

    def missing(self, least):
        return [key for key, n in self.times.items() if n >= least and key not in self.good]


def under_load(views, folder, url, base):
    seen = {}
    end = time.monotonic() + SECONDS
    for turn in range(ROUNDS):
        open_still = 0
        for where, path, name, suffix, forms in views:
            files = [file_of(os.path.join(folder, where), name, suffix, form) for form in forms]
            begin = time.monotonic()
            before = [read_file(f) for f in files]
            old = time.monotonic() + FRESH
            rest = [read_rest(url, base, path, form, len(forms) > 1) for form in forms]
            time.sleep(max(0.0, old - time.monotonic()))
            after = [read_file(f) for f in files]
            for form, *three in zip(forms, before, rest, after):
                s = seen.setdefault((path, form), Seen(f"{path} ({form})"))
                try:
                    open_still += s.add(*(parse(form, name, data) for data in three), (time.monotonic() - begin + FRESH) * 1e9)
                except (ValueError, UnicodeDecodeError) as e:
                    complain(f"{path} ({form}): {e}: {[data[:80] for data in three]}")
        if wrong or (turn >= 3 and not open_still) or time.monotonic() > end:
            break
    for s in seen.values():
        # A goroutine that was there for a moment is not held to it.
        for key in s.missing(3)[:5]:
            complain(f"{s.what}: {key}: never between: last {s.last[key]}")
        if not s.times:
            complain(f"{s.what}: nothing was compared")
    print(f"{turn + 1} rounds")
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
