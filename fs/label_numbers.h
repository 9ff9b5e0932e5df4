/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The numbers and names of by-label's folders. A folder's number, for its inode, is made of its
 * text, so that it is the same when one looks again; where another folder has it already, it is the
 * next that is free. Pure.
 */
#ifndef XGOTOPFS_FS_LABEL_NUMBERS_H
#define XGOTOPFS_FS_LABEL_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

#include "core/view/family.h"
#include "fs/escape.h"
#include "fs/node.h"

struct label_numbers {
	uint64_t key, value; /* of by-label/<key>, and of <value> in it */
};

/* Of a text, as seen from a folder with number `in` (0: by-label itself); at most NODE_KEY_MAX. */
typedef uint64_t label_hash_fn(uint64_t in, const char *text);
uint64_t label_hash(uint64_t in, const char *text);

/* For each of the labels, which are sorted by key and value; the caller frees *ret. No two keys
 * have the same number, nor have two values, of whatever keys. 0 or -ENOMEM. */
int label_numbers(const struct view_label *labels, size_t n, label_hash_fn *hash,
		  struct label_numbers **ret);

/* The name of the folder in one of row `dir`, as escape_name() has it, but for what that cannot
 * tell apart: an empty text is "%empty", one that a file there is called begins with its first byte
 * escaped. */
void label_name(const struct nodes *nodes, unsigned dir, const char *text, uint64_t number,
		char ret[ESCAPE_MAX + 1]);
/* Is `name` that? Quick when it is not. */
bool label_is(const struct nodes *nodes, unsigned dir, const char *text, uint64_t number,
	      const char *name);

#endif
