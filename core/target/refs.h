/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The runtime's own variables in a stripped binary, which names functions but no variables: what
 * static data a function uses, in the order of its code. For this room.
 */
#ifndef XGOTOPFS_TARGET_REFS_H
#define XGOTOPFS_TARGET_REFS_H

#include "core/target/target.h"

#define REFS_MAX 1024

struct ref {
	uint64_t addr; /* static */
	uint64_t at;   /* of the instruction */
	bool load;     /* of 8 bytes; otherwise only its address is taken, or something else */
	bool store;
};

struct refs {
	struct ref list[REFS_MAX]; /* what comes after the first REFS_MAX is left out */
	size_t n;
};

/* 0, -ENOSYS (no such function, or it cannot be decoded), -ENOMEM. */
int refs_read(const struct target *t, const char *function, struct refs *ret);
bool refs_mention(const struct refs *refs, uint64_t addr);

#endif
