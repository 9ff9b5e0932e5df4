/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The traced file: is it the one that was decoded, and may probes be in it now? What guard.h and
 * runners.h tell of it, and what is done about it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <string.h>
#include <sys/vfs.h>

#include "core/base/log.h"
#include "core/base/privilege.h"
#include "core/capture/capture_internal.h"
#include "core/capture/guard.h"
#include "core/capture/plugins.h"
#include "core/capture/probes.h"
#include "core/capture/procs.h"
#include "core/capture/runners.h"
#include "core/capture/uprobe_multi.h"
#include "core/target/process.h"

static void set_file(struct capture *c, enum capture_file file)
{
	pthread_mutex_lock(&c->lock);
	c->file = file;
	c->file_changes++;
	pthread_mutex_unlock(&c->lock);
}

static void tell_file(const struct capture *c)
{
	if (c->sink.file)
		c->sink.file(c->sink.ctx);
}

/* Without a lease: is it the file that was decoded? 0, -ESTALE, -errno. */
static int compare_followed(struct capture *c, const struct probe_site *sites, size_t n)
{
	struct file_stamp now;
	int err = file_stamp_read(c->binary_fd, &now);

	if (!err && !file_stamp_same(&now, &c->stamp)) {
		err = target_compare(c->target, c->binary_fd);
		if (!err)
			c->stamp = now;
	}
	return err ? err : target_compare_sites(c->target, c->binary_fd, sites, n);
}

bool capture_file_is_ours(struct capture *c, const struct probe_site *sites, size_t n)
{
	if (c->file == CAPTURE_HELD)
		return guard_holds(c->guard);
	if (c->file != CAPTURE_FOLLOWED)
		return false;
	if (!compare_followed(c, sites, n))
		return true;
	set_file(c, CAPTURE_CHANGED);
	tell_file(c);
	return false;
}

enum capture_file capture_file(struct capture *c, unsigned *ret_changes)
{
	enum capture_file file;

	pthread_mutex_lock(&c->lock);
	file = c->file;
	if (ret_changes)
		*ret_changes = c->file_changes;
	pthread_mutex_unlock(&c->lock);
	return file;
}

enum procs_file capture_file_is(struct capture *c)
{
	switch (capture_file(c, NULL)) {
	case CAPTURE_HELD: /* or somebody comes just now */
		return guard_holds(c->guard) ? PROCS_AS_READ : PROCS_UNKNOWN;
	case CAPTURE_WRITER:
		return PROCS_UNKNOWN;
	case CAPTURE_UNTOUCHED:
		return PROCS_AS_READ;
	case CAPTURE_FOLLOWED: /* the one that is asked for cannot be another's */
		return c->pid ? PROCS_AS_READ : PROCS_NOT_HELD;
	default:
		return PROCS_ANOTHER;
	}
}

const char *capture_path(const struct capture *c)
{
	return c->path;
}

bool capture_is_in(struct capture *c, pid_t pid)
{
	bool in;

	if (pthread_mutex_trylock(&c->changing))
		return false;
	in = c->probes && !c->over && probes_are_in(c->probes, pid);
	pthread_mutex_unlock(&c->changing);
	return in;
}

bool capture_is_overlaid(const struct capture *c)
{
	struct statfs fs;

	return !fstatfs(c->binary_fd, &fs) && fs.f_type == OVERLAYFS_SUPER_MAGIC;
}

bool capture_file_can_be_held(const char *path)
{
	cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	/* A signal that is ignored, should somebody write just now. */
	return fd >= 0 && guard_trusts_leases(fd) && fcntl(fd, F_SETSIG, SIGURG) == 0 &&
	       (fcntl(fd, F_SETLEASE, F_RDLCK) == 0 || errno == EAGAIN);
}

static int file_release(void *ctx)
{
	struct capture *c = ctx;
	bool gone = true;

	pthread_mutex_lock(&c->changing);
	if (!c->over)
		set_file(c, CAPTURE_WRITER);
	if (c->probes) {
		capture_detach(c);
		gone = capture_let_go(c);
	}
	pthread_mutex_unlock(&c->changing);
	tell_file(c);
	return gone ? 0 : -EBUSY;
}

static bool file_was_released(void *ctx)
{
	struct capture *c = ctx;
	bool was;

	pthread_mutex_lock(&c->changing);
	was = c->probes && probes_have_let_go(c->probes);
	pthread_mutex_unlock(&c->changing);
	return was;
}

/* Whoever wrote is done: the same file as before, or another. What was another once stays so, also
 * where the next writer puts the first one back: a new capture may be on its way, and both would
 * follow who starts. */
static void file_held(void *ctx)
{
	struct capture *c = ctx;
	uint32_t rates[RATES];

	pthread_mutex_lock(&c->changing);
	if (c->over || !c->pump) { /* nothing to attach any more, or capture_new() failed */
		pthread_mutex_unlock(&c->changing);
		return;
	}
	c->was_another = c->was_another || target_compare(c->target, c->binary_fd);
	if (c->was_another) {
		set_file(c, CAPTURE_CHANGED);
	} else {
		set_file(c, CAPTURE_HELD);
		capture_get_rates(c, rates);
		if (!c->pid || target_runs_in(c->target, c->pid))
			(void)capture_change_rates(c, rates);
		if (c->file == CAPTURE_HELD)
			set_file(c, CAPTURE_HELD); /* who has looked before the probes were in looks
						      again */
	}
	pthread_mutex_unlock(&c->changing);
	tell_file(c);
}

static void file_lost(void *ctx)
{
	struct capture *c = ctx;

	pthread_mutex_lock(&c->changing);
	if (!c->over)
		set_file(c, CAPTURE_LOST);
	pthread_mutex_unlock(&c->changing);
	tell_file(c);
}

/* The file is looked at while the process runs it, which keeps writers off, before and after. */
int capture_enter(struct capture *c, pid_t pid, const struct probe_site *sites, size_t n)
{
	int err;

	if (!capture_file_is_ours(c, sites, n))
		return -ESTALE;
	err = probes_add_process(c->probes, pid);
	if (err)
		return err;
	if (!capture_file_is_ours(c, sites, n))
		err = -ESTALE;
	else if (!target_runs_in(c->target, pid))
		err = -ESRCH;
	if (err)
		(void)probes_remove_process(c->probes, pid);
	capture_may_keep(c);
	return err;
}

static int file_enter(void *ctx, pid_t pid)
{
	struct capture *c = ctx;
	cleanup_free_ struct probe_site *sites = NULL;
	uint32_t rates[RATES];
	size_t n = 0;
	int err = 0;

	pthread_mutex_lock(&c->changing);
	capture_get_rates(c, rates);
	if (c->over)
		err = -ECANCELED;
	else if (capture_wanted(c, rates))
		err = target_sites(c->target, capture_wanted(c, rates), &sites, &n);
	if (!err)
		err = capture_enter(c, pid, sites, n);
	if (err == -ESTALE)
		(void)capture_drop_probes(c);
	c->enter_err = err;
	capture_show_sites(c);
	pthread_mutex_unlock(&c->changing);
	return err;
}

static void file_leave(void *ctx, pid_t pid)
{
	struct capture *c = ctx;

	pthread_mutex_lock(&c->changing);
	(void)probes_remove_process(c->probes, pid);
	capture_may_keep(c);
	capture_show_sites(c);
	pthread_mutex_unlock(&c->changing);
}

static bool file_left(void *ctx, pid_t pid)
{
	return procs_left_behind(((struct capture *)ctx)->procs, pid);
}

/* --- from the start -------------------------------------------------------------------------- */

int capture_leave_file(struct capture *c)
{
	set_file(c, CAPTURE_UNTOUCHED);
	c->paused = true;
	return 0;
}

int capture_guard_file(struct capture *c)
{
	static const struct guard_ops guard = {.release = file_release,
					       .was_released = file_was_released,
					       .held = file_held,
					       .lost = file_lost};
	static const struct runners_ops runners = {
		.enter = file_enter, .leave = file_leave, .left = file_left};
	struct guard_ops guard_ops = guard;
	struct runners_ops runners_ops = runners;
	int err;

	guard_ops.ctx = runners_ops.ctx = c;
	/* To look at processes, and to attach where the keeper cannot. */
	err = guard_new(c->binary_fd,
			CAP_BIT(CAP_BPF) | CAP_BIT(CAP_PERFMON) | CAP_BIT(CAP_SYS_PTRACE) |
				(uprobe_multi_works() ? 0 : CAP_BIT(CAP_SYS_ADMIN)),
			&guard_ops, &c->guard);
	if (err)
		return log_error(err, "cannot watch over the file: %s", strerror(-err));
	switch (guard_state(c->guard)) {
	case GUARD_HELD:
		set_file(c, CAPTURE_HELD);
		break;
	case GUARD_NONE:
		set_file(c, CAPTURE_FOLLOWED);
		err = runners_new(c->binary_fd, c->target, c->pid, &runners_ops, &c->runners);
		break;
	case GUARD_WRITER:
	case GUARD_LOST:
		set_file(c, CAPTURE_WRITER);
		return 0; /* it is compared when that is over */
	}
	if (!err)
		err = file_stamp_read(c->binary_fd, &c->stamp);
	return err ? err : target_compare(c->target, c->binary_fd);
}
