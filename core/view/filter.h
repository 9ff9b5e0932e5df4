/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The filter language of the UI and the API: terms separated by spaces, all of which must hold.
 *
 *   state:waiting,syscall   one of these; text is matched whole, * and ? stand for anything.
 *                           Who has exited is dead or exited, whose state is not known, unknown;
 *                           what stands for no state is an error
 *   func:main.* wait:chan*  also: site (the go statement)
 *   flag:system             also: live, exited, cgo, found, uncertain; others are an error
 *   was:sync,runnable       within a time that is asked about (choose.h): it was in this state, or
 *                           waited for this reason or kind, at some moment of it
 *   age>5m alloc>=1MB       also: id, parent, events, children, since (time in its state),
 *                           waiting, runnable (totals); units ns us ms s m h, B KB MB GB
 *                           age:>5m is the same
 *   -flag:system            not
 *   handler 4711            anywhere in function, wait reason or site, or a goroutine's number
 *
 * tests/data/filter.json holds cases that this and the UI's own reading of it (ui/src/filter.ts)
 * are both tested with.
 */
#ifndef XGOTOPFS_VIEW_FILTER_H
#define XGOTOPFS_VIEW_FILTER_H

#include "core/base/util.h"
#include "core/model/model.h"

#define FILTER_TERMS_MAX 16
#define FILTER_TEXT_MAX  512

struct filter_term {
	bool negated;
	uint8_t key; /* in filter.c */
	char op;     /* ':' '>' 'g' (>=) '<' 'l' (<=) */
	char text[128];
	uint64_t number; /* whole; `more`: and a fraction */
	bool more;
};

struct filter {
	struct filter_term terms[FILTER_TERMS_MAX];
	unsigned n;
};

/* NULL or "" matches everything. -EINVAL with one line of reason in why. */
int filter_parse(const char *text, struct filter *ret, char *why, size_t size);
/* What one was in, within a time: each at least once. */
struct filter_stay {
	uint32_t reason_id; /* why it waited; names_string() */
	uint8_t state;      /* enum gstate, GSTATES: not known */
};
struct filter_was {
	const struct filter_stay *v;
	size_t n;
	bool ended; /* within that time */
};

/*
 * Each word of wait: and was: stands for a reason that the table of wait_kind.h or the program
 * knows, a kind, or (was:) a state: else it is a slip, and would match nothing for ever. -EINVAL
 * with one line of reason in why.
 */
int filter_check_waits(const struct filter *f, const struct names *names, char *why, size_t size);

/* Has it a term `was:`? Such a one holds, negated or not, where `was` is NULL. */
bool filter_asks_was(const struct filter *f);
bool filter_match(const struct filter *f, const struct names *names, const struct goroutine *g,
		  uint64_t now_ns, const struct filter_was *was);

#endif
