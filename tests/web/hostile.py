# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Every argument of every route, with values that nobody would send by accident.

hostile.py URL ROUTES API.MD SESSION       of a server that is frozen and takes all of /api/control
hostile.py URL half-way KEY                of one where setting KEY fails

What there is to try stands in the server's own table of routes, which web_routes wrote to ROUTES: a handler sees
no argument that is not in it. An argument, a path or a POST that is new there and unknown here is complained about. Each answer
must be an answer: a status that fits, whole JSON, within a bound of time and size; and what the server
shows afterwards is what it showed before."""
import gzip
import http.client
import itertools
import json
import os
import re
import sys
import time
import urllib.parse

SLACK = float(os.environ.get("SLACK", "4"))  # of tests/lib.sh: the factor of all deadlines

base = urllib.parse.urlsplit(sys.argv[1])
SECONDS = 5 * SLACK  # for one answer; the slowest takes some 0.1 s on a machine with nothing else to do
BYTES = 16 << 20
LAST = 2 ** 64 - 1
STATUS = {200, 400, 404, 405, 410, 413, 414, 501, 503}
connection = None
asked = 0


class Cut(Exception):
    """The server closed the connection without an answer."""


def request(method, path, body=None, headers=()):
    """(status, headers, body); one try on a new connection when an old one was closed in between."""
    global connection, asked
    asked += 1
    begin = time.monotonic()
    for fresh in (False, True):
        if connection is None or fresh:
            connection = http.client.HTTPConnection(base.hostname, base.port, timeout=SECONDS)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            data = response.read(BYTES + 1)
            break
        except (http.client.HTTPException, ConnectionError) as e:
            connection.close()
            connection = None
            if fresh:
                raise Cut(str(e)) from e
    if response.will_close:
        connection = None
    took = time.monotonic() - begin
    shown = f"{method} {path[:200]}"
    assert took < SECONDS, f"{shown}: {took:.1f} s"
    assert len(data) <= BYTES, f"{shown}: more than {BYTES} bytes"
    return response.status, response.headers, data


def ask(path, may_be_cut=False):
    try:
        status, headers, data = request("GET", path)
    except Cut as e:
        assert may_be_cut, f"{path[:200]}: cut off: {e}"
        return 0, b""
    if path.startswith("/?token=") and status == 303:  # an old link of who needs none
        assert headers["Location"] == "./" and "Set-Cookie" not in headers, f"{path}: {headers}"
        return status, data
    assert status in STATUS or (status == 403 and may_be_cut), f"{path[:200]}: {status} {data[:200]}"
    kind = headers["Content-Type"]
    if kind == "application/json":
        value = json.loads(data)
        assert status == 200 or list(value) == ["error"], f"{path[:200]}: {status} {data[:200]}"
    return status, data


def state():
    """All that a request might change. The clock is left out, and the pyramid, which follows it."""
    parts = [json.loads(request("GET", p)[2]) for p in ("/api/control", "/api/config", "/api/live/status")]
    for key in ("now_ns", "pyramid", "memory_bytes"):
        parts[2].pop(key)
    return parts


# --- what there is ---------------------------------------------------------------------------------

def read_routes(path):
    """[(method, pattern, [argument])], as web_routes prints them."""
    with open(path) as f:
        routes = [(method, pattern, takes.split()) for method, pattern, takes in (line.rstrip("\n").split("\t") for line in f)]
    assert len(routes) > 50, f"{path}: only {len(routes)} routes"
    return routes


# An argument's name, and values that are good.
ARGUMENTS = {
    "after": ["0"], "at": ["1"], "by": ["func", "origin", "site"], "desc": ["1"], "end_time": ["18446744073709551615"],
    "event_type": ["0"], "filter": ["state:waiting"], "format": ["json", "csv", "jsonl", "folded"], "from": ["0"],
    "full": ["1"], "goids": ["1,5,9-12"], "goroutine": ["1"], "key": ["main.main"], "limit": ["10"], "max": ["5"],
    "min": ["0"], "n": ["4"], "newest": ["1"], "numbers": ["1"], "offset": ["0"], "partial": ["1"], "proc": ["0"], "since": ["0"],
    "sort": ["id"], "start_time": ["0"], "state": ["waiting"], "system": ["1"], "to": ["18446744073709551615"], "view": ["t=1-2"], "weight": ["ns"],
}
NUMBERS = {"after", "at", "end_time", "event_type", "from", "goroutine", "limit", "max", "min", "n", "offset", "proc", "since",
           "start_time", "to"}
# What a {} stands for, by the path before it.
PLACES = {"sessions": ["SESSION"], "goroutines": ["1"], "latency": ["20", "0"], "tiles": ["20", "0"],
          "groups": ["20", "0"], "series": ["20", "0"], "utilisation": ["20", "0"], "assets": ["app.js"], "types": ["string"]}

HOSTILE = [
    "0", "1", "-1", "-0", "%2B1", "007", "1.5", "1e3", "1e400", "-1e400", "NaN", "inf", "0x10", "", "%20", "%201",
    "1%20", "%0a1", "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616",
    "18446744073709551617", "99999999999999999999999999", "340282366920938463463374607431768211456", "9" * 7000,
    "a" * 7000, "%ff%fe", "%d9%a3", "%c0%80", "%ed%a0%80", "%25n%25s", "..%2f..%2fetc%2fpasswd", "%3Cscript%3E", "%22%5C",
    "true", "null", "[]", "{}",
    # lists and ranges
    "5-1", "1-", "-", "1--2", "1-2-3", ",", "1,", ",1", "1,,2", "1,1,1,1", "1-1024", "1-1025", "1-1024,1",
    "0-18446744073709551615", "1-18446744073709551615", "0-18446744073709551614", "18446744073709551615-18446744073709551615",
    "18446744073709551614-18446744073709551615", "18446744073709550592-18446744073709551615", "18446744073709551615-0",
    "1-18446744073709551616", ",".join(map(str, range(1024))), "1," * 4000 + "1",
    # filters
    ":", "%3E", "-", "--", "state:", "id:18446744073709551615", "id%3E18446744073709551616", "age%3E5000000000000000h",
    "age%3E1e400", "age%3C.", "*" * 120, "func:" + "*a" * 60, "a*" * 60 + "b", "%20".join("x" * 16), "%20".join("x" * 17),
    "wait:%ff", "id:" + "9" * 120,
]
# libwebsockets itself cuts the connection, or answers 403.
CUT = ["%00", "5%00", "%005", "%", "%zz", "1," * 10000]
EXTREMES = ["0", "1", "9223372036854775808", "18446744073709551614", "18446744073709551615"]


def fill(pattern, session, place=None, value=None):
    """The path of a pattern with good values, but `value` for the {} number `place`."""
    out, n = [], 0
    values = []
    for element in pattern.split("/"):
        if element != "{}":
            values = list(PLACES.get(element, []))
            out.append(element)
            continue
        assert values, f"{pattern}: what the {{}} stand for is not known here: add it to PLACES"
        good = values.pop(0)
        out.append(value if n == place else session if good == "SESSION" else good)
        n += 1
    return "/".join(out)


def arguments(takes, changed):
    """A query of the good values, but for those changed; the filter and the goids only where they are meant."""
    query = []
    for name in takes:
        assert name in ARGUMENTS, f"the argument {name} is not known here: add it to ARGUMENTS"
        if name in changed:
            query.append(f"{name}={changed[name]}")
        elif name == "key" or (name == "by" and "key" in takes):
            query.append(f"{name}={ARGUMENTS[name][0]}")
    return "?" + "&".join(query) if query else ""


class Watch:
    """What the server shows, held against what it showed first."""

    def __init__(self):
        self.before = state()

    def check(self, what):
        now = state()
        for was, now_is in zip(self.before, now):
            assert now_is == was, f"{what[:200]} changed something:\n{was}\n{now_is}"


# --- one after the other ------------------------------------------------------------------------------

def try_arguments(watch, pattern, takes, session, values):
    path = fill(pattern, session)
    for name in takes:
        for value in values:
            ask(path + arguments(takes, {name: value}))
        for value in CUT:
            ask(path + arguments(takes, {name: value}), may_be_cut=True)
        for good in ARGUMENTS[name]:
            ask(path + arguments(takes, {name: good}))
        # Twice: the first counts, as in Go's url.Values.Get.
        ask(f"{path}?{name}={ARGUMENTS[name][0]}&{name}=-1&{name}")
        watch.check(f"{path}: {name}")
    for query in ("?&&&", "?=", "?=1", "?unknown=1", "?" + "x=1&" * 40, "?token=%ff", "?" + "&".join(takes)):
        ask(path + query)
    numbers = [name for name in takes if name in NUMBERS and name not in ("proc", "event_type")]
    for pair in itertools.combinations(numbers, 2):
        for both in itertools.product(EXTREMES, repeat=2):
            ask(path + arguments(takes, dict(zip(pair, both))))
    watch.check(path)


def try_places(watch, pattern, takes, session, values):
    for place in range(pattern.count("{}")):
        for value in values:
            if value and len(value) < 900:
                ask(fill(pattern, session, place, value), may_be_cut="%2f" in value)
        for value in CUT[:5]:
            ask(fill(pattern, session, place, value), may_be_cut=True)
        watch.check(f"{pattern}: {{}} number {place}")


def try_levels(watch, pattern, takes, session):
    """Levels and buckets around where 64 bits of time end."""
    head = fill(pattern, session).rsplit("/", 2)[0]
    widths = ["1", "2", "1024", "4096", str(LAST)] if "n" in takes else [None]
    for level in (0, 1, 13, 14, 19, 20, 43, 44, 45, 56, 63, 64, 2 ** 32 + 20, LAST):
        ends = {0, 1, 2 ** 48, 2 ** 63, LAST - 1, LAST}
        for bits in (64 - level, 56 - level):
            ends |= {2 ** bits - 1, 2 ** bits - 2, 2 ** bits} if 0 < bits < 64 else set()
        for index, n in itertools.product(sorted(ends), widths):
            query = {} if n is None else {"n": n}
            if "goids" in takes:
                query["goids"] = "1-30"
            status, _ = ask(f"{head}/{level}/{index}" + arguments(takes, query))
            end = (index + 1) * 256 if n is None else index + int(n)
            if level > 44 or end << level > LAST + 1:
                assert status == 400, f"{head}/{level}/{index}?n={n}: {status}, past the end of time"
    watch.check(head)


# Bodies that change something, and that must not in company of a bad one.
GOOD = {
    "/api/control": ['"paused":true', '"sample":"goexit:1"', '"max_overhead":7', '"replay":"pause"'],
    "/api/config": ['"nanoseconds_per_pixel":77', '"state_colors":{"4":"#010203"}', '"type_colors":{"makemap":"#010203"}',
                    '"ui":{"theme":"hostile"}'],
}
BAD = {
    "/api/control": [
        '"bogus":1', '"sample":"newobject:2"', '"sample":""', '"sample":1', '"sample":null', '"sample":"goexit:1,goexit:1"',
        '"sample":"goexit:' + "9" * 4000 + '"', '"sample":"goexit:nan"', '"sample":"goexit:1\\u0000"', '"paused":1',
        '"paused":"true"', '"paused":null', '"max_overhead":-1', '"max_overhead":100.1', '"max_overhead":1e400',
        '"max_overhead":NaN', '"max_overhead":"5"', '"max_overhead":18446744073709551616', '"max_overhead":-0.0001',
        '"replay":"bogus"', '"replay":5', '"replay":"' + "x" * 5000 + '"', '"":1', '"paused\\u0000":true', '"Paused":true',
        '"a":' + "[" * 3000 + "]" * 3000, '"a":"\xff"',
    ],
    "/api/config": [
        '"bogus":1', '"nanoseconds_per_pixel":0', '"nanoseconds_per_pixel":-5', '"nanoseconds_per_pixel":1e400',
        '"nanoseconds_per_pixel":1e13', '"nanoseconds_per_pixel":"5"', '"nanoseconds_per_pixel":null',
        '"state_colors":{"4":"#111111","99":"#000000"}', '"state_colors":{"04":"#111111"}', '"state_colors":{"4":"red"}',
        '"state_colors":{"18446744073709551616":"#111111"}', '"state_colors":{"-1":"#111111"}',
        '"state_colors":{"4":"#111111","5":"#12345g"}', '"state_colors":[]', '"type_colors":{"goexit":"#111111"}',
        '"type_colors":5', '"ui":[]', '"ui":{"a":"' + "x" * 20000 + '"}', '"ui":{"a":' + "[" * 3000 + "]" * 3000 + "}",
        '"":1', '"ui":{"a":"\xff"}',
    ],
}
NO_OBJECTS = [b"", b"{", b"[]", b"null", b"1e400", b"{}x", b"\0", b"\xff\xfe", b'{"a":1,}', b"[" * 60000, b'"' + b"x" * 60000]


def post(path, body):
    body = body.encode("latin-1") if isinstance(body, str) else body
    # A body of no bytes is no body: libwebsockets hands none over.
    status, headers, data = request("POST", path, body)
    value = json.loads(data)
    assert status == 200 or list(value) == ["error"], f"POST {path}: {status} {data[:200]}"
    return status, value


def try_posts(watch, path):
    for body in NO_OBJECTS:
        assert post(path, body)[0] == 400, body[:40]
    for bad in BAD[path]:
        assert post(path, "{" + bad + "}")[0] == 400, f"{path}: {bad[:60]} was taken"
        for good in GOOD[path]:
            for body in (f"{{{good},{bad}}}", f"{{{bad},{good}}}"):
                assert post(path, body)[0] == 400, f"{path}: {body[:60]} was taken"
        watch.check(f"{path}: {bad}")
    for good in GOOD[path]:  # one key twice
        assert post(path, f"{{{good},{good}}}")[0] == 400
    assert request("POST", path, b'{"paused":true,"a":"' + b"x" * 65536 + b'"}')[0] == 413
    watch.check(path)


def try_good_posts(path):
    """What was refused in bad company is taken alone: the bodies above do mean something."""
    for good in GOOD[path]:
        before = state()
        assert post(path, "{" + good + "}")[0] == 200, good
        assert state() != before, f"{path}: {good} changed nothing"


def try_lines():
    """What libwebsockets takes for the end of the request's line: what follows it is no header."""
    for line_end in ("%0a", "%0d", "%0d%0a", "%0a%0a", "%0A", "%0d%0a%0d%0a"):
        for path in ("/api/info", "/", "/api/control", "/api/live/goroutines?limit=1", "/api/live/goroutines/1"):
            for tail in ("", "Host:%20localhost", "Sec-Fetch-Site:none", "Accept-Encoding:gzip", "Authorization:Bearer%20x"):
                try:
                    status, _, data = request("GET", path + line_end + tail)
                except Cut:
                    continue
                assert status == 400, f"{path}{line_end}{tail}: {status} {data[:200]}"


# --- what a client takes --------------------------------------------------------------------------------

def try_encodings():
    status, headers, page = request("GET", "/")
    assert status == 200 and "Content-Encoding" not in headers, status
    paths = ["/"] + re.findall(rb'(?:src|href)="(assets/[^"]+)"', page)
    assert len(paths) > 1 or b"app.js" not in page  # a build without the UI has no more than that page
    for path in (p if isinstance(p, str) else "/" + p.decode() for p in paths):
        status, headers, plain = request("GET", path)
        assert status == 200 and plain and int(headers["Content-Length"]) == len(plain)
        for accepts in ("", "identity", "gzip;q=0", "*", "*;q=0", "br", "identity;q=0.5, gzip;q=0.000", "\xff", "," * 400, "a" * 3000):
            status, got, data = request("GET", path, headers=[("Accept-Encoding", accepts)])
            assert status == 200 and "Content-Encoding" not in got and data == plain, (path, accepts, status)
        status, got, _ = request("HEAD", path)
        assert status == 200 and int(got["Content-Length"]) == len(plain), (path, status)
        if headers["Vary"] is None:
            continue  # built without the UI
        status, got, data = request("GET", path, headers=[("Accept-Encoding", "br, gzip;q=0.5")])
        assert got["Content-Encoding"] == "gzip" and gzip.decompress(data) == plain, path
        assert got["Vary"] == headers["Vary"] == "accept-encoding" and got["ETag"] != headers["ETag"]
        status, got, data = request("GET", path, headers=[("If-None-Match", headers["ETag"])])
        assert status == 304 and not data


def everything(routes, api_md, session):
    routes = read_routes(routes)
    with open(api_md) as f:
        told = set(re.findall(r"\w+", f.read()))
    for _, pattern, takes in routes:
        missing = [w for w in takes + re.findall(r"\w+", pattern) if w not in told]
        assert not missing, f"{pattern}: docs/api.md says nothing of {missing}"
    try_encodings()
    try_lines()
    while ask(f"/api/sessions/{session}/status")[1].find(b'"state":"ready"') < 0:
        time.sleep(0.05)
    watch = Watch()
    for method, pattern, takes in routes:
        if method == "POST":
            assert pattern in GOOD and pattern in BAD, f"POST {pattern} is not known here: add it to GOOD and BAD"
            try_posts(watch, pattern)
            continue
        # A session's handlers are those of what is live: the path to them is new, and some values.
        live = not pattern.startswith("/api/sessions/{}/") or not any(p == pattern.replace("sessions/{}", "live") for _, p, _ in routes)
        values = HOSTILE if live else ["-1", "18446744073709551615", "18446744073709551616", "%ff%fe", "1-18446744073709551615"]
        try_arguments(watch, pattern, takes, session, values)
        try_places(watch, pattern, takes, session, values)
        if pattern.endswith("/{}/{}"):
            try_levels(watch, pattern, takes, session)
    for pattern in GOOD:
        try_good_posts(pattern)


def half_way(key):
    """Several at once, of which one that is good cannot be set: none of them is."""
    before = state()
    body = {"sample": "goexit:1", "max_overhead": 7, "paused": True, "replay": "pause"}
    for order in itertools.permutations(body):
        if key != "replay":
            status, value = post("/api/control", json.dumps({k: body[k] for k in order}))
            assert status == (503 if key.endswith("-late") else 500), (status, value)
            assert value["error"].startswith(key.removesuffix("-late") + ":"), value
        else:
            status, value = post("/api/control", json.dumps({k: "bogus" if k == "replay" else body[k] for k in order}))
            assert status == 400 and value["error"].startswith("replay"), (status, value)
        assert state() == before, f"{order}: not all was taken back"


if sys.argv[2] == "half-way":
    half_way(sys.argv[3])
else:
    everything(*sys.argv[2:])
print(f"{asked} requests")
