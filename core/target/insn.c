/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The machine-independent face of the decoders and the amd64 one, on Zydis.
 * Stateless: the Zydis decoder object is a few words and is made anew for each instruction, which
 * is cheap next to the decoding itself and keeps the room free of globals.
 */
#include "core/target/insn.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <Zydis/Zydis.h>

#include "core/base/util.h"
#include "core/target/insn_arm64.h"

/* Zydis numbers rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi; DWARF has its own order. */
static uint8_t dwarf_register(ZydisRegister reg)
{
	static const uint8_t order[16] = {AMD64_RAX, AMD64_RCX, AMD64_RDX, AMD64_RBX,
					  AMD64_RSP, AMD64_RBP, AMD64_RSI, AMD64_RDI,
					  8,         9,         10,        11,
					  12,        13,        14,        15};
	ZydisRegister wide = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	if (ZydisRegisterGetClass(wide) != ZYDIS_REGCLASS_GPR64)
		return INSN_NO_REG;
	return order[ZydisRegisterGetId(wide)];
}

static int decode_zydis(const void *code, size_t n, ZydisDecodedInstruction *in,
			ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT])
{
	ZydisDecoder decoder;

	if (ZYAN_FAILED(
		    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return -ENOTSUP;
	if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, code, n, in, ops)))
		return -EILSEQ;
	return 0;
}

/* Class and `emulated`, from the bytes as the kernel itself looks at them. */
static void classify_amd64(struct insn *insn, const ZydisDecodedInstruction *in,
			   const ZydisDecodedOperand *ops, const uint8_t *code)
{
	bool relative = in->operand_count > 0 && ops[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
			ops[0].imm.is_relative;

	switch (in->meta.category) {
	case ZYDIS_CATEGORY_COND_BR:
		insn->class = INSN_JCC;
		/* Not loop, jrcxz or a branch with a prefix. */
		insn->emulated = (in->length == 2 && (code[0] & 0xf0) == 0x70) ||
				 (in->length == 6 && code[0] == 0x0f && (code[1] & 0xf0) == 0x80);
		insn->lower_or_same = in->mnemonic == ZYDIS_MNEMONIC_JBE;
		insn->on_zero =
			in->mnemonic == ZYDIS_MNEMONIC_JZ || in->mnemonic == ZYDIS_MNEMONIC_JNZ;
		break;
	case ZYDIS_CATEGORY_UNCOND_BR:
		insn->class = relative ? INSN_JMP : INSN_JMP_INDIRECT;
		insn->emulated = (in->length == 2 && code[0] == 0xeb) ||
				 (in->length == 5 && code[0] == 0xe9);
		break;
	case ZYDIS_CATEGORY_CALL:
		insn->class = relative ? INSN_CALL : INSN_CALL_INDIRECT;
		insn->emulated = in->length == 5 && code[0] == 0xe8;
		break;
	case ZYDIS_CATEGORY_RET:
		insn->class = INSN_RET;
		break;
	default:
		if (in->mnemonic == ZYDIS_MNEMONIC_NOP) {
			insn->class = in->length == 1 ? INSN_NOP : INSN_NOP_WIDE;
			insn->emulated = in->length == 1;
		} else if (in->mnemonic == ZYDIS_MNEMONIC_PUSH &&
			   ((in->length == 1 && (code[0] & 0xf8) == 0x50) ||
			    (in->length == 2 && code[0] == 0x41 && (code[1] & 0xf8) == 0x50))) {
			insn->class = INSN_PUSH;
			insn->emulated = true;
		} else if (in->mnemonic == ZYDIS_MNEMONIC_INT3 ||
			   in->mnemonic == ZYDIS_MNEMONIC_UD2) {
			insn->class = INSN_TRAP;
		}
	}
	if (relative && insn->class != INSN_OTHER) {
		ZyanU64 target;

		if (ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(in, &ops[0], insn->addr, &target)))
			insn->target = target;
	}
}

/* How sp moves: what compiled Go does in a prologue is known exactly, the rest is unknown. */
static void stack_amd64(struct insn *insn, const ZydisDecodedInstruction *in,
			const ZydisDecodedOperand *ops)
{
	bool imm = in->operand_count_visible == 2 && ops[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
		   ops[1].imm.value.s >= INT32_MIN && ops[1].imm.value.s <= INT32_MAX;

	insn->sp_known = true;
	if (!(insn->written & 1u << AMD64_RSP))
		return;
	if (in->mnemonic == ZYDIS_MNEMONIC_PUSH && in->operand_width == 64)
		insn->sp_change = -8;
	else if (in->mnemonic == ZYDIS_MNEMONIC_PUSHFQ)
		insn->sp_change = -8;
	else if (in->mnemonic == ZYDIS_MNEMONIC_POP && in->operand_width == 64 &&
		 dwarf_register(ops[0].reg.value) != AMD64_RSP)
		insn->sp_change = 8;
	else if (in->mnemonic == ZYDIS_MNEMONIC_SUB && imm)
		insn->sp_change = -(int32_t)ops[1].imm.value.s;
	else if (in->mnemonic == ZYDIS_MNEMONIC_ADD && imm)
		insn->sp_change = (int32_t)ops[1].imm.value.s;
	else if (insn->class == INSN_CALL || insn->class == INSN_CALL_INDIRECT)
		insn->sp_change = 0; /* back where it was, once the callee has returned */
	else
		insn->sp_known = false;
}

/* Does it move a register to memory or the other way, and change nothing on the way? */
static bool moves(const ZydisDecodedInstruction *in)
{
	return in->mnemonic == ZYDIS_MNEMONIC_MOV || in->mnemonic == ZYDIS_MNEMONIC_MOVZX ||
	       in->mnemonic == ZYDIS_MNEMONIC_XCHG || in->mnemonic == ZYDIS_MNEMONIC_CMPXCHG;
}

static void memory_amd64(struct insn *insn, const ZydisDecodedInstruction *in,
			 const ZydisDecodedOperand *ops)
{
	struct insn_mem *mem = &insn->mem;

	for (unsigned i = 0; i < in->operand_count_visible; i++) {
		const ZydisDecodedOperand *op = &ops[i];

		if (op->type != ZYDIS_OPERAND_TYPE_MEMORY || op->mem.type != ZYDIS_MEMOP_TYPE_MEM)
			continue;
		insn->has_mem = true;
		mem->load = op->actions & ZYDIS_OPERAND_ACTION_MASK_READ;
		mem->store = op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
		mem->indexed = op->mem.index != ZYDIS_REGISTER_NONE;
		mem->size = (uint8_t)(op->size / 8);
		mem->value = mem->pair[0] = mem->pair[1] = INSN_NO_REG;
		mem->disp = op->mem.disp.value;
		mem->base = dwarf_register(op->mem.base);
		if (op->mem.base == ZYDIS_REGISTER_RIP) {
			mem->absolute = true;
			mem->disp += (int64_t)(insn->addr + in->length);
		}
		/* fs:, gs: thread-local memory is at no address that base and disp tell. */
		if (op->mem.segment == ZYDIS_REGISTER_FS || op->mem.segment == ZYDIS_REGISTER_GS)
			mem->indexed = true;
		for (unsigned j = 0; j < in->operand_count_visible && moves(in); j++) {
			if (ops[j].type == ZYDIS_OPERAND_TYPE_REGISTER)
				mem->value = dwarf_register(ops[j].reg.value);
		}
	}
}

/* What tells whether a compare-and-swap took place. false: something else. */
static bool exchange_amd64(struct insn *insn, const ZydisDecodedInstruction *in,
			   const ZydisDecodedOperand *ops, bool reg0, bool reg1)
{
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_CMPXCHG:
		if (!reg1 || !(in->attributes & ZYDIS_ATTRIB_HAS_LOCK))
			return false;
		insn->op = INSN_OP_CMPXCHG;
		insn->src = dwarf_register(ops[1].reg.value);
		return true;
	case ZYDIS_MNEMONIC_SETZ:
		if (!reg0)
			return false;
		insn->op = INSN_OP_SET_ZERO;
		insn->dst = dwarf_register(ops[0].reg.value);
		return true;
	case ZYDIS_MNEMONIC_TEST:
		if (!reg0 || !reg1 || ops[0].size != 8)
			return false;
		insn->op = INSN_OP_TEST;
		insn->src = dwarf_register(ops[0].reg.value);
		insn->src2 = dwarf_register(ops[1].reg.value);
		return true;
	default:
		return false;
	}
}

static void operation_amd64(struct insn *insn, const ZydisDecodedInstruction *in,
			    const ZydisDecodedOperand *ops)
{
	bool reg0 = in->operand_count_visible > 0 && ops[0].type == ZYDIS_OPERAND_TYPE_REGISTER;
	bool reg1 = in->operand_count_visible > 1 && ops[1].type == ZYDIS_OPERAND_TYPE_REGISTER;

	insn->dst = insn->src = insn->src2 = INSN_NO_REG;
	if (exchange_amd64(insn, in, ops, reg0, reg1))
		return;
	if (in->mnemonic == ZYDIS_MNEMONIC_CMP && reg0) {
		insn->op = INSN_OP_CMP;
		insn->src = dwarf_register(ops[0].reg.value);
		if (reg1)
			insn->src2 = dwarf_register(ops[1].reg.value);
	} else if (in->mnemonic == ZYDIS_MNEMONIC_MOV && reg0 && reg1 && ops[0].size == 64) {
		insn->op = INSN_OP_MOVE;
		insn->dst = dwarf_register(ops[0].reg.value);
		insn->src = dwarf_register(ops[1].reg.value);
	} else if (in->mnemonic == ZYDIS_MNEMONIC_LEA && reg0 && ops[0].size == 64 &&
		   in->address_width == 64 && ops[1].mem.index == ZYDIS_REGISTER_NONE) {
		insn->dst = dwarf_register(ops[0].reg.value);
		insn->imm = ops[1].mem.disp.value;
		if (ops[1].mem.base == ZYDIS_REGISTER_RIP) {
			insn->op = INSN_OP_ADDRESS;
			insn->imm += (int64_t)(insn->addr + in->length);
		} else {
			insn->op = INSN_OP_ADD;
			insn->src = dwarf_register(ops[1].mem.base);
		}
	} else if ((in->mnemonic == ZYDIS_MNEMONIC_ADD || in->mnemonic == ZYDIS_MNEMONIC_SUB) &&
		   reg0 && ops[0].size == 64 && ops[0].reg.value != ZYDIS_REGISTER_RSP &&
		   ops[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		insn->op = INSN_OP_ADD;
		insn->dst = insn->src = dwarf_register(ops[0].reg.value);
		insn->imm = in->mnemonic == ZYDIS_MNEMONIC_ADD ? ops[1].imm.value.s
							       : -ops[1].imm.value.s;
	} else if (in->mnemonic == ZYDIS_MNEMONIC_MOV || in->mnemonic == ZYDIS_MNEMONIC_MOVZX) {
		insn->op = INSN_OP_PLAIN;
	}
}

static int decode_amd64(const void *code, size_t n, uint64_t addr, struct insn *ret)
{
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction in;
	struct insn insn = {.addr = addr};
	int err;

	err = decode_zydis(code, n, &in, ops);
	if (err < 0)
		return err;
	insn.len = in.length;
	for (unsigned i = 0; i < in.operand_count; i++) {
		uint8_t reg;

		if (ops[i].type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    !(ops[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		reg = dwarf_register(ops[i].reg.value);
		if (reg != INSN_NO_REG)
			insn.written |= 1u << reg;
	}
	classify_amd64(&insn, &in, ops, code);
	if (insn.class == INSN_CALL || insn.class == INSN_CALL_INDIRECT ||
	    in.meta.category == ZYDIS_CATEGORY_SYSCALL)
		insn.written = 0xffff & ~(1u << AMD64_RSP);
	stack_amd64(&insn, &in, ops);
	memory_amd64(&insn, &in, ops);
	operation_amd64(&insn, &in, ops);
	*ret = insn;
	return 0;
}

int insn_decode(uint16_t machine, const void *code, size_t n, uint64_t addr, struct insn *ret)
{
	switch (machine) {
	case EM_X86_64:
		return decode_amd64(code, n, addr, ret);
	case EM_AARCH64:
		return insn_decode_arm64(code, n, addr, ret);
	default:
		return -ENOTSUP;
	}
}

static int format_amd64(const void *code, size_t n, uint64_t addr, char *ret, size_t ret_size)
{
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction in;
	ZydisFormatter formatter;

	if (decode_zydis(code, n, &in, ops) < 0 ||
	    ZYAN_FAILED(ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL)) ||
	    ZYAN_FAILED(ZydisFormatterFormatInstruction(
		    &formatter, &in, ops, in.operand_count_visible, ret, ret_size, addr, NULL)))
		return -EILSEQ;
	return 0;
}

void insn_format(uint16_t machine, const void *code, size_t n, uint64_t addr, char *ret,
		 size_t ret_size)
{
	if (machine == EM_X86_64 && format_amd64(code, n, addr, ret, ret_size) == 0)
		return;
	if (machine == EM_AARCH64 && insn_format_arm64(code, n, addr, ret, ret_size) == 0)
		return;
	snprintf(ret, ret_size, "?");
}
