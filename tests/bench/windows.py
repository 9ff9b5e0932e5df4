# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Windows that turn, without and with what is asked about: ratios of each with to the two without beside it, what can be
said of them, and whether a goal is met. Windows begin and end without."""
import math
import random
import statistics


def walsh(values):
    """The means of all pairs, each with itself, too, in order."""
    return sorted((a + b) / 2 for i, a in enumerate(values) for b in values[i:])


def signed_ranks(values):
    """Estimate, and the interval in which it lies with 95 %."""
    means, n = walsh(values), len(values)
    expected, deviation = n * (n + 1) / 4, math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    k = max(0, math.floor(expected - 1.96 * deviation))
    return statistics.median(means), means[k], means[len(means) - 1 - k]


def bootstrap(values, times=2000):
    chance = random.Random(1)
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(times))
    return statistics.median(values), medians[int(times * 0.025)], medians[int(times * 0.975)]


def ratios(windows, control=False):
    """Of each window to the mean of those beside it, as pairs of CPU time and 99th percentile. The control: of those without
    alone, what the machine does by itself."""
    cpu, p99 = [], []
    chosen = windows[::2] if control else windows
    for i in range(1, len(chosen) - 1, 2):
        for to, at in ((cpu, 0), (p99, 1)):
            # Geometric: one to the mean of two is more than 1 where all three only differ by chance.
            to.append(chosen[i][at] / math.sqrt(chosen[i - 1][at] * chosen[i + 1][at]))
    return cpu, p99


def losses(windows, control=False):
    """1 and what is lost more than in those beside it."""
    chosen = windows[::2] if control else windows
    return [1 + chosen[i][0] - (chosen[i - 1][0] + chosen[i + 1][0]) / 2 for i in range(1, len(chosen) - 1, 2)]


def verdict(low, high, goal):
    most = 1 + goal / 100
    if high - low > 4 * goal / 100 or low <= most < high:
        return "cannot be told: more windows, or a calmer machine"
    return "met" if high <= most else "missed"


def tell(name, what, cpu, p99, share=1.0, goal=None):
    cpu = [1 + (c - 1) * share for c in cpu]
    estimate, low, high = signed_ranks(cpu)
    median, at_least, at_most = bootstrap(cpu)
    print(f"  {name:8} {len(cpu):3} windows: {what} x {estimate:.5f} (95 % {low:.5f} to {high:.5f}); median "
          f"{median:.5f} ({at_least:.5f} to {at_most:.5f})", end="")
    if p99:
        slow, slow_low, slow_high = signed_ranks(p99)
        print(f"; p99 x {slow:.3f} ({slow_low:.3f} to {slow_high:.3f})", end="")
    print(f"; the excess as {share:g} of it" if share != 1 else "", flush=True)
    if goal is not None:
        print(f"  goal: at least {100 - goal:g} % of what there is without, x {1 + goal / 100:.4f} at most: "
              f"{verdict(low, high, goal)}", flush=True)
