# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Requests over raw sockets of chosen users, for the scripts here. sys.argv[1] is the server's URL with its
token. Needs root."""
import ctypes
import os
import socket
import sys
import threading
import urllib.parse

url = urllib.parse.urlsplit(sys.argv[1])
token = urllib.parse.parse_qs(url.query)["token"][0]
NOBODY = 65534
SLACK = float(os.environ.get("SLACK", "4"))  # of tests/lib.sh: the factor of all deadlines
family = socket.AF_INET6 if ":" in url.hostname else socket.AF_INET


def made_by(uid, make=lambda: socket.socket(family, socket.SOCK_STREAM)):
    """A socket that this user made: what the kernel knows of it is who that was. Only this thread is him."""
    made = []

    def run():
        setfsuid = ctypes.CDLL(None).setfsuid
        setfsuid(uid)
        made.append(make())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return made[0]


def connected(uid, address=None, af=None, bind=None):
    s = made_by(uid, lambda: socket.socket(af or family, socket.SOCK_STREAM))
    s.settimeout(5 * SLACK)
    if bind is not None:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((url.hostname, bind))
    s.connect((address or url.hostname, url.port))
    return s


def request(method="GET", path="/api/info", body="", **headers):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {url.netloc}"]
    lines.append("Accept-Encoding: gzip")
    lines += [f"{k.replace('_', '-')}: {v}" for k, v in headers.items()]
    if method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def answer(s):
    """Status, headers and body of one answer. Status 0: it was closed."""
    data = b""
    while b"\r\n\r\n" not in data:
        got = s.recv(65536)
        if not got:
            return 0, {}, b""
        data += got
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    while len(body) < int(headers.get("content-length", 0)):
        got = s.recv(65536)
        assert got, f"half an answer: {data}"
        body += got
    return int(lines[0].split()[1]), headers, body


def status(s, *args, **headers):
    s.sendall(request(*args, **headers))
    return answer(s)[0]


def expect(what, got, wanted):
    assert got == wanted, f"{what}: {got}, not {wanted}"
