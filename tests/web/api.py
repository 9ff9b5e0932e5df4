# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A client of the original's REST API, written from its documentation: the shapes it promises are
checked here, and nothing else of ours is used. api.py URL"""
import http.client
import json
import os
import re
import sys
import time
import urllib.parse

SLACK = float(os.environ.get("SLACK", "4"))  # of tests/lib.sh: the factor of all deadlines

base = urllib.parse.urlsplit(sys.argv[1])
connection = http.client.HTTPConnection(base.hostname, base.port, timeout=20 * SLACK)


def once(pairs):
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), f"a key twice: {keys}"
    return dict(pairs)


def get(path, status=200, kind="application/json"):
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    assert response.status == status, f"{path}: {response.status} {body[:200]}"
    assert response.headers["Content-Type"].startswith(kind), response.headers["Content-Type"]
    return json.loads(body, object_pairs_hook=once) if kind == "application/json" else body.decode()


def post(path, value, status=200):
    body = value if isinstance(value, (str, bytes)) else json.dumps(value)
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    data = response.read()
    assert response.status == status, f"POST {path}: {response.status} {data[:200]}"
    return json.loads(data)


def is_error(answer):
    assert list(answer) == ["error"] and isinstance(answer["error"], str) and answer["error"]


def check_event(event):
    for key in ("timestamp", "event_type", "goroutine", "parent_goroutine"):
        assert isinstance(event[key], int), (key, event)
    assert isinstance(event["attributes"], list) and len(event["attributes"]) == 5
    assert all(isinstance(a, int) for a in event["attributes"])


# Sessions
sessions = get("/api/sessions")
assert isinstance(sessions, list) and sessions, "no sessions"
for session in sessions:
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", session["id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", session["start_time"])
    assert isinstance(session["pid"], int) and isinstance(session["event_count"], int)
    assert isinstance(session["binary_path"], str)
    one = get(f"/api/sessions/{session['id']}")
    assert {k: one[k] for k in ("id", "start_time", "pid", "binary_path")} == \
           {k: session[k] for k in ("id", "start_time", "pid", "binary_path")}

# Events: filters, limit, offset
for session in sessions:
    path = f"/api/sessions/{session['id']}/events"
    every = get(path)
    assert every
    for event in every[:500]:
        check_event(event)
    if session["event_count"]:
        assert len(every) == session["event_count"], (len(every), session)
    some = get(f"{path}?limit=3")
    assert some == every[:3]
    assert get(f"{path}?limit=2&offset=1") == every[1:3]
    assert get(f"{path}?offset={len(every)}") == []
    # A line for each, as other tools read them.
    lines = get(f"{path}?format=jsonl", kind="application/x-ndjson")
    assert [json.loads(line) for line in lines.splitlines()] == every
    assert get(f"{path}?format=jsonl&limit=2", kind="application/x-ndjson") == "".join(lines.splitlines(True)[:2])
    is_error(get(f"{path}?format=xml", 400))
    kind = every[len(every) // 2]["event_type"]
    assert get(f"{path}?event_type={kind}") == [e for e in every if e["event_type"] == kind]
    goid = every[-1]["goroutine"]
    assert get(f"{path}?goroutine={goid}&limit=5") == [e for e in every if e["goroutine"] == goid][:5]
    start, end = every[10]["timestamp"], every[20]["timestamp"]
    assert get(f"{path}?start_time={start}&end_time={end}") == \
        [e for e in every if start <= e["timestamp"] <= end]
    goids = get(f"/api/sessions/{session['id']}/goroutines")
    assert sorted(goids) == sorted({e["goroutine"] for e in every})
    is_error(get(f"{path}?limit=-1", 400))
    is_error(get(f"{path}?event_type=6", 400))
    is_error(get(f"{path}?start_time=5&end_time=4", 400))

# Configuration: what is posted is answered, and stays
config = get("/api/config")
assert isinstance(config["nanoseconds_per_pixel"], (int, float))
assert {str(i) for i in range(10)} <= set(config["state_colors"])
assert set(config["type_colors"]) == {"makemap", "makeslice", "newobject"}
config["nanoseconds_per_pixel"] = 250000
config["state_colors"]["4"] = "#123456"
wanted = {k: config[k] for k in ("nanoseconds_per_pixel", "state_colors", "type_colors")}
post("/api/config", wanted)
again = get("/api/config")
assert {k: again[k] for k in wanted} == wanted
is_error(post("/api/config", "{", 400))
is_error(post("/api/config", {"nanoseconds_per_pixel": -1}, 400))
assert {k: get("/api/config")[k] for k in wanted} == wanted

# Metrics
metrics = get("/api/metrics")
for key in ("rps", "pps", "ewp", "lat", "prc", "bfl", "qwl"):
    assert isinstance(metrics[key], (int, float)), key

# What is not there
is_error(get("/api/sessions/00000000-0000-0000-0000-000000000000", 404))
is_error(get("/api/sessions/nonsense", 400))
is_error(get("/api/nothing", 404))
is_error(post("/api/sessions", {}, 405))

# Ours: the same goroutine everywhere, filters, and Prometheus
listing = get("/api/live/goroutines?filter=state:waiting&sort=age&desc=1&limit=5")
assert listing["total"] >= len(listing["goroutines"]) > 0
assert all(g["state"] == "waiting" for g in listing["goroutines"])
goid = listing["goroutines"][0]["goid"]
one = get(f"/api/live/goroutines/{goid}")
assert one["goid"] == goid and one["start_function"]
assert "goroutine" in get(f"/api/live/goroutines/{goid}/stack", kind="text/plain")
get(f"/api/live/goroutines/{goid}/allocations")
for part in ("status", "stats"):
    assert set(get(f"/api/live/goroutines/{goid}/{part}")) <= set(one)
text = get(f"/api/live/goroutines?goids={goid}&format=text", kind="text/plain").splitlines()
assert text[0].startswith("goid\tstate\t") and text[1].startswith(f"{goid}\t") and len(text) == 2
lines = get(f"/api/live/goroutines/{goid}/events?format=jsonl&limit=2", kind="application/x-ndjson").splitlines()
assert len(lines) == 2 and json.loads(lines[0])["timestamp"]
assert get(f"/api/live/goroutines/{goid}/events?limit=5")["events"]
# The retained events: more than an array has, without a limit.
array = get("/api/live/events?limit=3")
lines = get("/api/live/events?format=jsonl", kind="application/x-ndjson").splitlines()
assert len(array) == 3 and len(lines) > 1000 and set(json.loads(lines[-1])) >= {"timestamp", "event_type"}
of_one = [json.loads(line) for line in
          get(f"/api/live/events?format=jsonl&goroutine={goid}", kind="application/x-ndjson").splitlines()]
assert of_one and all(event["goroutine"] == goid for event in of_one)
is_error(get("/api/live/events?limit=100001", 400))
is_error(get("/api/live/events?limit=0", 400))
is_error(get("/api/live/goroutines/99999999", 404))
is_error(get("/api/live/goroutines?filter=age%3Ex", 400))
is_error(get("/api/live/goroutines?sort=nothing", 400))
said = get("/api/live/goroutines?filter=state:wating", 400)
assert "wating" in said["error"] and "waiting" in said["error"] and "unknown" in said["error"]
for name in ("status", "stats", "health", "types", "sites", "latency", "rows"):
    get(f"/api/live/{name}")

# A process among several; all of them where none is named
status = get("/api/live/status")
assert [p["pid"] for p in status["processes"]] == [4242, 4343]
parts = [get(f"/api/live/status?proc={i}") for i in (0, 1)]
assert parts[1]["live_total"] == 12 and parts[0]["live_total"] > 12
assert len(get("/api/live/rows?proc=1")["rows"]) == 12
assert {json.loads(line).get("pid") for line in lines} <= {4242, 4343}, "events without their process"
for name in ("status", "latency", "flame", "summary", "latency/28/5", "rows"):
    is_error(get(f"/api/live/{name}?proc=7", 404))
    is_error(get(f"/api/live/{name}?proc=x", 400))


# Flame graphs: a part is never more than the whole, and both forms say the same
def own(node, key):
    children = node.get("children", [])
    inside = sum(c[key] for c in children)
    assert node[key] >= inside, node["name"]
    assert node["kind"] in ("function", "site", "state", "type") and isinstance(node["name"], str)
    return node[key] - inside + sum(own(c, key) for c in children)


session = sessions[0]["id"]
deadline = time.monotonic() + 30 * SLACK
while get(f"/api/sessions/{session}/status")["state"] != "ready":  # it is read when it is first asked for
    assert time.monotonic() < deadline, "the session is not read"
    time.sleep(0.02)
for path, by in (("live/flame", "stack"), ("live/flame?by=origin", "origin"), (f"sessions/{session}/flame?by=origin", "origin")):
    answer = get(f"/api/{path}")
    assert answer["by"] == by and not answer["truncated"]
    root = answer["root"]
    assert root["goroutines"] == answer["goroutines"] > 0
    for key in ("goroutines", "ns"):
        assert own(root, key) == root[key]
folded = get(f"/api/sessions/{session}/flame?by=origin&format=folded&weight=ns", kind="text/plain")
assert sum(int(line.rsplit(" ", 1)[1]) for line in folded.splitlines()) == root["ns"]
some = get("/api/live/flame?by=origin&filter=func:main.worker")
assert [c["name"] for c in some["root"]["children"]] == ["main.worker"]
is_error(get(f"/api/sessions/{session}/flame", 501))
for arguments in ("by=x", "format=x", "weight=x", "filter=age%3Ex", "goids=x"):
    is_error(get(f"/api/live/flame?{arguments}", 400))

# The self-metrics are the tracer's: who looks at a session has none
columns = get("/api/live/meter?n=5")
assert set(columns) == {"time_ms", "rps", "pps", "ewp", "lat", "prc", "bfl", "qwl", "lost", "overhead_ppm"}
assert len({len(column) for column in columns.values()}) == 1 and len(columns["rps"]) <= 5
is_error(get("/api/live/meter?n=0", 400))
is_error(get(f"/api/sessions/{session}/meter", 501))
assert get(f"/api/sessions/{session}/stats")["rps"] is None

# Latency over time: of a session that stays as it is, the columns sum up to the histogram
status = get(f"/api/sessions/{session}/status")
first = status["first_ns"] >> 20
heat = get(f"/api/sessions/{session}/latency/20/{first}?n=1000")
series = get(f"/api/sessions/{session}/series/20/{first}?n=1000")
assert heat["width_ns"] == 1 << 20 and heat["start_ns"] == first << 20 and len(heat["counts"]) == 1000
assert [sum(column) for column in heat["counts"]] == series["latency_count"]
# The pyramid counts what the model counts: of a goroutine whose state was known.
assert sum(series["latency_count"]) == sum(get(f"/api/sessions/{session}/latency")) > 100
for column, longest in zip(heat["counts"], series["latency_max_ns"]):
    assert len(column) <= heat["rows"] and (not column or column[-1])
    if column and 0 < len(column) - 1 < heat["rows"] - 1:
        assert longest.bit_length() - 1 == len(column) - 1 + heat["base"]
for place in ("19/5", "45/5", "20/x", "20/5?n=0", "20/5?n=5000"):
    is_error(get(f"/api/live/latency/{place}", 400))

# How busy goroutines were: as much as ran at all that time, and each goroutine in one row
busy = get(f"/api/sessions/{session}/utilisation/20/{first}?n=6")
assert (busy["level"], busy["width_ns"], busy["start_ns"], busy["rows"]) == (20, 1 << 20, first << 20, 10)
assert len(busy["counts"]) == 6 and busy["since_ns"] <= busy["start_ns"]
ran = get(f"/api/sessions/{session}/series/20/{first}?n=6")["state_ns"]["running"]
over = (status["now_ns"] >> 20) - first  # how many buckets are
assert over >= 1
for i, column in enumerate(busy["counts"]):
    assert len(column) <= 10 and (not column or column[-1])
    if i < over:
        assert sum(column) > (50 if i else 0)  # in the first bucket most are not known to run yet
        least = sum(count * (row / 10 - 1 / 255) for row, count in enumerate(column))
        assert least <= ran[i] / (1 << 20) <= sum(count * (row + 1) / 10 for row, count in enumerate(column))
    elif i > over:
        assert column == []
parts = [get(f"/api/sessions/{session}/utilisation/20/{first}?n=6&filter={f}state:exited")["counts"] for f in ("", "-")]
for column, exited, others in zip(busy["counts"], *parts):
    at = lambda counts, row: counts[row] if row < len(counts) else 0
    assert column == [at(exited, row) + at(others, row) for row in range(len(column))]
assert len(get(f"/api/sessions/{session}/utilisation/30/5")["counts"]) == 160
# One alone: where it ran all the time, in the last row; where it did not run, in none. Not one that ran when it
# was first seen: that it did is known from how that stay ended, later than the pyramid is made.
stays = get(f"/api/sessions/{session}/stays?state=running&limit=2000")["stays"]
goid = next(s[0] for s in stays if s[1] > get(f"/api/sessions/{session}/goroutines/{s[0]}")["created_ns"])
alone = get(f"/api/sessions/{session}/utilisation/20/{first}?n=6&goids={goid}")["counts"]
assert all(sum(column) <= 1 for column in alone) and any(alone)
assert get(f"/api/sessions/{session}/utilisation/20/{first}?n=3&goids=99999999")["counts"] == [[], [], []]
now = get("/api/live/status")["now_ns"]
assert any(get(f"/api/live/utilisation/28/{(now >> 28) - 20}?n=20")["counts"])
for place in ("19/5", "45/5", "x/5", "20/x", "20/5?n=0", "20/5?n=301", "20/5?n=x", "20/5?goids=x", "20/5?filter=age%3Ex",
              "20/18446744073709551615", "44/1048575"):
    is_error(get(f"/api/live/utilisation/{place}", 400))
is_error(get("/api/live/utilisation/28/5?proc=7", 404))

# Rows: part after part is the whole, and what changed is part of it
def texts(answer):
    return [row[:4] + [answer["texts"][i] for i in row[4:7]] + row[7:] for row in answer["rows"]]


whole = get(f"/api/sessions/{session}/rows")
assert whole["all"] and not whole["more"]
goids = [row[0] for row in whole["rows"]]
assert goids == sorted(set(goids)) and len(goids) == get(f"/api/sessions/{session}/summary")["goroutines"] > 50
parts, after = [], 0
while True:
    part = get(f"/api/sessions/{session}/rows?after={after}&limit=17")
    assert part["all"] and len(part["rows"]) <= 17
    parts += texts(part)
    if not part["more"]:
        break
    assert len(part["rows"]) == 17
    after = part["rows"][-1][0]
assert parts == texts(whole)
# The list of a recorded session in full: the same goroutines, in the words that the mount has
listing = get(f"/api/sessions/{session}/goroutines?full=1&limit=10000")
assert [g["goid"] for g in listing["goroutines"]] == goids and listing["total"] == len(goids)
plain = get(f"/api/sessions/{session}/goroutines")
assert plain and all(type(goid) is int for goid in plain) and plain == sorted(set(plain))
assert "wating" in get(f"/api/sessions/{session}/goroutines?filter=state:wating", 400)["error"]
some = get(f"/api/sessions/{session}/goroutines?filter=state:dead")
assert 0 < some["total"] < len(goids) and {g["state"] for g in some["goroutines"]} == {"dead"}
dead = [row[0] for row in whole["rows"] if row[2] == 6]
assert dead == [g["goid"] for g in listing["goroutines"] if g["state"] == "dead"] and 0 < len(dead) < len(goids)
assert get(f"/api/sessions/{session}/rows?goids={goids[0]},{dead[0]}")["rows"][-1][:3:2] == [dead[0], 6]
since = sorted(row[10] for row in whole["rows"])[len(goids) // 2]
changed = [row for row in texts(whole) if max(row[7], row[9], row[10]) >= since]
assert 0 < len(changed) < len(goids)
some = get(f"/api/sessions/{session}/rows?since={since}")
assert texts(some) == changed and not some["all"] and not some["more"]
some = get(f"/api/sessions/{session}/rows?since={since}&after={changed[4][0]}&limit=3")
assert texts(some) == changed[5:8] and some["more"]
assert get(f"/api/sessions/{session}/rows?after={goids[-1]}")["rows"] == []
for arguments in ("since=x", "since=-1", "after=x", "limit=0", "limit=x"):
    is_error(get(f"/api/live/rows?{arguments}", 400))

# A range: the histogram counts the stays
for source in ("live", f"sessions/{session}"):
    states = get(f"/api/{source}/range")["states"]
    assert states
    for state in states:
        counts = state["histogram"]
        assert sum(counts) == state["stays"] and counts[-1]
        assert max(state["max_ns"], 1).bit_length() - 1 == len(counts) - 1
        half = next(i for i in range(len(counts)) if sum(counts[:i + 1]) > state["stays"] // 2)
        assert 2 ** half * 0.9375 <= max(state["p50_ns"], 1) <= 2 ** (half + 1) * 1.0625
# Who has not exited has not exited at time 0, either.
everyone = get(f"/api/sessions/{session}/range?from=0")
assert everyone["exited"] == get(f"/api/sessions/{session}/range")["exited"] < everyone["goroutines"]
for arguments in ("from=5&to=5", "from=x", "format=x"):
    is_error(get(f"/api/live/range?{arguments}", 400))

status = get(f"/api/sessions/{session}/status")
middle = (status["first_ns"] + status["now_ns"]) // 2

# By one key: whichever it is, all its pages together are the range, in a session as live
for source in ("live?proc=0", f"sessions/{session}?"):
    source, _, proc = source.partition("?")
    window = f"{proc}&from={middle - 10 ** 6}&to={middle + 10 ** 6}" if source != "live" else proc
    states = get(f"/api/{source}/range?{window}")["states"]
    whole = sum(s["stays"] for s in states), sum(s["total_ns"] for s in states)
    for by in ("reason", "function", "waker", "waker_function", "site", "caller"):
        pages, total = [], 1
        while len(pages) < total:
            page = get(f"/api/{source}/range_by?{window}&by={by}&sort=key&offset={len(pages)}&limit=6")
            assert page["by"] == by and len(page["rows"]) == min(6, page["total"] - len(pages)), page
            pages += page["rows"]
            total = page["total"] if source != "live" else min(page["total"], 6)
        if source == "live":
            continue  # it goes on meanwhile
        assert len({row["key"] for row in pages}) == total
        for key, of in (("stays", "stays"), ("total_ns", "total_ns"), ("alloc_bytes", "alloc_bytes")):
            # What a key does not have is null in its rows and in their sum.
            assert {row[key] is None for row in pages} == {page["sum"][of] is None}, (by, key)
            assert sum(row[key] or 0 for row in pages) == (page["sum"][of] or 0), (by, key)
        if by in ("reason", "function", "site"):
            assert (page["sum"]["stays"], page["sum"]["total_ns"]) == whole, by
        if by in ("function", "site", "caller"):
            assert page["sum"]["alloc_bytes"] == get(f"/api/{source}/range?{window}")["alloc_bytes"]
    # Who waited for a channel in it, and who did not, are all of them.
    parts = [get(f"/api/{source}/range_by?{window}&by=reason&filter={part}")["sum"]["goroutines"] for part in ("was:channel", "-was:channel", "")]
    assert source == "live" or parts[0] + parts[1] == parts[2] > parts[0] > 0, parts
    for arguments in ("by=colour", "sort=colour", "limit=0", "limit=5001", "offset=-1", "from=x", "from=5&to=5", "filter=was:", "filter=colour:red"):
        said = get(f"/api/{source}/range_by?{arguments}", 400)["error"]
        assert "colour" in said or "colour" not in arguments, said
assert "goes only where a time is asked about" in get("/api/live/goroutines?filter=was:sync", 400)["error"]

# Flame graphs of a range: of allocations, which says what it does not see, and of CPU time, which says why there is none
of_range = get(f"/api/sessions/{session}/range?from={middle}&to={middle + 10 ** 6}")
answer = get(f"/api/sessions/{session}/flame?by=alloc&from={middle}&to={middle + 10 ** 6}")
assert answer["bytes"] == of_range["alloc_bytes"] == answer["root"]["bytes"] > 0
assert answer["allocations"] == sum(of_range["events"][e] for e in ("makeslice", "makemap", "newobject"))
assert all(own(answer["root"], key) == answer["root"][key] for key in ("allocations", "bytes"))
assert "not append, strings, conversions" in answer["seen"]
folded = get(f"/api/sessions/{session}/flame?by=alloc&from={middle}&to={middle + 10 ** 6}&format=folded", kind="text/plain")
assert sum(int(line.rsplit(" ", 1)[1]) for line in folded.splitlines()) == answer["bytes"]
answer = get(f"/api/sessions/{session}/flame?by=cpu&from={middle}")
assert answer["samples"] == 0 and answer["why"] == "a recorded session has no CPU samples"
for path in ("flame?by=cpu&weight=bytes", "flame?by=alloc&weight=ns", "flame?by=cpu&goids=x", "flame?by=alloc&from=5&to=5", "pprof/cpu?from=x", "pprof/cpu?goids=x",
             "pprof/cpu?filter=colour:red"):
    is_error(get(f"/api/live/{path}", 400))

# Its single stays: all of them are the range's numbers, and each is one of its goroutine's
STATES = ("idle", "runnable", "running", "syscall", "waiting", "moribund", "dead", "enqueue", "copystack", "preempted", "leaked", "deadextra", "unknown")
for window in ("goids=36-60", f"goids=36-60&from={middle}&to={middle + 600000}"):
    states = {s["state"]: s for s in get(f"/api/sessions/{session}/range?{window}")["states"]}
    answer = get(f"/api/sessions/{session}/stays?{window}&limit=2000")
    stays = answer["stays"]
    assert 25 < answer["total"] == len(stays) < 2000
    assert [s[3] for s in stays] == sorted((s[3] for s in stays), reverse=True)
    start, end = (middle, middle + 600000) if "from" in window else (0, status["now_ns"])
    for goid, begin, until, ns, reason, ended_by, state, known in stays:
        assert 36 <= goid <= 60 and isinstance(reason, str) and (state == 4 or not reason)
        assert known in (0, 1)
        assert ns == min(until or status["now_ns"], end) - max(begin, start)
    for name, of in states.items():
        mine = [s for s in stays if STATES[s[6]] == name]
        assert (len(mine), sum(s[3] for s in mine), mine[0][3]) == (of["stays"], of["total_ns"], of["max_ns"])
        for i, count in enumerate(of["histogram"]):
            bar = get(f"/api/sessions/{session}/stays?{window}&state={name}&min={2 ** i if i else 0}&max={2 ** (i + 1)}&limit=3")
            assert bar["total"] == count == sum(s[3].bit_length() - 1 == i for s in mine)
            assert bar["stays"] == [s for s in mine if s[3].bit_length() - 1 == i][:3]
    assert {STATES[s[6]] for s in stays} == set(states)
    for goid in {s[0] for s in stays}:
        spans = get(f"/api/sessions/{session}/goroutines/{goid}/spans")["spans"]
        mine = [[s[1], s[2], s[6], s[4], s[5]] for s in sorted(stays, key=lambda s: s[1]) if s[0] == goid]
        # The first was not seen to begin.
        assert all(s in spans for s in mine[1:]), goid
answer = get("/api/live/stays?filter=func:main.worker&state=waiting&min=1000&limit=5")
assert answer["total"] >= len(answer["stays"]) > 0
assert all(s[6] == 4 and s[3] >= 1000 and s[4] for s in answer["stays"])
assert get("/api/live/stays?goids=99999999") == {"since_ns": answer["since_ns"], "total": 0, "stays": []}
for arguments in ("from=5&to=5", "from=x", "state=sleeping", "min=x", "max=-1", "min=5&max=5", "limit=0", "limit=2001", "limit=x", "goids=x",
                  "filter=age%3Ex"):
    is_error(get(f"/api/live/stays?{arguments}", 400))
is_error(get("/api/live/stays?proc=7", 404))

# A summary: its parts are the whole
for source in ("live", f"sessions/{session}"):
    summary = get(f"/api/{source}/summary")
    assert sum(summary["states"].values()) == summary["goroutines"] > 0
    assert "exited" not in summary["states"] and summary["states"]["dead"] == summary["goroutines"] - summary["live"]
    for key in ("goroutines", "live", "alloc_bytes", "events"):
        assert sum(f[key] for f in summary["functions"]) == summary[key], key
    for state, ns in summary["state_ns"].items():
        assert sum(f["state_ns"].get(state, 0) for f in summary["functions"]) == ns

text = get("/metrics", kind="text/plain")
for line in text.splitlines():
    assert re.fullmatch(r"# (HELP|TYPE) \w+ .+|[a-z_]\w*(\{[^}]*\})? [-+0-9.eE]+", line), line
assert len(set(text.splitlines())) == len(text.splitlines())
print("ok")
