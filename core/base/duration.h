/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Durations as Go writes them: "100ms", "1h15m30.5s", "1.5s", "0". No state; any thread.
 * The syntax is Go's time.ParseDuration (src/time/format.go) without signs, and with days.
 */
#ifndef XGOTOPFS_BASE_DURATION_H
#define XGOTOPFS_BASE_DURATION_H

#include <stdint.h>

/* Units: ns, us, µs, ms, s, m, h, d; only "0" may go without. -EINVAL; -ERANGE past 2^63 ns. */
int duration_parse(const char *text, uint64_t *ret_ns);

#endif
