/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "core/view/growth.h"

#include "core/base/util.h"
#include "core/model/functions.h"
#include "core/view/problem_rules.h"
#include "core/view/view_internal.h"

/* Up in more than one step, and never down much. */
static bool grows(const struct model_past *past, const struct past_function *f, unsigned from,
		  uint64_t now)
{
	const struct problem_rule *rule = &problem_rules[PROBLEM_GROWING];
	uint64_t then = f ? f->live[from] : 0, most = then, step = 0;

	if (now < then + rule->number || now * 100 < then * (100 + rule->percent))
		return false;
	for (unsigned i = from + 1; i <= past->n; i++) {
		uint64_t live = i == past->n ? now
				: f          ? f->live[i]
					     : 0,
			 before = f ? f->live[i - 1] : 0;

		if (live * 10 < most * 9)
			return false;
		most = MAX(most, live);
		step = MAX(step, sub_u64(live, before));
	}
	return step * 10 < (now - then) * 7;
}

/* As problem_rules says: what is made as the day begins is there, and stays; a leak goes on. */
static bool goes_on(const struct model_past *past, const struct past_function *f, unsigned from,
		    uint64_t now, uint64_t now_ns)
{
	uint64_t ns = view_since(now_ns, past->moments[from].time_ns);
	unsigned quarter = past_before(past, now_ns, ns / 4);
	uint64_t then = f ? f->live[from] : 0, lately = f ? f->live[quarter] : 0;

	return ns < PAST_LONG_NS + PAST_LONG_NS / 3 ||
	       8 * sub_u64(now, lately) >= sub_u64(now, then);
}

bool growth_of(const struct model_past *past, uint32_t func_id, uint64_t live, uint64_t now_ns,
	       uint64_t *ret_then, uint64_t *ret_ns)
{
	const struct past_function *f = past_of(past, func_id);
	unsigned minute = past_before(past, now_ns, problem_rules[PROBLEM_GROWING].ns);

	if (!live || !past->n)
		return false;
	for (unsigned from = minute + 1; from-- > 0;) {
		if (!grows(past, f, from, live) || !goes_on(past, f, from, live, now_ns))
			continue;
		*ret_then = f ? f->live[from] : 0;
		*ret_ns = view_since(now_ns, past->moments[from].time_ns);
		return true;
	}
	return false;
}
