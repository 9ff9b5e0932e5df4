/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stand-ins for core/target/parts.h, of a program that is one file: no plugins, nothing left out.
 * For one source file of a test (plugins: tests/unit/test_parts.c, tests/cases/plugins.sh).
 */
#ifndef XGOTOPFS_TESTS_NO_PARTS_H
#define XGOTOPFS_TESTS_NO_PARTS_H

#include "core/target/parts.h"

unsigned target_parts_generation(const struct target *t)
{
	(void)t;
	return 0;
}

bool target_part_has(const struct target *t, uint64_t addr)
{
	(void)t;
	(void)addr;
	return false;
}

bool target_excludes(const struct target *t, uint64_t return_pc)
{
	(void)t;
	(void)return_pc;
	return false;
}

#endif
