/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Go's calling convention as a uprobe sees it, one block an architecture: argument registers, the
 * current g, the return address, the flags of the stack check, publishing. Sources: Go
 * src/cmd/compile/ abi-internal.md; src/cmd/internal/obj/{x86/obj6.go,arm64/obj7.go} stacksplit().
 */
#ifndef XGOTOPFS_GOABI_BPF_H
#define XGOTOPFS_GOABI_BPF_H

/* A word of the target's memory, 0 if there is none: the includer's. */
static __always_inline __u64 read_word(__u64 addr);

/* Reads a register here and now: keeps the compiler from merging several reads into one at a
 * computed offset, which the verifier refuses on the context. */
#define READ_REG(reg)                                                                              \
	({                                                                                         \
		__u64 v_ = (reg);                                                                  \
		asm volatile("" : "+r"(v_));                                                       \
		v_;                                                                                \
	})
#define REG_CASE(n, reg)                                                                           \
	case n:                                                                                    \
		return READ_REG(reg)

#if defined(__TARGET_ARCH_x86)

/* Stores after everything that was stored before: x86 keeps that order. */
static __always_inline void publish(__u64 *word, __u64 value)
{
	*(volatile __u64 *)word = value;
}

typedef struct pt_regs go_regs;

#define REG_G(c)  ((c)->r14)
#define REG_IP(c) ((c)->rip)
#define REG_SP(c) ((c)->rsp)
#define REG_FP(c) ((c)->rbp)

/* Argument n of ABIInternal: rax, rbx, rcx, rdi, rsi. */
#define REG_ARG0(c) ((c)->rax)
#define REG_ARG1(c) ((c)->rbx)
#define REG_ARG2(c) ((c)->rcx)

/* `jbe` to morestack after `cmp stackguard, sp`: taken on carry or zero. */
static __always_inline bool branch_taken(go_regs *c)
{
	return c->eflags & (0x1 | 0x40);
}

/* ZF: behind a compare-and-swap, or a test of its answer. */
static __always_inline bool flags_equal(go_regs *c)
{
	return c->eflags & 0x40;
}

static __always_inline __u64 return_address(go_regs *c, __s64 sp_delta)
{
	return read_word(c->rsp + sp_delta);
}

/* DWARF numbering. */
static __always_inline __u64 reg_by_number(go_regs *c, unsigned int reg)
{
	switch (reg) {
		REG_CASE(0, c->rax);
		REG_CASE(1, c->rdx);
		REG_CASE(2, c->rcx);
		REG_CASE(3, c->rbx);
		REG_CASE(4, c->rsi);
		REG_CASE(5, c->rdi);
		REG_CASE(8, c->r8);
		REG_CASE(9, c->r9);
		REG_CASE(10, c->r10);
		REG_CASE(11, c->r11);
		REG_CASE(12, c->r12);
		REG_CASE(13, c->r13);
		REG_CASE(15, c->r15);
	}
	return 0;
}

#elif defined(__TARGET_ARCH_arm64)

/* An exchange is the only store that BPF orders. */
static __always_inline void publish(__u64 *word, __u64 value)
{
	(void)__sync_lock_test_and_set(word, value);
}

typedef struct user_pt_regs go_regs;

#define REG_G(c)  ((c)->regs[28])
#define REG_IP(c) ((c)->pc)
#define REG_SP(c) ((c)->sp)
#define REG_FP(c) ((c)->regs[29])

#define REG_ARG0(c) ((c)->regs[0])
#define REG_ARG1(c) ((c)->regs[1])
#define REG_ARG2(c) ((c)->regs[2])

#define PSTATE_Z (1u << 30)
#define PSTATE_C (1u << 29)

/* `b.ls` to morestack: taken on no carry or zero. */
static __always_inline bool branch_taken(go_regs *c)
{
	return !(c->pstate & PSTATE_C) || (c->pstate & PSTATE_Z);
}

static __always_inline bool flags_equal(go_regs *c)
{
	return c->pstate & PSTATE_Z;
}

/* A site lies before the function's first call, so the link register still holds it. */
static __always_inline __u64 return_address(go_regs *c, __s64 sp_delta)
{
	return c->regs[30];
}

static __always_inline __u64 reg_by_number(go_regs *c, unsigned int reg)
{
	switch (reg) {
		REG_CASE(0, c->regs[0]);
		REG_CASE(1, c->regs[1]);
		REG_CASE(2, c->regs[2]);
		REG_CASE(3, c->regs[3]);
		REG_CASE(4, c->regs[4]);
		REG_CASE(5, c->regs[5]);
		REG_CASE(6, c->regs[6]);
		REG_CASE(7, c->regs[7]);
		REG_CASE(8, c->regs[8]);
		REG_CASE(9, c->regs[9]);
		REG_CASE(10, c->regs[10]);
		REG_CASE(11, c->regs[11]);
		REG_CASE(12, c->regs[12]);
		REG_CASE(13, c->regs[13]);
		REG_CASE(14, c->regs[14]);
		REG_CASE(15, c->regs[15]);
		REG_CASE(16, c->regs[16]);
		REG_CASE(17, c->regs[17]);
		REG_CASE(19, c->regs[19]);
		REG_CASE(20, c->regs[20]);
		REG_CASE(21, c->regs[21]);
		REG_CASE(22, c->regs[22]);
		REG_CASE(23, c->regs[23]);
		REG_CASE(24, c->regs[24]);
		REG_CASE(25, c->regs[25]);
		REG_CASE(26, c->regs[26]);
	}
	return 0;
}

#else
#error "this architecture has no Go calling convention here yet"
#endif

#endif
