/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The entries of an open folder, as they were at opendir. Sorted by key, which is also the place
 * in the listing (the offset): whoever reads on after a change misses nothing and sees nothing
 * twice. Owned by one handle.
 */
#ifndef XGOTOPFS_FS_DIRLIST_H
#define XGOTOPFS_FS_DIRLIST_H

#include "core/base/buf.h"
#include "fs/node.h"

struct dirent_row {
	uint64_t key; /* place in the listing */
	struct node_id id;
	uint32_t name; /* offset into names; UINT32_MAX: the key in decimal */
};

struct dirlist {
	struct dirent_row *rows;
	size_t n, cap;
	struct buf names;
	int err; /* -ENOMEM sticks */
};

/* name NULL: the key in decimal. */
void dirlist_add(struct dirlist *d, uint64_t key, struct node_id id, const char *name);
/* The first entry at or after a key; n when there is none. */
size_t dirlist_seek(const struct dirlist *d, uint64_t key);
/* `space` holds decimal names. */
const char *dirlist_name(const struct dirlist *d, size_t i, char space[24]);
void dirlist_sort(struct dirlist *d);
void dirlist_free(struct dirlist *d);

#endif
