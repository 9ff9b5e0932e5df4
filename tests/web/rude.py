# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Clients without manners: rude.py URL. Half requests, slow ones, garbage, 500 connections, a flood.
Each time the server must go on answering others quickly."""
import http.client
import os
import random
import socket
import struct
import sys
import threading
import time
import urllib.parse

SLACK = float(os.environ.get("SLACK", "4"))  # of tests/lib.sh: the factor of all deadlines

base = urllib.parse.urlsplit(sys.argv[1])
random.seed(1)


def connect():
    s = socket.create_connection((base.hostname, base.port), timeout=20 * SLACK)
    return s


def answers(within=2.5 * SLACK):
    begin = time.monotonic()
    c = http.client.HTTPConnection(base.hostname, base.port, timeout=20 * SLACK)
    c.request("GET", "/api/info")
    assert c.getresponse().read().startswith(b"{")
    c.close()
    assert time.monotonic() - begin < within, "a slow answer"


def half_open():
    """Requests that stop in the middle stay open; 60 of them are no obstacle."""
    held = []
    for i in range(60):
        s = connect()
        s.sendall(b"GET /api/info HTTP/1.1\r\nHost: 127.0.0.1"[:random.randrange(1, 40)])
        held.append(s)
    answers()
    body = connect()
    body.sendall(f"POST /api/config HTTP/1.1\r\nHost: {base.netloc}\r\nContent-Length: 60000\r\n\r\n{{".encode())
    answers()
    return held + [body]


def garbage():
    for i in range(60):
        s = connect()
        try:
            s.sendall(os.urandom(random.randrange(1, 3000)))
        except OSError:
            pass
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    for line in (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET /\r\n\r\n", b"\0" * 100,
                 b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
                 b"POST /api/config HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
                 b"POST /api/config HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
                 b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                 b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
                 b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"):
        s = connect()
        s.settimeout(1)
        s.sendall(line)
        try:
            s.recv(4096)
        except OSError:
            pass
        s.close()
    answers()


def slow_reader():
    """Asks for much and does not read it."""
    held = []
    for i in range(8):
        s = connect()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(f"GET /api/live/events?limit=100000 HTTP/1.1\r\nHost: {base.netloc}\r\n\r\n".encode())
        held.append(s)
    answers()
    return held


def many():
    """500 connections at once; who comes too late is told so."""
    held, refused = [], 0
    for i in range(600):
        s = connect()
        held.append(s)
    until = time.monotonic() + 10 * SLACK
    while not refused and time.monotonic() < until:
        for s in held:
            s.settimeout(0.01)
            try:
                if s.recv(100).startswith(b"HTTP/1.1 503"):
                    refused += 1
            except TimeoutError:
                pass
            except OSError:
                refused += 1
    assert refused, "600 connections were all accepted"
    for s in held:
        s.close()
    until = time.monotonic() + 10 * SLACK
    while time.monotonic() < until:
        try:
            return answers()
        except (AssertionError, OSError, http.client.HTTPException):
            time.sleep(0.1)
    answers()


def flood():
    done = [0]

    def one():
        c = http.client.HTTPConnection(base.hostname, base.port, timeout=20 * SLACK)
        for _ in range(300):
            c.request("GET", "/api/metrics")
            r = c.getresponse()
            r.read()
            assert r.status in (200, 429)
            done[0] += 1
        c.close()

    threads = [threading.Thread(target=one) for _ in range(8)]
    for t in threads:
        t.start()
    answers()
    for t in threads:
        t.join()
    assert done[0] == 2400, done


held = half_open()
garbage()
held += slow_reader()
flood()
many()
answers()
for s in held:
    s.close()
answers()
print("ok")
