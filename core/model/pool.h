/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A fork-join pool: one call runs a task for each of 0 … n-1 on the pool's threads and the caller,
 * and returns when all are done. Threads start with the first run; one that cannot start is done
 * without. One caller at a time.
 */
#ifndef XGOTOPFS_MODEL_POOL_H
#define XGOTOPFS_MODEL_POOL_H

struct pool;

int pool_new(unsigned threads, struct pool **ret); /* threads besides the caller */
void pool_free(struct pool *p);
void pool_run(struct pool *p, unsigned n, void (*task)(void *ctx, unsigned i), void *ctx);

#endif
