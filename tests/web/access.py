# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Who gets in, tried with raw sockets of root and of user nobody: access.py URL PID, where URL has the token of
the server and PID is its process. Needs root; the server runs as root and listens on a loopback address."""
import ctypes
import json
import os
import signal
import socket
import struct
import sys
import threading

from raw import NOBODY, SLACK, answer, connected, expect, family, request, status, token, url

pid = int(sys.argv[2])


def nanoseconds(value=None):
    """What a request that must not come through would change."""
    s = connected(0)
    if value:
        s.sendall(request("POST", "/api/config", json.dumps({"nanoseconds_per_pixel": value})))
        answer(s)
    s.sendall(request(path="/api/config"))
    return json.loads(answer(s)[2])["nanoseconds_per_pixel"]


CHANGE = request("POST", "/api/config", '{"nanoseconds_per_pixel":666}')


def by_uid():
    for path in ("/", "/api/info", "/api/live/stacks", "/metrics", "/nothing"):
        expect(f"nobody, {path}", status(connected(NOBODY), path=path), 401)
    expect("root", status(connected(0)), 200)
    expect("nobody with the token", status(connected(NOBODY), Authorization=f"Bearer {token}"), 200)
    nanoseconds(1000)
    expect("nobody changes", status(connected(NOBODY), "POST", "/api/config", '{"nanoseconds_per_pixel":666}'), 401)
    expect("changed by nobody", nanoseconds(), 1000)


def near_tokens():
    for near in ("", token[:-1], token + "0", token[:-1] + ("1" if token[-1] == "0" else "0"), token.upper() + "",
                 "0" * len(token), token * 2, " " + token + "x", "null"):
        if near == token:
            continue
        expect(f"token {near}", status(connected(NOBODY), Authorization=f"Bearer {near}"), 401)
        expect(f"?token={near}", status(connected(NOBODY), path=f"/api/info?token={near.strip()}"), 401)
        expect(f"cookie {near}", status(connected(NOBODY), Cookie=f"xgotopfs_token_{url.port}={near}"), 401)
    expect("Basic", status(connected(NOBODY), Authorization=f"Basic {token}"), 401)


def keep_alive():
    """Who it is stays, and what one request may says nothing about the next."""
    s = connected(NOBODY)
    expect("without", status(s), 401)
    expect("with", status(s, Authorization=f"Bearer {token}"), 200)
    expect("without, again", status(s), 401)
    s = connected(0)
    for _ in range(3):
        expect("root", status(s), 200)
    expect("a foreign page in root's browser", status(s, Origin="http://evil.example"), 403)
    expect("root", status(s), 200)


def websocket():
    handshake = dict(Upgrade="websocket", Connection="Upgrade", Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
                     Sec_WebSocket_Version="13")
    expect("/ws as nobody", status(connected(NOBODY), path="/ws", **handshake), 401)
    expect("/ws as root", status(connected(0), path="/ws", **handshake), 101)
    expect("/ws with the token", status(connected(NOBODY), path=f"/ws?token={token}", **handshake), 101)
    expect("/ws with the header", status(connected(NOBODY), path="/ws", Authorization=f"Bearer {token}", **handshake), 101)
    expect("/ws from a foreign page", status(connected(0), path="/ws", Origin="http://evil.example", **handshake), 403)
    expect("/ws, foreign, with the token", status(connected(0), path=f"/ws?token={token}", Origin="http://evil.example",
                                                  **handshake), 403)
    # One user's WebSockets leave places for others.
    held, last = [], 101
    while last == 101:
        assert len(held) < 60, "nobody took all places"
        held.append(connected(NOBODY))
        last = status(held[-1], path=f"/ws?token={token}", **handshake)
    expect("the last of nobody's", last, 429)
    expect("/ws as root meanwhile", status(connected(0), path="/ws", **handshake), 101)


def cookies():
    def login(uid):
        s = connected(uid)
        s.sendall(request(path=f"/?token={token}"))
        code, headers, _ = answer(s)
        expect("login", (code, headers["location"]), (303, "./"))
        parts = headers["set-cookie"].split("; ")
        expect("attributes", parts[1:], ["path=/", "httponly", "samesite=strict"])
        name, value = parts[0].split("=")
        expect("name", name, f"xgotopfs_token_{url.port}")
        assert token not in headers["set-cookie"], "the cookie is the token"
        return parts[0]

    nobodys, daemons = login(NOBODY), login(1)
    assert nobodys != daemons
    for cookie in (nobodys, f"a=b; {nobodys}", f"{nobodys}; xgotopfs_token_1=0123456789abcdef0123456789abcdef",
                   f"xgotopfs_token_1=x; {nobodys}; c=d", "x=" + "y" * 5000 + "; " + nobodys):
        expect(f"cookie {cookie[:80]}", status(connected(NOBODY), Cookie=cookie), 200)
    # A browser gives it to whoever listens on another port of this host: to him it is worth nothing.
    expect("another user's cookie", status(connected(2), Cookie=nobodys), 401)
    expect("another user's cookie", status(connected(NOBODY), Cookie=daemons), 401)
    expect("a cookie of another name", status(connected(NOBODY), Cookie="x" + nobodys), 401)
    expect("a cookie in a cookie", status(connected(NOBODY), Cookie=f"x={nobodys}"), 401)
    expect("the cookie as a token", status(connected(NOBODY), Authorization="Bearer " + nobodys.split("=")[1]), 401)
    # An old link is no obstacle for who needs none, and gives nothing to who does.
    s = connected(0)
    s.sendall(request(path="/?token=0123456789abcdef"))
    code, headers, _ = answer(s)
    expect("an old link, root", (code, "set-cookie" in headers), (303, False))
    expect("an old link, nobody", status(connected(NOBODY), path="/?token=0123456789abcdef"), 401)
    # The port is the one that the browser sees.
    s = connected(NOBODY)
    s.sendall(request(path=f"/?token={token}").replace(url.netloc.encode(), b"localhost:9000"))
    assert answer(s)[1]["set-cookie"].startswith("xgotopfs_token_9000="), "forwarded"


def pages():
    """The user at the other end says nothing about the page that his browser shows."""
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    own = f"http://{url.netloc}"
    for headers, code in (
            (dict(), 401),  # a browser from before Sec-Fetch-Site: an image on any page looks like this
            (dict(Sec_Fetch_Site="cross-site"), 403), (dict(Sec_Fetch_Site="same-site"), 403),
            (dict(Sec_Fetch_Site="x" * 100), 403),
            (dict(Sec_Fetch_Site="same-origin"), 200), (dict(Sec_Fetch_Site="none"), 200),
            (dict(Origin=own), 200), (dict(Origin=own, Sec_Fetch_Site="same-origin"), 200),
            (dict(Origin=own, Sec_Fetch_Site="cross-site"), 403), (dict(Origin="null"), 403),
            (dict(Origin="http://evil.example"), 403), (dict(Origin="x" * 400), 403),
            (dict(Origin="http://localhost:1", Sec_Fetch_Site="same-site"), 403)):
        expect(f"a browser of root, {headers}", status(connected(0), User_Agent=firefox, **headers), code)
        if code != 200:
            expect(f"a POST, {headers}", status(connected(0), "POST", "/api/config", '{"nanoseconds_per_pixel":666}',
                                                User_Agent=firefox, **headers), code)
    expect("a long name", status(connected(0), User_Agent=firefox + "x" * 2000), 401)
    expect("lynx on a foreign page", status(connected(0), User_Agent="Lynx/2.9", Referer="http://evil.example/"), 401)
    expect("an old one with the token", status(connected(0), User_Agent=firefox, Authorization=f"Bearer {token}"), 200)
    # A link may lead to the page itself, and an image may not.
    for mode, code in (("navigate", 200), ("no-cors", 403)):
        expect(f"/ {mode}", status(connected(0), path="/", User_Agent=firefox, Sec_Fetch_Site="cross-site",
                                   Sec_Fetch_Mode=mode), code)
    expect("rebinding", status(connected(0), Host="evil.example"), 403)


def hidden_requests():
    """A body that is not read is no request: a foreign page could write one without an Origin."""
    inside = CHANGE.decode()
    for head in (request("POST", "/api/config", inside, Origin="http://evil.example"),
                 request("POST", "/nothing", inside), request("GET", "/api/info", Content_Length=len(inside)) + inside.encode(),
                 request("OPTIONS", "/api/info", Content_Length=len(inside)) + inside.encode(),
                 request("GET", "/api/info", Transfer_Encoding="chunked") + inside.encode()):
        s = connected(0)
        cut = len(head) - len(inside)
        s.sendall(head[:cut])
        expect("closes", answer(s)[1].get("connection"), "close")
        try:
            s.sendall(head[cut:])
            rest = s.recv(65536)
        except OSError:
            rest = b""
        expect("an answer to a body", rest, b"")
    assert nanoseconds() != 666, "a body was taken for a request"


def paused(run):
    """While the server stands still: what it sees when it looks is long past."""
    os.kill(pid, signal.SIGSTOP)
    try:
        return run()
    finally:
        os.kill(pid, signal.SIGCONT)


def gone():
    """A socket that is closed has no owner any more: older kernels show uid 0 then."""
    nanoseconds(1000)

    def leave(how):
        def run():
            s = connected(NOBODY)
            s.sendall(CHANGE)
            if how == "reset":
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
        return run

    for how in ("closed", "reset"):
        paused(leave(how))
        expect(f"after nobody's connection was {how}", nanoseconds(), 1000)

    # Root's connection has the same four numbers as nobody's had.
    def reuse():
        for _ in range(10):
            first = connected(NOBODY, bind=0)
            port = first.getsockname()[1]
            first.sendall(CHANGE)
            first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            first.close()
            try:
                return connected(0, bind=port)
            except OSError:  # somebody else on this machine was quicker
                pass

    second = paused(reuse)
    expect("root on that port", status(second), 200)
    expect("after nobody's port was root's", nanoseconds(), 1000)

    def half():
        s = connected(NOBODY)
        s.sendall(request())
        s.shutdown(socket.SHUT_WR)
        return s

    expect("nobody, half closed", answer(paused(half))[0], 401)
    s = connected(0)
    s.sendall(request())
    s.shutdown(socket.SHUT_WR)
    expect("root, half closed", answer(s)[0], 200)


def handed_on():
    """Who connected counts, not who has the descriptor now."""
    a, b = socket.socketpair(socket.AF_UNIX)
    for uid, code in ((NOBODY, 401), (0, 200)):
        s = connected(uid)
        socket.send_fds(a, [b"x"], [s.fileno()])
        child = os.fork()
        if not child:
            os.setresuid(*[0 if uid else NOBODY] * 3)
            handed = socket.socket(fileno=socket.recv_fds(b, 1, 1)[1][0])
            handed.settimeout(5 * SLACK)
            os._exit(0 if status(handed) == code else 1)
        expect(f"connected by {uid}, used by another", os.waitpid(child, 0)[1], 0)


def forwarded():
    """Through somebody's forwarder it is his connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def forward(uid):
        client = listener.accept()[0]
        server = connected(uid)
        server.sendall(client.recv(65536).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        while got := server.recv(65536):
            client.sendall(got)

    for uid, code in ((NOBODY, 401), (0, 200)):
        thread = threading.Thread(target=forward, args=(uid,))
        thread.start()
        s = socket.create_connection(listener.getsockname())
        expect(f"forwarded by {uid}", status(s), code)
        thread.join()


def namespaces():
    """Root of a user namespace is nobody here."""
    child = os.fork()
    if not child:
        os.setresuid(NOBODY, NOBODY, NOBODY)
        libc = ctypes.CDLL(None)
        libc.prctl(4, 1)  # PR_SET_DUMPABLE: /proc/self is ours again
        if libc.unshare(0x10000000):  # CLONE_NEWUSER
            os._exit(0)
        with open("/proc/self/uid_map", "w") as f:
            f.write(f"0 {NOBODY} 1")
        assert os.getuid() == 0
        s = socket.create_connection((url.hostname, url.port))
        os._exit(0 if status(s) == 401 else 1)
    expect("root of a user namespace", os.waitpid(child, 0)[1], 0)


def mapped():
    if family == socket.AF_INET:
        for uid, code in ((0, 200), (NOBODY, 401)):
            s = connected(uid, f"::ffff:{url.hostname}", socket.AF_INET6)
            expect(f"an IPv6 socket of {uid} to an IPv4 address", status(s), code)


for check in (by_uid, near_tokens, keep_alive, cookies, pages, hidden_requests, gone, handed_on, forwarded, namespaces,
              mapped, websocket):
    try:
        check()
    except AssertionError as error:
        sys.exit(f"{check.__name__}: {error}")
print("ok")
