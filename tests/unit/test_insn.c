/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One instruction at a time: what placement relies on, against encodings made by an assembler. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <elf.h>
#include <errno.h>

#include "core/base/util.h"
#include "core/target/insn.h"

#define AT   0x401000
#define NONE 0xffffffff

struct row {
	const char *bytes;
	uint8_t len;
	const char *text;
	enum insn_class class;
	bool emulated;
	uint64_t target;
	uint32_t written;
	int32_t sp_change; /* NO_SP: not known */
};

#define NO_SP INT32_MIN
#define R(n)  (1u << (n))

static const struct row amd64[] = {
	{"\x49\x3b\x66\x10", 4, "cmp rsp, [r14+0x10]", INSN_OTHER, false, 0, 0, 0},
	{"\x76\x1b", 2, "jbe 0x000000000040101D", INSN_JCC, true, AT + 0x1d, 0, 0},
	{"\x0f\x86\x10\x00\x00\x00", 6, "jbe 0x0000000000401016", INSN_JCC, true, AT + 0x16, 0, 0},
	{"\x55", 1, "push rbp", INSN_PUSH, true, 0, R(AMD64_RSP), -8},
	{"\x41\x54", 2, "push r12", INSN_PUSH, true, 0, R(AMD64_RSP), -8},
	{"\xff\x30", 2, "push [rax]", INSN_OTHER, false, 0, R(AMD64_RSP), -8},
	{"\x5d", 1, "pop rbp", INSN_OTHER, false, 0, R(AMD64_RSP) | R(AMD64_RBP), 8},
	{"\x48\x83\xec\x18", 4, "sub rsp, 0x18", INSN_OTHER, false, 0, R(AMD64_RSP), -24},
	{"\x48\x83\xc4\x80", 4, "add rsp, 0xFFFFFFFFFFFFFF80", INSN_OTHER, false, 0, R(AMD64_RSP),
	 -128},
	{"\x48\x89\xe5", 3, "mov rbp, rsp", INSN_OTHER, false, 0, R(AMD64_RBP), 0},
	{"\x48\x89\xec", 3, "mov rsp, rbp", INSN_OTHER, false, 0, R(AMD64_RSP), NO_SP},
	{"\x4c\x8d\x64\x24\xe8", 5, "lea r12, [rsp-0x18]", INSN_OTHER, false, 0, R(12), 0},
	{"\x90", 1, "nop", INSN_NOP, true, 0, 0, 0},
	{"\x66\x90", 2, "nop", INSN_NOP_WIDE, false, 0, 0, 0},
	{"\x0f\x1f\x44\x00\x00", 5, "nop [rax+rax*1], eax", INSN_NOP_WIDE, false, 0, 0, 0},
	{"\xe8\x00\x01\x00\x00", 5, "call 0x0000000000401105", INSN_CALL, true, AT + 0x105,
	 0xffff & ~R(AMD64_RSP), 0},
	{"\xff\xd6", 2, "call rsi", INSN_CALL_INDIRECT, false, 0, 0xffff & ~R(AMD64_RSP), 0},
	{"\xeb\xfe", 2, "jmp 0x0000000000401000", INSN_JMP, true, AT, 0, 0},
	{"\xe9\xfb\xff\xff\xff", 5, "jmp 0x0000000000401000", INSN_JMP, true, AT, 0, 0},
	{"\xff\xe1", 2, "jmp rcx", INSN_JMP_INDIRECT, false, 0, 0, 0},
	{"\xe3\x02", 2, "jrcxz 0x0000000000401004", INSN_JCC, false, AT + 4, 0, 0},
	{"\xc3", 1, "ret", INSN_RET, false, 0, R(AMD64_RSP), NO_SP},
	{"\xcc", 1, "int3", INSN_TRAP, false, 0, 0, NO_SP},
	{"\x0f\xba\xe3\x0c", 4, "bt ebx, 0x0C", INSN_OTHER, false, 0, 0, 0},
	{"\x48\xf7\xe1", 3, "mul rcx", INSN_OTHER, false, 0, R(AMD64_RAX) | R(AMD64_RDX), 0},
	{"\x31\xc0", 2, "xor eax, eax", INSN_OTHER, false, 0, R(AMD64_RAX), 0},
	{"\x48\x89\x44\x24\x08", 5, "mov [rsp+0x08], rax", INSN_OTHER, false, 0, 0, 0},
};

static const struct row arm64[] = {
	{"\x90\x0b\x40\xf9", 4, "ldr x16, [x28, #16]", INSN_OTHER, false, 0, R(16), 0},
	{"\xff\x63\x30\xeb", 4, "cmp sp, x16", INSN_OTHER, false, 0, 0, 0},
	{"\x49\x00\x00\x54", 4, "b.ls 0x401008", INSN_JCC, true, AT + 8, 0, 0},
	{"\xfe\x0f\x1d\xf8", 4, "str x30, [sp, #-48]!", INSN_OTHER, false, 0, R(31), -48},
	{"\xfd\x83\x1f\xf8", 4, "str x29, [sp, #-8]", INSN_OTHER, false, 0, 0, 0},
	{"\xfd\x23\x00\xd1", 4, "sub x29, sp, #0x8", INSN_OTHER, false, 0, R(29), 0},
	{"\x81\x00\x60\x37", 4, "tbnz w1, #12, 0x401010", INSN_JCC, true, AT + 16, 0, 0},
	{"\x80\xff\x47\xb6", 4, "tbz x0, #40, 0x400ff0", INSN_JCC, true, AT - 16, 0, 0},
	{"\x02\x00\x00\x94", 4, "bl 0x401008", INSN_CALL, true, AT + 8, ~(R(28) | R(31)), 0},
	{"\x1b\x00\x00\xd0", 4, "adrp x27, 0x403000", INSN_OTHER, true, 0, R(27), 0},
	{"\x60\x03\x40\x39", 4, "ldrb x0, [x27, #0]", INSN_OTHER, false, 0, R(0), 0},
	{"\xc0\xff\xff\xb4", 4, "cbz x0, 0x400ff8", INSN_JCC, true, AT - 8, 0, 0},
	{"\x40\x04\x41\xa9", 4, NULL, INSN_OTHER, false, 0, R(0) | R(1), 0},
	{"\x9d\xfa\x3f\xa9", 4, NULL, INSN_OTHER, false, 0, 0, 0},
	{"\x9f\x02\x00\x91", 4, "add sp, x20, #0x0", INSN_OTHER, false, 0, R(31), NO_SP},
	{"\x20\xfc\xdf\xc8", 4, NULL, INSN_OTHER, false, 0, R(0), 0}, /* ldar */
	{"\x20\x01\x3f\xd6", 4, "blr x9", INSN_CALL_INDIRECT, true, 0, ~(R(28) | R(31)), 0},
	{"\xc0\x03\x5f\xd6", 4, "ret", INSN_RET, true, 0, 0, 0},
	{"\x60\x03\x1f\xd6", 4, "br x27", INSN_JMP_INDIRECT, true, 0, 0, 0},
	{"\x1f\x20\x03\xd5", 4, "nop", INSN_NOP_WIDE, false, 0, 0, 0},
	{"\xff\x03\x01\xd1", 4, "sub sp, sp, #0x40", INSN_OTHER, false, 0, R(31), -64},
	{"\xe0\x07\x41\xf8", 4, NULL, INSN_OTHER, false, 0, R(0) | R(31), 16}, /* ldr x0,[sp],#16 */
	{"\xe0\x03\x05\xaa", 4, "mov x0, x5", INSN_OTHER, false, 0, R(0), 0},
	{"\xe3\x00\x80\xd2", 4, "mov x3, #0x7", INSN_OTHER, false, 0, R(3), 0},
	{"\x62\x00\xe1\xf8", 4, NULL, INSN_OTHER, false, 0, R(2), 0}, /* ldaddal x1,x2,[x3] */
	{"\x03\x00\x66\x9e", 4, NULL, INSN_OTHER, false, 0, R(3), 0}, /* fmov x3,d0 */
	{"\x00\x00\x20\xd4", 4, NULL, INSN_TRAP, false, 0, 0, 0},
	{"\x00\x00\x00\x00", 4, NULL, INSN_TRAP, false, 0, 0, 0},
	{"\xe2\x17\x00\xb9", 4, "str w2, [sp, #20]", INSN_OTHER, false, 0, 0, 0},
	{"\x41\x7c\x03\xc8", 4, NULL, INSN_OTHER, false, 0, R(3), 0}, /* stxr w3,x1,[x2] */
	{"\x20\x08\xc0\x3d", 4, NULL, INSN_OTHER, false, 0, 0, 0},    /* ldr q0 */
	{"\x20\x00\x42\xfa", 4, NULL, INSN_OTHER, false, 0, 0, 0},    /* ccmp */
	{"\x43\xd0\x1b\xd5", 4, NULL, INSN_OTHER, false, 0, 0, 0},    /* msr */
	{"\x03\x02\x00\x58", 4, NULL, INSN_OTHER, false, 0, R(3), 0}, /* ldr literal */
	{"\xff\xff\xff\x05", 4, NULL, INSN_OTHER, false, 0, NONE, NO_SP},
};

static void check(uint16_t machine, const struct row *row)
{
	struct insn insn;
	char text[64];

	assert_int_equal(insn_decode(machine, row->bytes, row->len, AT, &insn), 0);
	insn_format(machine, row->bytes, row->len, AT, text, sizeof(text));
	if (row->text)
		assert_string_equal(text, row->text);
	assert_int_equal(insn.len, row->len);
	assert_int_equal(insn.class, row->class);
	assert_int_equal(insn.emulated, row->emulated);
	assert_int_equal(insn.target, row->target);
	if (row->class != INSN_TRAP)
		assert_int_equal(insn.written, row->written);
	if (row->sp_change != NO_SP) {
		assert_true(insn.sp_known);
		assert_int_equal(insn.sp_change, row->sp_change);
	} else if (row->class == INSN_OTHER) {
		assert_false(insn.sp_known);
	}
	/* One byte less is no instruction. */
	assert_int_not_equal(insn_decode(machine, row->bytes, row->len - 1u, AT, &insn), 0);
}

static void test_amd64(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(amd64); i++)
		check(EM_X86_64, &amd64[i]);
}

static void test_arm64(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(arm64); i++)
		check(EM_AARCH64, &arm64[i]);
}

static void test_memory(void **state)
{
	struct insn insn;

	/* mov [rax+0x98], rcx */
	assert_int_equal(insn_decode(EM_X86_64, "\x48\x89\x88\x98\x00\x00\x00", 7, AT, &insn), 0);
	assert_true(insn.has_mem && insn.mem.store && !insn.mem.load && !insn.mem.indexed);
	assert_int_equal(insn.mem.base, AMD64_RAX);
	assert_int_equal(insn.mem.value, AMD64_RCX);
	assert_int_equal(insn.mem.disp, 0x98);
	assert_int_equal(insn.mem.size, 8);
	/* mov rax, [rip+0x1000] */
	assert_int_equal(insn_decode(EM_X86_64, "\x48\x8b\x05\x00\x10\x00\x00", 7, AT, &insn), 0);
	assert_true(insn.has_mem && insn.mem.load && insn.mem.absolute);
	assert_int_equal(insn.mem.disp, AT + 7 + 0x1000);
	/* str x2, [x0, #152] */
	assert_int_equal(insn_decode(EM_AARCH64, "\x02\x4c\x00\xf9", 4, AT, &insn), 0);
	assert_true(insn.has_mem && insn.mem.store && !insn.mem.load);
	assert_int_equal(insn.mem.base, 0);
	assert_int_equal(insn.mem.value, 2);
	assert_int_equal(insn.mem.disp, 152);
	assert_int_equal(insn.mem.size, 8);
	assert_int_equal(insn.mem.pair[0], INSN_NO_REG);
	/* stp x0, x3, [x25]; of 32 bits: neither is stored whole */
	assert_int_equal(insn_decode(EM_AARCH64, "\x20\x0f\x00\xa9", 4, AT, &insn), 0);
	assert_true(insn.has_mem && insn.mem.store && insn.mem.size == 16);
	assert_int_equal(insn.mem.value, INSN_NO_REG);
	assert_int_equal(insn.mem.pair[0], 0);
	assert_int_equal(insn.mem.pair[1], 3);
	assert_int_equal(insn_decode(EM_AARCH64, "\x20\x0f\x00\x29", 4, AT, &insn), 0);
	assert_int_equal(insn.mem.pair[0], INSN_NO_REG);
}

/* Which ones are a register and a constant, by which addresses are computed; and which of those
 * with a register and memory leave the one in the other. */
static void test_operations(void **state)
{
	static const struct {
		uint16_t machine;
		const char *bytes;
		uint8_t len, op, dst, src;
		int64_t imm;
		uint8_t value; /* of those with memory */
	} rows[] = {
		/* add rax, 8; add r9, -0x80; add rcx, 0x1000; sub rcx, 8; sub rbx, -0x80000000 */
		{EM_X86_64, "\x48\x83\xc0\x08", 4, INSN_OP_ADD, AMD64_RAX, AMD64_RAX, 8, 0},
		{EM_X86_64, "\x49\x83\xc1\x80", 4, INSN_OP_ADD, 9, 9, -128, 0},
		{EM_X86_64, "\x48\x81\xc1\0\x10\0\0", 7, INSN_OP_ADD, AMD64_RCX, AMD64_RCX, 4096,
		 0},
		{EM_X86_64, "\x48\x83\xe9\x08", 4, INSN_OP_ADD, AMD64_RCX, AMD64_RCX, -8, 0},
		{EM_X86_64, "\x48\x81\xeb\0\0\0\x80", 7, INSN_OP_ADD, AMD64_RBX, AMD64_RBX,
		 0x80000000, 0},
		/* add eax, 8; add al, 8; add ax, 8: the rest is cut off or kept */
		{EM_X86_64, "\x83\xc0\x08", 3, 0, INSN_NO_REG, INSN_NO_REG, 0, 0},
		{EM_X86_64, "\x04\x08", 2, 0, INSN_NO_REG, INSN_NO_REG, 0, 0},
		{EM_X86_64, "\x66\x83\xc0\x08", 4, 0, INSN_NO_REG, INSN_NO_REG, 0, 0},
		/* add rax, rcx; sub rax, rcx; add rsp, 8; inc rax; adc rax, 8 */
		{EM_X86_64, "\x48\x01\xc8", 3, 0, INSN_NO_REG, INSN_NO_REG, 0, 0},
		{EM_X86_64, "\x48\x29\xc8", 3, 0, INSN_NO_REG, INSN_NO_REG, 0, 0},
		{EM_X86_64, "\x48\x83\xc4\x08", 4, 0, INSN_NO_REG, INSN_NO_REG, 0, 0},
		{EM_X86_64, "\x48\xff\xc0", 3, 0, INSN_NO_REG, INSN_NO_REG, 0, 0},
		{EM_X86_64, "\x48\x83\xd0\x08", 4, 0, INSN_NO_REG, INSN_NO_REG, 0, 0},
		/* lea rax, [rcx-8]; lea eax, [rcx-8]; lea rax, [ecx-8]; lea rax, [rcx+rdx-8] */
		{EM_X86_64, "\x48\x8d\x41\xf8", 4, INSN_OP_ADD, AMD64_RAX, AMD64_RCX, -8, 0},
		{EM_X86_64, "\x8d\x41\xf8", 3, 0, INSN_NO_REG, INSN_NO_REG, 0, 0},
		{EM_X86_64, "\x67\x48\x8d\x41\xf8", 5, 0, INSN_NO_REG, INSN_NO_REG, 0, 0},
		{EM_X86_64, "\x48\x8d\x44\x11\xf8", 5, 0, INSN_NO_REG, INSN_NO_REG, 0, 0},
		/* mov rax, [rsp+8]; mov [rsp+8], rax; xchg [rsp+8], rax */
		{EM_X86_64, "\x48\x8b\x44\x24\x08", 5, INSN_OP_PLAIN, INSN_NO_REG, INSN_NO_REG, 0,
		 AMD64_RAX},
		{EM_X86_64, "\x48\x89\x44\x24\x08", 5, INSN_OP_PLAIN, INSN_NO_REG, INSN_NO_REG, 0,
		 AMD64_RAX},
		{EM_X86_64, "\x48\x87\x44\x24\x08", 5, 0, INSN_NO_REG, INSN_NO_REG, 0, AMD64_RAX},
		/* add [rsp+8], 8; add [rsp+8], rcx; add rcx, [rsp+8]; cmovne rcx, [rsp+8];
		 * imul rcx, [rsp+8], 1 */
		{EM_X86_64, "\x48\x83\x44\x24\x08\x08", 6, 0, INSN_NO_REG, INSN_NO_REG, 0,
		 INSN_NO_REG},
		{EM_X86_64, "\x48\x01\x4c\x24\x08", 5, 0, INSN_NO_REG, INSN_NO_REG, 0, INSN_NO_REG},
		{EM_X86_64, "\x48\x03\x4c\x24\x08", 5, 0, INSN_NO_REG, INSN_NO_REG, 0, INSN_NO_REG},
		{EM_X86_64, "\x48\x0f\x45\x4c\x24\x08", 6, 0, INSN_NO_REG, INSN_NO_REG, 0,
		 INSN_NO_REG},
		{EM_X86_64, "\x48\x6b\x4c\x24\x08\x01", 6, 0, INSN_NO_REG, INSN_NO_REG, 0,
		 INSN_NO_REG},
		/* add x0, x1, #8; sub x0, x1, #8; add w0, w1, #8; subs x0, x1, #8; add x0, x1, x2
		 */
		{EM_AARCH64, "\x20\x20\x00\x91", 4, INSN_OP_ADD, 0, 1, 8, 0},
		{EM_AARCH64, "\x20\x20\x00\xd1", 4, INSN_OP_ADD, 0, 1, -8, 0},
		{EM_AARCH64, "\x20\x20\x00\x11", 4, 0, INSN_NO_REG, INSN_NO_REG, 0, 0},
		{EM_AARCH64, "\x20\x20\x00\xf1", 4, 0, INSN_NO_REG, INSN_NO_REG, 0, 0},
		{EM_AARCH64, "\x20\x00\x02\x8b", 4, 0, INSN_NO_REG, INSN_NO_REG, 0, 0},
		/* mov x0, x5; mov x0, xzr, which is not sp */
		{EM_AARCH64, "\xe0\x03\x05\xaa", 4, INSN_OP_MOVE, 0, 5, 0, 0},
		{EM_AARCH64, "\xe0\x03\x1f\xaa", 4, INSN_OP_CONST, 0, INSN_NO_REG, 0, 0},
		/* swpal x1, x2, [x3]; ldaddal x1, x2, [x3]; casal x1, x2, [x3]: what they store */
		{EM_AARCH64, "\x62\x80\xe1\xf8", 4, 0, INSN_NO_REG, INSN_NO_REG, 0, 1},
		{EM_AARCH64, "\x62\x00\xe1\xf8", 4, 0, INSN_NO_REG, INSN_NO_REG, 0, INSN_NO_REG},
		{EM_AARCH64, "\x62\xfc\xe1\xc8", 4, 0, INSN_NO_REG, INSN_NO_REG, 0, 2},
	};
	struct insn insn;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(
			insn_decode(rows[i].machine, rows[i].bytes, rows[i].len, AT, &insn), 0);
		if (insn.op != rows[i].op || insn.dst != rows[i].dst || insn.src != rows[i].src ||
		    insn.imm != rows[i].imm || (insn.has_mem && insn.mem.value != rows[i].value))
			fail_msg("row %zu: op %d dst %d src %d imm %lld value %d", i, insn.op,
				 insn.dst, insn.src, (long long)insn.imm, insn.mem.value);
		assert_true(rows[i].machine == EM_X86_64 || !insn.has_mem ||
			    (insn.mem.load && insn.mem.store));
		assert_true(insn.dst == INSN_NO_REG || insn.written & R(insn.dst));
	}
}

static void test_other_machine(void **state)
{
	struct insn insn;
	char text[8];

	assert_int_equal(insn_decode(EM_386, "\x90", 1, AT, &insn), -ENOTSUP);
	insn_format(EM_386, "\x90", 1, AT, text, sizeof(text));
	assert_string_equal(text, "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_amd64),         cmocka_unit_test(test_arm64),
		cmocka_unit_test(test_memory),        cmocka_unit_test(test_operations),
		cmocka_unit_test(test_other_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
