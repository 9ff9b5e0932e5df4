/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * leaks_of PROGRAM PID [SECONDS]: who is proven to be leaked, one "leaked GOID FUNCTION" a line, by
 * passes for so long, and after each of them (once, at the end, when no time is given), without a
 * probe in the process. With "holders" in place of SECONDS, of each lock that is waited for: "lock
 * ADDRESS KIND WAITERS", and "holder ADDRESS GOID EVIDENCE LINE WAITS_HIMSELF LIKELY" for who is
 * said to hold it, EVIDENCE being enum wait_evidence, and "waits ADDRESS GOID" for who waits, after
 * "goroutine GOID" for each that is parked. For the tests; not installed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/memory/leak_proof.h"
#include "core/memory/waits.h"

#define PASSES_MAX (LEAK_PASSES + 2) /* when no time is given: who moves is not waited for */
#define REST_US    120000

static int one_pass(const struct target *t, pid_t pid, uint64_t bias, struct leak_proof *proof,
		    bool verbose)
{
	struct unreachable u cleanup_unreachable_ = {0};
	struct wait_graph *graph;
	int err = memory_waits(t, pid, bias, &graph);

	if (err)
		return err;
	err = memory_unreachable(t, pid, bias, graph, NULL, &u);
	if (!err)
		err = leak_proof_add(proof, &u);
	if (!err && verbose)
		fprintf(stderr, "pass: %zu candidates, %zu named, %.0f ms\n", u.candidates, u.n,
			(double)(u.end_ns - u.begin_ns) / 1e6);
	wait_graph_put(graph);
	return err;
}

static void say(const struct target *t, pid_t pid, uint64_t bias, const struct leak_proof *proof)
{
	size_t n;
	const uint64_t *goids = leak_proof_goids(proof, &n);

	for (size_t i = 0; i < n; i++) {
		struct memory_goroutine g;
		struct go_func f = {.name = "?"};

		if (!memory_goroutine_by_id(t, pid, bias, goids[i], &g))
			(void)target_start_func(t, g.start_pc, &f);
		printf("leaked %llu %s\n", (unsigned long long)goids[i], f.name);
	}
}

static int say_holders(const struct target *t, pid_t pid, uint64_t bias)
{
	struct wait_graph *graph;
	int err = memory_waits(t, pid, bias, &graph);

	for (size_t i = 0; !err && i < graph->n_goroutines; i++)
		printf("goroutine %llu\n", (unsigned long long)graph->goroutines[i].goid);
	for (size_t i = 0; !err && i < graph->n_objects; i++) {
		const struct wait_object *o = &graph->objects[i];

		if (o->kind != WAIT_MUTEX && o->kind != WAIT_RWMUTEX)
			continue;
		printf("lock %llx %s %u\n", (unsigned long long)o->address,
		       o->kind == WAIT_MUTEX ? "Mutex" : "RWMutex", o->n_waits);
		for (uint32_t k = 0; k < o->n_waits; k++)
			printf("waits %llx %llu\n", (unsigned long long)o->address,
			       (unsigned long long)graph
				       ->goroutines[wait_graph_waiter(graph, o, k)->goroutine]
				       .goid);
		for (uint32_t k = 0; k < o->n_holders; k++) {
			const struct wait_holder *h = &graph->holders[o->holders + k];

			printf("holder %llx %llu %d %u %d %d\n", (unsigned long long)o->address,
			       (unsigned long long)h->goid, (int)h->evidence, h->line, h->waiter,
			       wait_holder_is_likely(h));
		}
	}
	if (!err)
		wait_graph_put(graph);
	return err;
}

int main(int argc, char **argv)
{
	uint64_t until = monotonic_ns();
	struct leak_proof *proof = NULL;
	struct target *t = NULL;
	uint64_t bias;
	unsigned n = 0;
	pid_t pid;
	int err;

	if (argc < 3)
		return 2;
	pid = (pid_t)atoi(argv[2]);
	if (argc > 3 && strcmp(argv[3], "holders"))
		until += (uint64_t)atoi(argv[3]) * NS_PER_SEC;
	err = target_open(argv[1], &t);
	if (!err)
		err = target_load_bias(t, pid, &bias);
	if (!err)
		err = leak_proof_new(&proof);
	if (!err && argc > 3 && !strcmp(argv[3], "holders")) {
		err = say_holders(t, pid, bias);
		goto out;
	}
	while (!err) {
		err = one_pass(t, pid, bias, proof, argc > 3);
		n++;
		if (!err && argc > 3)
			say(t, pid, bias, proof);
		if (argc > 3 ? monotonic_ns() >= until : n == PASSES_MAX || !leak_proof_open(proof))
			break;
		usleep(REST_US);
	}
out:
	if (err)
		fprintf(stderr, "leaks_of: %s: error %d\n", argv[1], err);
	else if (argc < 4)
		say(t, pid, bias, proof);
	leak_proof_free(proof);
	if (t)
		target_free(t);
	return !!err;
}
