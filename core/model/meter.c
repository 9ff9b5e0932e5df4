/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The self-metrics (meter.h): a growing array that becomes a ring when it holds a day. */
#include "core/model/meter.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "core/base/util.h"

#define SAMPLES_MAX 86400

struct meter {
	pthread_mutex_t lock;
	/* protected by lock */
	struct meter_sample *samples;
	size_t n, cap;
	size_t oldest; /* once n == SAMPLES_MAX */
	struct meter_sample last;
	uint64_t start_trap_ns, start_step_ns;
};

int meter_new(struct meter **ret)
{
	struct meter *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	err = -pthread_mutex_init(&m->lock, NULL);
	if (err) {
		free(m);
		return err;
	}
	*ret = m;
	return 0;
}

void meter_free(struct meter *m)
{
	if (!m)
		return;
	pthread_mutex_destroy(&m->lock);
	free(m->samples);
	free(m);
}

/* Room for one more. Without memory for more the oldest makes room, down to a single one. */
static bool make_room(struct meter *m)
{
	size_t cap = m->cap ? MIN(m->cap * 2, (size_t)SAMPLES_MAX) : 128;
	struct meter_sample *samples;

	if (m->n < m->cap)
		return true;
	if (m->cap == SAMPLES_MAX || m->oldest)
		return false;
	samples = realloc(m->samples, cap * sizeof(*samples));
	if (!samples)
		return false;
	m->samples = samples;
	m->cap = cap;
	return true;
}

void meter_set_price(struct meter *m, uint64_t trap_ns, uint64_t step_ns)
{
	pthread_mutex_lock(&m->lock);
	m->last.trap_ns = m->start_trap_ns = trap_ns;
	m->last.step_ns = m->start_step_ns = step_ns;
	pthread_mutex_unlock(&m->lock);
}

void meter_price_at_start(struct meter *m, uint64_t *ret_trap_ns, uint64_t *ret_step_ns)
{
	pthread_mutex_lock(&m->lock);
	*ret_trap_ns = m->start_trap_ns;
	*ret_step_ns = m->start_step_ns;
	pthread_mutex_unlock(&m->lock);
}

void meter_add(struct meter *m, const struct meter_sample *s)
{
	pthread_mutex_lock(&m->lock);
	m->last = *s;
	if (make_room(m)) {
		m->samples[m->n++] = *s;
	} else if (m->n) {
		m->samples[m->oldest] = *s;
		m->oldest = (m->oldest + 1) % m->n;
	}
	pthread_mutex_unlock(&m->lock);
}

void meter_last(struct meter *m, struct meter_sample *ret)
{
	pthread_mutex_lock(&m->lock);
	*ret = m->last;
	pthread_mutex_unlock(&m->lock);
}

size_t meter_newest(struct meter *m, struct meter_sample *ret, size_t max)
{
	size_t n;

	pthread_mutex_lock(&m->lock);
	n = MIN(m->n, max);
	for (size_t i = 0; i < n; i++)
		ret[i] = m->samples[(m->oldest + m->n - 1 - i) % m->n];
	pthread_mutex_unlock(&m->lock);
	return n;
}

int meter_all(struct meter *m, struct meter_sample **ret, size_t *ret_n)
{
	struct meter_sample *copy;
	size_t n, first;

	pthread_mutex_lock(&m->lock);
	n = m->n;
	first = n - m->oldest;
	copy = malloc(MAX((size_t)1, n) * sizeof(*copy));
	if (copy && n) {
		memcpy(copy, m->samples + m->oldest, first * sizeof(*copy));
		memcpy(copy + first, m->samples, m->oldest * sizeof(*copy));
	}
	pthread_mutex_unlock(&m->lock);
	if (!copy)
		return -ENOMEM;
	*ret = copy;
	*ret_n = n;
	return 0;
}
