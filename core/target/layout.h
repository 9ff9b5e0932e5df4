/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Field offsets of runtime.g, m and p by Go release, and what a release hides. */
#ifndef XGOTOPFS_TARGET_LAYOUT_H
#define XGOTOPFS_TARGET_LAYOUT_H

#include "core/target/dwarf_facts.h"
#include "core/target/target.h"

#define LAYOUT_OLDEST 17
#define LAYOUT_NEWEST 27

/* 0 or -ENOENT when the release is not in the table. `machine` is EM_*. */
int layout_of_release(unsigned minor, uint16_t machine, struct go_layout *ret);
/* Overrides what DWARF knows; the flags stay. Returns how many fields it changed. */
unsigned layout_apply_dwarf(struct go_layout *layout, const struct dwarf_facts *facts);
/* Can it be? Offsets that DWARF gave are within a g, and a g is no larger than GO_G_SIZE_MAX. */
bool layout_is_plausible(const struct go_layout *layout);
/*
 * Does the code of runtime.casgstatus touch the status where the layout has it? For programs
 * without DWARF, of a toolchain that may have been changed.
 */
bool layout_agrees_with_code(const struct go_layout *layout, uint16_t machine, const uint8_t *code,
			     size_t size);
/* One line for people: what programs of this release do unseen. */
void layout_not_covered(unsigned minor, char *buf, size_t size);

#endif
