/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A hash table from inode number to a pointer, for what is kept per inode (snapshots, event logs).
 * Not thread-safe: its user locks. Does not own the values.
 */
#ifndef XGOTOPFS_FS_TABLE_H
#define XGOTOPFS_FS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table {
	struct table_slot *slots; /* open addressing, power of two */
	size_t cap, used;
};

struct table_slot {
	uint64_t ino; /* 0: free */
	void *value;
};

void *table_get(const struct table *t, uint64_t ino);
/* Adds; `ino` is not 0 and not in it yet. 0 or -ENOMEM. */
int table_add(struct table *t, uint64_t ino, void *value);
/* Drops every entry for which drop(value, arg) says so; that function frees the value. */
void table_sweep(struct table *t, bool (*drop)(void *value, void *arg), void *arg);
void table_free(struct table *t);

#endif
