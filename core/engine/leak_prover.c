/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A few processes' proofs and reports, the least recently looked at going first. See leak_prover.h.
 */
#include "core/engine/leak_prover.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/engine/leak_news.h"
#include "core/memory/leak_proof.h"
#include "core/memory/waits.h"

#define KEPT        8
#define PASSES_MAX  (LEAK_PASSES + 2) /* of one look: who moves is not waited for */
#define REST_NS     (NS_PER_SEC / 8)  /* between passes */
#define PACE_BYTES  (4u << 20)
#define PACE_REST   4 /* a part of the time that marking took: others want the processor, too */
#define LEAST_NICE  19
#define BASELINE_NS (45 * NS_PER_SEC)
#define NAP_NS      (NS_PER_SEC / 50)

struct entry {
	bool used;
	unsigned proc, passes;
	struct leak_proof *proof; /* these four: the prover's thread only */
	struct leak_suspects suspects;
	struct leak_baseline earlier;
	struct leak_news news;
	struct leak_report *report; /* protected by lock, as the rest */
	int err;
	struct leak_look look;
	uint64_t rested_ns; /* the prover's thread: in this look */
};

struct leak_prover {
	const struct source *source;
	struct model *model;
	_Atomic bool stop;
	uint64_t paced_ns; /* the prover's thread: when it last rested */
	pthread_mutex_t lock;
	struct entry entries[KEPT];
};

int leak_prover_new(const struct source *source, struct model *model, struct leak_prover **ret)
{
	struct leak_prover *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->source = source;
	p->model = model;
	atomic_init(&p->stop, false);
	pthread_mutex_init(&p->lock, NULL);
	*ret = p;
	return 0;
}

static void entry_done(struct entry *e)
{
	leak_proof_free(e->proof);
	leak_suspects_done(&e->suspects);
	leak_report_put(e->report);
	leak_baseline_done(&e->earlier);
	*e = (struct entry){.used = false};
}

void leak_prover_free(struct leak_prover *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < KEPT; i++)
		entry_done(&p->entries[i]);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void leak_prover_stop(struct leak_prover *p)
{
	atomic_store(&p->stop, true);
}

/* --- pace ------------------------------------------------------------------------------------- */

/* In naps, so that the end is not held up. -ECANCELED. */
static int rest(struct leak_prover *p, uint64_t ns)
{
	uint64_t until = monotonic_ns() + ns;

	while (monotonic_ns() < until) {
		struct timespec nap = {.tv_nsec = (long)MIN((uint64_t)NAP_NS, ns)};

		if (atomic_load(&p->stop))
			return -ECANCELED;
		nanosleep(&nap, NULL);
	}
	return atomic_load(&p->stop) ? -ECANCELED : 0;
}

static int pace(void *ctx)
{
	struct leak_prover *p = ctx;
	int err = rest(p, (monotonic_ns() - p->paced_ns) / PACE_REST);

	p->paced_ns = monotonic_ns();
	return err;
}

/* --- looking ---------------------------------------------------------------------------------- */

/* Under the lock; NULL. */
static struct entry *entry_of(struct leak_prover *p, unsigned proc)
{
	for (size_t i = 0; i < KEPT; i++)
		if (p->entries[i].used && p->entries[i].proc == proc)
			return &p->entries[i];
	return NULL;
}

/* Under the lock: made when there is none. NULL: no memory. */
static struct entry *take_entry(struct leak_prover *p, unsigned proc)
{
	struct entry *e = entry_of(p, proc), *oldest = &p->entries[0];

	if (e)
		return e;
	for (size_t i = 0; i < KEPT; i++) {
		if (!p->entries[i].used) {
			oldest = &p->entries[i];
			break;
		}
		if (p->entries[i].look.ended_ns < oldest->look.ended_ns)
			oldest = &p->entries[i];
	}
	entry_done(oldest);
	if (leak_proof_new(&oldest->proof))
		return NULL;
	oldest->used = true;
	oldest->proc = proc;
	return oldest;
}

static int make_report(struct leak_prover *p, struct entry *e, struct wait_graph *graph,
		       const struct unreachable *u)
{
	struct leak_report *report, *old;
	const uint64_t *proven;
	size_t n;
	int err;

	proven = leak_proof_goids(e->proof, &n);
	err = leak_report_new(wait_graph_get(graph), proven, n, &e->suspects, &report);
	if (err)
		return err;
	err = e->earlier.end_ns ? leak_baseline_copy(&e->earlier, &report->earlier) : 0;
	if (err) {
		leak_report_put(report);
		return err;
	}
	report->begin_ns = u->begin_ns;
	report->end_ns = u->end_ns;
	report->candidates = u->candidates;
	report->open = leak_proof_open(e->proof);
	report->steady = leak_proof_steady(e->proof);
	report->restless = leak_proof_restless(e->proof);
	report->heap_bytes = u->heap_bytes;
	report->objects = u->reach.objects;
	report->unread_bytes = u->reach.unread;
	report->spans_skipped = u->spans_skipped;
	report->stacks_by_words = u->by_words;
	pthread_mutex_lock(&p->lock);
	report->passes = ++e->passes;
	report->beginning = report->open && report->passes < LEAK_PASSES;
	old = e->report;
	e->report = report;
	pthread_mutex_unlock(&p->lock);
	leak_report_put(old);
	return 0;
}

static int one_pass(struct leak_prover *p, struct entry *e, pid_t pid)
{
	struct unreachable_pace gentle = {.bytes = PACE_BYTES, .fn = pace, .ctx = p};
	struct unreachable u cleanup_unreachable_ = {0};
	struct wait_graph *graph;
	int err = p->source->waits(p->source->ctx, e->proc, pid, &graph);

	if (err)
		return err;
	p->paced_ns = monotonic_ns();
	err = p->source->unreachable(p->source->ctx, e->proc, pid, graph, &gentle, &u);
	if (!err)
		err = leak_proof_add(e->proof, &u);
	if (!err)
		err = make_report(p, e, graph, &u);
	wait_graph_put(graph);
	return err;
}

/* Growth is told since a look that is about a minute old, or more. */
static int choose_baseline(struct entry *e)
{
	if (!e->report || e->report->end_ns - e->earlier.end_ns < BASELINE_NS)
		return 0;
	return leak_baseline_take(e->report, &e->earlier);
}

static int passes(struct leak_prover *p, struct entry *e, pid_t pid)
{
	int err = choose_baseline(e);

	e->rested_ns = 0;
	for (unsigned i = 0; i < PASSES_MAX && !err; i++) {
		uint64_t begun_ns = monotonic_ns();

		if (i)
			err = rest(p, REST_NS);
		e->rested_ns += monotonic_ns() - begun_ns;
		if (!err)
			err = one_pass(p, e, pid);
		if (!err && !leak_proof_open(e->proof) && !e->suspects.open)
			break;
	}
	return err;
}

bool leak_prover_has_ended(struct leak_prover *p, unsigned proc)
{
	struct proc_info info;

	return model_proc_living(p->model, proc, &info) != 0;
}

int leak_prover_run(struct leak_prover *p, unsigned proc)
{
	uint64_t began_ns = monotonic_ns();
	struct proc_info info;
	struct entry *e;
	int err = model_proc_living(p->model, proc, &info);

	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), LEAST_NICE); /* of this thread alone */

	if (err)
		return err;
	pthread_mutex_lock(&p->lock);
	e = take_entry(p, proc);
	pthread_mutex_unlock(&p->lock);
	if (!e)
		return -ENOMEM;
	err = passes(p, e, info.pid);
	pthread_mutex_lock(&p->lock);
	e->err = err;
	e->look.ended_ns = monotonic_ns();
	e->look.took_ns = e->look.ended_ns - began_ns;
	e->look.worked_ns = sub_u64(e->look.took_ns, e->rested_ns);
	pthread_mutex_unlock(&p->lock);
	return err;
}

void leak_prover_tell(struct leak_prover *p, unsigned proc)
{
	struct entry *e;

	pthread_mutex_lock(&p->lock);
	e = entry_of(p, proc);
	pthread_mutex_unlock(&p->lock);
	if (e && e->report)
		leak_news_tell(&e->news, p->model, proc, e->report);
}

int leak_prover_report(struct leak_prover *p, unsigned proc, struct leak_report **ret, int *ret_err)
{
	const struct entry *e;
	int err = -EAGAIN;

	pthread_mutex_lock(&p->lock);
	e = entry_of(p, proc);
	*ret_err = e ? e->err : 0;
	if (e && e->report) {
		*ret = leak_report_get(e->report);
		err = 0;
	}
	pthread_mutex_unlock(&p->lock);
	return err;
}

struct leak_look leak_prover_last(struct leak_prover *p, unsigned proc)
{
	struct leak_look ret = {0};
	const struct entry *e;

	pthread_mutex_lock(&p->lock);
	e = entry_of(p, proc);
	if (e)
		ret = e->look;
	pthread_mutex_unlock(&p->lock);
	return ret;
}
