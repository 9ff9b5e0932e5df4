/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Names of allocation functions, shared by exclude.c and place_sites.c. */
#ifndef XGOTOPFS_TARGET_EXCLUDE_H
#define XGOTOPFS_TARGET_EXCLUDE_H

#include <stdbool.h>

/* runtime.mallocgcSmallNoScanSC4 and kin, which compiled code calls in place of newobject: by
 * default since Go 1.27, by GOEXPERIMENT in 1.26 (runtime/malloc_generated.go). */
bool is_special_malloc(const char *name);

#endif
