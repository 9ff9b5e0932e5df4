/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The order in which probes go and come, and what the model is told of it. See probe_switch.h. */
#include "core/engine/probe_switch.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/base/util.h"

#define PATIENCE_NS NS_PER_SEC /* for the events of before, at most */

struct probe_switch {
	const struct source *source;
	struct model *model;
	struct healer *healer;
	struct auditor *auditor;

	pthread_mutex_t switching; /* held while the kernel attaches and detaches */
	pthread_mutex_t lock;      /* held for moments; within switching */
	struct probes_now now;     /* changed by who holds both, read by who holds either */
	_Atomic unsigned off;      /* now.off */
};

int probe_switch_new(const struct source *source, struct model *model, struct healer *healer,
		     struct auditor *auditor, struct probe_switch **ret)
{
	struct probe_switch *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->source = source;
	s->model = model;
	s->healer = healer;
	s->auditor = auditor;
	s->now.since_ns = monotonic_ns();
	pthread_mutex_init(&s->switching, NULL);
	pthread_mutex_init(&s->lock, NULL);
	*ret = s;
	return 0;
}

void probe_switch_free(struct probe_switch *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->switching);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* All that probes told before they went is in the model, or it takes long: then what comes later
 * counts for nothing that is not certain (model_watch()). */
static void wait_delivered(const struct source *source)
{
	if (source->delivered(source->ctx, 0)) /* else nothing has begun yet */
		(void)source_wait_delivered(source, monotonic_ns(), PATIENCE_NS, NULL, NULL);
}

/* What is traced before and after cannot be held against the same memory. */
static int set_source(struct probe_switch *s, bool off)
{
	int err;

	auditor_reset(s->auditor);
	err = s->source->set_paused(s->source->ctx, off);
	auditor_reset(s->auditor);
	return err;
}

/* Done, also where only the kernel is not. */
static bool is_done(struct probe_switch *s, bool off, int err)
{
	return !err || ((err == -ETIMEDOUT || err == -EBUSY) &&
			s->source->get_paused(s->source->ctx) == off);
}

static void note(struct probe_switch *s, unsigned off, uint64_t now_ns)
{
	pthread_mutex_lock(&s->lock);
	if (!off != !s->now.off) {
		if (s->now.off)
			s->now.off_ns += now_ns - s->now.since_ns;
		s->now.since_ns = now_ns;
		s->now.switched++;
	}
	s->now.off = off;
	atomic_store(&s->off, off);
	pthread_mutex_unlock(&s->lock);
}

static bool memory_tells(unsigned off)
{
	return off && !(off & OFF_PAUSED);
}

static int switch_to(struct probe_switch *s, unsigned off)
{
	bool was = s->now.off, is = off;
	uint64_t began_ns = monotonic_ns();
	int err;

	if (off == s->now.off)
		return 0;
	err = was == is ? 0 : set_source(s, is);
	if (!is_done(s, is, err))
		return err;
	if (is && !was) {
		wait_delivered(s->source);
		model_unwatch(s->model, began_ns, memory_tells(off));
	} else if (was && !is) {
		model_watch(s->model, monotonic_ns(), true);
	} else if (memory_tells(off) && !memory_tells(s->now.off)) {
		model_unwatch(s->model, began_ns, true);
	}
	note(s, off, monotonic_ns());
	healer_always(s->healer, memory_tells(off));
	if (!is || memory_tells(off))
		healer_ask_all(s->healer);
	return err;
}

int probe_switch_set(struct probe_switch *s, unsigned which, bool off)
{
	int err;

	pthread_mutex_lock(&s->switching);
	err = switch_to(s, off ? s->now.off | which : s->now.off & ~which);
	pthread_mutex_unlock(&s->switching);
	return err;
}

void probe_switch_get(struct probe_switch *s, uint64_t at_ns, struct probes_now *ret)
{
	pthread_mutex_lock(&s->lock);
	*ret = s->now;
	pthread_mutex_unlock(&s->lock);
	if (ret->off)
		ret->off_ns += sub_u64(MIN(at_ns, monotonic_ns()), ret->since_ns);
}

bool probe_switch_memory_tells(struct probe_switch *s)
{
	return memory_tells(atomic_load(&s->off));
}
