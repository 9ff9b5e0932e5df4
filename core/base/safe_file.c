/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one place that opens by name; see safe_file.h. */
#include "core/base/safe_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/vfs.h>

#define LINKS_MAX        40 /* as the kernel's MAXSYMLINKS */
#define TEMPORARY_SUFFIX ".tmp"
#define RANDOM_DIGITS    16

#define READING (O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
#define LOOKING (O_PATH | O_CLOEXEC | O_NOFOLLOW)
#define FOLDER  (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

const char *file_strerror(int err)
{
	switch (-err) {
	case ELOOP:
		return "a symbolic link, which is not followed here";
	case ENXIO:
		return "not a regular file";
	case EISDIR:
		return "a folder, not a file";
	case EMLINK:
		return "a hard link, in a folder where others may have put it";
	default:
		return strerror(-err);
	}
}

static int fd_or_errno(int fd)
{
	return fd < 0 ? -errno : fd;
}

static bool is_plain(const char *name)
{
	return *name && strcmp(name, ".") && strcmp(name, "..") && !strchr(name, '/');
}

/* --- walking a path --------------------------------------------------------------------------- */

struct walk {
	int at;     /* where we are; O_PATH */
	char *rest; /* what is left to go */
	size_t own; /* of its bytes, those at the end that the user wrote; the others are a link's
		     */
	unsigned links;
	bool make;
	bool magic; /* came through one of /proc's links, which lead to an open file */
};

static void move_to(struct walk *w, int fd)
{
	close(w->at);
	w->at = fd;
}

/* What fs.protected_symlinks and fs.protected_fifos ask for: in a folder that everybody may write,
 * only what we or the folder's owner put there. (The kernel leaves folders without the sticky bit
 * alone; there anybody may swap anything, so they are no better.) */
static bool may_use(const struct stat *folder, const struct stat *entry)
{
	return !(folder->st_mode & S_IWOTH) || entry->st_uid == geteuid() ||
	       entry->st_uid == folder->st_uid;
}

static bool is_on(int fd, long type)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && (unsigned long)fs.f_type == (unsigned long)type;
}

/* The link `fd`, which is `name` where we are; `after` is the path behind it. */
static int follow(struct walk *w, int fd, const char *name, const struct stat *st,
		  const char *after)
{
	char target[PATH_MAX];
	struct stat folder;
	char *rest;
	ssize_t n;
	int to;

	if (++w->links > LINKS_MAX)
		return -ELOOP;
	if (fstat(w->at, &folder) < 0)
		return -errno;
	if (!may_use(&folder, st))
		return -ELOOP;
	if (is_on(fd, PROC_SUPER_MAGIC)) { /* its text is for people, not a path */
		to = fd_or_errno(openat(w->at, name, O_PATH | O_CLOEXEC));
		rest = to < 0 ? NULL : strdup(after);
		w->magic = true;
	} else {
		n = readlinkat(fd, "", target, sizeof(target) - 1);
		if (n < 0)
			return -errno;
		target[n] = '\0';
		to = *target == '/' ? fd_or_errno(open("/", LOOKING)) : w->at;
		if (to >= 0 && asprintf(&rest, "%s/%s", target, after) < 0)
			rest = NULL;
	}
	if (to < 0)
		return to;
	if (!rest) {
		if (to != w->at)
			close(to);
		return -ENOMEM;
	}
	if (to != w->at)
		move_to(w, to);
	w->own = MIN(w->own, strlen(after));
	free(w->rest);
	w->rest = rest;
	return 0;
}

static int enter(struct walk *w, const char *name, bool last)
{
	int fd = fd_or_errno(openat(w->at, name, LOOKING));

	if (fd != -ENOENT || !w->make || strlen(w->rest) > w->own)
		return fd;
	if (mkdirat(w->at, name, last ? 0700 : 0755) < 0 && errno != EEXIST)
		return -errno;
	return fd_or_errno(openat(w->at, name, LOOKING));
}

/* One name further. 1, 0 at the end, -errno. */
static int step(struct walk *w)
{
	char *name = w->rest + strspn(w->rest, "/"), *after;
	char copy[NAME_MAX + 1];
	size_t len = strcspn(name, "/");
	struct stat st;
	int fd, err;

	if (!len)
		return 0;
	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(copy, name, len);
	copy[len] = '\0';
	after = name + len + strspn(name + len, "/");
	fd = enter(w, copy, !*after);
	if (fd < 0)
		return fd;
	err = fstat(fd, &st) < 0 ? -errno : 0;
	if (!err && S_ISLNK(st.st_mode))
		err = follow(w, fd, copy, &st, after);
	else if (!err) {
		move_to(w, fd);
		memmove(w->rest, after, strlen(after) + 1);
		return 1;
	}
	close(fd);
	return err ? err : 1;
}

/* `at` is taken over. Returns an O_PATH descriptor of what `path` leads to. */
static int walk(int at, const char *path, bool make, bool *ret_magic)
{
	struct walk w = {.at = at, .rest = strdup(path), .own = strlen(path), .make = make};
	int more = w.rest ? 1 : -ENOMEM;

	if (!*path)
		more = -ENOENT;
	while (more > 0)
		more = step(&w);
	free(w.rest);
	if (more < 0) {
		close(w.at);
		return more;
	}
	if (ret_magic)
		*ret_magic = w.magic;
	return w.at;
}

static int walk_path(const char *path, bool make)
{
	int at = open(*path == '/' ? "/" : ".", LOOKING);

	return at < 0 ? -errno : walk(at, path, make, NULL);
}

/* Opens what an O_PATH descriptor stands for: the same thing, whatever its name leads to by now. */
static int open_found(int fd, int flags)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return fd_or_errno(open(path, flags | O_CLOEXEC | O_NOCTTY));
}

static int open_folder(const char *path, bool make)
{
	cleanup_close_ int found = walk_path(path, make);

	return found < 0 ? found : fd_or_errno(openat(found, ".", FOLDER));
}

int folder_open(const char *path)
{
	return open_folder(path, false);
}

int folder_make(const char *path)
{
	return open_folder(path, true);
}

int folder_open_parent(const char *path, char ret_name[NAME_MAX + 1])
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	cleanup_free_ char *parent = slash ? strndup(path, (size_t)(name - path)) : strdup(".");

	if (!is_plain(name))
		return *path ? -EISDIR : -ENOENT;
	if (strlen(name) > NAME_MAX)
		return -ENAMETOOLONG;
	if (!parent)
		return -ENOMEM;
	strcpy(ret_name, name);
	return folder_open(parent);
}

/* 0 for a file. */
static int check_file(const struct stat *st)
{
	if (S_ISREG(st->st_mode))
		return 0;
	return S_ISDIR(st->st_mode) ? -EISDIR : -ENXIO;
}

int file_open(const char *path)
{
	cleanup_close_ int found = walk_path(path, false);
	struct stat st;
	int err;

	if (found < 0)
		return found;
	if (fstat(found, &st) < 0)
		return -errno;
	/* A pipe without a name: nobody but who started us can have put it there. */
	if (S_ISFIFO(st.st_mode) && is_on(found, PIPEFS_MAGIC))
		return open_found(found, O_RDONLY);
	err = check_file(&st);
	if (!err && path[strlen(path) - 1] == '/')
		err = -ENOTDIR;
	return err ? err : open_found(found, O_RDONLY | O_NONBLOCK);
}

int file_open_sink(int dir, const char *name)
{
	cleanup_close_ int found = openat(dir, name, LOOKING);
	struct stat folder, st;
	bool magic = false;
	int fd;

	if (found < 0)
		return -errno;
	if (fstat(found, &st) < 0 || fstat(dir, &folder) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode) && may_use(&folder, &st)) {
		fd = fd_or_errno(openat(dir, ".", LOOKING));
		if (fd >= 0)
			fd = walk(fd, name, false, &magic);
		if (fd < 0)
			return fd;
		close(found);
		found = fd;
		if (fstat(found, &st) < 0)
			return -errno;
	}
	if (S_ISREG(st.st_mode) && magic)
		return open_found(found, O_WRONLY | O_APPEND);
	if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))
		return -ENOENT;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!may_use(&folder, &st))
		return -EACCES;
	return open_found(found, O_WRONLY);
}

/* --- in a folder ------------------------------------------------------------------------------ */

int folder_open_at(int dir, const char *name)
{
	return is_plain(name) ? fd_or_errno(openat(dir, name, FOLDER | O_NOFOLLOW)) : -EINVAL;
}

int folder_create_at(int dir, const char *name)
{
	if (!is_plain(name))
		return -EINVAL;
	return mkdirat(dir, name, 0700) < 0 ? -errno : folder_open_at(dir, name);
}

int folder_remove_at(int dir, const char *name)
{
	if (!is_plain(name))
		return -EINVAL;
	return unlinkat(dir, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int folder_entries(int dir, DIR **ret)
{
	/* Not a duplicate: two readers of one descriptor would share their place. */
	int fd = fd_or_errno(openat(dir, ".", FOLDER)), err;

	if (fd < 0)
		return fd;
	*ret = fdopendir(fd);
	if (*ret)
		return 0;
	err = -errno;
	close(fd);
	return err;
}

int file_open_at(int dir, const char *name)
{
	cleanup_close_ int fd = -1;
	struct stat folder, st;
	int err;

	if (!is_plain(name))
		return -EINVAL;
	fd = openat(dir, name, READING);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || fstat(dir, &folder) < 0)
		return -errno;
	err = check_file(&st);
	if (!err && st.st_nlink > 1 &&
	    (folder.st_uid != st.st_uid || folder.st_mode & (S_IWGRP | S_IWOTH)))
		err = -EMLINK;
	return err ? err : move_fd(&fd);
}

int file_create_at(int dir, const char *name, mode_t mode)
{
	if (!is_plain(name))
		return -EINVAL;
	return fd_or_errno(openat(
		dir, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, mode));
}

int file_remove_at(int dir, const char *name)
{
	if (!is_plain(name))
		return -EINVAL;
	return unlinkat(dir, name, 0) < 0 ? -errno : 0;
}

int file_stat_at(int dir, const char *name, struct stat *ret)
{
	if (!is_plain(name))
		return -EINVAL;
	return fstatat(dir, name, ret, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int file_load(int fd, size_t max, struct buf *out)
{
	size_t begin = out->len, room;
	ssize_t n;

	for (;;) {
		/* One more than may be there tells a file that is too long. */
		room = MIN(max - (out->len - begin) + 1, (size_t)65536);
		if (buf_reserve(out, room))
			return -ENOMEM;
		n = read(fd, out->data + out->len, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		out->len += (size_t)n;
		out->data[out->len] = '\0';
		if (n == 0)
			return 0;
		if (out->len - begin > max)
			return -EFBIG;
	}
}

int file_write(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

/* --- a file that is there whole or not at all ------------------------------------------------- */

static int temporary_name(const char *name, char ret[NAME_MAX + 1])
{
	/* A long name makes way for the rest. */
	int keep = NAME_MAX - 1 - RANDOM_DIGITS - (int)strlen(TEMPORARY_SUFFIX);
	uint64_t number;

	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return -EIO;
	snprintf(ret, NAME_MAX + 1, "%.*s.%0*llx" TEMPORARY_SUFFIX, keep, name, RANDOM_DIGITS,
		 (unsigned long long)number);
	return 0;
}

bool new_file_is_left(const char *entry, const char *name)
{
	size_t len = strlen(name);

	return strncmp(entry, name, len) == 0 && entry[len] == '.' &&
	       strspn(entry + len + 1, "0123456789abcdef") == RANDOM_DIGITS &&
	       strcmp(entry + len + 1 + RANDOM_DIGITS, TEMPORARY_SUFFIX) == 0;
}

int new_file_open(int dir, const char *name, mode_t mode, struct new_file *ret)
{
	struct new_file f = {.fd = -1, .dir = dir};
	struct stat st;
	int err;

	*ret = f;
	if (!is_plain(name))
		return -EINVAL;
	if (strlen(name) > NAME_MAX)
		return -ENAMETOOLONG;
	/* Rather now than when everything is written. */
	if (file_stat_at(dir, name, &st) == 0 && S_ISDIR(st.st_mode))
		return -EISDIR;
	strcpy(f.name, name);
	err = temporary_name(name, f.temporary);
	if (err)
		return err;
	f.fd = file_create_at(dir, f.temporary, mode);
	if (f.fd < 0)
		return f.fd;
	*ret = f;
	return 0;
}

/* Some file systems do not know how to sync a folder, and say EINVAL. */
static int sync_folder(int dir)
{
	return fsync(dir) < 0 && errno != EINVAL ? -errno : 0;
}

int new_file_commit(struct new_file *f, bool sync)
{
	int err = sync && fsync(f->fd) < 0 ? -errno : 0;

	if (close(f->fd) < 0 && !err)
		err = -errno;
	f->fd = -1;
	if (!err && renameat(f->dir, f->temporary, f->dir, f->name) < 0)
		err = -errno;
	if (err)
		(void)unlinkat(f->dir, f->temporary, 0);
	else if (sync)
		err = sync_folder(f->dir);
	return err;
}

void new_file_abort(struct new_file *f)
{
	if (f->fd < 0)
		return;
	close(f->fd);
	f->fd = -1;
	(void)unlinkat(f->dir, f->temporary, 0);
}
