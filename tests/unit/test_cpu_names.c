/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Names for CPU samples, against a stand-in for core/target: callers that frame pointers hide, the
 * kernel, C, the goroutine behind a stack of the system's, where a stack ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/capture/cpu_names.h"
#include "core/target/mappings.h"
#include "tests/no_parts.h"

/* --- the stand-in: functions of 0x100 bytes ----------------------------------------------------
 */

static const struct function {
	uint64_t entry;
	const char *name;
	int32_t frame;
} functions[] = {
	{0x1000, "main.leaf", 0},      {0x1100, "main.caller", 32},     {0x1200, "main.main", 32},
	{0x1300, "runtime.goexit", 0}, {0x1400, "runtime.cgocall", 64},
};
static bool link_register;

static const struct function *at(uint64_t pc)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (pc >= functions[i].entry && pc < functions[i].entry + 0x100)
			return &functions[i];
	return NULL;
}

int target_type(const struct target *t, uint64_t addr, struct target_type *ret)
{
	return -ENOENT;
}

int target_start_func(const struct target *t, uint64_t pc, struct go_func *ret)
{
	return -ENOENT;
}

const char *target_wait_reason(const struct target *t, unsigned reason)
{
	return NULL;
}

int target_frames_by_pc(const struct target *t, uint64_t pc, struct target_frame *ret, size_t max)
{
	if (!at(pc))
		return -ENOENT;
	ret[0] = (struct target_frame){.function = at(pc)->name, .file = "main.go", .line = 1};
	return 1;
}

int target_func_by_pc(const struct target *t, uint64_t pc, struct go_func *ret)
{
	if (!at(pc))
		return -ENOENT;
	*ret = (struct go_func){.name = at(pc)->name};
	return 0;
}

int32_t target_frame_bytes(const struct target *t, uint64_t pc)
{
	return at(pc) ? at(pc)->frame : -1;
}

bool target_has_link_register(const struct target *t)
{
	return link_register;
}

int mappings_each(pid_t pid, mapping_fn *fn, void *ctx)
{
	struct mapping m = {.start = 0x9000, .end = 0xa000, .path = "[vdso]"};

	return fn(ctx, &m);
}

/* --- what comes of a sample --------------------------------------------------------------------
 */

static char *calls_of(const struct wire_cpu_sample *sample, struct stack_sample *ret)
{
	static char text[8192];
	const struct decode_process process = {.pid = 7, .proc = 3};
	struct cpu_names *n;
	struct decode *d;
	struct names *names;

	assert_int_equal(names_new(1000, &names), 0);
	assert_int_equal(decode_new(NULL, names, NULL, &d), 0);
	assert_int_equal(cpu_names_new(d, NULL, names, &n), 0);
	cpu_names_decode(n, &process, sample, 1000, ret);
	text[0] = '\0';
	for (uint32_t i = 0; i < ret->n; i++) {
		uint32_t func = names_site(names, ret->sites[i])->func_id;

		strcat(text, i ? " " : "");
		strcat(text, names_string(names, func));
	}
	cpu_names_free(n);
	decode_free(d);
	names_free(names);
	return text;
}

/* In main.caller, whose frame is there: what is at its end is its caller. */
static struct wire_cpu_sample in_caller(void)
{
	return (struct wire_cpu_sample){.goid = 5,
					.ip = 0x1110,
					.sp = 0x7000,
					.fp = 0x7000 + 32 - 8,
					.n = 2,
					.pcs = {0x1220, 0x1301}};
}

static void test_chain(void **state)
{
	struct wire_cpu_sample s = in_caller();
	struct stack_sample got;

	assert_string_equal(calls_of(&s, &got), "main.caller main.main");
	assert_int_equal(got.proc, 3);
	assert_int_equal(got.goid, 5);
	assert_int_equal(got.weight, 1000);
	assert_int_equal(got.marks, 0);
	/* What lies behind the goroutine's first call is nobody's. */
	s.n = 3;
	s.pcs[2] = 0x1220;
	assert_string_equal(calls_of(&s, &got), "main.caller main.main");
	/* Not so far: the outer calls are missing. */
	s.n = 1;
	assert_string_equal(calls_of(&s, &got), "main.caller main.main");
	assert_true(got.cut);
	assert_int_equal(got.marks, SAMPLE_CUT);
}

static void test_hidden_caller(void **state)
{
	struct wire_cpu_sample s = in_caller();
	struct stack_sample got;

	/* No frame at all: the caller is where the stack pointer is. */
	s.ip = 0x1010;
	s.top[0] = 0x1150;
	assert_string_equal(calls_of(&s, &got), "main.leaf main.caller main.main");
	/* A frame that the frame pointer does not point to yet. */
	s = in_caller();
	s.fp += 64;
	s.top[4] = 0x1170;
	assert_string_equal(calls_of(&s, &got), "main.caller main.caller main.main");
	s.top[4] = 0x5555; /* no code */
	assert_string_equal(calls_of(&s, &got), "main.caller main.main");
	/* Machines that return through a register. */
	link_register = true;
	s.ip = 0x1010;
	s.lr = 0x1150;
	assert_string_equal(calls_of(&s, &got), "main.leaf main.caller main.main");
	s = in_caller();
	s.fp = s.sp - 8;
	assert_string_equal(calls_of(&s, &got), "main.caller main.main");
	link_register = false;
}

static void test_not_go(void **state)
{
	struct wire_cpu_sample s = in_caller();
	struct stack_sample got;

	s.flags = WIRE_CPU_KERNEL;
	assert_string_equal(calls_of(&s, &got), "[kernel] main.caller main.main");
	assert_int_equal(got.marks, SAMPLE_IN_KERNEL);
	s.flags = 0;
	s.ip = 0x9010;
	assert_string_equal(calls_of(&s, &got), "[vdso] main.main");
	assert_int_equal(got.marks, SAMPLE_IN_C);
	/* C, whose frame pointers lead nowhere: the goroutine that waits for it is behind. */
	s = (struct wire_cpu_sample){.goid = 5,
				     .ip = 0x50000,
				     .n = 2,
				     .pcs = {0x50100, 0x50200},
				     .n_own = 3,
				     .own = {0x1420, 0x1220, 0x1301}};
	assert_string_equal(calls_of(&s, &got), "[C code] runtime.cgocall main.main");
	assert_int_equal(got.marks, SAMPLE_IN_C);
	/* The same outside of what the runtime takes for a system call. */
	s.own[0] = 0;
	assert_string_equal(calls_of(&s, &got), "[C code] main.main");
	/* A thread of somebody else's. */
	s = (struct wire_cpu_sample){.flags = WIRE_CPU_NO_G, .ip = 0x50000};
	assert_string_equal(calls_of(&s, &got), "[C code]");
	assert_int_equal(got.marks, SAMPLE_IN_C | SAMPLE_NO_GOROUTINE);
	assert_false(got.cut);
}

/* As deep as can be, and deeper. */
static void test_bounds(void **state)
{
	struct wire_cpu_sample s = in_caller();
	struct stack_sample got;

	s.n = WIRE_CPU_DEPTH;
	s.n_own = UINT16_MAX; /* more than there is room for */
	for (unsigned i = 0; i < WIRE_CPU_DEPTH; i++)
		s.pcs[i] = 0x1220;
	(void)calls_of(&s, &got);
	assert_int_equal(got.n, SAMPLE_DEPTH_MAX);
	assert_true(got.cut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_hidden_caller),
		cmocka_unit_test(test_not_go),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
