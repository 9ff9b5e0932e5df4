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

#include "core/base/log.h"
#include "core/base/wait.h"

#define OUR_TYPE  "fuse.xgotopfs"
#define HELPER_NS (10 * NS_PER_SEC) /* for fusermount3 */

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

/* The type of the file system mounted last on a path, as "fuse.sshfs"; false when none is. */
static bool mounted_type(const char *path, char *ret, size_t size)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t cap = 0;
	bool found = false;

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
		snprintf(ret, size, "%s", type);
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

/* Something dead is mounted there. Only what is ours is removed. */
static int remove_stale(const char *path)
{
	char where[PATH_MAX], type[64];
	int err = resolve_parent(path, where);

	if (err)
		return log_error(err, "%s: %s", path, strerror(-err));
	if (!mounted_type(where, type, sizeof(type)))
		return log_error(-EBUSY, "%s: not reachable (%s)", path, strerror(ENOTCONN));
	if (strcmp(type, OUR_TYPE))
		return log_error(-EBUSY, "%s: a dead %s is mounted there; fusermount3 -u %s", path,
				 type, path);
	err = unmount_lazily(where);
	if (err)
		return log_error(err, "%s: cannot remove the mount a crash left: %s", path,
				 strerror(-err));
	log_warn("%s: removed the mount that an earlier run left when it crashed", path);
	return 0;
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

int mount_check(const char *path, bool nonempty)
{
	char where[PATH_MAX], type[64], why[512];
	struct stat st;
	int err;

	err = fs_may_mount(why, sizeof(why));
	if (err)
		return log_error(err, "%s", why);
	/* Mounts may have been left one on the other. */
	for (int turn = 0; turn < 8 && stat(path, &st) < 0; turn++) {
		err = -errno;
		if (err == -ENOTCONN || err == -ECONNABORTED)
			err = remove_stale(path);
		else if (err == -ENOENT)
			log_error(err, "%s: no such folder; make it first (mkdir)", path);
		else
			log_error(err, "%s: %s", path, strerror(-err));
		if (err)
			return err;
	}
	if (stat(path, &st) < 0)
		return log_error(-EBUSY, "%s: %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return log_error(-ENOTDIR, "%s: not a folder", path);
	if (realpath(path, where) && mounted_type(where, type, sizeof(type)) &&
	    !strcmp(type, OUR_TYPE))
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
