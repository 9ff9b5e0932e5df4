/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The words of the filter language and what they stand for, in tables: filter.c reads filters by
 * them and contract.c tells them to the UI, which reads filters, too. Constants; any thread.
 */
#ifndef XGOTOPFS_VIEW_WORDS_H
#define XGOTOPFS_VIEW_WORDS_H

#include <stdint.h>

enum filter_key {
	KEY_ANY,
	KEY_STATE,
	KEY_WAIT,
	KEY_FUNC,
	KEY_SITE,
	KEY_FLAG,
	KEY_WAS,
	KEY_NUMBERS, /* from here on */
	KEY_ID = KEY_NUMBERS,
	KEY_PARENT,
	KEY_AGE,
	KEY_SINCE,
	KEY_WAITING,
	KEY_RUNNABLE,
	KEY_ALLOC,
	KEY_EVENTS,
	KEY_CHILDREN,
};

/* Each table ends with a NULL name. */
struct filter_word {
	const char *name;
	uint64_t value;
};

extern const struct filter_word
	filter_keys[]; /* enum filter_key; the first of several names is its own */
extern const struct filter_word filter_units[]; /* in what the model counts: ns, bytes, or things */
extern const struct filter_word
	filter_flags[]; /* a bit of enum goroutine_flag; 0: has not exited */

/* What a message names: the states that one can be seen in for more than a moment. */
#define FILTER_STATE_WORDS "running runnable waiting syscall preempted leaked dead unknown"
#define FILTER_FLAG_WORDS  "live exited system cgo found uncertain"
#define FILTER_KEY_WORDS                                                                           \
	"state wait was func site flag id parent age since waiting runnable alloc events children"
#define FILTER_UNIT_WORDS "ns us ms s m h, B kB MB GB"

#define STATE_DEAD_ALIAS "exited" /* a filter's other word for GSTATE_DEAD */

#endif
