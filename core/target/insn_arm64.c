/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * arm64 instructions, by the fixed-width encoding (Arm ARM, C4.1 "A64 instruction set encoding").
 * Only what compiled Go code is made of is told apart; any other encoding is taken to write every
 * register. Stateless.
 */
#include "core/target/insn_arm64.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/util.h"

#define NO_X31(reg)   ((reg) == 31 ? 0u : 1u << (reg)) /* register 31 is the zero register here */
#define ALL_REGISTERS UINT32_MAX
/* A Go callee keeps g and sp only. */
#define CALL_CLOBBERS (ALL_REGISTERS & ~(1u << ARM64_G | 1u << ARM64_SP))

static uint32_t bits(uint32_t word, unsigned low, unsigned n)
{
	return (word >> low) & ((1u << n) - 1);
}

static int64_t sbits(uint32_t word, unsigned low, unsigned n)
{
	int64_t value = (int64_t)((uint64_t)word << (64 - low - n));

	return value >> (64 - n);
}

static uint8_t rd(uint32_t word)
{
	return (uint8_t)bits(word, 0, 5);
}

static uint8_t rn(uint32_t word)
{
	return (uint8_t)bits(word, 5, 5);
}

static uint8_t rm(uint32_t word)
{
	return (uint8_t)bits(word, 16, 5);
}

static void branch(struct insn *insn, enum insn_class class, int64_t words)
{
	insn->class = class;
	insn->emulated = true;
	insn->target = insn->addr + (uint64_t)(words * 4);
}

/* Branches, exceptions, system: op0 = x101 in bits 28:26. */
static void decode_branch(struct insn *insn, uint32_t w)
{
	if ((w & 0xff000010) == 0x54000000) {
		branch(insn, INSN_JCC, sbits(w, 5, 19));
		insn->lower_or_same = bits(w, 0, 4) == 9;
	} else if ((w & 0x7e000000) == 0x34000000) { /* cbz, cbnz */
		branch(insn, INSN_JCC, sbits(w, 5, 19));
	} else if ((w & 0x7e000000) == 0x36000000) { /* tbz, tbnz */
		branch(insn, INSN_JCC, sbits(w, 5, 14));
	} else if ((w & 0xfc000000) == 0x14000000) {
		branch(insn, INSN_JMP, sbits(w, 0, 26));
	} else if ((w & 0xfc000000) == 0x94000000) {
		branch(insn, INSN_CALL, sbits(w, 0, 26));
		insn->written = CALL_CLOBBERS;
	} else if ((w & 0xfffffc1f) == 0xd61f0000) {
		insn->class = INSN_JMP_INDIRECT;
		insn->emulated = true;
	} else if ((w & 0xfffffc1f) == 0xd63f0000) {
		insn->class = INSN_CALL_INDIRECT;
		insn->emulated = true;
		insn->written = CALL_CLOBBERS;
	} else if ((w & 0xfffffc1f) == 0xd65f0000) {
		insn->class = INSN_RET;
		insn->emulated = true;
	} else if (w == 0xd503201f) {
		insn->class = INSN_NOP_WIDE;
	} else if ((w & 0xffe0001f) == 0xd4200000) { /* brk */
		insn->class = INSN_TRAP;
	} else if ((w & 0xffd00000) == 0xd5000000 || (w & 0xfff00000) == 0xd5100000) {
		/* hints, barriers, msr: write no general register */
	} else if ((w & 0xfff00000) == 0xd5300000) { /* mrs */
		insn->written = NO_X31(rd(w));
	} else {
		insn->written = ALL_REGISTERS;
	}
}

/* Data processing, immediate: op0 = 100x. */
static void decode_immediate(struct insn *insn, uint32_t w)
{
	bool wide = w >> 31;
	int64_t imm;

	switch (bits(w, 23, 3)) {
	case 0:
	case 1: /* adr, adrp */
		imm = (int64_t)((uint64_t)sbits(w, 5, 19) << 2) | (int64_t)bits(w, 29, 2);
		insn->op = INSN_OP_ADDRESS;
		insn->dst = rd(w);
		insn->imm = wide ? (int64_t)((insn->addr & ~0xfffull) + ((uint64_t)imm << 12))
				 : (int64_t)(insn->addr + (uint64_t)imm);
		insn->emulated = true;
		insn->written = NO_X31(rd(w));
		break;
	case 2: /* add, sub */
		imm = (int64_t)bits(w, 10, 12) << (bits(w, 22, 1) ? 12 : 0);
		if (bits(w, 30, 1))
			imm = -imm;
		if (bits(w, 29, 1)) { /* sets flags: register 31 is zero; cmp, cmn */
			insn->written = NO_X31(rd(w));
			break;
		}
		insn->written = 1u << rd(w);
		if (!wide)
			break;
		insn->op = INSN_OP_ADD;
		insn->dst = rd(w);
		insn->src = rn(w);
		insn->imm = imm;
		if (rd(w) == ARM64_SP) {
			insn->sp_known = rn(w) == ARM64_SP;
			insn->sp_change = (int32_t)imm;
		}
		break;
	case 4: /* logical: and, orr, eor may write sp; ands may not */
		insn->written = bits(w, 29, 2) == 3 ? NO_X31(rd(w)) : 1u << rd(w);
		if (rd(w) == ARM64_SP)
			insn->sp_known = bits(w, 29, 2) == 3;
		break;
	case 5: /* movn, movz, movk */
		insn->written = NO_X31(rd(w));
		if (bits(w, 29, 2) == 2) {
			insn->op = INSN_OP_CONST;
			insn->dst = rd(w);
			insn->imm = (int64_t)((uint64_t)bits(w, 5, 16) << (16 * bits(w, 21, 2)));
		}
		break;
	case 6: /* bit fields */
	case 7: /* extract */
		insn->written = NO_X31(rd(w));
		break;
	default: /* tags: addg, subg */
		insn->written = ALL_REGISTERS;
	}
}

/* Data processing, register: op0 = x101. All of it has its result in bits 4:0 (or none). */
static void decode_register(struct insn *insn, uint32_t w)
{
	insn->written = NO_X31(rd(w));
	if ((w & 0x7fe00000) == 0x6b000000 || (w & 0x7fe00000) == 0x6b200000) { /* subs */
		if (rd(w) == 31) {
			insn->op = INSN_OP_CMP;
			insn->src = rn(w);
			insn->src2 = rm(w);
		}
	} else if ((w & 0xffe0ffe0) == 0xaa0003e0) { /* mov: orr rd, xzr, rm */
		/* Register 31 is zero here, not sp. */
		insn->op = rm(w) == 31 ? INSN_OP_CONST : INSN_OP_MOVE;
		insn->dst = rd(w);
		insn->src = rm(w) == 31 ? INSN_NO_REG : rm(w);
	} else if ((w & 0x1fe00000) == 0x0b200000 && !bits(w, 29, 1)) {
		/* add, sub with extension: register 31 is sp */
		insn->written = 1u << rd(w);
		if (rd(w) == ARM64_SP)
			insn->sp_known = false;
	} else if ((w & 0x1fe00800) == 0x1a400000) { /* ccmp, ccmn: bits 4:0 are flags */
		insn->written = 0;
	}
}

static void memory(struct insn *insn, uint32_t w, unsigned size, bool load, int64_t disp)
{
	insn->has_mem = true;
	insn->mem = (struct insn_mem){
		.load = load,
		.store = !load,
		.base = rn(w),
		.size = (uint8_t)size,
		.value = bits(w, 26, 1) ? INSN_NO_REG : rd(w),
		.pair = {INSN_NO_REG, INSN_NO_REG},
		.disp = disp,
	};
	if (load && !bits(w, 26, 1))
		insn->written |= NO_X31(rd(w));
}

/* The base register moves before or after the access. */
static void writeback(struct insn *insn, uint32_t w, int64_t by)
{
	insn->written |= 1u << rn(w);
	if (rn(w) == ARM64_SP)
		insn->sp_change = (int32_t)by;
}

/* ldr, str and kin of one register: bits 29:27 = 111. */
static void decode_single(struct insn *insn, uint32_t w)
{
	bool simd = bits(w, 26, 1);
	unsigned opc = bits(w, 22, 2), log2 = bits(w, 30, 2);
	bool load = simd ? opc & 1 : opc != 0;

	if (simd && opc & 2)
		log2 = 4;
	if (!simd && log2 == 3 && opc == 2)
		return; /* prfm */
	if (bits(w, 24, 1)) {
		memory(insn, w, 1u << log2, load, (int64_t)bits(w, 10, 12) << log2);
		return;
	}
	if (!bits(w, 21, 1)) {
		int64_t imm = sbits(w, 12, 9);
		unsigned mode = bits(w, 10, 2);

		memory(insn, w, 1u << log2, load, mode == 1 ? 0 : imm);
		if (mode == 1 || mode == 3)
			writeback(insn, w, imm);
		if (mode == 3 && rn(w) == ARM64_SP)
			insn->mem.disp = 0; /* counted from the new sp */
		return;
	}
	if (bits(w, 10, 2) == 2) {
		memory(insn, w, 1u << log2, load, 0);
		insn->mem.indexed = true;
	} else if (bits(w, 10, 2) == 0 && !simd) { /* LSE: ldadd, swp … */
		memory(insn, w, 1u << log2, true, 0);
		insn->mem.store = true;
		/* Bits 15:12 are 8: swp, which stores its other register as it is. */
		insn->mem.value = bits(w, 12, 4) == 8 ? rm(w) : INSN_NO_REG;
	} else {
		insn->written = ALL_REGISTERS; /* ldraa, ldrab */
	}
}

static void decode_pair(struct insn *insn, uint32_t w)
{
	bool simd = bits(w, 26, 1), load = bits(w, 22, 1);
	unsigned opc = bits(w, 30, 2);
	unsigned log2 = simd ? 2 + opc : opc == 2 ? 3 : 2;
	int64_t imm = sbits(w, 15, 7) * (1 << log2);
	unsigned mode = bits(w, 23, 3);

	memory(insn, w, 2u << log2, load, mode == 1 ? 0 : imm);
	insn->mem.value = INSN_NO_REG;
	if (!simd && opc == 2) {
		insn->mem.pair[0] = (uint8_t)rd(w);
		insn->mem.pair[1] = (uint8_t)bits(w, 10, 5);
	}
	if (load && !simd)
		insn->written |= NO_X31(bits(w, 10, 5));
	if (mode == 1 || mode == 3)
		writeback(insn, w, imm);
	if (mode == 3 && rn(w) == ARM64_SP)
		insn->mem.disp = 0;
}

/* Loads and stores: op0 = x1x0. */
static void decode_memory(struct insn *insn, uint32_t w)
{
	switch (bits(w, 27, 3)) {
	case 7:
		decode_single(insn, w);
		break;
	case 5:
		decode_pair(insn, w);
		break;
	case 3:
		if (!bits(w, 24, 1)) { /* literal */
			insn->written = bits(w, 26, 1) || bits(w, 30, 2) == 3 ? 0 : NO_X31(rd(w));
		} else {
			insn->written = ALL_REGISTERS; /* ldapur, stlur, tags */
		}
		break;
	case 1:
		if (bits(w, 24, 1) || bits(w, 26, 1)) {
			insn->written = ALL_REGISTERS;
			break;
		}
		/* exclusive, acquire, release, cas: result, status and second register */
		memory(insn, w, 1u << bits(w, 30, 2), bits(w, 22, 1), 0);
		if (bits(w, 23, 1) && bits(w, 21, 1)) /* cas */
			insn->mem.load = insn->mem.store = true;
		insn->written |= NO_X31(rm(w)) | NO_X31(bits(w, 10, 5));
		break;
	}
}

int insn_decode_arm64(const void *code, size_t n, uint64_t addr, struct insn *ret)
{
	struct insn insn = {
		.addr = addr,
		.len = 4,
		.sp_known = true,
		.dst = INSN_NO_REG,
		.src = INSN_NO_REG,
		.src2 = INSN_NO_REG,
	};
	uint32_t w;

	if (n < 4 || addr % 4 != 0)
		return -EILSEQ;
	memcpy(&w, code, 4);
	switch (bits(w, 25, 4)) {
	case 8:
	case 9:
		decode_immediate(&insn, w);
		break;
	case 10:
	case 11:
		decode_branch(&insn, w);
		break;
	case 5:
	case 13:
		decode_register(&insn, w);
		break;
	case 4:
	case 6:
	case 12:
	case 14:
		decode_memory(&insn, w);
		break;
	case 7:
	case 15: /* SIMD and floating point: some forms put a result into a general register */
		insn.written = NO_X31(rd(w));
		break;
	case 0:
		if (w < 0x10000) { /* udf */
			insn.class = INSN_TRAP;
			break;
		} /* fall through */
	default:
		insn.written = ALL_REGISTERS;
	}
	if (insn.written == ALL_REGISTERS)
		insn.sp_known = false;
	*ret = insn;
	return 0;
}

static const char *reg_name(uint8_t reg, bool sp, char buf[8])
{
	if (reg == 31)
		return sp ? "sp" : "xzr";
	snprintf(buf, 8, "x%u", reg);
	return buf;
}

static void format_branch(const struct insn *insn, uint32_t w, char *ret, size_t size)
{
	static const char *const conditions[16] = {"eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc",
						   "hi", "ls", "ge", "lt", "gt", "le", "al", "nv"};
	bool wide = bits(w, 31, 1);

	if (bits(w, 24, 8) == 0x54)
		snprintf(ret, size, "b.%s 0x%" PRIx64, conditions[w & 15], insn->target);
	else if (bits(w, 25, 6) == 0x1a)
		snprintf(ret, size, "%s %c%u, 0x%" PRIx64, bits(w, 24, 1) ? "cbnz" : "cbz",
			 wide ? 'x' : 'w', rd(w), insn->target);
	else
		snprintf(ret, size, "%s %c%u, #%u, 0x%" PRIx64, bits(w, 24, 1) ? "tbnz" : "tbz",
			 wide ? 'x' : 'w', rd(w), bits(w, 19, 5) | bits(w, 31, 1) << 5,
			 insn->target);
}

static void format_operation(const struct insn *insn, uint32_t w, char *ret, size_t size)
{
	char a[8], b[8];

	switch (insn->op) {
	case INSN_OP_ADDRESS:
		snprintf(ret, size, "%s %s, 0x%" PRIx64, w >> 31 ? "adrp" : "adr",
			 reg_name(insn->dst, false, a), insn->imm);
		break;
	case INSN_OP_ADD:
		snprintf(ret, size, "%s %s, %s, #0x%" PRIx64, insn->imm < 0 ? "sub" : "add",
			 reg_name(insn->dst, true, a), reg_name(insn->src, true, b),
			 insn->imm < 0 ? -insn->imm : insn->imm);
		break;
	case INSN_OP_MOVE:
		snprintf(ret, size, "mov %s, %s", reg_name(insn->dst, false, a),
			 reg_name(insn->src, false, b));
		break;
	case INSN_OP_CONST:
		snprintf(ret, size, "mov %s, #0x%" PRIx64, reg_name(insn->dst, false, a),
			 insn->imm);
		break;
	case INSN_OP_CMP:
		snprintf(ret, size, "cmp %s, %s", reg_name(insn->src, true, a),
			 reg_name(insn->src2, false, b));
		break;
	default:
		snprintf(ret, size, ".inst 0x%08" PRIx32, w);
	}
}

static void format_memory(const struct insn *insn, uint32_t w, char *ret, size_t size)
{
	const struct insn_mem *mem = &insn->mem;
	char value[8], base[8];
	bool pair = bits(w, 27, 3) == 5, back = insn->written & 1u << mem->base && !mem->load;

	if (pair || mem->value == INSN_NO_REG || mem->indexed || (mem->load && mem->store)) {
		snprintf(ret, size, ".inst 0x%08" PRIx32, w);
		return;
	}
	snprintf(ret, size, "%s%s %s, [%s%s%" PRId64 "]%s", mem->load ? "ldr" : "str",
		 mem->size == 1   ? "b"
		 : mem->size == 2 ? "h"
				  : "",
		 reg_name(mem->value, false, value), reg_name(mem->base, true, base), ", #",
		 back ? (int64_t)insn->sp_change : mem->disp, back ? "!" : "");
	if (mem->size == 4) {
		char *name = strchr(ret, 'x');

		if (name && name < strchr(ret, ','))
			*name = 'w';
	}
}

int insn_format_arm64(const void *code, size_t n, uint64_t addr, char *ret, size_t ret_size)
{
	struct insn insn;
	uint32_t w;
	int err;

	err = insn_decode_arm64(code, n, addr, &insn);
	if (err < 0)
		return err;
	memcpy(&w, code, 4);
	switch (insn.class) {
	case INSN_JCC:
		format_branch(&insn, w, ret, ret_size);
		return 0;
	case INSN_JMP:
	case INSN_CALL:
		snprintf(ret, ret_size, "%s 0x%" PRIx64, insn.class == INSN_JMP ? "b" : "bl",
			 insn.target);
		return 0;
	case INSN_JMP_INDIRECT:
	case INSN_CALL_INDIRECT:
		snprintf(ret, ret_size, "%s x%u", insn.class == INSN_JMP_INDIRECT ? "br" : "blr",
			 rn(w));
		return 0;
	case INSN_RET:
		snprintf(ret, ret_size, "ret");
		return 0;
	case INSN_NOP_WIDE:
		snprintf(ret, ret_size, "nop");
		return 0;
	default:
		if (insn.has_mem)
			format_memory(&insn, w, ret, ret_size);
		else
			format_operation(&insn, w, ret, ret_size);
		return 0;
	}
}
