/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Finds processes and notices their end; see procs.h. */
#include "core/capture/procs.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/parse.h"

#define BUCKETS 256 /* a power of two */

struct proc {
	struct proc *next; /* in its bucket */
	struct decode_process process;
	int pidfd;
	bool ignored;       /* the sink did not want it */
	uint64_t exited_ns; /* when its end was noticed; 0: it runs */
};

struct procs {
	const struct target *target;
	const struct capture_sink *sink;
	int epoll_fd;
	struct proc *last; /* found last: nearly always the next one too */
	unsigned ending;   /* processes with exited_ns set */
	struct proc *buckets[BUCKETS];
};

int procs_new(const struct target *target, const struct capture_sink *sink, struct procs **ret)
{
	struct procs *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->target = target;
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
	p->ending--;
	proc_free(proc);
}

static void mark_exited(struct procs *p, struct proc *proc)
{
	if (proc->exited_ns)
		return;
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
	if (err)
		mark_exited(p, proc);
	*ret = proc;
	return proc->ignored ? (index < 0 ? index : -ENOSPC) : 0;
}

int procs_add(struct procs *p, pid_t pid, uint64_t time_ns)
{
	struct proc *proc = lookup(p, pid);

	return proc ? 0 : add(p, pid, time_ns, true, &proc);
}

static void end(struct procs *p, struct proc *proc)
{
	unsigned index = proc->process.proc;
	uint64_t time_ns = proc->exited_ns;
	bool tell = !proc->ignored;

	forget(p, proc);
	if (tell)
		p->sink->process_exited(p->sink->ctx, index, time_ns);
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

const struct decode_process *procs_find(struct procs *p, pid_t pid, uint64_t time_ns)
{
	struct proc *proc = lookup(p, pid);

	if (proc && was_before(proc, time_ns)) {
		end(p, proc); /* the number is in use again */
		proc = NULL;
	}
	if (!proc)
		(void)add(p, pid, time_ns, false, &proc);
	return proc && !proc->ignored ? &proc->process : NULL;
}

int procs_scan(struct procs *p, dev_t dev, ino_t ino, uint64_t time_ns)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	int err;

	if (!dir) {
		err = -errno;
		return log_error(err, "/proc: %m");
	}
	while ((entry = readdir(dir))) {
		char path[64];
		struct stat st;
		uint64_t pid;

		if (parse_u64_in(entry->d_name, 1, INT32_MAX, &pid))
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
		if (stat(path, &st) < 0 || st.st_dev != dev || st.st_ino != ino)
			continue;
		err = procs_add(p, (pid_t)pid, time_ns);
		if (err && err != -ESRCH)
			log_debug("process %d is not followed: error %d", (int)pid, -err);
	}
	closedir(dir);
	return 0;
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
