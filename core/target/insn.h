/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One machine instruction, decoded: what probe placement and the search for runtime variables must
 * know of it. amd64 through Zydis, arm64 by its fixed-width encoding. Stateless; any thread.
 *
 * When a fact cannot be told, the answer is the cautious one: an arm64 encoding that is not known
 * here "writes" every register, and an unknown change of the stack pointer makes sp_known false.
 */
#ifndef XGOTOPFS_TARGET_INSN_H
#define XGOTOPFS_TARGET_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum insn_class {
	INSN_OTHER,
	INSN_PUSH,          /* push r64 */
	INSN_NOP,           /* the one-byte 0x90 */
	INSN_NOP_WIDE,      /* any other nop; arm64: nop */
	INSN_JCC,           /* conditional, direct: jcc; b.cond, cbz, cbnz, tbz, tbnz */
	INSN_JMP,           /* unconditional, direct: jmp, b */
	INSN_JMP_INDIRECT,  /* jmp reg/mem, br */
	INSN_CALL,          /* direct: call rel32, bl */
	INSN_CALL_INDIRECT, /* call reg/mem, blr */
	INSN_RET,
	INSN_TRAP, /* int3, ud2, brk, udf: padding, or code that does not come back */
};

/* Registers by their DWARF numbers, as bits of a mask: amd64 0 rax 1 rdx 2 rcx 3 rbx 4 rsi 5 rdi
 * 6 rbp 7 rsp 8…15; arm64 0…30 x0…x30, 31 sp. */
#define INSN_NO_REG 255
enum { AMD64_RAX, AMD64_RDX, AMD64_RCX, AMD64_RBX, AMD64_RSI, AMD64_RDI, AMD64_RBP, AMD64_RSP };
#define AMD64_G  14 /* the current goroutine, in Go's register ABI */
#define ARM64_G  28
#define ARM64_LR 30
#define ARM64_SP 31

/* What an arm64 instruction does with an address or a constant; INSN_OP_NONE is "something else".
 * On amd64 MOVE, ADD (lea; add and sub of a constant, but of rsp), CMP and the last ones are. */
enum insn_op {
	INSN_OP_NONE,
	INSN_OP_ADDRESS, /* reg[dst] = imm: adr, adrp, lea reg, [rip + x] */
	INSN_OP_ADD,     /* reg[dst] = reg[src] + imm */
	INSN_OP_MOVE,    /* reg[dst] = reg[src], 64 bits */
	INSN_OP_CONST,   /* reg[dst] = imm */
	INSN_OP_CMP,     /* reg[src] against memory or reg[src2] */
	/* amd64 only, of what tells whether a compare-and-swap took place: */
	INSN_OP_CMPXCHG,  /* lock cmpxchg mem, reg[src]: ZF says whether it did */
	INSN_OP_SET_ZERO, /* byte of reg[dst] = ZF */
	INSN_OP_TEST,     /* reg[src] & reg[src2] */
	INSN_OP_PLAIN,    /* mov and the like: leaves the flags alone */
};

/* The explicit memory operand, when there is exactly one. */
struct insn_mem {
	bool load, store;
	bool indexed;  /* has an index register: the address is not base + disp alone */
	bool absolute; /* disp is the whole static address (rip-relative) */
	uint8_t base;  /* INSN_NO_REG: none */
	uint8_t size;  /* bytes */
	/* The register that is stored, or loaded into, as it is; INSN_NO_REG: another kind, as an
	 * addition or a conditional move is. */
	uint8_t value;
	/* arm64, stp and ldp of 64 bits: both of them, `value` being none. INSN_NO_REG: no pair. */
	uint8_t pair[2];
	int64_t disp;
};

struct insn {
	uint64_t addr;
	uint64_t target; /* of a direct jump, branch or call; 0 otherwise */
	uint8_t len;
	enum insn_class class;
	uint32_t written;  /* general registers that change */
	int32_t sp_change; /* bytes added to sp; see sp_known */
	bool sp_known;     /* sp changes by exactly sp_change (0: it stays) */
	/*
	 * The kernel emulates it at a uprobe instead of stepping it out of line: one trap.
	 * amd64, arch/x86/kernel/uprobes.c: push r64, jcc, jmp rel, call rel32 and 0x90. Wider nops
	 * only since 2025, so they count as not emulated. arm64, decode-insn.c: b, bl, b.cond, cbz,
	 * cbnz, tbz, tbnz, adr, adrp, br, blr, ret.
	 */
	bool emulated;
	/* The branch of a prologue's stack check, taken when sp is lower or same: jbe, b.ls. */
	bool lower_or_same;
	bool on_zero; /* a branch on ZF alone: je, jne */
	enum insn_op op;
	uint8_t dst, src, src2;
	int64_t imm;
	bool has_mem;
	struct insn_mem mem;
};

/*
 * Decodes one instruction at `code` of at most n bytes, which lies at static address addr.
 * machine is EM_X86_64 or EM_AARCH64. -EILSEQ when it is none, -ENOTSUP for another machine.
 */
int insn_decode(uint16_t machine, const void *code, size_t n, uint64_t addr, struct insn *ret);

/* The same instruction as text for people (Intel syntax on amd64). Always terminated. */
void insn_format(uint16_t machine, const void *code, size_t n, uint64_t addr, char *ret,
		 size_t ret_size);

#endif
