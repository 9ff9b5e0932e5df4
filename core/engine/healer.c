/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From core/target's goroutines to core/model's, on a thread of its own. See healer.h. */
#include "core/engine/healer.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/thread.h"
#include "core/base/util.h"
#include "core/memory/goroutines.h"
#include "core/memory/stack.h"

#define INTERVAL_NS   NS_PER_SEC
#define DUTY          20   /* a reading of 100 ms is followed by 2 s of rest */
#define CACHE_ENTRIES 1024 /* a power of two */

/* What a code address means to the model; most goroutines share a few. */
struct meaning {
	uint64_t pc;
	uint32_t func_id, site_id;
	bool system;
};

struct healer {
	pthread_rwlock_t target_lock;
	const struct target *target; /* protected by target_lock */
	struct model *model;
	struct names *names;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint8_t asked[MODEL_PROCS_MAX]; /* protected by lock, as the next three */
	bool any_asked, always, stopping;

	pthread_mutex_t reading; /* one reading at a time; protects the caches */
	struct meaning starts[CACHE_ENTRIES], sites[CACHE_ENTRIES];
	struct memory_goroutine *last; /* protected by reading; of process last_proc, by goid */
	size_t n_last;
	unsigned last_proc;
	bool warned; /* of a cut list; protected by reading */
	_Atomic int last_err;
	_Atomic bool ever;

	pthread_t thread;
	bool started;
};

int healer_new(const struct target *target, struct model *model, struct healer **ret)
{
	struct healer *h = calloc(1, sizeof(*h));
	pthread_condattr_t attr;

	if (!h)
		return -ENOMEM;
	h->target = target;
	h->model = model;
	h->names = model_names(model);
	pthread_rwlock_init(&h->target_lock, NULL);
	pthread_mutex_init(&h->lock, NULL);
	pthread_mutex_init(&h->reading, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&h->changed, &attr);
	pthread_condattr_destroy(&attr);
	*ret = h;
	return 0;
}

/* --- translating ------------------------------------------------------------------------ */

static struct meaning *cached(struct meaning *cache, uint64_t pc)
{
	return &cache[(pc * 0x9e3779b97f4a7c15ull) >> 54 & (CACHE_ENTRIES - 1)];
}

static uint32_t intern(struct healer *h, const char *text)
{
	return names_intern(h->names, text, strlen(text));
}

static const struct meaning *start_meaning(struct healer *h, uint64_t pc)
{
	struct meaning *m = cached(h->starts, pc);
	struct go_func func;

	if (m->pc != pc) {
		m->func_id = target_start_func(h->target, pc, &func) ? 0 : intern(h, func.name);
		m->system = target_is_system_goroutine(h->target, pc);
		m->pc = pc;
	}
	return m;
}

/* g.gopc is a return address: the go statement is just before it. The innermost call there, as Go's
 * own dumps name it. */
static const struct meaning *site_meaning(struct healer *h, uint64_t go_pc)
{
	struct meaning *m = cached(h->sites, go_pc);
	struct target_frame frame;

	if (m->pc == go_pc)
		return m;
	m->pc = go_pc;
	m->site_id = 0;
	if (target_frames_by_pc(h->target, go_pc - 1, &frame, 1) > 0) {
		struct site site = {
			.func_id = intern(h, frame.function),
			.file_id = intern(h, frame.file),
			.line = frame.line,
		};

		m->site_id = names_add_site(h->names, site);
	}
	return m;
}

static void translate(struct healer *h, const struct memory_goroutine *from,
		      struct goroutine_seen *to)
{
	const char *reason = NULL;

	*to = (struct goroutine_seen){
		.goid = from->goid,
		.parent = from->parent,
		.state = from->status < GSTATES ? (uint8_t)from->status : GSTATE_RUNNING,
	};
	if (from->start_pc) {
		const struct meaning *m = start_meaning(h, from->start_pc);

		to->start_func_id = m->func_id;
		to->system = m->system;
	}
	/* Nobody wrote a go statement for the main goroutine (runtime/traceback.go printcreatedby).
	 */
	if (from->go_pc && from->goid != 1)
		to->created_site_id = site_meaning(h, from->go_pc)->site_id;
	if (to->state == GSTATE_WAITING)
		reason = target_wait_reason(h->target, from->wait_reason);
	if (reason)
		to->reason_id = intern(h, reason);
}

static int by_goid(const void *a, const void *b)
{
	uint64_t left = ((const struct memory_goroutine *)a)->goid;
	uint64_t right = ((const struct memory_goroutine *)b)->goid;

	return (left > right) - (left < right);
}

static int read_process(struct healer *h, unsigned proc, pid_t pid)
{
	cleanup_free_ struct memory_goroutine *found = NULL;
	cleanup_free_ struct goroutine_seen *seen = NULL;
	uint64_t bias, time_ns;
	bool cut = false;
	size_t n = 0;
	int err;

	/* Before the reading: what happens during it and reaches us as an event is newer. */
	time_ns = monotonic_ns();
	err = target_load_bias(h->target, pid, &bias);
	if (!err)
		err = memory_goroutines(h->target, pid, bias, &found, &n, &cut);
	if (err)
		return err;
	seen = calloc(n ? n : 1, sizeof(*seen));
	if (!seen)
		return -ENOMEM;
	if (cut && !h->warned)
		log_warn("process %d has more goroutines than are read from its memory: cut at %u",
			 pid, MEMORY_GOROUTINES_MAX);
	h->warned |= cut;
	for (size_t i = 0; i < n; i++)
		translate(h, &found[i], &seen[i]);
	model_heal(h->model, proc, seen, n, time_ns, true);
	qsort(found, n, sizeof(*found), by_goid);
	free(h->last);
	h->last = move_ptr(found);
	h->n_last = n;
	h->last_proc = proc;
	return 0;
}

int healer_now(struct healer *h, unsigned proc)
{
	struct proc_info info;
	int err = model_proc(h->model, proc, &info);

	if (err)
		return err;
	if (info.state == PROC_EXITED)
		return -ESRCH;
	pthread_rwlock_rdlock(&h->target_lock);
	pthread_mutex_lock(&h->reading);
	err = read_process(h, proc, info.pid);
	pthread_mutex_unlock(&h->reading);
	pthread_rwlock_unlock(&h->target_lock);
	atomic_store(&h->last_err, err);
	if (!err)
		atomic_store(&h->ever, true);
	else if (err != -ESRCH)
		log_debug("process %d: its goroutines cannot be read now: %s", info.pid,
			  strerror(-err));
	return err;
}

static int process_of(struct healer *h, unsigned proc, pid_t *ret_pid, uint64_t *ret_bias)
{
	struct proc_info info;
	int err = model_proc(h->model, proc, &info);

	if (err)
		return err;
	*ret_pid = info.pid;
	if (info.state == PROC_EXITED)
		return -ESRCH;
	return target_load_bias(h->target, info.pid, ret_bias);
}

/* Where the last reading found it; -ESRCH. */
static int find_last(struct healer *h, unsigned proc, uint64_t goid, struct memory_goroutine *ret)
{
	struct memory_goroutine key = {.goid = goid}, *found = NULL;

	if (h->last && h->last_proc == proc)
		found = bsearch(&key, h->last, h->n_last, sizeof(key), by_goid);
	if (!found)
		return -ESRCH;
	*ret = *found;
	return 0;
}

/* By the last reading. -ESRCH: it is newer than that, or there is none. */
static int known_stack(struct healer *h, unsigned proc, uint64_t goid, struct buf *out)
{
	struct memory_goroutine g;
	uint64_t bias;
	pid_t pid;
	int err;

	pthread_rwlock_rdlock(&h->target_lock);
	err = process_of(h, proc, &pid, &bias);
	if (!err) {
		pthread_mutex_lock(&h->reading);
		err = find_last(h, proc, goid, &g);
		pthread_mutex_unlock(&h->reading);
	}
	if (!err)
		err = memory_stack(h->target, pid, bias, &g, out);
	pthread_rwlock_unlock(&h->target_lock);
	return err;
}

int healer_stack(struct healer *h, unsigned proc, uint64_t goid, struct buf *out)
{
	int err = known_stack(h, proc, goid, out);

	if (err != -ESRCH)
		return err;
	err = healer_now(h, proc);
	return err ? err : known_stack(h, proc, goid, out);
}

int healer_stacks(struct healer *h, unsigned proc, int (*fn)(void *, const char *, size_t),
		  void *ctx)
{
	uint64_t bias;
	pid_t pid;
	int err;

	pthread_rwlock_rdlock(&h->target_lock);
	err = process_of(h, proc, &pid, &bias);
	if (!err)
		err = memory_stacks(h->target, pid, bias, fn, ctx);
	pthread_rwlock_unlock(&h->target_lock);
	return err;
}

void healer_retarget(struct healer *h, const struct target *target)
{
	pthread_rwlock_wrlock(&h->target_lock);
	h->target = target;
	memset(h->starts, 0, sizeof(h->starts));
	memset(h->sites, 0, sizeof(h->sites));
	free(h->last);
	h->last = NULL;
	h->n_last = 0;
	pthread_rwlock_unlock(&h->target_lock);
}

const char *healer_source(const struct healer *h)
{
	if (atomic_load(&h->ever))
		return "runtime.allgs, read from the process's memory";
	if (atomic_load(&h->last_err) == -ENOSYS)
		return "events only: runtime.allgs was not found in this binary";
	if (atomic_load(&h->last_err))
		return "events only: the process's memory cannot be read";
	return "events";
}

/* --- the thread ------------------------------------------------------------------------- */

/* Waits until there is something to read; fills `due`. false: stop. */
static bool wait_for_work(struct healer *h, uint64_t not_before_ns, uint8_t due[MODEL_PROCS_MAX])
{
	bool stopping;

	pthread_mutex_lock(&h->lock);
	for (;;) {
		uint64_t now = monotonic_ns();
		struct timespec until = {.tv_sec = (time_t)(not_before_ns / NS_PER_SEC),
					 .tv_nsec = (long)(not_before_ns % NS_PER_SEC)};

		if (h->stopping || (now >= not_before_ns && (h->any_asked || h->always)))
			break;
		if (now < not_before_ns)
			pthread_cond_timedwait(&h->changed, &h->lock, &until);
		else
			pthread_cond_wait(&h->changed, &h->lock); /* who asks or frees wakes it */
	}
	stopping = h->stopping;
	if (h->always)
		memset(due, 1, MODEL_PROCS_MAX);
	else
		memcpy(due, h->asked, MODEL_PROCS_MAX);
	memset(h->asked, 0, sizeof(h->asked));
	h->any_asked = false;
	pthread_mutex_unlock(&h->lock);
	return !stopping;
}

static void *healer_main(void *arg)
{
	uint8_t due[MODEL_PROCS_MAX];
	struct healer *h = arg;
	uint64_t not_before_ns = 0;

	pthread_setname_np(pthread_self(), "xgotop-healer");
	while (wait_for_work(h, not_before_ns, due)) {
		uint64_t start = monotonic_ns(), took;

		for (unsigned proc = 0; proc < model_procs(h->model); proc++) {
			if (due[proc])
				(void)healer_now(h, proc);
		}
		took = monotonic_ns() - start;
		not_before_ns = start + MAX(INTERVAL_NS, took * DUTY);
	}
	return NULL;
}

int healer_start(struct healer *h)
{
	int err = thread_start(&h->thread, healer_main, h);

	h->started = !err;
	return err;
}

void healer_free(struct healer *h)
{
	if (!h)
		return;
	if (h->started) {
		pthread_mutex_lock(&h->lock);
		h->stopping = true;
		pthread_cond_signal(&h->changed);
		pthread_mutex_unlock(&h->lock);
		pthread_join(h->thread,
			     NULL); /* a reading of the target: loop_ending() bounds it */
	}
	free(h->last);
	pthread_cond_destroy(&h->changed);
	pthread_mutex_destroy(&h->reading);
	pthread_rwlock_destroy(&h->target_lock);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

void healer_ask(struct healer *h, unsigned proc)
{
	if (proc >= MODEL_PROCS_MAX)
		return;
	pthread_mutex_lock(&h->lock);
	h->asked[proc] = 1;
	h->any_asked = true;
	pthread_cond_signal(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

void healer_ask_all(struct healer *h)
{
	pthread_mutex_lock(&h->lock);
	memset(h->asked, 1, sizeof(h->asked));
	h->any_asked = true;
	pthread_cond_signal(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

void healer_always(struct healer *h, bool on)
{
	pthread_mutex_lock(&h->lock);
	h->always = on;
	pthread_cond_signal(&h->changed);
	pthread_mutex_unlock(&h->lock);
}
