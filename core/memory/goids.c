/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What was given out is what goidgen says without what the Ps have in stock. It changes while it is
 * read: goidgen read before the Ps gives the lower bound, after them the upper one. A P whose stock
 * is being filled up counts as full for the one, as empty for the other.
 */
#include "core/memory/goids.h"

#include <errno.h>

#include "core/memory/memory.h"
#include "core/target/goids.h"

#define PS_MAX 4096

struct stock {
	uint64_t next, end; /* goidcache, goidcacheend */
};

static int read_ps(pid_t pid, uint64_t slice, uint64_t **ret, size_t *ret_n)
{
	uint64_t allp[3]; /* pointer, length, capacity: behind the length are Ps that were taken
			     off, with what they had in stock (procresize) */
	uint64_t *ps;
	int err = memory_read(pid, slice, allp, sizeof(allp));

	if (err)
		return err;
	if (!allp[1] || allp[1] > allp[2] || allp[2] > PS_MAX || allp[0] % 8)
		return -EFAULT;
	ps = calloc(allp[2], sizeof(*ps));
	if (!ps)
		return -ENOMEM;
	err = memory_read(pid, allp[0], ps, allp[2] * sizeof(*ps));
	if (err) {
		free(ps);
		return err;
	}
	*ret = ps;
	*ret_n = allp[2];
	return 0;
}

static int read_stocks(pid_t pid, const uint64_t *ps, size_t n, uint32_t offset,
		       struct stock *stocks)
{
	cleanup_free_ struct memory_piece *pieces = calloc(n, sizeof(*pieces));
	size_t used = 0;
	int err;

	if (!pieces)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (!ps[i])
			continue;
		pieces[used++] = (struct memory_piece){
			.addr = ps[i] + offset,
			.buf = &stocks[i],
			.size = sizeof(*stocks),
		};
	}
	err = memory_read_pieces(pid, pieces, used);
	for (size_t i = 0; i < used && !err; i++)
		err = pieces[i].ok ? 0 : -EFAULT;
	return err;
}

int memory_goids(const struct target *t, pid_t pid, uint64_t bias, struct goids *ret)
{
	cleanup_free_ struct stock *stocks = NULL;
	cleanup_free_ uint64_t *ps = NULL;
	uint64_t before, after, most = 0, least = 0;
	struct goids_address at;
	size_t n = 0;
	int err = goids_find(t, &at);

	if (!err)
		err = read_ps(pid, at.allp + bias, &ps, &n);
	if (!err)
		err = memory_read(pid, at.goidgen + bias, &before, sizeof(before));
	if (err)
		return err;
	stocks = calloc(n, sizeof(*stocks));
	err = stocks ? read_stocks(pid, ps, n, target_layout(t)->p_goidcache, stocks) : -ENOMEM;
	if (!err)
		err = memory_read(pid, at.goidgen + bias, &after, sizeof(after));
	if (err)
		return err;
	for (size_t i = 0; i < n; i++) {
		uint64_t left = stocks[i].end - stocks[i].next;
		bool whole = left <= GOID_BATCH && stocks[i].end <= after + 1;

		if (!ps[i])
			continue;
		most += whole ? left : GOID_BATCH;
		least += whole ? left : 0;
	}
	if (after < before || after < least)
		return -EFAULT;
	ret->least = before - MIN(before, most);
	ret->most = after - least;
	return 0;
}
