/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Finds processes and notices their end; see procs.h. */
#include "core/capture/procs.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/target/process.h"

#define BUCKETS   256 /* a power of two */
#define LEFT_MAX  256
#define EXECS_MAX 256 /* that are not settled yet */

struct proc {
	struct proc *next; /* in its bucket */
	struct decode_process process;
	int pidfd;
	uint64_t seen_ns;   /* it ran the binary then */
	bool ignored;       /* the sink did not want it */
	uint64_t exited_ns; /* when its end was noticed; 0: it runs */
	bool status_known;
	int status; /* of its end, as waitpid(2) says */
};

struct exec {
	pid_t pid;
	uint64_t time_ns;
};

struct procs {
	const struct target *target;
	struct capture *capture;
	procs_file_fn *file;
	bool scan_due; /* who runs it is looked for once it is known what it is */
	bool one;
	pid_t only; /* the one; 0: not told yet, or all */
	const struct capture_sink *sink;
	struct procs_watcher watcher;
	int epoll_fd;
	struct proc *last; /* found last: nearly always the next one too */
	unsigned ending;   /* processes with exited_ns set */
	unsigned n_execs;
	struct exec execs[EXECS_MAX];
	pthread_mutex_t left_lock;
	pid_t left[LEFT_MAX]; /* protected by left_lock: procs_left_behind() is true for these */
	unsigned n_left;
	struct proc *buckets[BUCKETS];
};

int procs_new(const struct target *target, struct capture *capture, procs_file_fn *file, bool one,
	      const struct capture_sink *sink, struct procs **ret)
{
	struct procs *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->target = target;
	p->capture = capture;
	p->file = file;
	pthread_mutex_init(&p->left_lock, NULL);
	p->one = one;
	p->sink = sink;
	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (p->epoll_fd < 0) {
		err = -errno;
		free(p);
		return err;
	}
	*ret = p;
	return 0;
}

void procs_watch(struct procs *p, const struct procs_watcher *watcher)
{
	p->watcher = *watcher;
}

static void proc_free(struct proc *proc)
{
	if (proc->pidfd >= 0)
		close(proc->pidfd); /* leaves the epoll set with it */
	free(proc);
}

void procs_free(struct procs *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < BUCKETS; i++) {
		while (p->buckets[i]) {
			struct proc *proc = p->buckets[i];

			p->buckets[i] = proc->next;
			proc_free(proc);
		}
	}
	close(p->epoll_fd);
	pthread_mutex_destroy(&p->left_lock);
	free(p);
}

static struct proc **bucket(struct procs *p, pid_t pid)
{
	return &p->buckets[(unsigned)pid & (BUCKETS - 1)];
}

static struct proc *lookup(struct procs *p, pid_t pid)
{
	struct proc *proc = *bucket(p, pid);

	while (proc && proc->process.pid != pid)
		proc = proc->next;
	return proc;
}

static void forget(struct procs *p, struct proc *proc)
{
	struct proc **link = bucket(p, proc->process.pid);

	while (*link != proc)
		link = &(*link)->next;
	*link = proc->next;
	p->last = NULL;
	p->ending -= proc->exited_ns != 0;
	if (!proc->ignored && p->watcher.left)
		p->watcher.left(p->watcher.ctx, proc->process.pid);
	proc_free(proc);
}

static void learn_status(struct proc *proc)
{
	if (!proc->status_known && proc->pidfd >= 0)
		proc->status_known =
			!process_wait_status(proc->pidfd, proc->process.pid, &proc->status);
}

static void mark_exited(struct procs *p, struct proc *proc)
{
	if (proc->exited_ns)
		return;
	learn_status(proc);
	proc->exited_ns = monotonic_ns();
	p->ending++;
	(void)epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, proc->pidfd, NULL);
}

/* Watches for the process's end. One that is gone already has ended. */
static int watch(struct procs *p, struct proc *proc)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = proc};
	int err;

	proc->pidfd = (int)syscall(SYS_pidfd_open, proc->process.pid, 0);
	if (proc->pidfd < 0)
		return -errno;
	if (epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, proc->pidfd, &ev) < 0) {
		err = -errno;
		return err;
	}
	return 0;
}

static int add(struct procs *p, pid_t pid, uint64_t time_ns, bool must_live, struct proc **ret)
{
	struct proc *proc = calloc(1, sizeof(*proc));
	int index, err;

	*ret = NULL;
	if (!proc)
		return -ENOMEM;
	proc->process.pid = pid;
	proc->seen_ns = time_ns;
	err = watch(p, proc);
	if (err && must_live) {
		proc_free(proc);
		return err;
	}
	if (target_load_bias(p->target, pid, &proc->process.bias))
		proc->process.bias = 0; /* gone by now: only names of reflected types suffer */
	proc->next = *bucket(p, pid);
	*bucket(p, pid) = proc;
	index = p->sink->process_new(p->sink->ctx, pid, time_ns);
	proc->ignored = index < 0 || index > UINT16_MAX;
	if (!proc->ignored)
		proc->process.proc = (uint16_t)index;
	if (!proc->ignored && p->watcher.came)
		p->watcher.came(p->watcher.ctx, pid, proc->process.bias);
	if (err)
		mark_exited(p, proc);
	*ret = proc;
	return proc->ignored ? (index < 0 ? index : -ENOSPC) : 0;
}

int procs_add(struct procs *p, pid_t pid, uint64_t time_ns)
{
	struct proc *proc = lookup(p, pid);

	if (p->one && !p->only)
		p->only = pid;
	return proc ? 0 : add(p, pid, time_ns, true, &proc);
}

static void end(struct procs *p, struct proc *proc)
{
	unsigned index = proc->process.proc;
	uint64_t time_ns = proc->exited_ns;
	bool tell = !proc->ignored, known;
	int status;

	learn_status(proc); /* its parent may have been told since */
	known = proc->status_known;
	status = proc->status;
	forget(p, proc);
	if (tell)
		p->sink->process_exited(p->sink->ctx, index, time_ns, known ? &status : NULL);
}

static bool was_before(const struct proc *proc, uint64_t time_ns)
{
	return proc->exited_ns && proc->exited_ns < time_ns;
}

const struct decode_process *procs_known(struct procs *p, pid_t pid, uint64_t time_ns)
{
	struct proc *proc = p->last;

	if (!proc || proc->process.pid != pid)
		proc = lookup(p, pid);
	if (!proc || proc->ignored || was_before(proc, time_ns))
		return NULL;
	p->last = proc;
	return &proc->process;
}

/* When it executed what it runs now, if that is not settled yet; else `time_ns`. */
static uint64_t take_exec(struct procs *p, pid_t pid, uint64_t time_ns)
{
	for (unsigned i = 0; i < p->n_execs; i++) {
		if (p->execs[i].pid != pid)
			continue;
		time_ns = MIN(time_ns, p->execs[i].time_ns);
		p->execs[i] = p->execs[--p->n_execs];
		break;
	}
	return time_ns;
}

const struct decode_process *procs_find(struct procs *p, pid_t pid, uint64_t time_ns)
{
	struct proc *proc = lookup(p, pid);

	if (proc && was_before(proc, time_ns)) {
		end(p, proc); /* the number is in use again */
		proc = NULL;
	}
	if (!proc)
		(void)add(p, pid, take_exec(p, pid, time_ns), false, &proc);
	return proc && !proc->ignored ? &proc->process : NULL;
}

bool procs_runs(const struct procs *p, pid_t pid)
{
	return target_runs_in(p->target, pid);
}

static enum procs_file file_is(const struct procs *p)
{
	return p->file ? p->file(p->capture) : PROCS_AS_READ;
}

static void add_process(struct procs *p, pid_t pid, uint64_t time_ns)
{
	int err = procs_add(p, pid, time_ns);

	if (err && err != -ESRCH)
		log_debug("process %d is not followed: error %d", (int)pid, -err);
}

struct scan {
	struct procs *procs;
	uint64_t time_ns;
};

static bool add_if_ours(void *ctx, pid_t pid)
{
	struct scan *scan = ctx;
	struct procs *p = scan->procs;

	if ((!p->only || pid == p->only) && procs_runs(p, pid))
		add_process(p, pid, scan->time_ns);
	return false;
}

static int scan_all(struct procs *p, uint64_t time_ns)
{
	struct scan scan = {p, time_ns};
	int err = process_each(add_if_ours, &scan);

	return err ? log_error(err, "/proc: %s", strerror(-err)) : 0;
}

int procs_scan(struct procs *p, uint64_t time_ns)
{
	enum procs_file file = file_is(p);

	p->scan_due = file == PROCS_UNKNOWN;
	return p->scan_due || file == PROCS_ANOTHER ? 0 : scan_all(p, time_ns);
}

/* --- execve(2) -------------------------------------------------------------------------------- */

static void end_by_exec(struct procs *p, struct proc *proc, uint64_t time_ns)
{
	unsigned index = proc->process.proc;
	bool tell = !proc->ignored;

	forget(p, proc);
	if (tell)
		p->sink->process_execed(p->sink->ctx, index, time_ns);
}

static bool take_left(struct procs *p, pid_t pid)
{
	for (unsigned i = 0; i < p->n_left; i++) {
		if (p->left[i] != pid)
			continue;
		p->left[i] = p->left[--p->n_left];
		return true;
	}
	return false;
}

/* Nobody asks about a process that is not attached to alone: the newest are enough. */
static void note_left(struct procs *p, pid_t pid)
{
	pthread_mutex_lock(&p->left_lock);
	(void)take_left(p, pid);
	if (p->n_left == LEFT_MAX)
		memmove(p->left, p->left + 1, --p->n_left * sizeof(*p->left));
	p->left[p->n_left++] = pid;
	pthread_mutex_unlock(&p->left_lock);
}

/* Any process's: as its executable only, which is quickly looked at. A library is not there yet,
 * nor is what ld.so starts; they are found by their first record. */
static bool executes_it(const struct procs *p, const struct exec *e)
{
	return target_executed_by(p->target, e->pid);
}

static void drop_others(struct procs *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->n_execs; i++) {
		if (executes_it(p, &p->execs[i]))
			p->execs[n++] = p->execs[i];
	}
	p->n_execs = n;
}

void procs_executed(struct procs *p, pid_t pid, uint64_t time_ns, bool by_leader)
{
	struct proc *proc = lookup(p, pid);

	if (!by_leader)
		note_left(p, pid);
	(void)take_exec(p, pid, time_ns); /* what it ran in between was not ours, or told nothing */
	if (p->n_execs == EXECS_MAX)
		procs_settle(p);
	if (p->n_execs == EXECS_MAX) /* it waits for a writer */
		drop_others(p);
	if (p->n_execs == EXECS_MAX)
		memmove(p->execs, p->execs + 1, --p->n_execs * sizeof(*p->execs));
	p->execs[p->n_execs++] = (struct exec){.pid = pid, .time_ns = time_ns};
	/* What was seen after its exec, by a scan, is what that began. */
	if (proc && was_before(proc, time_ns))
		end(p, proc); /* the number is in use again */
	else if (proc && proc->seen_ns <= time_ns)
		end_by_exec(p, proc, time_ns);
	if (p->sink->executed)
		p->sink->executed(p->sink->ctx, pid);
}

void procs_settle(struct procs *p)
{
	enum procs_file file = p->n_execs || p->scan_due ? file_is(p) : PROCS_AS_READ;
	uint64_t now = monotonic_ns();

	if (file == PROCS_UNKNOWN) {
		for (unsigned i = 0; i < p->n_execs; i++)
			p->execs[i].time_ns = now;
		return;
	}
	while (p->n_execs) {
		const struct exec e = p->execs[--p->n_execs];

		if (file == PROCS_AS_READ && executes_it(p, &e))
			add_process(p, e.pid, e.time_ns);
	}
	if (p->scan_due) { /* those whose exec was not told */
		p->scan_due = false;
		if (file == PROCS_AS_READ)
			(void)scan_all(p, now);
	}
}

bool procs_left_behind(struct procs *p, pid_t pid)
{
	bool left;

	pthread_mutex_lock(&p->left_lock);
	left = take_left(p, pid);
	pthread_mutex_unlock(&p->left_lock);
	return left;
}

void procs_doubt(struct procs *p)
{
	uint64_t now = monotonic_ns();

	for (unsigned i = 0; i < BUCKETS; i++) {
		struct proc *proc = p->buckets[i];

		while (proc) {
			struct proc *next = proc->next;

			if (!proc->exited_ns && !procs_runs(p, proc->process.pid))
				procs_executed(p, proc->process.pid, now, false);
			proc = next;
		}
	}
	(void)procs_scan(p, now);
}

int procs_fd(const struct procs *p)
{
	return p->epoll_fd;
}

void procs_poll(struct procs *p)
{
	struct epoll_event events[16];
	int n;

	do {
		n = epoll_wait(p->epoll_fd, events, ARRAY_SIZE(events), 0);
		for (int i = 0; i < n; i++)
			mark_exited(p, events[i].data.ptr);
	} while (n == (int)ARRAY_SIZE(events));
}

void procs_deliver_exits(struct procs *p, uint64_t watermark_ns)
{
	for (unsigned i = 0; i < BUCKETS && p->ending; i++) {
		struct proc *proc = p->buckets[i];

		while (proc) {
			struct proc *next = proc->next;

			if (proc->exited_ns && proc->exited_ns < watermark_ns)
				end(p, proc);
			proc = next;
		}
	}
}
