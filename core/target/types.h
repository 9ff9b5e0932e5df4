/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How a type descriptor is laid out, in the file and in a process alike. Stateless; any thread. */
#ifndef XGOTOPFS_TARGET_TYPES_H
#define XGOTOPFS_TARGET_TYPES_H

#include <stdint.h>

enum { /* reflect.Kind */
       KIND_ARRAY = 17,
       KIND_CHAN = 18,
       KIND_FUNC = 19,
       KIND_INTERFACE = 20,
       KIND_MAP = 21,
       KIND_POINTER = 22,
       KIND_SLICE = 23,
       KIND_STRUCT = 25,
       KIND_LAST = 26,
};

enum {
	TYPE_HEADER = 48, /* bytes of abi.Type; what is behind depends on the kind: */
	TYPE_FIRST = 48,  /* Elem of array, chan, pointer and slice; Key of a map */
	TYPE_SECOND = 56, /* Elem of a map */
	TYPE_CHAN_DIR = 56,
	TYPE_ARRAY_LEN = 64,
};

/* From the TYPE_HEADER bytes at its beginning. -ENOENT: of no kind that there is. */
int type_head_read(const void *head, uint64_t *ret_size, uint8_t *ret_kind);
/* Where a type keeps the pointers to its parts; 0: it has no such part. */
void type_parts(uint8_t kind, uint32_t *ret_key, uint32_t *ret_elem);

#endif
