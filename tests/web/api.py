"""A client of the original's REST API, written from its documentation: the shapes it promises are
checked here, and nothing else of ours is used. api.py URL"""
import http.client
import json
import re
import sys
import urllib.parse

base = urllib.parse.urlsplit(sys.argv[1])
connection = http.client.HTTPConnection(base.hostname, base.port, timeout=20)


def get(path, status=200, kind="application/json"):
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    assert response.status == status, f"{path}: {response.status} {body[:200]}"
    assert response.headers["Content-Type"].startswith(kind), response.headers["Content-Type"]
    return json.loads(body) if kind == "application/json" else body.decode()


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
assert get(f"/api/live/goroutines/{goid}/events?limit=5")["events"]
is_error(get("/api/live/goroutines/99999999", 404))
is_error(get("/api/live/goroutines?filter=age%3Ex", 400))
is_error(get("/api/live/goroutines?sort=nothing", 400))
for name in ("status", "stats", "health", "types", "sites", "latency", "rows"):
    get(f"/api/live/{name}")
text = get("/metrics", kind="text/plain")
for line in text.splitlines():
    assert re.fullmatch(r"# (HELP|TYPE) \w+ .+|[a-z_]\w*(\{[^}]*\})? [-+0-9.eE]+", line), line
assert len(set(text.splitlines())) == len(text.splitlines())
print("ok")
