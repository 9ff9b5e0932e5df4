#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What each way of tracing costs the traced program: a table in Markdown, and plots.

usage: costs.py XGOTOPFS OTHER_PROBES LOADS [-rounds N] [-seconds S] [-warm S] [-minutes M] [-work W,…] [-only WAY,…]
                [-save FILE.json] [-from FILE.json] [-plot FOLDER] [-into FILE.md]

LOADS (tests/bench/loads) is a program that works in several ways, and a client of servers; caddy, where it is
installed, is a server that nobody here wrote. In each round each way of tracing is tried once, in an order of that
round's own: all work is done for so many seconds untraced, and then traced in that way, each after -warm (2.5) seconds of it
that are not measured: the first million events meet memory that nobody has touched, and a program that rested has to
get into its stride. Shown are medians over the
rounds of what a round's traced run is to the untraced one of the same minute: operations a second, CPU time an
operation (of the program's threads, as the scheduler counts it), the median and the 99th percentile of an operation's
time; the tracer's CPU time an operation; beside them all that was lost and the tracer's memory, and how near it is to programs that do nothing at the same sites (1: as near as can be). Machines that others
use swing by 10 % and more between runs: CPU time says more than operations a second, and "untraced again" says how far
two runs differ of which neither is traced. The bound of -max-overhead is one of the mean, in windows some seconds
apart: there a second of the work comes before what is measured, that is four times as long, and means are shown. With light
two seconds of it come before: it samples what is short whole, and what is long in windows. Both halves of a pair have the same.

Last come the goals, each as met or not met, by operations a second and by CPU time; "?" where the rounds' spread, or what
"untraced again" is off by, is more than the distance from the goal.

After -minutes (20) it begins nothing more, and shows what there is; so it does when it is interrupted (Ctrl-C, SIGTERM).
-only takes ways by name, or by what stands behind the comma of it ("full", "recorded", "nobody reads").
-save keeps the figures of each round, -from shows them again, or adds rounds to them (with -rounds). -plot writes one
picture a workload (matplotlib). -into puts the tables, with when it was begun and the pictures of docs/costs, into a
text, between the lines "<!-- costs.py -->" and "<!-- costs.py ends -->", in place of what was there.
"""
import argparse
import contextlib
import io
import json
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
EVENTS = ["casgstatus", "makeslice", "makemap", "newobject", "newgoroutine", "goexit"]
SAMPLED = "casgstatus:{0},newgoroutine:{0},goexit:{0},newobject:{0},makeslice:{0},makemap:{0}"
# Name, options of xgotopfs, what else is there: other (probes that are not ours), tail (somebody reads), ui.
WAYS = [
    ("untraced again", [], "nothing"),
    ("empty probes", "empty", "other"),
    ("naive tool", "naive", "other"),
    ("full", [], None),
    ("full, -max-overhead 3", ["-max-overhead", "3"], None),
    ("light", ["-probes", "light"], None),
    ("demand, nobody reads", ["-probes", "demand"], None),
    ("demand, one reads", ["-probes", "demand"], "tail"),
    ("none", ["-probes", "none"], None),
    ("all at 0.1", ["-sample", SAMPLED.format("0.1")], None),
    ("all at 0.01", ["-sample", SAMPLED.format("0.01")], None),
    ("goroutines at 0.1", ["-sample", "goroutines:0.1"], None),
] + [(f"{e} alone", ["-sample", f"{e}:1"], None) for e in EVENTS] + [
    ("full, recorded", ["-record"], None),
    ("full, UI open", ["-web", "-web-port", "0"], "ui"),
]
BOUNDED = "full, -max-overhead 3"
# Ways that see of each kind of work first what it needs, in seconds of it: then comes what they keep to.
SETTLES = {BOUNDED: 1, "light": 2}
# A way, what it is held against (the floor: empty probes), at least so much of its operations a second, and its p99 too?
GOALS = [
    ("full", "empty probes", 0.95, False),
    (BOUNDED, "untraced", 0.96, False),
    ("light", "untraced", 0.98, False),
    ("demand, nobody reads", "untraced", 0.995, True),
    ("none", "untraced", 0.995, True),
]
WORK = {
    "http": "an HTTP server, connections kept",
    "http-new": "the same, a connection a request",
    "alloc": "a loop that allocates",
    "pingpong": "two goroutines and two channels",
    "spawn": "goroutines that are born and die",
    "caddy": "caddy, which answers from a file",
}


def scheduled_ns(pid):
    """CPU time of all threads that are there; Go ends none of its own."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/schedstat") as f:
                total += int(f.read().split()[0])
        except OSError:
            pass
    return total


class Enough(Exception):
    """Interrupted, or the time is over: what there is, is shown."""


class Talker:
    """A program that answers lines with lines."""

    def __init__(self, *args):
        self.process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, bufsize=1)
        if self.process.stdout.readline() != "ready\n":
            self.process.wait(10)
            raise RuntimeError(self.process.stderr.read().strip() or f"{args[0]} is not ready")

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(self.process.stderr.read().strip()[-300:])
        return answer.strip()

    def end(self):
        try:
            self.process.communicate(timeout=30)  # no more lines; the last one may be under way
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()


def caddy(folder):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with open(os.path.join(folder, "item"), "w") as f:
        f.write("x" * 1000)
    with open(os.path.join(folder, "Caddyfile"), "w") as f:
        f.write(f"{{\n admin off\n auto_https off\n}}\nhttp://127.0.0.1:{port} {{\n root * {folder}\n file_server\n}}\n")
    env = dict(os.environ, HOME=folder, XDG_DATA_HOME=folder, XDG_CONFIG_HOME=folder)
    process = subprocess.Popen(["caddy", "run", "--config", os.path.join(folder, "Caddyfile")], env=env,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return process, f"http://127.0.0.1:{port}/item"
        time.sleep(0.05)
    raise RuntimeError("caddy does not serve")


class Targets:
    def __init__(self, loads, work, folder):
        self.program, self.client = Talker(loads), Talker(loads)
        self.url = self.program.ask("serve")
        self.caddy = None
        if "caddy" in work:
            self.caddy, self.caddy_url = caddy(folder)

    def pid(self, work):
        return self.caddy.pid if work == "caddy" else self.program.process.pid

    def run(self, work, seconds):
        """CPU time of an operation, operations a second, median and 99th percentile of one, and how many."""
        pid = self.pid(work)
        before = scheduled_ns(pid)
        if work in ("http", "http-new", "caddy"):
            line = f"{'getnew' if work == 'http-new' else 'get'} {self.caddy_url if work == 'caddy' else self.url}"
            said = self.client.ask(f"{line} {seconds}s")
        else:
            said = self.program.ask(f"{work} {seconds}s")
        _, n, wall, p50, p99 = map(int, said.split())
        return {"cpu": (scheduled_ns(pid) - before) / n, "speed": n * 1e9 / wall, "p50": p50, "p99": p99, "n": n}

    def check(self):
        """Without them nothing goes on."""
        ended = [p.args[0] for p in (self.program.process, self.client.process, self.caddy) if p and p.poll() is not None]
        if ended:
            raise Enough(f"{ended[0]} has ended")

    def end(self):
        self.program.end()
        self.client.end()
        if self.caddy:
            self.caddy.terminate()
            self.caddy.wait(30)


class Nobody:
    pids = []

    def memory(self):
        return 0

    def end(self):
        return 0

    def give_up(self):
        pass


class Other:
    """Probes that are not ours."""

    def __init__(self, program, which, pid):
        self.talker = Talker(program, which, str(pid))
        self.pids = [self.talker.process.pid]

    def memory(self):
        return 0

    def end(self):
        self.talker.end()
        return 0

    def give_up(self):
        self.talker.end()


class Tracer:
    def __init__(self, xgotopfs, pid, args, folder, beside):
        self.mount = os.path.join(folder, "mnt")
        os.makedirs(self.mount, exist_ok=True)
        self.log = open(os.path.join(folder, "log"), "w+")
        if "-record" in args or "-web" in args:
            args = args + ["-storage-dir", os.path.join(folder, "sessions")]
        self.process = subprocess.Popen([xgotopfs, "-pid", str(pid), "-s", *args, self.mount], stdout=self.log, stderr=self.log)
        self.beside = None
        try:
            self.wait(lambda: os.path.exists(os.path.join(self.mount, "health")))
            self.start_beside(beside)
        except BaseException:
            self.give_up()
            raise
        self.pids = [self.process.pid]

    def start_beside(self, what):
        if what == "tail":
            self.beside = subprocess.Popen(["tail", "-f", os.path.join(self.mount, "events")], stdout=subprocess.DEVNULL)
            self.wait(lambda: "probes_in yes" in self.read("stats"))
        elif what == "ui":
            self.wait(lambda: "http://" in self.said())
            url = re.search(r"http://[^ ?]*", self.said())[0]
            self.beside = subprocess.Popen([sys.executable, os.path.join(HERE, "web_client.py"), url.rstrip("/")],
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def said(self):
        self.log.flush()
        with open(self.log.name) as f:
            return f.read()

    def wait(self, done):
        end = time.monotonic() + 60
        while not done():
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError((self.said().strip().splitlines() or ["it does not start"])[-1])
            time.sleep(0.02)

    def read(self, name):
        with open(os.path.join(self.mount, name)) as f:
            return f.read()

    def memory(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return int(re.search(r"^VmRSS:\s+(\d+)", f.read(), re.M)[1]) * 1024

    def give_up(self):
        """It is told to end, so that it takes its probes out; and killed when it does not."""
        if self.beside:
            self.beside.kill()
            self.beside.wait()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            subprocess.run(["fusermount3", "-u", "-z", self.mount], stderr=subprocess.DEVNULL)
        self.log.close()

    def end(self):
        lost = int(re.search(r"^lost_total (\d+)$", self.read("stats"), re.M)[1])
        if self.beside:
            self.beside.kill()
            self.beside.wait()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        self.log.close()
        return lost


def start(a, way, pid, folder):
    _, args, beside = way
    if beside == "nothing":
        return Nobody()
    if beside == "other":
        return Other(a.other_probes, args, pid)
    return Tracer(a.xgotopfs, pid, args, folder, beside)


def one(a, targets, way, work):
    """A way on all the work that one process does; what cannot be had has an empty answer."""
    def run(w):
        """Both halves of a pair alike: work that has gone on for longer is done faster."""
        if way[0] in SETTLES:
            targets.run(w, SETTLES[way[0]])
        before = sum(map(scheduled_ns, tracer.pids)) if tracer else 0
        got = targets.run(w, 4 * a.seconds if way[0] == BOUNDED else a.seconds)
        return got, sum(map(scheduled_ns, tracer.pids)) - before if tracer else 0

    tracer = None
    targets.run(work[0], a.warm)
    bare = {w: run(w)[0] for w in work}
    with tempfile.TemporaryDirectory() as folder:
        tracer = start(a, way, targets.pid(work[0]), folder)
        rows = {}
        try:
            targets.run(work[0], a.warm)
            for w in work:
                got, spent = run(w)
                rows[w] = {k: got[k] / max(bare[w][k], 1e-9) for k in ("cpu", "speed", "p50", "p99")}
                rows[w].update(bare=bare[w], tracer_ns=spent / got["n"], memory=tracer.memory())
            lost = tracer.end()
        except BaseException:
            tracer.give_up()
            raise
        for w in work:
            rows[w]["lost"] = lost
    return rows


FAULTS = (RuntimeError, OSError, ValueError, TypeError, subprocess.SubprocessError)


def rounds(a, ways, groups, targets, figures, refused):
    until = time.monotonic() + a.minutes * 60
    for i in range(a.rounds):
        order = random.sample(ways, len(ways))
        if i == 0:
            order.sort(key=lambda way: way[0] != "empty probes")  # what others are held against
        for way in order:
            for group in groups:
                if len(refused.get(way[0], [])) > 1:
                    continue
                if time.monotonic() > until:
                    raise Enough(f"{a.minutes:g} minutes are over")
                try:
                    rows = one(a, targets, way, group)
                except FAULTS as e:
                    refused.setdefault(way[0], []).append(f"{type(e).__name__}: {e}")
                    targets.check()
                    continue
                for w, row in rows.items():
                    figures.setdefault(w, {}).setdefault(way[0], []).append(row)
                if a.save:
                    with open(a.save + ".new", "w") as f:
                        json.dump(figures, f)
                    os.rename(a.save + ".new", a.save)
            print(f"round {i + 1}: {way[0]}", file=sys.stderr)


def interrupted(signum, _):
    # Once: what was begun is ended in peace.
    for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, signal.SIG_IGN)
    raise Enough("interrupted")


def measure(a, ways, work, figures):
    refused = {}
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        targets = Targets(a.loads, work, folder)
        groups = [g for g in ([w for w in work if w != "caddy"], [w for w in work if w == "caddy"]) if g]
        try:
            for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(s, interrupted)
            rounds(a, ways, groups, targets, figures, refused)
        except Enough as why:
            print(f"costs: {why}: these are the rounds that were done", file=sys.stderr)
        targets.end()
    for name, faults in refused.items():
        for why in faults:
            print(f"{name}: {why}", file=sys.stderr)


def middle(name, rows, key):
    values = [r[key] for r in rows]
    return statistics.mean(values) if name == BOUNDED else statistics.median(values)


def spread(rows, key):
    return spread_of([r[key] for r in rows])


def spread_of(values):
    """Half of what lies between the quartiles."""
    if len(values) < 3:
        return (max(values) - min(values)) / 2
    q = statistics.quantiles(values, n=4)
    return (q[2] - q[0]) / 2


def table(work, ways, pictures=""):
    bare = [row["bare"] for rows in ways.values() for row in rows]
    print(f"\n### {work}: {WORK[work]}\n")
    if pictures:
        print(f"![{work}: operations a second and CPU time an operation, untraced = 1]({pictures}/{work}.svg)\n")
    print(f"Untraced: {statistics.median(b['speed'] for b in bare):,.0f} operations a second, "
          f"{statistics.median(b['cpu'] for b in bare) / 1000:.2f} µs of CPU time each, "
          f"p50 {statistics.median(b['p50'] for b in bare) / 1000:.1f} µs, p99 {statistics.median(b['p99'] for b in bare) / 1000:.1f} µs.\n")
    done = [len(rows) for rows in ways.values()]
    print(f"Medians of {min(done)}{f' to {max(done)}' if max(done) > min(done) else ''} round{'s' if max(done) > 1 else ''}.\n")
    print("| way | operations/s | CPU an operation | ± | p50 | p99 | of the floor: operations/s, CPU | tracer, µs an operation | lost | memory, MiB |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    floor = {k: middle("", ways["empty probes"], k) for k in ("speed", "cpu")} if "empty probes" in ways else None
    for name, *_ in WAYS:
        if name not in ways:
            continue
        r = ways[name]
        m = {key: middle(name, r, key) for key in ("speed", "cpu", "p50", "p99", "tracer_ns", "memory")}
        of_floor = f"{m['speed'] / floor['speed']:.2f}, {floor['cpu'] / m['cpu']:.2f}" if floor else "-"
        print(f"| {name} | {m['speed']:.3f} | {m['cpu']:.3f} | {spread(r, 'cpu'):.3f} | {m['p50']:.2f} | {m['p99']:.2f} "
              f"| {of_floor} | {m['tracer_ns'] / 1000:.2f} | {max(x['lost'] for x in r)} | {m['memory'] / 2**20:.0f} |")


def verdict(name, values, least, control):
    """Of what should be so much at least, in each round; control: of what should be 1."""
    value = statistics.mean(values) if name == BOUNDED else statistics.median(values)
    unsure = max(spread_of(values), abs(1 - statistics.median(control)) if control else 0)
    sure = len(values) > 2 and abs(value - least) > unsure
    return f"{value:.3f} {'met' if value >= least else '**not met**'}{'' if sure else ' ?'}"


def goals(figures):
    print("\n### Goals\n")
    print("Shares of what is beside them, by operations a second, by CPU time an operation and, where it is a goal, by the 99th percentile. "
          "\"?\": the rounds differ by more than it is from the goal, or untraced again does from untraced, or there are fewer than three.\n")
    print("| way | of | at least | work | operations/s | CPU time | p99 |")
    print("|---|---|--:|---|---|---|---|")
    for name, of, least, tail in GOALS:
        for work in WORK:
            ways = figures.get(work, {})
            if name not in ways or of not in ("untraced", *ways):
                continue
            # Each row is to the untraced run beside it already.
            beside = ways[of] if of in ways else [{"speed": 1, "cpu": 1, "p99": 1}] * len(ways[name])
            pairs = list(zip(ways[name], beside))
            cells = [[r["speed"] / b["speed"] for r, b in pairs], [b["cpu"] / r["cpu"] for r, b in pairs]]
            if tail:
                cells.append([b["p99"] / r["p99"] for r, b in pairs])
            again = ways.get("untraced again", []) if of == "untraced" else []
            controls = [[r["speed"] for r in again], [1 / r["cpu"] for r in again], [1 / r["p99"] for r in again]]
            said = [verdict(name, values, least, control) for values, control in zip(cells, controls)] + ["-"]
            print(f"| {name} | {of} | {least} | {work} | {' | '.join(said[:3])} |")


def plot(folder, figures):
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "costs"})  # text as text, the same each time
    from matplotlib import pyplot
    os.makedirs(folder, exist_ok=True)
    for work, ways in figures.items():
        names = [name for name, *_ in WAYS if name in ways][::-1]
        figure, axes = pyplot.subplots(1, 2, figsize=(11, 0.32 * len(names) + 1.6), sharey=True, constrained_layout=True)
        for ax, key, title, log in ((axes[0], "speed", "operations a second, untraced = 1", False),
                                    (axes[1], "cpu", "CPU time an operation, untraced = 1", True)):
            ax.barh(names, [middle(n, ways[n], key) for n in names], xerr=[spread(ways[n], key) for n in names],
                    color=["#9a9a9a" if n in ("untraced again", "empty probes", "naive tool") else "#3b6ea5" for n in names], error_kw={"lw": 1})
            ax.axvline(1, color="black", lw=0.8)
            ax.set_title(title, fontsize=10)
            if log:
                ax.set_xscale("log")
            ax.grid(axis="x", alpha=0.3)
        figure.suptitle(f"{work}: {WORK[work]}, medians of {min(map(len, ways.values()))} rounds", fontsize=11)
        figure.savefig(os.path.join(folder, f"{work}.svg"), metadata={"Date": None})
        pyplot.close(figure)


def show(figures, pictures=""):
    for work in WORK:
        if work in figures:
            table(work, figures[work], pictures)
    goals(figures)


BEGIN, END = "<!-- costs.py -->", "<!-- costs.py ends -->"


def put_into(path, figures, made):
    with open(path) as f:
        before, _, rest = f.read().partition(BEGIN + "\n")
    _, _, after = rest.partition(END + "\n")
    if not rest or not after:
        raise SystemExit(f"{path}: there are no lines {BEGIN} and {END}")
    tables = io.StringIO()
    with contextlib.redirect_stdout(tables):
        show(figures, "costs")
    with open(path, "w") as f:
        f.write(f"{before}{BEGIN}\n{made}\n{tables.getvalue()}{END}\n{after}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("xgotopfs")
    p.add_argument("other_probes")
    p.add_argument("loads")
    p.add_argument("-rounds", type=int)
    p.add_argument("-seconds", type=float, default=0.8)
    p.add_argument("-warm", type=float, default=2.5)
    p.add_argument("-minutes", type=float, default=20)
    p.add_argument("-only", type=lambda s: s.split(","))
    p.add_argument("-work", type=lambda s: s.split(","), default=list(WORK))
    p.add_argument("-save")
    p.add_argument("-from", dest="old")
    p.add_argument("-plot")
    p.add_argument("-into")
    a = p.parse_args()
    unknown = [w for w in a.work if w not in WORK] + [
        o for o in a.only or [] if not any(w[0].split(", ")[-1] == o for w in WAYS)]
    if unknown:
        p.error(f"not known: {', '.join(unknown)}")
    if "caddy" in a.work and not shutil.which("caddy"):
        print("caddy is not installed: left out (scripts/install-deps.sh bench)", file=sys.stderr)
        a.work.remove("caddy")
    made = time.strftime("%Y-%m-%d, %H:%M UTC", time.gmtime()) + f", load before it {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs"
    figures = {}
    if a.old:
        with open(a.old) as f:
            figures = json.load(f)
    if a.rounds is None:
        a.rounds = 0 if a.old else 3
    ways = [w for w in WAYS if not a.only or w[0].split(", ")[-1] in a.only]
    if a.rounds:
        measure(a, ways, a.work, figures)
    show(figures)
    if a.plot:
        plot(a.plot, figures)
    if a.into:
        put_into(a.into, figures, f"{made}; runs of {a.seconds:g} s.")


if __name__ == "__main__":
    main()
