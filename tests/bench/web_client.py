# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Asks what the web UI asks while it follows a live target, without a browser: web_client.py URL

The ticks of /ws; what changed of the goroutines and the status twice a second; the tiles of 32 rows as
often as the UI renews them (150 ms), two at a time as at the edge between two; the minimap's series.
Nothing is parsed beyond the times that the next question needs. Runs until it is killed.
"""
import http.client
import os
import re
import sys
import threading
import time
import urllib.parse

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "web"))
from reader import read_all

url = urllib.parse.urlsplit(sys.argv[1])
LEVEL = 23  # of a view of ten seconds

threading.Thread(target=read_all, args=(sys.argv[1], "xgotop.ticks"), daemon=True).start()
connection = http.client.HTTPConnection(url.hostname, url.port)


def get(path):
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        sys.exit(f"{path}: {answer.status}")
    return body


def number(name, body):
    return int(re.search(rb'"%s":(\d+)' % name, body).group(1))


rows = get("/api/live/rows?since=0&limit=32")
goids = b",".join(re.findall(rb"\[(\d+),", rows)[:32]).decode()
since = number(b"now", rows)
n = 0
while True:
    index = since >> (LEVEL + 8)
    for i in (index - 1, index):
        get(f"/api/live/tiles/{LEVEL}/{i}?goids={goids}")
    if n % 3 == 0:
        since = number(b"now", get(f"/api/live/rows?since={since - 300000000}"))
        get("/api/live/status")
    if n % 7 == 0:
        get(f"/api/live/series/{LEVEL + 2}/{(since >> (LEVEL + 2)) - 500}?n=500")
    n += 1
    time.sleep(0.15)
