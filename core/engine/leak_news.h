/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Leaks that are new, one line of the log each: goroutines that began alike, in a group of one
 * kind, are told once a process. Belongs to one thread. */
#ifndef XGOTOPFS_ENGINE_LEAK_NEWS_H
#define XGOTOPFS_ENGINE_LEAK_NEWS_H

#include "core/memory/leak_report.h"
#include "core/model/model.h"

#define LEAK_NEWS_MAX 100

struct leak_news {
	uint64_t told[LEAK_NEWS_MAX]; /* keys */
	unsigned n;
};

/* What of `report` (of process `proc`) is proven and was not told before. */
void leak_news_tell(struct leak_news *news, struct model *model, unsigned proc,
		    const struct leak_report *report);

#endif
