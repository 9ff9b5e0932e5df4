"""Reads all that /ws sends until it ends: reader.py URL. Cheap: nothing is decoded."""
import socket
import sys
import urllib.parse

url = urllib.parse.urlsplit(sys.argv[1])
s = socket.create_connection((url.hostname, url.port))
s.sendall(f"GET /ws HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
try:
    while s.recv(1 << 20):
        pass
except OSError:
    pass
