/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of wait_kind.h; nothing else, so that contract.c can be built for the building machine.
 */
#include "core/model/wait_kind.h"

#include <stddef.h>
#include <string.h>

/* Of Go 1.10 to 1.27. What is idle comes before what the collector keeps: both begin with "GC". */
const struct wait_kind_prefix wait_kind_prefixes[] = {
	{"sync.", WAIT_SYNC},
	{"semacquire", WAIT_SYNC},
	{"synctest", WAIT_SYNC},
	{"coroutine", WAIT_SYNC},
	{"chan ", WAIT_CHANNEL},
	{"select", WAIT_CHANNEL},
	{"IO wait", WAIT_NETWORK},
	{"sleep", WAIT_SLEEP},
	{"timer goroutine (idle)", WAIT_IDLE},
	{"GC worker (idle)", WAIT_IDLE},
	{"GC sweep wait", WAIT_IDLE},
	{"GC scavenge wait", WAIT_IDLE},
	{"finalizer wait", WAIT_IDLE},
	{"cleanup wait", WAIT_IDLE},
	{"force gc", WAIT_IDLE},
	{"GOMAXPROCS", WAIT_IDLE},
	{"trace reader", WAIT_IDLE},
	{"GC ", WAIT_GC},
	{"garbage collection", WAIT_GC},
	{"wait for GC", WAIT_GC},
	{"wait until GC", WAIT_GC},
	{"stopping the world", WAIT_GC},
	{"flushing proc caches", WAIT_GC},
	{"dumping heap", WAIT_GC},
	{NULL, WAIT_OTHER},
};

const char *wait_kind_name(unsigned kind)
{
	static const char *const names[WAIT_KINDS] = {"other", "sync", "channel", "network",
						      "sleep", "idle", "gc"};

	return kind < WAIT_KINDS ? names[kind] : NULL;
}

enum wait_kind wait_kind_of(const char *reason)
{
	const struct wait_kind_prefix *p = wait_kind_prefixes;

	while (p->text && strncmp(reason, p->text, strlen(p->text)) != 0)
		p++;
	return p->kind;
}
