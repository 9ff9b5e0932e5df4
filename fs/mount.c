/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Is the mount point fit to be mounted on? One clear line for each reason why not; a mount of ours
 * that a crash left behind is removed.
 */
#include "fs/fs_internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <time.h>

#include "core/base/log.h"
#include "core/base/wait.h"

#define OUR_TYPE  "fuse.xgotopfs"
#define HELPER_NS (10 * NS_PER_SEC) /* for fusermount3 */
#define ENDING_NS (2 * NS_PER_SEC)  /* what ends gets so long for it */
#define AGAIN_NS  (NS_PER_SEC / 50)

/* /proc/self/mountinfo writes a space in a path as \040, and so on. */
static void unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in; in++) {
		unsigned code;

		if (in[0] == '\\' && sscanf(in + 1, "%3o", &code) == 1) {
			*out++ = (char)code;
			in += 3;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
}

struct mounted {
	char type[64];  /* of the file system mounted last on a path, as "fuse.sshfs" */
	bool over_ours; /* one of ours is mounted below it */
};

/* false: nothing is mounted there. */
static bool mounted_at(const char *path, struct mounted *ret)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t cap = 0;
	bool found = false;

	*ret = (struct mounted){0};
	while (file && getline(&line, &cap, file) > 0) {
		char *where, *type, *save = NULL;

		strtok_r(line, " ", &save); /* mount, parent, device, root, then where */
		for (int i = 0; i < 3; i++)
			strtok_r(NULL, " ", &save);
		where = strtok_r(NULL, " ", &save);
		type = save ? strstr(save, " - ") : NULL;
		if (!where || !type)
			continue;
		unescape(where);
		if (strcmp(where, path))
			continue;
		type += 3;
		type[strcspn(type, " ")] = '\0';
		ret->over_ours |= !strcmp(ret->type, OUR_TYPE);
		snprintf(ret->type, sizeof(ret->type), "%s", type);
		found = true;
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}

/* Without root, fusermount3 may do what umount2() may not. */
static int unmount_lazily(const char *path)
{
	int status, err;
	pid_t pid;

	if (!umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW))
		return 0;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		execlp("fusermount3", "fusermount3", "-u", "-q", "-z", "--", path, (char *)NULL);
		_exit(127);
	}
	err = child_wait(pid, HELPER_NS, &status);
	return err ? err : status ? -EPERM : 0;
}

/* realpath() cannot look through a dead mount: only its parent can be resolved. */
static int resolve_parent(const char *path, char ret[PATH_MAX])
{
	char copy[PATH_MAX], *slash;
	char parent[PATH_MAX];
	size_t len = (size_t)snprintf(copy, sizeof(copy), "%s", path);

	if (len >= sizeof(copy))
		return -ENAMETOOLONG;
	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	slash = strrchr(copy, '/');
	if (slash)
		*slash = '\0';
	if (!realpath(!slash ? "." : slash == copy ? "/" : copy, parent))
		return -errno;
	if (snprintf(ret, PATH_MAX, "%s/%s", strcmp(parent, "/") ? parent : "",
		     slash ? slash + 1 : copy) >= PATH_MAX)
		return -ENAMETOOLONG;
	return 0;
}

static bool is_ours(const char *where)
{
	struct mounted m;

	return mounted_at(where, &m) && !strcmp(m.type, OUR_TYPE);
}

static bool is_dead(int err)
{
	return err == -ENOTCONN || err == -ECONNABORTED;
}

/*
 * 0, or -errno of what is dead. Attributes that the kernel keeps outlive their server; statfs is
 * always the server's to answer. One that was killed a moment ago never does, and whoever is
 * stopped may not: hence not in this process.
 */
static int ask_server(const char *where)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return 0;
	if (!pid) {
		struct statfs st;

		_exit(statfs(where, &st) < 0 && is_dead(-errno));
	}
	if (child_wait(pid, ENDING_NS, &status))
		return 0;
	return WIFEXITED(status) && WEXITSTATUS(status) == 1 ? -ENOTCONN : 0;
}

/* 0: a folder, or what is mounted there lives. */
static int look(const char *path, struct stat *st)
{
	char where[PATH_MAX];

	if (stat(path, st) < 0)
		return -errno;
	if (!realpath(path, where))
		return is_dead(-errno) ? -errno : 0;
	return is_ours(where) ? ask_server(where) : 0;
}

/* Something dead is mounted there. Only what is ours is removed; whoever else removes it (the
 * process that unmounts for who was killed, fusermount3) may be quicker: -EAGAIN. */
static int remove_stale(const char *path)
{
	char where[PATH_MAX];
	struct mounted m;
	int err = resolve_parent(path, where);

	if (err)
		return log_error(err, "%s: %s", path, strerror(-err));
	if (!mounted_at(where, &m))
		return -EAGAIN;
	if (strcmp(m.type, OUR_TYPE))
		return log_error(-EBUSY, "%s: a dead %s is mounted there; fusermount3 -u %s", path,
				 m.type, path);
	err = unmount_lazily(where);
	if (err && !is_ours(where))
		return -EAGAIN;
	if (err)
		return log_error(err, "%s: cannot remove the mount a crash left: %s", path,
				 strerror(-err));
	log_warn("%s: removed the mount that an earlier run left when it crashed", path);
	return 0;
}

/* Mounts may have been left one on the other. 0: what is there now lives. */
static int remove_all_stale(const char *path, struct stat *st)
{
	const struct timespec pause = {.tv_nsec = AGAIN_NS};
	uint64_t until_ns = monotonic_ns() + ENDING_NS;
	int err;

	for (int removed = 0; is_dead(err = look(path, st)) && removed < 8;) {
		int failed = remove_stale(path);

		if (failed && failed != -EAGAIN)
			return failed;
		removed += !failed;
		if (failed && monotonic_ns() >= until_ns)
			break;
		if (failed)
			nanosleep(&pause, NULL);
	}
	if (is_dead(err))
		return log_error(-EBUSY, "%s: not reachable (%s)", path, strerror(-err));
	if (err == -ENOENT)
		return log_error(err, "%s: no such folder; make it first (mkdir)", path);
	return err ? log_error(err, "%s: %s", path, strerror(-err)) : 0;
}

static bool is_empty(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	bool empty = true;

	if (!dir)
		return true; /* mounting will say why */
	while ((entry = readdir(dir)))
		empty &= !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..");
	closedir(dir);
	return empty;
}

bool mount_is_left(const char *path)
{
	char where[PATH_MAX];

	return !resolve_parent(path, where) && is_ours(where);
}

bool mount_is_under(const char *path)
{
	char where[PATH_MAX];
	struct mounted m;

	return !resolve_parent(path, where) && mounted_at(where, &m) && m.over_ours;
}

int mount_check(const char *path, bool nonempty)
{
	char where[PATH_MAX], why[512];
	struct stat st;
	int err;

	err = fs_may_mount(why, sizeof(why));
	if (err)
		return log_error(err, "%s", why);
	err = remove_all_stale(path, &st);
	if (err)
		return err;
	if (!S_ISDIR(st.st_mode))
		return log_error(-ENOTDIR, "%s: not a folder", path);
	if (realpath(path, where) && is_ours(where))
		return log_error(-EBUSY, "%s: another xgotopfs is mounted there", path);
	if (!nonempty && !is_empty(path))
		return log_error(-ENOTEMPTY,
				 "%s: not empty, and a mount would hide what is in it; choose "
				 "another, or say -o nonempty",
				 path);
	err = mount_check_ours(path);
	if (err)
		return log_error(err,
				 "%s: not allowed to mount here: the folder must be yours, or "
				 "CAP_SYS_ADMIN",
				 path);
	return 0;
}
