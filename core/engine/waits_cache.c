/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A few processes' graphs, the least recently read one going first. See waits_cache.h. */
#include "core/engine/waits_cache.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "core/memory/waits.h"

#define KEPT     8
#define KEEP_NS  (NS_PER_SEC / 10)
#define DUTY     10
#define CLAIM_NS NS_PER_SEC

struct entry {
	struct wait_graph *graph; /* NULL: free */
	unsigned proc;
	uint64_t due_ns, claimed_ns; /* CLOCK_MONOTONIC */
};

struct waits_cache {
	const struct source *source;
	struct model *model;
	pthread_mutex_t reading; /* one at a time */
	pthread_mutex_t lock;    /* protects what follows */
	struct entry entries[KEPT];
	struct entry asked; /* for a process that has none: who claimed it */
};

int waits_cache_new(const struct source *source, struct model *model, struct waits_cache **ret)
{
	struct waits_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->source = source;
	c->model = model;
	pthread_mutex_init(&c->reading, NULL);
	pthread_mutex_init(&c->lock, NULL);
	*ret = c;
	return 0;
}

void waits_cache_free(struct waits_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < KEPT; i++)
		wait_graph_put(c->entries[i].graph);
	pthread_mutex_destroy(&c->reading);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* Under the lock; NULL. */
static struct entry *entry_of(struct waits_cache *c, unsigned proc)
{
	for (size_t i = 0; i < KEPT; i++) {
		if (c->entries[i].graph && c->entries[i].proc == proc)
			return &c->entries[i];
	}
	return NULL;
}

uint64_t waits_cache_due_in(struct waits_cache *c, unsigned proc, uint64_t newer_ns)
{
	uint64_t now = monotonic_ns(), due_ns = now;
	const struct entry *entry;

	pthread_mutex_lock(&c->lock);
	entry = entry_of(c, proc);
	if (entry && now < entry->due_ns)
		due_ns = entry->graph->begin_ns > newer_ns ? UINT64_MAX : entry->due_ns;
	pthread_mutex_unlock(&c->lock);
	return due_ns - now;
}

bool waits_cache_is_due(struct waits_cache *c, unsigned proc)
{
	return !waits_cache_due_in(c, proc, UINT64_MAX);
}

bool waits_cache_claim(struct waits_cache *c, unsigned proc)
{
	uint64_t now = monotonic_ns();
	struct entry *entry;
	bool ours;

	pthread_mutex_lock(&c->lock);
	entry = entry_of(c, proc);
	if (!entry) {
		entry = &c->asked;
		if (entry->proc != proc)
			*entry = (struct entry){.proc = proc};
	}
	ours = !entry->claimed_ns || now - entry->claimed_ns > CLAIM_NS;
	if (ours)
		entry->claimed_ns = now;
	pthread_mutex_unlock(&c->lock);
	return ours;
}

/* Under the lock: one that is free, or was read longest ago. */
static struct entry *make_room(struct waits_cache *c)
{
	struct entry *oldest = &c->entries[0];

	for (size_t i = 0; i < KEPT && oldest->graph; i++) {
		if (!c->entries[i].graph || c->entries[i].due_ns < oldest->due_ns)
			oldest = &c->entries[i];
	}
	return oldest;
}

static void keep(struct waits_cache *c, unsigned proc, struct wait_graph *graph)
{
	struct wait_graph *old;
	struct entry *entry;

	pthread_mutex_lock(&c->lock);
	entry = entry_of(c, proc);
	if (!entry)
		entry = make_room(c);
	old = entry->graph;
	*entry = (struct entry){
		.graph = graph,
		.proc = proc,
		.due_ns = graph->end_ns + MAX(KEEP_NS, (graph->end_ns - graph->begin_ns) * DUTY),
	};
	pthread_mutex_unlock(&c->lock);
	wait_graph_put(old);
}

int waits_cache_read(struct waits_cache *c, unsigned proc)
{
	struct wait_graph *graph;
	struct proc_info info;
	int err = model_proc_living(c->model, proc, &info);

	if (err)
		return err;
	pthread_mutex_lock(&c->reading);
	if (waits_cache_is_due(c, proc)) {
		err = c->source->waits(c->source->ctx, proc, info.pid, &graph);
		if (!err)
			keep(c, proc, graph);
	}
	pthread_mutex_unlock(&c->reading);
	return err;
}

int waits_cache_get(struct waits_cache *c, unsigned proc, struct wait_graph **ret)
{
	struct entry *entry;

	pthread_mutex_lock(&c->lock);
	entry = entry_of(c, proc);
	if (entry)
		*ret = wait_graph_get(entry->graph);
	pthread_mutex_unlock(&c->lock);
	return entry ? 0 : -EAGAIN;
}
