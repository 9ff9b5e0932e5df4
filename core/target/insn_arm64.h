/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The arm64 half of insn.h; for insn.c only. */
#ifndef XGOTOPFS_TARGET_INSN_ARM64_H
#define XGOTOPFS_TARGET_INSN_ARM64_H

#include "core/target/insn.h"

int insn_decode_arm64(const void *code, size_t n, uint64_t addr, struct insn *ret);
/* -EILSEQ when fewer than four bytes are left. */
int insn_format_arm64(const void *code, size_t n, uint64_t addr, char *ret, size_t ret_size);

#endif
