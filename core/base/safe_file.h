/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every file and folder whose name comes from outside, or that lies where others may write, is
 * opened, made, replaced and removed here (tests/check_layers.sh holds it), so that a planted
 * symlink, hard link, FIFO, device or a folder that is swapped meanwhile cannot make us read,
 * overwrite or delete something else, nor wait.
 *
 * A path that the user gave is walked once, to a folder's descriptor; what is in the folder is then
 * named relative to it, and a link there is never followed. On the way links are followed as
 * fs.protected_symlinks=1 has it, whatever the machine's setting: in a folder that everybody may
 * write only links of ourselves or of the folder's owner.
 *
 * No state; any thread. Functions return a descriptor (close-on-exec, the caller closes it) or 0,
 * or -errno: -ELOOP (a link that is not followed), -ENXIO (neither file nor folder), -EISDIR,
 * -ENOTDIR, -EMLINK (file_open_at), -EINVAL (no plain name), or what the system call says.
 */
#ifndef XGOTOPFS_BASE_SAFE_FILE_H
#define XGOTOPFS_BASE_SAFE_FILE_H

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>

#include "core/base/buf.h"

/* What strerror() would say of such an error, in words that fit. */
const char *file_strerror(int err);

/* --- what the user named ---------------------------------------------------------------------- */

int folder_open(const char *path);
/* The same, and makes what is missing of it: 0700 the last, 0755 those above. Never where a link
 * leads: a disk that is not mounted would be written beside. */
int folder_make(const char *path);
/* The folder that `path` is to be in, and its name there. -EISDIR: it names a folder. */
int folder_open_parent(const char *path, char ret_name[NAME_MAX + 1]);

/* For reading: a file, or a pipe that this process was given (`-config <(…)`, /dev/stdin). */
int file_open(const char *path);
/*
 * For writing what is there and is no file to be replaced: a terminal, a device, a FIFO, what
 * /dev/stdout leads to. -ENOENT: nothing like that is there (make a new_file). -EACCES: somebody
 * else's, in a folder that everybody may write. A FIFO waits for its reader, as a shell's `>` does.
 */
int file_open_sink(int dir, const char *name);

/* --- in a folder: `name` is one name, not a path ---------------------------------------------- */

int folder_open_at(int dir, const char *name);
int folder_create_at(int dir, const char *name); /* 0700; -EEXIST */
int folder_remove_at(int dir, const char *name); /* an empty one */
/* To read its entries; closedir() ends it. `dir` is not used up. */
int folder_entries(int dir, DIR **ret);

/* For reading. Never waits. -EMLINK: it has another name, and somebody else may have put this one
 * here (the folder is not the file's owner's, or others may write it): its content may be secret.
 */
int file_open_at(int dir, const char *name);
int file_create_at(int dir, const char *name, mode_t mode); /* to append to; -EEXIST */
int file_remove_at(int dir, const char *name);
int file_stat_at(int dir, const char *name, struct stat *ret); /* of a link: itself */

/* Appends the rest of an open file. -EFBIG past `max` bytes. */
int file_load(int fd, size_t max, struct buf *out);
int file_write(int fd, const void *data, size_t len); /* all of it */

/* --- a file that is there whole or not at all ------------------------------------------------- */

struct new_file {
	int fd; /* to write to; -1: none is open */
	int dir;
	char name[NAME_MAX + 1], temporary[NAME_MAX + 1];
};

#define NEW_FILE_NONE ((struct new_file){.fd = -1})

/* Begins one under a name that nobody can foresee. `dir` is borrowed until it ends; umask applies
 * to `mode`. */
int new_file_open(int dir, const char *name, mode_t mode, struct new_file *ret);
/* Gives it its name, in place of a file, link or FIFO that has it; `sync`: when it is on the disk.
 * An error leaves what was there. Ends it either way. */
int new_file_commit(struct new_file *f, bool sync);
void new_file_abort(struct new_file *f); /* nothing of it stays; one that has ended is fine */
/* Is `entry` what a crash between the two left of `name`? */
bool new_file_is_left(const char *entry, const char *name);

#endif
