/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What can be looked at: the live model and recorded sessions, each with a time pyramid. A recorded
 * session is loaded when somebody first asks for it, on a thread of its own, and kept while it is
 * used; at most SOURCES_OPEN at a time, the one unused longest goes first, and each goes when
 * nobody has asked for it for SOURCE_IDLE_NS. Every request finds it as its files are then: what
 * was written meanwhile is read on, what became another is loaded anew.
 */
#ifndef XGOTOPFS_WEB_SOURCE_H
#define XGOTOPFS_WEB_SOURCE_H

#include <stdatomic.h>

#include "core/pyramid/pyramid.h"
#include "core/view/view.h"
#include "web/web.h"

#define SOURCES_OPEN   4
#define SOURCE_IDLE_NS (60 * NS_PER_SEC)

enum source_state { SOURCE_LOADING, SOURCE_READY, SOURCE_FAILED };

struct source {
	bool live;
	char id[64]; /* of the session; "live" */
	struct view view;
	struct pyramid *pyramid;
	_Atomic int state;    /* enum source_state */
	atomic_bool readable; /* while loading: model and pyramid answer, for what was read */
	atomic_ullong loaded, total; /* events, for progress; total 0 = not known */
	char error[256];             /* with SOURCE_FAILED */
	int refs;                    /* protected by the sources' lock, as all below */
	uint64_t used_ns;            /* asked for last */
};

struct sources;

struct store;
/* `store` (borrowed) may be NULL: no recorded ones. */
int sources_new(const struct web_config *config, struct store *store, struct sources **ret);
/* Starts following the live feed. */
int sources_start(struct sources *ss);
void sources_stop(struct sources *ss);
void sources_free(struct sources *ss);
/* How many events of the live feed are not in its pyramid yet; 0 from sources_stop() on. */
uint64_t sources_behind(struct sources *ss);

/* The live one. Lives as long as `ss`; needs no put. */
struct source *sources_live(struct sources *ss);
/*
 * A recorded one, loading or ready: source_put() when done. -ENOENT, -EINVAL (no session id),
 * -EBUSY (SOURCES_OPEN are in use), -ENOMEM. What little was written since it was loaded is in it;
 * of more, it is loading.
 */
int sources_open(struct sources *ss, const char *id, struct source **ret);
void source_put(struct sources *ss, struct source *s);
/* Gives back the memory of those unused for SOURCE_IDLE_NS at now_ns. The follower does it, too. */
void sources_sweep(struct sources *ss, uint64_t now_ns);

struct sources_stats {
	uint64_t pyramid_bytes;  /* of the live one's pyramid and the recorded ones' */
	uint64_t missed;         /* events the live one's pyramid missed */
	uint64_t sessions;       /* recorded ones that are loaded, or being loaded */
	uint64_t sessions_bytes; /* memory of their models and pyramids */
};
void sources_stats(struct sources *ss, struct sources_stats *ret);

#endif
