/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of a mount: made, mounted, served, unmounted. One thread (the caller of fs_run) takes
 * requests; see worker.h and pipe.c for the others.
 */
#include "fs/request.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "core/base/confine.h"
#include "core/base/log.h"
#include "core/base/privilege.h"

#define CACHE_BYTES (6 << 20)
#define BATCH       64               /* requests between two looks at what else there is */
#define HELPERS_NS  (5 * NS_PER_SEC) /* for what helpers are at when it ends */

/* Process ids for event lines. */
static int pid_of(void *ctx, unsigned proc)
{
	return view_pid_was(((struct fs *)ctx)->view, proc);
}

static void to_our_log(enum fuse_log_level level, const char *fmt, va_list ap)
{
	char text[512];
	int len = vsnprintf(text, sizeof(text), fmt, ap);

	while (len > 0 && len < (int)sizeof(text) && text[len - 1] == '\n')
		text[--len] = '\0';
	/* What matters is said by fs_mount() and fs_run(), with the mount point. */
	log_debug("%s", text);
}

static int init(struct fs *fs)
{
	const struct fs_config *c = &fs->config;
	int err;

	fs->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fs->stop_fd < 0)
		return -errno;
	fs->mountpoint = strdup(c->mountpoint);
	fs->options = strdup(c->options ? c->options : "");
	if (!fs->mountpoint || !fs->options)
		return -ENOMEM;
	fs->format_proc = view_event_format(fs->view);
	fs->format_root = fs->format_proc;
	fs->format_root.pid_of = pid_of;
	fs->format_root.ctx = fs;
	fs->wall_root = fs->format_root;
	fs->wall_proc = fs->format_proc;
	fs->wall_root.rfc3339 = fs->wall_proc.rfc3339 = true;
	err = nodes_new(views, n_views, &fs->nodes);
	if (!err)
		err = snaps_new(&fs->snaps);
	if (!err)
		err = follow_cache_new(CACHE_BYTES, &fs->cache);
	if (!err)
		err = logs_new(&fs->logs);
	if (!err)
		err = by_names_new(&fs->by_names);
	if (!err)
		err = frozens_new(&fs->frozens);
	if (!err)
		err = by_labels_new(&fs->by_labels);
	if (!err)
		err = workers_new(2, c->confine, &fs->quick);
	if (!err)
		err = workers_new(1, c->confine, &fs->slow);
	if (!err)
		err = workers_new(1, c->confine, &fs->reads);
	if (!err)
		err = workers_new(1, c->confine, &fs->commands);
	if (!err)
		err = pipes_new(fs, &fs->pipes);
	return err;
}

int fs_new(const struct fs_config *config, struct fs **ret)
{
	struct fs *fs = calloc(1, sizeof(*fs));
	int err;

	if (!fs)
		return -ENOMEM;
	fs->config = *config;
	fs->view = config->view;
	fs->uid = geteuid();
	fs->gid = getegid();
	fs->mount_time_ns = clock_ns(CLOCK_REALTIME);
	pthread_mutex_init(&fs->handles_lock, NULL);
	pthread_mutex_init(&fs->requests_lock, NULL);
	pthread_mutex_init(&fs->sessions_lock, NULL);
	fs->stop_fd = -1;
	err = init(fs);
	if (err) {
		fs_free(fs);
		return err;
	}
	*ret = fs;
	return 0;
}

/*
 * The tree is no more, lazily. What libfuse does about it comes in fs_free(), on the thread that
 * mounted. Not when somebody else has unmounted it: there may be another mount by now.
 */
static void unmount(struct fs *fs)
{
	struct pollfd device = {.fd = fuse_session_fd(fs->session)};
	int err = 0;

	if (!fs->mounted)
		return;
	fs->mounted = false;
	if (poll(&device, 1, 0) == 1 && device.revents & POLLERR)
		return;
	err = fs->unmounter ? unmounter_ask(fs->unmounter) : 0;
	fs->unmounter_failed = err && err != -ETIMEDOUT && err != -ESTALE;
	/* libfuse may not unmount. */
	if (!fs->unmounter_failed && fs->unmounter)
		device_let_go(fs);
	if (err == -ETIMEDOUT)
		log_warn("%s: it takes long to unmount it; that goes on by itself", fs->mountpoint);
	else if (err == -ESTALE && mount_is_under(fs->mountpoint))
		log_warn(
			"%s: something else is mounted over it and stays, and so does what is left "
			"of ours below: umount -l %s, once that is gone",
			fs->mountpoint, fs->mountpoint);
	else if (err)
		log_debug("%s: the process that unmounts for us says: %s", fs->mountpoint,
			  strerror(-err));
}

/* libfuse has closed the device, and tried by itself, which only helps who may unmount. */
static int check_unmounted(const struct fs *fs)
{
	if (!fs->unmounter_failed || !mount_is_left(fs->mountpoint))
		return 0;
	return log_error(-EBUSY,
			 "%s: still mounted, as the process that was to unmount it is gone, and "
			 "nothing answers there: umount -l %s",
			 fs->mountpoint, fs->mountpoint);
}

/*
 * What waits for a helper is answered with an error, what one is at gets a moment to come to its
 * end. Before the unmount: they write to the session's descriptor.
 */
static void stop_helpers(struct fs *fs)
{
	uint64_t until_ns = monotonic_ns() + HELPERS_NS;
	struct workers *all[] = {fs->reads, fs->slow, fs->quick, fs->commands};

	if (atomic_load(&fs->abandoned))
		return;
	atomic_store(&fs->ending, true);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (workers_stop(all[i], until_ns))
			atomic_store(&fs->abandoned, true);
	requests_end(fs);
}

int fs_free(struct fs *fs)
{
	int left = 0;

	if (!fs)
		return 0;
	if (fs->mounted)
		pipes_end(fs->pipes);
	stop_helpers(fs);
	if (fs->session) {
		unmount(fs);
		fuse_session_unmount(fs->session);
		left = check_unmounted(fs);
	}
	unmounter_free(fs->unmounter);
	if (atomic_load(&fs->abandoned))
		return -ETIMEDOUT;
	workers_free(fs->reads);
	workers_free(fs->slow);
	workers_free(fs->quick);
	workers_free(fs->commands);
	while (fs->handles)
		handle_put(fs, fs->handles);
	pipes_free(fs->pipes);
	if (fs->session)
		fuse_session_destroy(fs->session);
	logs_free(fs->logs);
	follow_cache_free(fs->cache);
	by_names_free(fs->by_names);
	frozens_free(fs);
	by_labels_free(fs->by_labels);
	snaps_free(fs->snaps);
	for (size_t i = 0; i < fs->n_session_ids; i++)
		free(fs->session_ids[i]);
	free(fs->session_ids);
	free(fs->nodes);
	free(fs->mountpoint);
	free(fs->options);
	if (fs->stop_fd >= 0)
		close(fs->stop_fd);
	pthread_mutex_destroy(&fs->handles_lock);
	pthread_mutex_destroy(&fs->requests_lock);
	pthread_mutex_destroy(&fs->sessions_lock);
	free(fs);
	return left;
}

/* --- mounting --------------------------------------------------------------------------- */

/* Takes our own option out of a comma-separated list; was it in? */
static bool take_option(char *list, const char *name)
{
	size_t len = strlen(name);
	bool found = false;

	for (char *at = list; (at = strstr(at, name));) {
		bool begins = at == list || at[-1] == ',';

		if (begins && (!at[len] || at[len] == ',')) {
			size_t skip = len + (at[len] == ',');

			memmove(at, at + skip, strlen(at + skip) + 1);
			found = true;
		} else {
			at += len;
		}
	}
	len = strlen(list);
	if (len && list[len - 1] == ',')
		list[len - 1] = '\0';
	return found;
}

static int new_session(struct fs *fs, const char *options, bool auto_unmount)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int err = 0;

	if (fuse_opt_add_arg(&args, "xgotopfs") || fuse_opt_add_arg(&args, "-o") ||
	    fuse_opt_add_arg(&args, "default_permissions,fsname=xgotopfs,subtype=xgotopfs") ||
	    (auto_unmount && fuse_opt_add_arg(&args, "-oauto_unmount")) ||
	    (*options && (fuse_opt_add_arg(&args, "-o") || fuse_opt_add_arg(&args, options))))
		err = -ENOMEM;
	if (!err) {
		errno = 0;
		fs->session = fuse_session_new(&args, &fs_ops, sizeof(fs_ops), fs);
		if (!fs->session && (errno == ENOMEM || !*options))
			err = -ENOMEM;
		else if (!fs->session)
			err = log_error(-EINVAL, "-o %s: not understood", options);
	}
	fuse_opt_free_args(&args);
	return err;
}

static int try_mount(struct fs *fs, const char *options, bool auto_unmount)
{
	int err = new_session(fs, options, auto_unmount);

	if (err)
		return err;
	if (!fuse_session_mount(fs->session, fs->mountpoint))
		return 0;
	fuse_session_destroy(fs->session);
	fs->session = NULL;
	return -EIO;
}

int fs_mount(struct fs *fs)
{
	const char *where = fs->mountpoint;
	char *options cleanup_free_ = strdup(fs->options);
	bool nonempty, auto_unmount, helped;
	int err, fd;

	if (!options)
		return -ENOMEM;
	fuse_set_log_func(to_our_log);
	nonempty = take_option(options, "nonempty");
	(void)take_option(options, "auto_unmount"); /* the default */
	auto_unmount = !take_option(options, "noauto_unmount");
	err = mount_check(where, nonempty);
	if (err)
		return err;
	err = unmounter_new(where, &fs->unmounter);
	if (err)
		log_warn("%s: no process that unmounts (%s)", where, strerror(-err));
	/* Our own process removes what a crash leaves; where it may not by itself, libfuse's
	 * (fusermount3) may. It looks once, and is started by a fork() after which libfuse
	 * allocates. */
	helped = auto_unmount && !(fs->unmounter && privilege_have(CAP_SYS_ADMIN));
	err = try_mount(fs, options, helped);
	if (err == -EIO && helped && privilege_have(CAP_SYS_ADMIN)) {
		err = try_mount(fs, options, false);
		if (!err)
			log_warn("%s: a crash would leave the mount: is fusermount3 installed?",
				 where);
	}
	if (err == -EIO && geteuid())
		return log_error(-EPERM, "%s: the mount was refused, see fusermount3's word above",
				 where);
	if (err == -EIO)
		return log_error(err, "%s: the mount was refused (-log-level debug says more)",
				 where);
	if (err)
		return err;
	fs->mounted = true;
	if (fs->unmounter)
		unmounter_mounted(fs->unmounter, auto_unmount);
	err = device_take(fs);
	if (err)
		return err;
	/* fs_run() waits for requests and for fs_stop(): it must not block in a read. */
	fd = fuse_session_fd(fs->session);
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

/* --- serving ---------------------------------------------------------------------------- */

/*
 * Takes requests until there are none, or so many that it is time to look whether to stop: readers
 * in a loop can keep more of them coming than we serve. 0, or -errno of what
 * ends the session. An unmount from outside is no error: the kernel says ENODEV, and libfuse ends
 * the session.
 */
static int serve_pending(struct fs *fs, struct fuse_buf *buf)
{
	int n;

	for (unsigned i = 0; i < BATCH && !fuse_session_exited(fs->session); i++) {
		n = fuse_session_receive_buf(fs->session, buf);
		if (n == -EINTR)
			continue;
		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return n;
		if (n == 0)
			return fs->device_err;
		fuse_session_process_buf(fs->session, buf);
	}
	return 0;
}

int fs_run(struct fs *fs)
{
	struct fuse_buf buf = {.mem = NULL};
	struct pollfd fds[] = {
		{.fd = fuse_session_fd(fs->session), .events = POLLIN},
		{.fd = fs->stop_fd, .events = POLLIN},
	};
	int err = 0, wait_ms = -1; /* for ever: a request or fs_stop() wakes it */

	confine_enter(fs->config.confine);
	while (!err && !fds[1].revents && !fuse_session_exited(fs->session)) {
		if (poll(fds, ARRAY_SIZE(fds), wait_ms) < 0) {
			if (errno != EINTR)
				err = -errno;
			continue;
		}
		if (fds[0].revents)
			err = serve_pending(fs, &buf);
		wait_ms = requests_interrupt(fs);
		if (fds[0].revents & (POLLERR | POLLHUP))
			break; /* unmounted from outside */
	}
	pipes_end(fs->pipes);
	/* Those who waited have the end of the file now; a moment for them to close it. */
	for (int turn = 0; !err && turn < 20 && !fuse_session_exited(fs->session); turn++) {
		err = serve_pending(fs, &buf);
		if (!pipes_open(fs->pipes))
			break;
		poll(fds, 1, 10);
	}
	free(buf.mem);
	stop_helpers(fs);
	unmount(fs);
	err = err ? err : fs->device_err;
	if (err)
		return log_error(err, "%s: %s", fs->mountpoint, strerror(-err));
	return 0;
}

int fs_unmount_line(const struct fs *fs, char *ret_word)
{
	return fs->unmounter ? MAX(unmounter_line(fs->unmounter, ret_word), -1) : -1;
}

void fs_stop(struct fs *fs)
{
	uint64_t one = 1;
	int saved = errno;
	ssize_t n = write(fs->stop_fd, &one, sizeof(one));

	(void)n;
	errno = saved;
}
