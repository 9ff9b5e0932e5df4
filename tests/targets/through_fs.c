/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A file system that shows another folder, for tests that need a disk which does not answer: at
 * SIGUSR1 it stops itself, and nothing on it comes to an end. Between two requests: who waits for
 * one that was taken cannot even be killed (fs/fuse/dev.c, request_wait_answer()). At SIGUSR2 it
 * stops in the midst of the next one. Prints "ready" once mounted.
 *
 * through_fs FOLDER MOUNTPOINT
 */
#define FUSE_USE_VERSION 31
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"

static int root = -1;

/* Every path begins with a slash. */
static const char *below(const char *path)
{
	return path[1] ? path + 1 : ".";
}

static int result(int got)
{
	return got < 0 ? -errno : got;
}

static int do_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	return result(fi ? fstat((int)fi->fh, st)
			 : fstatat(root, below(path), st, AT_SYMLINK_NOFOLLOW));
}

static int do_readdir(const char *path, void *buf, fuse_fill_dir_t fill, off_t off,
		      struct fuse_file_info *fi, enum fuse_readdir_flags flags)
{
	int fd = openat(root, below(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		(void)fill(buf, entry->d_name, NULL, 0, 0);
	closedir(dir);
	return 0;
}

static int do_mkdir(const char *path, mode_t mode)
{
	return result(mkdirat(root, below(path), mode));
}

static int do_unlink(const char *path)
{
	return result(unlinkat(root, below(path), 0));
}

static int do_rmdir(const char *path)
{
	return result(unlinkat(root, below(path), AT_REMOVEDIR));
}

static int do_rename(const char *from, const char *to, unsigned flags)
{
	return result(renameat2(root, below(from), root, below(to), flags));
}

static int do_chmod(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	return result(fchmodat(root, below(path), mode, 0));
}

static int do_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
	return fi ? result(ftruncate((int)fi->fh, size)) : -EOPNOTSUPP;
}

static int opened(int fd, struct fuse_file_info *fi)
{
	if (fd < 0)
		return -errno;
	fi->fh = (uint64_t)fd;
	return 0;
}

static int do_open(const char *path, struct fuse_file_info *fi)
{
	return opened(openat(root, below(path), (fi->flags & ~O_APPEND) | O_CLOEXEC), fi);
}

static int do_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	return opened(
		openat(root, below(path), (fi->flags & ~O_APPEND) | O_CREAT | O_CLOEXEC, mode), fi);
}

static int do_read(const char *path, char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
	return result((int)pread((int)fi->fh, buf, size, off));
}

static int do_write(const char *path, const char *buf, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	return result((int)pwrite((int)fi->fh, buf, size, off));
}

static int do_fsync(const char *path, int data, struct fuse_file_info *fi)
{
	return result(data ? fdatasync((int)fi->fh) : fsync((int)fi->fh));
}

static int do_release(const char *path, struct fuse_file_info *fi)
{
	close((int)fi->fh);
	return 0;
}

static void *do_init(struct fuse_conn_info *conn, struct fuse_config *config)
{
	printf("ready\n");
	fflush(stdout);
	return NULL;
}

static volatile sig_atomic_t hang, hang_within;

static void on_hang(int signum)
{
	if (signum == SIGUSR1)
		hang = 1;
	else
		hang_within = 1;
}

static void process(struct fuse_session *session, struct fuse_buf *buf)
{
	if (hang_within)
		raise(SIGSTOP);
	hang_within = 0;
	fuse_session_process_buf(session, buf);
}

static int serve(struct fuse_session *session)
{
	struct pollfd fd = {.fd = fuse_session_fd(session), .events = POLLIN};
	const struct sigaction action = {.sa_handler = on_hang};
	struct fuse_buf buf = {.mem = NULL};
	sigset_t waiting, working;
	int n = 1;

	sigemptyset(&working);
	sigaddset(&working, SIGUSR1);
	sigaddset(&working, SIGUSR2);
	if (sigprocmask(SIG_BLOCK, &working, &waiting) || sigaction(SIGUSR1, &action, NULL) ||
	    sigaction(SIGUSR2, &action, NULL))
		return -errno;
	while (n > 0 && !fuse_session_exited(session)) {
		if (ppoll(&fd, 1, NULL, &waiting) < 0 && errno == EINTR) {
			if (hang)
				raise(SIGSTOP);
			hang = 0;
			continue;
		}
		n = fuse_session_receive_buf(session, &buf);
		if (n == -EINTR || n == -EAGAIN)
			n = 1;
		else if (n > 0)
			process(session, &buf);
	}
	free(buf.mem);
	return MIN(n, 0);
}

int main(int argc, char **argv)
{
	static const struct fuse_operations ops = {
		.getattr = do_getattr,
		.readdir = do_readdir,
		.mkdir = do_mkdir,
		.unlink = do_unlink,
		.rmdir = do_rmdir,
		.rename = do_rename,
		.chmod = do_chmod,
		.truncate = do_truncate,
		.open = do_open,
		.create = do_create,
		.read = do_read,
		.write = do_write,
		.fsync = do_fsync,
		.release = do_release,
		.init = do_init,
	};
	char *args[] = {argv[0], NULL};
	struct fuse_args none = FUSE_ARGS_INIT(1, args);
	struct fuse *fuse;
	int err;

	if (argc != 3)
		return 2;
	root = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fuse = root < 0 ? NULL : fuse_new(&none, &ops, sizeof(ops), NULL);
	if (!fuse || fuse_mount(fuse, argv[2]))
		return 1;
	err = serve(fuse_get_session(fuse));
	fuse_unmount(fuse);
	fuse_destroy(fuse);
	return err ? 1 : 0;
}
