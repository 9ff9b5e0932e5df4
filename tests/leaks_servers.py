#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Is anybody called leaked in servers that work?

Usage: leaks_servers.py XGOTOPFS PROGRAMS FOLDER SECONDS EVERY REST

Starts each server that is found below the folder PROGRAMS (or on the PATH) under xgotopfs, which
looks for leaks every so many seconds from its first instruction to its end; keeps clients at it all
the time, each at rest for REST seconds between two requests, and then asks it to end. Prints a table;
fails when anybody was called leaked, or suspect in one of the looks that are read (each ten seconds), and
says whom: that is a false alarm or a bug of that server, to be told by hand."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import urllib.request

PATIENCE = 60
CLIENTS = 3
MANY = 40    # connections that are held open


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(port, path, data=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=data,
                                     headers={"Content-Type": "application/json"} if data else {})
    with urllib.request.urlopen(request, timeout=5) as answer:
        answer.read(65536)


def nats(port, _):
    """One client that subscribes, publishes to itself and leaves."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
        s.sendall(b"CONNECT {\"verbose\":false}\r\nSUB a.* 1\r\n" + b"PUB a.b 5\r\nhello\r\n" * 20 + b"PING\r\n")
        got = b""
        while b"PONG" not in got:
            more = s.recv(65536)
            if not more:
                break
            got = got[-4:] + more


def getting(*paths):
    return lambda port, i: get(port, paths[i % len(paths)])


def etcd(port, i):
    get(port, "/v3/kv/put", json.dumps({"key": "Zm9v", "value": "YmFy" * (i % 100)}).encode())
    get(port, "/v3/kv/range", b'{"key":"Zm9v"}')


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def servers(folder):
    """name: (arguments of the program, port, what a client does)"""
    def place(name):
        path = os.path.join(folder, name)
        os.makedirs(path, exist_ok=True)
        return path

    files = place("files")
    for i in range(20):
        with open(os.path.join(files, str(i)), "wb") as file:
            file.write(os.urandom(10000))
    port = [free_port() for _ in range(10)]
    yield "caddy", ["file-server", "--listen", f"127.0.0.1:{port[0]}", "--root", files], port[0], getting("/1", "/2")
    yield "rclone", ["serve", "http", "--addr", f"127.0.0.1:{port[1]}", files], port[1], getting("/1", "/")
    yield "etcd", ["--data-dir", place("etcd"), "--listen-client-urls", f"http://127.0.0.1:{port[2]}",
                   "--advertise-client-urls", f"http://127.0.0.1:{port[2]}",
                   "--listen-peer-urls", f"http://127.0.0.1:{port[3]}"], port[2], etcd
    yield "nats-server", ["-a", "127.0.0.1", "-p", str(port[4]), "-js", "-sd", place("nats")], port[4], nats
    yield "prometheus", [
        "--config.file=" + write(os.path.join(folder, "prometheus.yml"), f"""
global: {{scrape_interval: 1s}}
scrape_configs: [{{job_name: self, static_configs: [{{targets: ['127.0.0.1:{port[5]}']}}]}}]
"""), "--storage.tsdb.path=" + place("tsdb"), f"--web.listen-address=127.0.0.1:{port[5]}"], port[5], getting(
    "/api/v1/query?query=rate(go_goroutines[1m])", "/metrics")
    write(os.path.join(place("syncthing"), "config.xml"), f"""<configuration version="35">
<gui enabled="true" tls="false"><address>127.0.0.1:{port[7]}</address></gui>
<options><listenAddress>tcp://127.0.0.1:{port[6]}</listenAddress><globalAnnounceEnabled>false</globalAnnounceEnabled>
<localAnnounceEnabled>false</localAnnounceEnabled><relaysEnabled>false</relaysEnabled><natEnabled>false</natEnabled>
<autoUpgradeIntervalH>0</autoUpgradeIntervalH><crashReportingEnabled>false</crashReportingEnabled>
<urAccepted>-1</urAccepted></options></configuration>
""")
    yield "syncthing", ["serve", "--no-browser", "--no-restart", "--no-default-folder", "--home", place("syncthing")
                        ], port[7], getting("/", "/index.html")
    yield "docker-registry", ["serve", write(os.path.join(folder, "registry.yml"), f"""
version: 0.1
storage: {{filesystem: {{rootdirectory: {place("registry")}}}}}
http: {{addr: '127.0.0.1:{port[8]}'}}
""")], port[8], getting("/v2/", "/v2/_catalog")


def find(programs, name):
    for path in ("usr/bin", "usr/sbin", "bin"):
        if os.access(os.path.join(programs, path, name), os.X_OK):
            return os.path.join(programs, path, name)
    return shutil.which(name)


class Run:
    """One server, its tracer and its clients."""

    def __init__(self, xgotopfs, program, server, folder, options, rest):
        self.name, arguments, self.port, self.client = server
        self.requests, self.failed, self.rest, self.suspects = 0, None, rest, {}
        self.mount = os.path.join(folder, self.name + ".mnt")
        self.log = os.path.join(folder, self.name + ".log")
        os.makedirs(self.mount, exist_ok=True)
        self.end = threading.Event()
        self.seen = {}
        with open(self.log, "wb") as log:
            self.tracer = subprocess.Popen(  # pylint: disable=consider-using-with
                [xgotopfs, "-s", *options, self.mount, "--", program, *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=folder,
                env=dict(os.environ, HOME=folder, XDG_DATA_HOME=folder, XDG_CONFIG_HOME=folder, STNOUPGRADE="1",
                         STMONITORED="yes"))

    def works(self):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.tracer.poll() is None:
            try:
                self.client(self.port, 0)
                return True
            except (OSError, http.client.HTTPException):
                time.sleep(0.2)
        return False

    def clients(self):
        held = []
        # syncthing reads a byte of each before it accepts the next.
        for _ in range(0 if self.name == "syncthing" else MANY):
            try:
                held.append(socket.create_connection(("127.0.0.1", self.port), timeout=5))
            except (OSError, http.client.HTTPException):
                break
        threads = [threading.Thread(target=self.go_on) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        self.end.wait()
        for thread in threads:
            thread.join()
        for connection in held:
            connection.close()

    def go_on(self):
        i = 0
        while not self.end.wait(self.rest):
            i += 1
            try:
                self.client(self.port, i)
                self.requests += 1
            except (OSError, http.client.HTTPException) as error:
                self.failed = error

    def look(self):
        """The last figures that there are."""
        try:
            with open(os.path.join(self.mount, "leaks.json"), encoding="utf-8") as file:
                self.seen = json.load(file)
            for group in self.seen.get("groups", []):
                if group["level"] == "suspect":
                    self.suspects[group["members"][0]["goid"]] = group
        except (OSError, ValueError):
            pass

    def ask_to_end(self):
        """As a service manager does."""
        self.end.set()
        try:
            with open(os.path.join(self.mount, "stats"), encoding="utf-8") as file:
                pid = int(re.search(r"^pid (\d+)$", file.read(), re.M)[1])
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline and os.path.exists(f"/proc/{pid}/exe") and os.readlink(f"/proc/{pid}/exe"):
                time.sleep(0.2)
        except (OSError, TypeError):
            pass

    def stop(self):
        if not self.end.is_set():
            self.ask_to_end()
        self.look()
        self.tracer.terminate()
        try:
            self.tracer.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.tracer.kill()
        subprocess.run(["fusermount3", "-u", "-z", self.mount], check=False, stderr=subprocess.DEVNULL)

    def accused(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return re.findall(r"^xgotopfs: warning: (process \d+: leaked: .*)$", file.read(), re.M)


def main():
    xgotopfs, programs, folder, seconds, every, rest = sys.argv[1:]
    runs, wrong = [], False
    for server in servers(folder):
        program = find(programs, server[0])
        if program:
            runs.append(Run(xgotopfs, program, server, folder, ["-probes", "none", "-leaks", f"{every}s"],
                            float(rest)))
    for run in list(runs):
        if not run.works():
            print(f"{run.name} does not serve: see {run.log}", file=sys.stderr)
            wrong = True
    threads = [threading.Thread(target=run.clients) for run in runs]
    for thread in threads:
        thread.start()
    until = time.monotonic() + float(seconds)
    while time.monotonic() < until:
        time.sleep(min(10, max(0.1, until - time.monotonic())))
        for run in runs:
            run.look()
    middle = {run.name: run.seen for run in runs}
    for run in runs:
        run.stop()
    for thread in threads:
        thread.join()
    print("| server | requests | looks | goroutines that could be | called leaked | suspect |\n|---|---|---|---|---|---|")
    for run in runs:
        accused, seen = run.accused(), middle[run.name]
        print(f"| {run.name} | {run.requests} | {run.seen.get('passes', 0)} | {seen.get('candidates', 0)} | "
              f"{len(accused)} | {len(run.suspects)} |")
        if not run.requests:
            print(f"{run.name}: no client got an answer: {run.failed}", file=sys.stderr)
            wrong = True
        for line in accused + [f"suspect: {json.dumps(group)}" for group in run.suspects.values()]:
            wrong = True
            print(f"{run.name}: {line}", file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
