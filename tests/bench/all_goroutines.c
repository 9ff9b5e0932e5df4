/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What it costs to look at every goroutine of a large process: a list of copies, one after the
 *other (in no order, by number, those that changed), their numbers alone, and what the time pyramid
 *does once a second. Time and the memory it takes at most.
 *
 *	all_goroutines [GOROUTINES]		default 100,000; each time is the best of five
 */
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "core/base/util.h"
#include "core/model/model.h"
#include "core/pyramid/pyramid.h"
#include "tests/all_goroutines.h"

#define NOW (100 * NS_PER_SEC)

struct bench {
	struct model *m;
	struct pyramid *p;
	uint64_t since;
	size_t bytes; /* heap in use while it looks, beyond before */
};

static size_t in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static int look_list(struct bench *b)
{
	cleanup_free_ struct goroutine *all = NULL;
	size_t before = in_use(), n;
	int err = all_goroutines(b->m, 0, true, &all, &n);

	b->bytes = in_use() - before;
	return err;
}

static int look_pass(struct bench *b, bool by_goid, uint64_t since)
{
	struct model_which which = {.exited = true, .by_goid = by_goid, .since_ns = since};
	struct model_pass *pass cleanup_pass_ = NULL;
	size_t before = in_use();
	int err = model_pass_new(b->m, 0, &which, &pass);

	b->bytes = in_use() - before;
	while (!err && model_pass_next(pass))
		;
	return err;
}

static int look_unordered(struct bench *b)
{
	return look_pass(b, false, 0);
}

static int look_by_goid(struct bench *b)
{
	return look_pass(b, true, 0);
}

static int look_changed(struct bench *b)
{
	return look_pass(b, false, NOW - NS_PER_SEC);
}

static int look_numbers(struct bench *b)
{
	cleanup_free_ uint64_t *goids = NULL;
	size_t before = in_use(), n;
	int err = model_goids(b->m, 0, MODEL_BY_NOTHING, 0, &goids, &n);

	b->bytes = in_use() - before;
	return err;
}

static int look_sync(struct bench *b)
{
	b->bytes = 0;
	b->since += NS_PER_SEC;
	return pyramid_sync(b->p, b->m, 0, b->since);
}

static int run(struct bench *b, const char *name, int (*look)(struct bench *b))
{
	uint64_t best = UINT64_MAX;
	int err = 0;

	for (unsigned i = 0; i < 5 && !err; i++) {
		uint64_t t = monotonic_ns();

		err = look(b);
		best = MIN(best, monotonic_ns() - t);
	}
	if (!err)
		printf("%-40s %8.2f ms  %8.1f KiB\n", name, (double)best / 1e6,
		       (double)b->bytes / 1024);
	return err;
}

static int fill(struct bench *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct goroutine_seen seen = {
			.goid = 1 + i * 7919 % n, .parent = 1, .state = GSTATE_WAITING};

		model_heal(b->m, 0, &seen, 1, NS_PER_SEC, false);
	}
	b->since = NOW;
	return pyramid_sync(b->p, b->m, 0, NOW);
}

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
	struct model_config config = {.retain = 1000, .retain_exited = 1000, .workers = 1};
	struct proc_info info = {.pid = 1};
	struct bench b = {0};
	int err = names_new(1000, &config.names);

	if (!err)
		err = model_new(&config, &b.m);
	if (!err)
		err = MIN(model_proc_add(b.m, &info), 0);
	if (!err)
		err = pyramid_new(0, &b.p);
	if (!err)
		err = fill(&b, n);
	if (!err)
		err = run(&b, "a list of copies", look_list);
	if (!err)
		err = run(&b, "one after the other", look_unordered);
	if (!err)
		err = run(&b, "one after the other, by number", look_by_goid);
	if (!err)
		err = run(&b, "those that changed in the last second", look_changed);
	if (!err)
		err = run(&b, "numbers alone", look_numbers);
	if (!err)
		err = run(&b, "the pyramid's second, nothing changed", look_sync);
	if (err)
		fprintf(stderr, "all_goroutines: %s\n", strerror(-err));
	pyramid_free(b.p);
	model_free(b.m);
	names_free(config.names);
	return err ? 1 : 0;
}
