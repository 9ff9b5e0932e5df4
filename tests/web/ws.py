# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""/ws with a standard client: ws.py URL. The original's frames, ours, and clients that do not read."""
import asyncio
import json
import os
import socket
import struct
import sys
import urllib.request

import websockets

SLACK = float(os.environ.get("SLACK", "4"))  # of tests/lib.sh: the factor of all deadlines

url = sys.argv[1]
ws_url = url.replace("http", "ws", 1) + "/ws"
TYPES = range(6)


def connect(**options):
    options.setdefault("max_size", 1 << 26)
    return websockets.connect(ws_url, open_timeout=10 * SLACK, ping_timeout=20 * SLACK, **options)


async def original():
    """Text frames {"type":"batch","events":[…]}, several a frame one a line; times do not go back
    within a goroutine."""
    seen, last = 0, {}
    async with connect() as ws:
        while seen < 2000:
            frame = await asyncio.wait_for(ws.recv(), 20 * SLACK)
            assert isinstance(frame, str)
            for line in frame.splitlines():
                message = json.loads(line)
                assert message["type"] == "batch"
                for event in message["events"]:
                    assert event["event_type"] in TYPES and len(event["attributes"]) == 5
                    subject = event["attributes"][2] if event["event_type"] == 0 else event["goroutine"]
                    assert event["timestamp"] >= last.get(subject, 0)
                    last[subject] = event["timestamp"]
                    seen += 1


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at


def fields(data):
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 2:
            n, at = varint(data, at)
            value, at = data[at:at + n], at + n
        elif kind == 5:
            value, at = data[at:at + 4], at + 4
        else:
            raise AssertionError(f"wire type {kind}")
        yield tag >> 3, value


async def protobuf():
    """Binary frames: RuntimeEventBatch, field 1 the events, whose fields 1, 2 are time and type."""
    seen = 0
    async with connect(subprotocols=["xgotop.pb"]) as ws:
        assert ws.subprotocol == "xgotop.pb"
        while seen < 500:
            frame = await asyncio.wait_for(ws.recv(), 20 * SLACK)
            assert isinstance(frame, bytes)
            for number, value in fields(frame):
                if number == 1:
                    event = dict((n, v) for n, v in fields(value) if n <= 4)
                    assert event[1] > 0 and event.get(2, 0) in TYPES
                    seen += 1


async def ticks():
    async with connect(subprotocols=["xgotop.ticks"]) as ws:
        now = 0
        for _ in range(5):
            tick = json.loads(await asyncio.wait_for(ws.recv(), 20 * SLACK))
            assert tick["type"] == "tick" and tick["now"] > now and tick["events"] > 0
            now = tick["now"]


async def refused(status, **options):
    try:
        async with connect(**options):
            raise AssertionError(f"accepted: {options}")
    except websockets.exceptions.InvalidStatusCode as e:
        assert e.status_code == status, (e.status_code, options)


def dead_client():
    """A handshake, and then nobody reads."""
    host, port = url.split("//")[1].rsplit(":", 1)
    s = socket.create_connection((host, int(port)))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.sendall(f"GET /ws HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
              "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
              "Sec-WebSocket-Version: 13\r\n\r\n".encode())
    return s


def info():
    return json.load(urllib.request.urlopen(url + "/api/info", timeout=10 * SLACK))


async def slow():
    """Clients that do not read cost others nothing, and lose events, counted."""
    dead = [dead_client() for _ in range(4)]
    for _ in range(600):
        if info()["events_dropped"]:
            break
        await asyncio.sleep(0.05)
    assert info()["events_dropped"] > 0, "nothing was dropped for who does not read"
    await original()
    for s in dead:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()


async def full():
    """The 65th client is told so."""
    open_ones = []
    try:
        for _ in range(64):
            # All is taken in: one with a full queue does not hear that the server closes it, too, until a time-out.
            open_ones.append(await connect(subprotocols=["xgotop.ticks"], max_queue=None))
        await refused(429)
    finally:
        await asyncio.gather(*(ws.close() for ws in open_ones))


async def main():
    await original()
    await protobuf()
    await ticks()
    await refused(403, origin="http://evil.example")
    await refused(403, origin="null")
    async with connect(origin=url) as ws:
        await asyncio.wait_for(ws.recv(), 20 * SLACK)
    await full()
    await original()
    if "slow" in sys.argv:
        await slow()
    print("ok")


asyncio.run(main())
