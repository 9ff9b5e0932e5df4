# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Reads all that /ws sends until it ends: reader.py URL. Cheap: nothing is decoded."""
import socket
import sys
import urllib.parse


def read_all(address, protocol=None):
    url = urllib.parse.urlsplit(address)
    s = socket.create_connection((url.hostname, url.port))
    wanted = f"Sec-WebSocket-Protocol: {protocol}\r\n" if protocol else ""
    s.sendall(f"GET /ws HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
              f"{wanted}\r\n".encode())
    try:
        while s.recv(1 << 20):
            pass
    except OSError:
        pass


if __name__ == "__main__":
    read_all(sys.argv[1])
