/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Start functions whose goroutines only grow in number, by problem_rules (PROBLEM_GROWING). Pure.
 */
#ifndef XGOTOPFS_VIEW_GROWTH_H
#define XGOTOPFS_VIEW_GROWTH_H

#include "core/view/starts.h"

/* Is it one: from *ret_then, *ret_ns ago, to row->f.live? */
bool growth_of(const struct model_past *past, const struct start_row *row, uint64_t now_ns,
	       uint64_t *ret_then, uint64_t *ret_ns);

#endif
