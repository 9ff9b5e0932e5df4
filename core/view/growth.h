/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Start functions whose goroutines only grow in number, by problem_rules (PROBLEM_GROWING). Pure.
 */
#ifndef XGOTOPFS_VIEW_GROWTH_H
#define XGOTOPFS_VIEW_GROWTH_H

#include <stdbool.h>
#include <stdint.h>

struct model_past;

/* Is `func_id` one, which is no part of the runtime: from *ret_then, *ret_ns ago, to `live`? */
bool growth_of(const struct model_past *past, uint32_t func_id, uint64_t live, uint64_t now_ns,
	       uint64_t *ret_then, uint64_t *ret_ns);

#endif
