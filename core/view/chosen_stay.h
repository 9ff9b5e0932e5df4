/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which of a goroutine's stays a question is about: the one at the time `at`, or the one it is in
 * (not of a recording or what has ended), or else the longest that is retained. For this room only.
 */
#ifndef XGOTOPFS_VIEW_CHOSEN_STAY_H
#define XGOTOPFS_VIEW_CHOSEN_STAY_H

#include "core/view/stays.h"

enum choose_stay {
	CHOOSE_RUNNABLE, /* it could run, and did not */
	CHOOSE_BLOCKED,  /* it waited */
};

struct chosen_stay {
	struct goroutine g;
	enum choose_stay what;
	bool found, asked; /* asked: `at` was given */
	struct stay stay;
	uint64_t at;  /* what was asked for; else now */
	uint64_t now; /* of its process */
};

/* 0, -EINVAL, -ENOENT, -ENOMEM. */
int chosen_stay_read(const struct view *v, struct view_query *q, enum choose_stay what,
		     struct chosen_stay *ret);
/* Of any goroutine: its stays of that time, longest or not, told one by one. */
void chosen_stay_json(const struct view *v, const struct chosen_stay *s, struct buf *out);
void chosen_stay_text(const struct view *v, const struct chosen_stay *s, struct buf *out);
/* There is none: says so and, where no probe is in, that; 0. */
int chosen_stay_none(const struct view *v, const struct view_query *q, const struct chosen_stay *s,
		     struct buf *out);

#endif
