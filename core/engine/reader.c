/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From core/memory's goroutines to core/model's. See reader.h. */
#include "core/engine/reader.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/util.h"
#include "core/memory/goids.h"
#include "core/memory/goroutines.h"
#include "core/memory/heap_profile.h"
#include "core/memory/memory.h"
#include "core/memory/runtime_read.h"
#include "core/memory/stack.h"
#include "core/memory/start.h"
#include "core/target/parts.h"
#include "core/memory/unreachable.h"
#include "core/memory/waits.h"
#include "core/target/process.h"

#define CACHE_ENTRIES   1024  /* powers of two */
#define FRAMES_MAX      32    /* at one place */
#define STARTED_ENTRIES 65536 /* touched only as far as they are needed */

/* What a code address means to the model; most goroutines share a few. */
struct meaning {
	uint64_t pc;
	uint32_t func_id, site_id;
	bool system, held; /* held: it is a wrapper, and the closure says what it calls */
};

/* What a goroutine of which `held` is true runs. */
struct started {
	uint64_t goid, start_pc, address;
	uint32_t func_id;
	unsigned proc;
	pid_t pid; /* proc is another's when it was used again */
};

struct reader {
	const struct target *target;
	struct names *names;

	pthread_mutex_t reading; /* one reading at a time; protects what follows */
	unsigned generation;     /* of the target's parts, when the caches were begun */
	struct meaning starts[CACHE_ENTRIES], sites[CACHE_ENTRIES];
	struct started started[STARTED_ENTRIES];
	struct memory_goroutine *last; /* of process last_proc, by goid */
	size_t n_last;
	unsigned last_proc;
	size_t of_threads; /* memory_about, of the last reading */
	bool warned;       /* of a cut list */

	pthread_mutex_t finding; /* protects what follows */
	bool found;              /* or looked for: runtime_err says what came of it */
	int runtime_err;
	struct runtime_at runtime;
	bool found_heap; /* the same of the profile of the heap */
	int heap_err;
	struct heap_profile_at heap;
};

int reader_new(const struct target *target, struct names *names, struct reader **ret)
{
	struct reader *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->target = target;
	r->names = names;
	pthread_mutex_init(&r->reading, NULL);
	pthread_mutex_init(&r->finding, NULL);
	*ret = r;
	return 0;
}

void reader_free(struct reader *r)
{
	if (!r)
		return;
	free(r->last);
	pthread_mutex_destroy(&r->finding);
	pthread_mutex_destroy(&r->reading);
	free(r);
}

/* --- translating ------------------------------------------------------------------------ */

static struct meaning *cached(struct meaning *cache, uint64_t pc)
{
	return &cache[(pc * 0x9e3779b97f4a7c15ull) >> 54 & (CACHE_ENTRIES - 1)];
}

static uint32_t intern(struct reader *r, const char *text)
{
	return names_intern(r->names, text, strlen(text));
}

static const struct meaning *start_meaning(struct reader *r, uint64_t pc)
{
	struct meaning *m = cached(r->starts, pc);
	struct target_start start;

	if (m->pc != pc) {
		bool found = !target_start(r->target, pc, &start);

		m->func_id = found ? intern(r, start.func.name) : 0;
		m->held = found && start.held;
		m->system = target_is_system_goroutine(r->target, pc);
		m->pc = pc;
	}
	return m;
}

/* What is just before a return address, as a go statement before g.gopc: the innermost call there,
 * as events name it, too. */
static const struct meaning *site_meaning(struct reader *r, uint64_t go_pc)
{
	struct meaning *m = cached(r->sites, go_pc);
	struct target_frame frames[FRAMES_MAX];

	if (m->pc == go_pc)
		return m;
	m->pc = go_pc;
	m->site_id = 0;
	if (target_frames_by_pc(r->target, go_pc - 1, frames, FRAMES_MAX) > 0) {
		struct site site = {
			.func_id = intern(r, frames[0].function),
			.file_id = intern(r, frames[0].file),
			.line = frames[0].line,
		};

		m->site_id = names_add_site(r->names, site);
	}
	return m;
}

/*
 * g.waitsince is 0 when it runs (runtime: execute(), exitsyscall()). The first collection that
 * meets it waiting or in a system call sets it to work.tstart, which is still the time when the
 * collection before that one ended (markroot(), gcMark()): the wait began between the two. Go's
 * own dumps have no better figure. What Go then marked as leaked waited.
 */
static uint64_t wait_began(const struct memory_goroutine *g, int64_t clock_ahead_ns,
			   uint64_t now_ns)
{
	int64_t at = g->wait_since_ns;

	if (!gstate_waits(g->status) && g->status != GSTATE_SYSCALL)
		return 0;
	if (at <= 0 || __builtin_sub_overflow(at, clock_ahead_ns, &at))
		return 0;
	return at > 0 && (uint64_t)at < now_ns ? (uint64_t)at : 0;
}

/*
 * casgstatus() counts in g.trackingSeq, a byte, each time that a goroutine stops running. Where it
 * stopped goes with it, for who stops so often that the byte comes round between two readings.
 */
static uint16_t turn_of(const struct memory_goroutine *g)
{
	uint64_t at = g->sched_sp ^ g->sched_pc ^ g->waiting;
	uint16_t turn;

	if (!g->counts_turns || !gstate_waits(g->status))
		return 0;
	turn = (uint16_t)((hash_bytes(&at, sizeof(at), 0) & 0xff) << 8 | g->turns);
	return turn ? turn : 0x100;
}

static void translate(struct reader *r, const struct memory_goroutine *from,
		      struct goroutine_seen *to)
{
	const char *reason = NULL;

	*to = (struct goroutine_seen){
		.goid = from->goid,
		.parent = from->parent,
		.turn = turn_of(from),
		.state = from->status < GSTATES ? (uint8_t)from->status : GSTATE_RUNNING,
	};
	if (from->start_pc) {
		const struct meaning *m = start_meaning(r, from->start_pc);

		to->start_func_id = m->func_id;
		to->system = m->system;
	}
	/* Nobody wrote a go statement for the main goroutine (runtime/traceback.go printcreatedby).
	 */
	if (from->go_pc && from->goid != 1)
		to->created_site_id = site_meaning(r, from->go_pc)->site_id;
	if (gstate_waits(to->state))
		reason = target_wait_reason(r->target, from->wait_reason);
	if (reason)
		to->reason_id = intern(r, reason);
}

static int by_goid(const void *a, const void *b)
{
	uint64_t left = ((const struct memory_goroutine *)a)->goid;
	uint64_t right = ((const struct memory_goroutine *)b)->goid;

	return (left > right) - (left < right);
}

/* New plugins: what meant nothing may mean something now. */
static void follow_parts(struct reader *r)
{
	unsigned now = target_parts_generation(r->target);

	if (now == r->generation)
		return;
	memset(r->starts, 0, sizeof(r->starts));
	memset(r->sites, 0, sizeof(r->sites));
	memset(r->started, 0, sizeof(r->started));
	r->generation = now;
}

/* --- what closures hold ------------------------------------------------------------------ */

struct hold {
	struct reader *r;
	unsigned proc;
	pid_t pid;
	struct goroutine_seen *seen; /* in the order of `list`, as far as they are asked for */
	struct memory_goroutine *list;
	size_t *index; /* of those in seen */
	size_t n, at;
};

static struct started *started_slot(struct reader *r, unsigned proc, uint64_t goid)
{
	return &r->started[hash_goroutine(proc, goid) >> 32 & (STARTED_ENTRIES - 1)];
}

static void take_start(void *ctx, uint64_t goid, const char *name)
{
	struct hold *h = ctx;
	struct started *s = started_slot(h->r, h->proc, goid);
	uint32_t func_id = intern(h->r, name);

	/* They come in the order of the list. */
	while (h->at < h->n && h->list[h->at].goid != goid)
		h->at++;
	if (h->at == h->n)
		return;
	h->seen[h->index[h->at]].start_func_id = func_id;
	*s = (struct started){
		goid, h->list[h->at].start_pc, h->list[h->at].address, func_id, h->proc, h->pid};
}

/* Those whose start function is a wrapper that calls what its closure holds: each is looked up
 * once. Where it cannot be told (it runs), the wrapper is what it is called. */
static int resolve(struct reader *r, unsigned proc, pid_t pid, uint64_t bias,
		   const struct memory_goroutine *found, struct goroutine_seen *seen, size_t n)
{
	cleanup_free_ struct memory_goroutine *list = NULL;
	cleanup_free_ size_t *index = NULL;
	struct hold h = {.r = r, .proc = proc, .pid = pid, .seen = seen};
	size_t held = 0;

	for (size_t i = 0; i < n; i++)
		held += found[i].start_pc && start_meaning(r, found[i].start_pc)->held;
	if (!held)
		return 0;
	list = calloc(held, sizeof(*list));
	index = calloc(held, sizeof(*index));
	if (!list || !index)
		return -ENOMEM;
	for (size_t i = 0; i < n && h.n < held; i++) {
		const struct started *s = started_slot(r, proc, found[i].goid);

		if (!found[i].start_pc || !start_meaning(r, found[i].start_pc)->held)
			continue;
		if (s->goid == found[i].goid && s->proc == proc && s->pid == pid &&
		    s->start_pc == found[i].start_pc && s->address == found[i].address) {
			seen[i].start_func_id = s->func_id;
			continue;
		}
		list[h.n] = found[i];
		index[h.n++] = i;
	}
	h.list = list;
	h.index = index;
	return memory_starts(r->target, pid, bias, list, h.n, take_start, &h);
}

/* --- reading ---------------------------------------------------------------------------- */

/* Until memory_image_end(), whatever comes of it. */
static int begin_reading(const struct target *target, pid_t pid, struct memory_image *ret_image,
			 uint64_t *ret_bias)
{
	memory_image_hold(pid, ret_image);
	return target_load_bias(target, pid, ret_bias);
}

/* Under `reading`. */
static int read_process(struct reader *r, unsigned proc, pid_t pid, struct goroutine_seen **ret,
			size_t *ret_n, bool *ret_complete)
{
	cleanup_free_ struct memory_goroutine *found = NULL;
	struct goroutine_seen *seen;
	struct memory_about about = {0};
	struct memory_image image;
	int64_t ahead_ns;
	uint64_t bias;
	size_t n = 0;
	int err;

	follow_parts(r);
	err = begin_reading(r->target, pid, &image, &bias);
	if (!err)
		err = memory_goroutines_about(r->target, pid, bias, &found, &n, &about);
	seen = err ? NULL : calloc(n ? n : 1, sizeof(*seen));
	if (!seen)
		return memory_image_end(&image, err ? err : -ENOMEM);
	if (about.cut && !r->warned)
		log_warn("process %d has more goroutines than are read from its memory: cut at %u",
			 pid, MEMORY_GOROUTINES_MAX);
	r->warned |= about.cut;
	ahead_ns = process_clock_ahead(pid);
	for (size_t i = 0; i < n; i++) {
		translate(r, &found[i], &seen[i]);
		seen[i].began_ns = wait_began(&found[i], ahead_ns, monotonic_ns());
	}
	err = resolve(r, proc, pid, bias, found, seen, n);
	if (err && err != -EAGAIN)
		log_debug("process %d: what closures hold cannot be read: %s", pid, strerror(-err));
	err = memory_image_end(&image, 0);
	if (err) {
		free(seen);
		return err;
	}
	qsort(found, n, sizeof(*found), by_goid);
	free(r->last);
	r->last = move_ptr(found);
	r->n_last = n;
	r->last_proc = proc;
	r->of_threads = about.of_threads;
	*ret = seen;
	*ret_n = n;
	*ret_complete = !about.cut;
	return 0;
}

int reader_goroutines(struct reader *r, unsigned proc, pid_t pid, struct goroutine_seen **ret,
		      size_t *ret_n, bool *ret_complete)
{
	int err;

	pthread_mutex_lock(&r->reading);
	err = read_process(r, proc, pid, ret, ret_n, ret_complete);
	pthread_mutex_unlock(&r->reading);
	return err;
}

int reader_goids(struct reader *r, pid_t pid, uint64_t *ret_least, uint64_t *ret_most)
{
	struct goids goids = {0};
	struct memory_image image;
	uint64_t bias;
	int err;

	err = begin_reading(r->target, pid, &image, &bias);
	if (!err)
		err = memory_goids(r->target, pid, bias, &goids);
	err = memory_image_end(&image, err);
	*ret_least = goids.least;
	*ret_most = goids.most;
	return err;
}

int reader_of_threads(struct reader *r, unsigned proc, uint64_t *ret)
{
	int err;

	pthread_mutex_lock(&r->reading);
	err = r->last && r->last_proc == proc ? 0 : -EAGAIN;
	*ret = r->of_threads;
	pthread_mutex_unlock(&r->reading);
	return err;
}

/* Where the last reading found it; -ESRCH. */
static int find_last(struct reader *r, unsigned proc, uint64_t goid, struct memory_goroutine *ret)
{
	struct memory_goroutine key = {.goid = goid}, *found = NULL;

	pthread_mutex_lock(&r->reading);
	if (r->last && r->last_proc == proc)
		found = bsearch(&key, r->last, r->n_last, sizeof(key), by_goid);
	if (found)
		*ret = *found;
	pthread_mutex_unlock(&r->reading);
	return found ? 0 : -ESRCH;
}

int reader_stack(struct reader *r, unsigned proc, pid_t pid, uint64_t goid, struct buf *out)
{
	struct memory_image image;
	struct memory_goroutine g;
	size_t from = out->len;
	uint64_t bias;
	int err;

	err = begin_reading(r->target, pid, &image, &bias);
	if (!err)
		err = find_last(r, proc, goid, &g);
	if (!err)
		err = memory_stack(r->target, pid, bias, &g, out);
	err = memory_image_end(&image, err);
	if (err)
		out->len = from;
	return err;
}

int reader_stacks(struct reader *r, pid_t pid, enum live_stacks what, live_text_fn *fn, void *ctx)
{
	static const enum stack_style styles[] = {
		[LIVE_STACKS_AS_GO] = STACK_AS_GO,
		[LIVE_STACKS_LABELLED] = STACK_LABELLED,
		[LIVE_STACKS_LABELS] = STACK_LABELS_ONLY,
	};
	struct memory_image image;
	uint64_t bias;
	int err;

	err = begin_reading(r->target, pid, &image, &bias);
	if (!err)
		err = memory_stacks(r->target, pid, bias, styles[what], fn, ctx);
	return memory_image_end(&image, err);
}

struct target *reader_target(const struct reader *r)
{
	return target_share(r->target);
}

/* Looked for once, when somebody first asks. */
static int find_runtime(struct reader *r, struct runtime_at *ret)
{
	int err;

	pthread_mutex_lock(&r->finding);
	if (!r->found) {
		r->runtime_err = runtime_find(r->target, &r->runtime);
		r->found = r->runtime_err != -ENOMEM;
	}
	*ret = r->runtime;
	err = r->runtime_err;
	pthread_mutex_unlock(&r->finding);
	return err;
}

int reader_runtime(struct reader *r, pid_t pid, struct runtime_seen **ret)
{
	cleanup_free_ struct runtime_seen *seen = NULL;
	struct memory_image image;
	struct runtime_at at;
	uint64_t bias;
	int err = find_runtime(r, &at);

	if (err)
		return err;
	err = begin_reading(r->target, pid, &image, &bias);
	if (!err)
		err = memory_runtime(r->target, &at, pid, bias, &seen);
	err = memory_image_end(&image, err);
	if (!err)
		*ret = move_ptr(seen);
	return err;
}

static int find_heap_profile(struct reader *r, struct heap_profile_at *ret)
{
	int err;

	pthread_mutex_lock(&r->finding);
	if (!r->found_heap) {
		r->heap_err = heap_profile_find(r->target, &r->heap);
		r->found_heap = r->heap_err != -ENOMEM;
	}
	*ret = r->heap;
	err = r->heap_err;
	pthread_mutex_unlock(&r->finding);
	return err;
}

static int name_heap(struct reader *r, const struct heap_profile *p, struct live_heap **ret)
{
	size_t at = sizeof(struct live_heap) + p->n * sizeof(struct live_heap_place);
	struct live_heap *h = malloc(at + p->n_pcs * sizeof(uint32_t));
	uint32_t *sites;

	if (!h)
		return -ENOMEM;
	*h = (struct live_heap){.rate = p->rate,
				.read_ns = monotonic_ns(),
				.cut = p->cut,
				.n = (uint32_t)p->n,
				.n_sites = (uint32_t)p->n_pcs,
				.sites_at = at};
	for (size_t i = 0; i < p->n; i++) {
		const struct heap_place *from = &p->places[i];

		h->places[i] = (struct live_heap_place){
			.id = from->id,
			.in_use_objects = from->in_use_objects,
			.in_use_bytes = from->in_use_bytes,
			.alloc_objects = from->alloc_objects,
			.alloc_bytes = from->alloc_bytes,
			.first = from->first,
			.n = from->n,
		};
	}
	sites = (uint32_t *)(void *)((char *)h + at);
	pthread_mutex_lock(&r->reading);
	follow_parts(r);
	for (size_t i = 0; i < p->n_pcs; i++)
		sites[i] = site_meaning(r, p->pcs[i])->site_id;
	pthread_mutex_unlock(&r->reading);
	*ret = h;
	return 0;
}

int reader_heap_profile(struct reader *r, pid_t pid, struct live_heap **ret)
{
	cleanup_heap_profile_ struct heap_profile *profile = NULL;
	struct heap_profile_at at;
	struct memory_image image;
	uint64_t bias;
	int err = find_heap_profile(r, &at);

	if (err)
		return err;
	err = begin_reading(r->target, pid, &image, &bias);
	if (!err)
		err = memory_heap_profile(r->target, &at, pid, bias, &profile);
	err = memory_image_end(&image, err);
	return err ? err : name_heap(r, profile, ret);
}

int reader_waits(struct reader *r, pid_t pid, struct wait_graph **ret)
{
	struct wait_graph *graph = NULL;
	struct memory_image image;
	uint64_t bias;
	int err;

	err = begin_reading(r->target, pid, &image, &bias);
	if (!err)
		err = memory_waits(r->target, pid, bias, &graph);
	err = memory_image_end(&image, err);
	if (err)
		wait_graph_put(graph);
	else
		*ret = graph;
	return err;
}

int reader_unreachable(struct target *target, pid_t pid, const struct wait_graph *graph,
		       const struct unreachable_pace *pace, struct unreachable *ret)
{
	struct memory_image image;
	uint64_t bias;
	int err;

	err = begin_reading(target, pid, &image, &bias);
	if (!err)
		err = memory_unreachable(target, pid, bias, graph, pace, ret);
	err = memory_image_end(&image, err);
	target_free(target);
	return err;
}
