# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Clients that take their time: slow.py URL PID SECONDS, where the server gives SECONDS to a request and to a piece of
an answer. User nobody, who even has the token, trickles headers and bodies, and reads a byte now and then; root is
answered all the while, and the slow ones are cut off."""
import os
import select
import socket
import sys
import time

from raw import NOBODY, SLACK, answer, connected, expect, request, status, token, url

pid, seconds = sys.argv[2], int(sys.argv[3])
AUTH = f"Authorization: Bearer {token}\r\n"
BODY = f"POST /api/config HTTP/1.1\r\nHost: {url.netloc}\r\n{AUTH}Content-Length: 60000\r\n\r\n{{".encode()
HEADERS = f"GET /api/info HTTP/1.1\r\nHost: {url.netloc}\r\n{AUTH}X-Slow: ".encode()
READER = request(path="/api/live/events?limit=100000", Authorization=f"Bearer {token}")


def root_is_answered():
    begin = time.monotonic()
    expect("root meanwhile", status(connected(0)), 200)
    assert time.monotonic() - begin < 1.5 * SLACK, "root waits"


def sockets():
    """Of the server."""
    count = 0
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            count += os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:")
        except OSError:
            pass
    return count


class Slow:
    """One that begins with `first` and then sends, or with `reads` takes, a byte in each round."""

    def __init__(self, what, first, reads=False, again=False):
        self.what, self.reads = what, reads
        self.begin = self.looked = time.monotonic()
        self.end = None
        self.unwatched = 0  # before the end was seen, it was looked for so long ago
        self.s = connected(NOBODY)
        if reads:
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        if again:  # on a connection that was good for something before
            expect("the first request", status(self.s, Authorization=f"Bearer {token}"), 200)
        self.s.sendall(first)
        self.s.setblocking(False)
        self.refused = False

    def ended(self):
        self.end = time.monotonic()
        self.unwatched = self.end - self.looked

    def step(self):
        now = time.monotonic()
        self.try_step()
        self.looked = now

    def try_step(self):
        try:
            if self.reads:
                if not self.s.recv(1):
                    self.ended()
                return
            ready = select.select([self.s], [], [], 0)[0]
            got = self.s.recv(4096) if ready else None
            if got is not None:
                self.refused = self.refused or got.startswith(b"HTTP/1.1 503")
                if not got:
                    self.ended()
                    return
            self.s.send(b"1")
        except BlockingIOError:
            pass
        except OSError:
            self.ended()


def live(slow):
    return [c for c in slow if c.end is None]


root_is_answered()
before = sockets()
slow = [Slow("headers", HEADERS) for _ in range(3)] + [Slow("nothing", b"", reads=True) for _ in range(3)]
slow += [Slow("second headers", HEADERS, again=True) for _ in range(3)]
# What the kernel holds for them they may read for ever: they count as gone when the server has closed its end.
readers = [Slow("reader", READER, reads=True) for _ in range(3)]
slow += [Slow("body", BODY) for _ in range(400)]
most = sockets() - before
deadline = time.monotonic() + SLACK
while most > 128 and time.monotonic() < deadline:  # one that is turned away is a socket for a moment, too
    time.sleep(0.01)
    most = sockets() - before
assert 100 < most <= 128, f"nobody has {most} connections"
deadline = time.monotonic() + 5 * seconds + 10 * SLACK
while (live(slow) or sockets() > before) and time.monotonic() < deadline:
    for c in live(slow) + live(readers):
        c.step()
    root_is_answered()
    time.sleep(0.05)
read = time.monotonic() - readers[0].begin
left = live(slow)
assert not left, f"{len(left)} slow clients are still there: {sorted({c.what for c in left})}"
assert sockets() <= before, f"{sockets()} sockets are still open, {before} were: a slow reader?"
# At least so long: it ended at some time since it was looked at before, or had not been served before.
lasted = [c.end - c.unwatched - c.begin for c in slow if c.what != "second headers"]
assert max(lasted) < seconds + 2 * SLACK, f"a slow request lasted {max(lasted):.1f} s"
assert any(c.refused for c in slow), "nobody had 409 connections at once"
assert min(c.end - c.begin for c in slow if c.what == "headers") > seconds / 2, "cut too early"
# Who was slow may come again, and a WebSocket is not a slow request.
expect("nobody", status(connected(NOBODY), Authorization=f"Bearer {token}"), 200)
ws = connected(NOBODY)
expect("a WebSocket", status(ws, path=f"/ws?token={token}", Upgrade="websocket", Connection="Upgrade",
                             Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==", Sec_WebSocket_Version="13"), 101)
begin = time.monotonic()
ws.settimeout(seconds + 3 * SLACK)
while time.monotonic() - begin < seconds + 2:
    assert ws.recv(65536), "the WebSocket was closed"
print(f"ok: slow requests lasted {max(lasted):.1f} s, readers {read:.1f} s, at most {most} at once")
