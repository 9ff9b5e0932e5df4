# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""WebSocket clients that come, read a little and go, in every form: push.py URL SECONDS"""
import asyncio
import os
import sys
import time

import websockets

SLACK = float(os.environ.get("SLACK", "4"))  # of tests/lib.sh: the factor of all deadlines
url = sys.argv[1].rstrip("/").replace("http", "ws", 1) + "/ws"
until = time.monotonic() + float(sys.argv[2])


async def client(form):
    frames = 0
    while time.monotonic() < until:
        async with websockets.connect(url + form, max_size=1 << 26, open_timeout=10 * SLACK,
                                      ping_timeout=20 * SLACK) as ws:
            for _ in range(5):
                await asyncio.wait_for(ws.recv(), 20 * SLACK)
                frames += 1
    assert frames


async def main():
    await asyncio.gather(*(client(form) for form in ("", "?format=protobuf", "?format=ticks")))


asyncio.run(main())
