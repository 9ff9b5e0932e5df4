/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The lease and its thread; see guard.h. The kernel tells of a writer by SIGIO, and tells this
 * thread only (F_SETOWN_EX with F_OWNER_TID): it waits for the signal, which would end the process
 * in a thread that has it unblocked. A look now and then costs one system call, and finds what a
 * signal missed.
 */
#include "core/capture/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/privilege.h"
#include "core/base/thread.h"
#include "core/base/util.h"

#define LOOK_NS   (NS_PER_SEC / 2) /* at a lease that is held */
#define RETRY_NS  (NS_PER_SEC / 20)
#define SOON_NS   (NS_PER_SEC / 100) /* a writer's first second: most are done by then */
#define LATER_NS  (NS_PER_SEC / 4)
#define SOON_FOR  NS_PER_SEC
#define RETRY_FOR (10 * NS_PER_SEC)
/* Who let it go says so a moment later, and may have to wait for a CPU in between. */
#define SAID_WITHIN (5 * NS_PER_SEC)

/* Not in linux/magic.h everywhere. */
#define XFS_MAGIC      0x58465342
#define F2FS_MAGIC     0xf2f52010
#define ZFS_MAGIC      0x2fc12fc1
#define BCACHEFS_MAGIC 0xca451a4e

struct guard {
	int fd;
	uint64_t caps;
	struct guard_ops ops;
	pthread_t thread;
	bool started;
	atomic_bool stopping;
	_Atomic int state; /* enum guard_state; the thread's to change */
	uint64_t since_ns; /* of GUARD_WRITER; the thread's */
	pthread_mutex_t lock;
	pthread_cond_t known;
	bool first_known; /* protected by lock */
};

/* Local file systems only: elsewhere others write past this kernel (NFS, cluster file systems), the
 * file's content is not its own (FUSE, overlayfs), or leases mean nothing. */
bool guard_trusts_leases(int fd)
{
	static const unsigned long magics[] = {
		EXT4_SUPER_MAGIC,
		XFS_MAGIC,
		BTRFS_SUPER_MAGIC,
		TMPFS_MAGIC,
		RAMFS_MAGIC,
		F2FS_MAGIC,
		ZFS_MAGIC,
		BCACHEFS_MAGIC,
		MSDOS_SUPER_MAGIC,
		SQUASHFS_MAGIC,
		EROFS_SUPER_MAGIC_V1,
		REISERFS_SUPER_MAGIC,
		ISOFS_SUPER_MAGIC,
	};
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
		if ((unsigned long)fs.f_type == magics[i])
			return true;
	return false;
}

bool guard_holds(const struct guard *g)
{
	return fcntl(g->fd, F_GETLEASE) == F_RDLCK;
}

enum guard_state guard_state(const struct guard *g)
{
	return (enum guard_state)atomic_load(&g->state);
}

/* --- the thread ----------------------------------------------------------------------------- */

static enum guard_state take_lease(struct guard *g)
{
	struct f_owner_ex owner = {.type = F_OWNER_TID, .pid = gettid()};

	/* Before the lease, which would take the process for its owner. */
	if (fcntl(g->fd, F_SETOWN_EX, &owner) < 0)
		return GUARD_NONE;
	if (fcntl(g->fd, F_SETLEASE, F_RDLCK) == 0)
		return GUARD_HELD;
	return errno == EAGAIN || errno == EINTR ? GUARD_WRITER : GUARD_NONE;
}

static void set_state(struct guard *g, enum guard_state state)
{
	if (state == GUARD_WRITER)
		g->since_ns = monotonic_ns();
	atomic_store(&g->state, state);
}

/* Until the signal comes, or for so long. */
static void wait_for_signal(uint64_t ns)
{
	struct timespec ts = {.tv_sec = (time_t)(ns / NS_PER_SEC),
			      .tv_nsec = (long)(ns % NS_PER_SEC)};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	(void)sigtimedwait(&set, NULL, &ts);
}

static void lose(struct guard *g)
{
	set_state(g, GUARD_LOST);
	g->ops.lost(g->ops.ctx);
}

static bool was_released(struct guard *g)
{
	uint64_t until = monotonic_ns() + SAID_WITHIN;

	while (!g->ops.was_released(g->ops.ctx)) {
		if (atomic_load(&g->stopping) || monotonic_ns() > until)
			return false;
		wait_for_signal(RETRY_NS);
	}
	return true;
}

static void let_go(struct guard *g)
{
	set_state(g, GUARD_WRITER);
	while (g->ops.release(g->ops.ctx)) {
		if (atomic_load(&g->stopping))
			return; /* whoever frees us detaches */
		wait_for_signal(RETRY_NS);
	}
	if (fcntl(g->fd, F_SETLEASE, F_UNLCK) < 0 && !was_released(g) && !atomic_load(&g->stopping))
		lose(g);
}

static void look_for_end(struct guard *g)
{
	enum guard_state state = take_lease(g);

	if (state == GUARD_WRITER)
		return;
	if (state == GUARD_NONE) { /* it was to be had before: nothing to build on */
		lose(g);
		return;
	}
	set_state(g, state);
	g->ops.held(g->ops.ctx);
}

static uint64_t pause_ns(const struct guard *g)
{
	uint64_t waited_ns;

	if (guard_state(g) != GUARD_WRITER)
		return LOOK_NS;
	waited_ns = monotonic_ns() - g->since_ns;
	return waited_ns < SOON_FOR ? SOON_NS : waited_ns < RETRY_FOR ? RETRY_NS : LATER_NS;
}

static void *guard_main(void *arg)
{
	struct guard *g = arg;

	(void)pthread_setname_np(pthread_self(), "xgotop-guard");
	if (privilege_keep(g->caps | CAP_BIT(CAP_LEASE)))
		log_warn("the thread that watches over the file cannot give up capabilities");
	set_state(g, take_lease(g));
	pthread_mutex_lock(&g->lock);
	g->first_known = true;
	pthread_cond_signal(&g->known);
	pthread_mutex_unlock(&g->lock);
	while (guard_state(g) == GUARD_HELD || guard_state(g) == GUARD_WRITER) {
		wait_for_signal(pause_ns(g));
		if (atomic_load(&g->stopping))
			break;
		if (guard_state(g) == GUARD_WRITER)
			look_for_end(g);
		else if (!guard_holds(g))
			let_go(g);
	}
	return NULL;
}

/* --- from outside --------------------------------------------------------------------------- */

static int start(struct guard *g)
{
	int err = thread_start(&g->thread, guard_main, g); /* SIGIO is blocked in it */

	if (err)
		return err;
	g->started = true;
	pthread_mutex_lock(&g->lock);
	while (!g->first_known)
		pthread_cond_wait(&g->known, &g->lock);
	pthread_mutex_unlock(&g->lock);
	return 0;
}

int guard_new(int fd, uint64_t caps, const struct guard_ops *ops, struct guard **ret)
{
	struct guard *g = calloc(1, sizeof(*g));
	int err = 0;

	if (!g)
		return -ENOMEM;
	g->fd = fd;
	g->caps = caps;
	g->ops = *ops;
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->known, NULL);
	if (guard_trusts_leases(fd))
		err = start(g);
	else
		atomic_store(&g->state, GUARD_NONE);
	if (err) {
		guard_free(g);
		return err;
	}
	*ret = g;
	return 0;
}

void guard_free(struct guard *g)
{
	if (!g)
		return;
	if (g->started) {
		atomic_store(&g->stopping, true);
		(void)pthread_kill(g->thread, SIGIO);
		(void)pthread_join(g->thread, NULL);
	}
	pthread_mutex_destroy(&g->lock);
	pthread_cond_destroy(&g->known);
	free(g);
}
