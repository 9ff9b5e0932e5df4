/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A runtime.g from its bytes, for what reads many of them at once. For this room. */
#ifndef XGOTOPFS_MEMORY_GOROUTINES_READ_H
#define XGOTOPFS_MEMORY_GOROUTINES_READ_H

#include "core/memory/goroutines.h"

/* How many bytes of a g, from its start, are needed. */
size_t goroutine_bytes(const struct target *t);
/* False when it is dead. */
bool goroutine_from_bytes(const struct target *t, const void *bytes, uint64_t address,
			  uint64_t bias, struct memory_goroutine *ret);

#endif
