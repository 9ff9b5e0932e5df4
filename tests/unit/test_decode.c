/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Wire records to events, against a stand-in for core/target: which events a record stands for,
 * which of them are hidden, what is looked up, and that it is looked up once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/capture/decode.h"
#include "tests/no_parts.h"

/* --- the stand-in ----------------------------------------------------------------------------- */

static struct {
	unsigned types, types_in_memory, funcs, frames;
} lookups;

#define TYPE_REQUEST 0x5000
#define TYPE_MAP     0x5100
#define BIAS         0x10000000
#define HEAP_TYPE    0xc000123000

int target_type(const struct target *t, uint64_t addr, struct target_type *ret)
{
	lookups.types++;
	memset(ret, 0, sizeof(*ret));
	if (addr == TYPE_REQUEST) {
		strcpy(ret->name, "main.Request");
		ret->size = 96;
		ret->kind = 25;
		return 0;
	}
	if (addr == TYPE_MAP) {
		strcpy(ret->name, "map[string]int");
		ret->kind = 21;
		ret->key_size = 16;
		ret->elem_size = 8;
		return 0;
	}
	return -ENOENT;
}

static int made_type(const struct target *t, pid_t pid, uint64_t addr, struct target_type *ret)
{
	lookups.types_in_memory++;
	memset(ret, 0, sizeof(*ret));
	if (addr != HEAP_TYPE)
		return -ESRCH;
	(void)snprintf(ret->name, sizeof(ret->name), "struct { Pid%d int }", (int)pid);
	ret->size = 8;
	return 0;
}

int target_start_func(const struct target *t, uint64_t pc, struct go_func *ret)
{
	lookups.funcs++;
	*ret = (struct go_func){.name = "main.worker"};
	return pc == 0x401000 ? 0 : -ENOENT;
}

int target_frames_by_pc(const struct target *t, uint64_t pc, struct target_frame *ret, size_t max)
{
	lookups.frames++;
	if (pc != 0x402000 - 1)
		return -ENOENT;
	ret[0] = (struct target_frame){
		.function = "main.inner", .file = "main.go", .line = 12, .inlined = true};
	ret[1] = (struct target_frame){.function = "main.outer", .file = "main.go", .line = 40};
	return 2;
}

const char *target_wait_reason(const struct target *t, unsigned reason)
{
	return reason == 19 ? "chan receive" : NULL;
}

/* --- helpers -----------------------------------------------------------------------------------
 */

struct fixture {
	struct names *names;
	struct decode *decode;
	struct decode_process process;
	struct event ev[DECODE_EVENTS_MAX];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	memset(&lookups, 0, sizeof(lookups));
	assert_int_equal(names_new(1000, &f->names), 0);
	assert_int_equal(decode_new(NULL, f->names, made_type, &f->decode), 0);
	f->process = (struct decode_process){.pid = 77, .proc = 3, .bias = BIAS};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	decode_free(f->decode);
	names_free(f->names);
	free(f);
	return 0;
}

static unsigned decode(struct fixture *f, const union wire_record *r)
{
	memset(f->ev, 0xff, sizeof(f->ev));
	return decode_record(f->decode, &f->process, r, f->ev);
}

static union wire_record state_record(uint8_t type, uint8_t flags, uint8_t from, uint8_t to)
{
	return (union wire_record){.state = {.h = {.type = type,
						   .flags = flags,
						   .from = from,
						   .to = to,
						   .pid_cpu = 77 | 5u << WIRE_PID_BITS,
						   .time_ns = 1234,
						   .goid = 5},
					     .target = 6}};
}

/* --- states --------------------------------------------------------------------------------------
 */

static void test_waiting_has_its_reason(void **state)
{
	struct fixture *f = *state;
	union wire_record r = state_record(WIRE_CASGSTATUS, WIRE_STATE_SEEN | WIRE_EMIT_STATE,
					   GSTATE_RUNNING, GSTATE_WAITING);

	r.state.reason = 19;
	assert_int_equal(decode(f, &r), 1);
	assert_int_equal(f->ev[0].type, EVENT_CASGSTATUS);
	assert_int_equal(f->ev[0].flags, 0);
	assert_int_equal(f->ev[0].goid, 5);
	assert_int_equal(f->ev[0].target, 6);
	assert_int_equal(f->ev[0].proc, 3);
	assert_int_equal(f->ev[0].time_ns, 1234);
	assert_int_equal(f->ev[0].cpu, 5 + 1);
	assert_string_equal(names_string(f->names, f->ev[0].string_id), "chan receive");
	r.state.reason = 200;
	assert_int_equal(decode(f, &r), 1);
	assert_int_equal(f->ev[0].string_id, 0);
}

static void test_exit_is_two_events(void **state)
{
	struct fixture *f = *state;
	union wire_record r = state_record(WIRE_CASGSTATUS, WIRE_STATE_SEEN | WIRE_EMIT_EXIT,
					   GSTATE_RUNNING, GSTATE_DEAD);

	assert_int_equal(decode(f, &r), 2);
	assert_int_equal(f->ev[0].type, EVENT_CASGSTATUS);
	assert_int_equal(f->ev[0].flags, EVENT_HIDDEN);
	assert_int_equal(f->ev[1].type, EVENT_GOEXIT);
	assert_int_equal(f->ev[1].flags, 0);
	assert_int_equal(f->ev[1].target, 6);
	assert_int_equal(f->ev[1].exit_time, 1234);
	assert_int_equal(f->ev[1].cpu, 5 + 1);
	r.h.flags = WIRE_STATE_SEEN | WIRE_EMIT_STATE;
	r.h.from = GSTATE_SYSCALL;
	r.h.to = GSTATE_DEADEXTRA;
	assert_int_equal(decode(f, &r), 2);
	assert_int_equal(f->ev[0].flags, 0);
	assert_int_equal(f->ev[1].flags, EVENT_HIDDEN | EVENT_CGO_THREAD);
}

static void test_exit_probe_is_one_event(void **state)
{
	struct fixture *f = *state;
	union wire_record r =
		state_record(WIRE_GOEXIT, WIRE_EMIT_EXIT, GSTATE_RUNNING, GSTATE_DEAD);

	assert_int_equal(decode(f, &r), 1);
	assert_int_equal(f->ev[0].type, EVENT_GOEXIT);
	assert_int_equal(f->ev[0].flags, 0);
	r.h.flags = 0;
	assert_int_equal(decode(f, &r), 1);
	assert_int_equal(f->ev[0].flags, EVENT_HIDDEN);
}

static void test_syscall_site(void **state)
{
	struct fixture *f = *state;
	union wire_record r =
		state_record(WIRE_CASGSTATUS, WIRE_STATE_SEEN | WIRE_EMIT_STATE | WIRE_SYSCALL_SITE,
			     GSTATE_RUNNING, GSTATE_SYSCALL);

	assert_int_equal(decode(f, &r), 1);
	assert_int_equal(f->ev[0].flags, EVENT_SYSCALL_SITE);
}

static void test_creation(void **state)
{
	struct fixture *f = *state;
	union wire_record r = {.create = {.h = {.type = WIRE_NEWGOROUTINE,
						.flags = WIRE_STATE_SEEN | WIRE_EMIT_CREATE,
						.from = GSTATE_DEAD,
						.to = GSTATE_RUNNABLE,
						.time_ns = 9,
						.goid = 5},
					  .target = 60,
					  .parent = 50,
					  .start_pc = 0x401000,
					  .go_pc = 0x402000}};

	assert_int_equal(decode(f, &r), 2);
	assert_int_equal(f->ev[0].type, EVENT_CASGSTATUS);
	assert_int_equal(f->ev[0].flags, EVENT_HIDDEN);
	assert_int_equal(f->ev[0].target, 60);
	assert_int_equal(f->ev[1].type, EVENT_NEWGOROUTINE);
	assert_int_equal(f->ev[1].flags, 0);
	assert_int_equal(f->ev[1].target, 60);
	assert_int_equal(f->ev[1].goid, 50); /* g.parentGoid knows better than the thread */
	assert_string_equal(names_string(f->names, f->ev[1].string_id), "main.worker");
	assert_string_equal(names_string(f->names, names_site(f->names, f->ev[1].site_id)->func_id),
			    "main.inner");
	r.h.flags = WIRE_EMIT_CREATE; /* casgstatus is not watched */
	assert_int_equal(decode(f, &r), 1);
	assert_int_equal(f->ev[0].type, EVENT_NEWGOROUTINE);
	assert_int_equal(lookups.funcs, 1);
	assert_int_equal(lookups.frames, 1);
}

static void test_c_thread_enters(void **state)
{
	struct fixture *f = *state;
	union wire_record r = {.create = {.h = {.type = WIRE_NEWGOROUTINE,
						.flags = WIRE_STATE_SEEN | WIRE_EMIT_STATE,
						.from = GSTATE_DEADEXTRA,
						.to = GSTATE_SYSCALL,
						.goid = 17},
					  .target = 17}};

	assert_int_equal(decode(f, &r), 2);
	assert_int_equal(f->ev[0].flags, 0);
	assert_int_equal(f->ev[1].flags, EVENT_HIDDEN | EVENT_CGO_THREAD);
	assert_int_equal(f->ev[1].goid, 0);
	assert_int_equal(f->ev[1].string_id, 0);
}

static void test_impossible_states(void **state)
{
	struct fixture *f = *state;
	union wire_record r = state_record(WIRE_CASGSTATUS, WIRE_EMIT_STATE, 200, GSTATE_DEAD);

	assert_int_equal(decode(f, &r), 0);
	r.h.type = WIRE_NEWGOROUTINE;
	assert_int_equal(decode(f, &r), 0);
}

/* --- allocations ---------------------------------------------------------------------------------
 */

static union wire_record alloc_record(uint8_t type, uint64_t go_type, uint64_t a, uint64_t b)
{
	return (union wire_record){.alloc = {.h = {.type = type, .time_ns = 7, .goid = 41},
					     .type = go_type,
					     .caller = 0x402000,
					     .a = a,
					     .b = b}};
}

static void test_newobject(void **state)
{
	struct fixture *f = *state;
	union wire_record r = alloc_record(WIRE_NEWOBJECT, TYPE_REQUEST, 0, 0);
	const struct go_type *type;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(decode(f, &r), 1);
		type = names_type(f->names, f->ev[0].type_id);
		assert_string_equal(type->name, "main.Request");
		assert_int_equal(f->ev[0].size, 96);
		assert_int_equal(f->ev[0].goid, 41);
		assert_int_equal(names_site(f->names, f->ev[0].site_id)->line, 12);
	}
	assert_int_equal(lookups.types, 1);
	assert_int_equal(lookups.frames, 1);
}

static void test_merged_variables(void **state)
{
	struct fixture *f = *state;
	union wire_record r = alloc_record(WIRE_NEWOBJECT, 0, 24, 0);

	r.h.flags = WIRE_MERGED;
	assert_int_equal(decode(f, &r), 1);
	assert_int_equal(f->ev[0].flags, EVENT_MERGED);
	assert_int_equal(f->ev[0].type_id, 0);
	assert_int_equal(f->ev[0].size, 24);
	assert_int_equal(lookups.types, 0);
}

static void test_slices_and_maps(void **state)
{
	struct fixture *f = *state;
	union wire_record r = alloc_record(WIRE_MAKESLICE, TYPE_REQUEST, 10, 16);

	assert_int_equal(decode(f, &r), 1);
	assert_int_equal(f->ev[0].len, 10);
	assert_int_equal(f->ev[0].cap, 16);
	r = alloc_record(WIRE_MAKEMAP, TYPE_MAP, 100, 0);
	assert_int_equal(decode(f, &r), 1);
	assert_int_equal(f->ev[0].hint, 100);
	assert_int_equal(names_type(f->names, f->ev[0].type_id)->key_size, 16);
	r = alloc_record(WIRE_MAKEMAP, 0, 0, 0);
	r.h.flags = WIRE_SMALL_MAP;
	assert_int_equal(decode(f, &r), 1);
	assert_int_equal(f->ev[0].type_id, 0);
}

/* A slot is used again and again: what the program does not write is what was there before, and no
 * event shows it. Each record here has what the program writes of its kind, and noise. */
static void test_what_is_not_written_is_not_shown(void **state)
{
	struct fixture *f = *state;
	union wire_record noise, r;

	memset(&noise, 0xa5, sizeof(noise));
	noise.h = (struct wire_header){.time_ns = 7, .goid = 41};
	/* makemap_small: a type of 0, who called */
	r = noise;
	r.h.type = WIRE_MAKEMAP;
	r.h.flags = WIRE_SMALL_MAP;
	r.alloc.type = 0;
	r.alloc.caller = 0x402000;
	assert_int_equal(decode(f, &r), 1);
	assert_int_equal(f->ev[0].hint, 0);
	assert_int_equal(f->ev[0].cap, 0);
	/* makemap: no capacity */
	r.h.flags = 0;
	r.alloc.type = TYPE_MAP;
	r.alloc.a = 100;
	assert_int_equal(decode(f, &r), 1);
	assert_int_equal(f->ev[0].hint, 100);
	assert_int_equal(f->ev[0].cap, 0);
	/* newobject: its size, or that of its type */
	r.h.type = WIRE_NEWOBJECT;
	r.alloc.type = TYPE_REQUEST;
	r.alloc.a = 0;
	assert_int_equal(decode(f, &r), 1);
	assert_int_equal(f->ev[0].size, 96);
	assert_int_equal(f->ev[0].cap, 0);
	/* a change of state has a reason where it waits, and 0 elsewhere */
	r = noise;
	r.h.type = WIRE_CASGSTATUS;
	r.h.flags = WIRE_STATE_SEEN | WIRE_EMIT_STATE;
	r.h.from = GSTATE_RUNNABLE;
	r.h.to = GSTATE_RUNNING;
	r.state.target = 41;
	r.state.reason = 0;
	assert_int_equal(decode(f, &r), 1);
	assert_int_equal(f->ev[0].string_id, 0);
	assert_int_equal(f->ev[0].type_id, 0);
	assert_int_equal(f->ev[0].site_id, 0);
}

/* A type that reflect made: another address space, another type. */
static void test_reflected_type_is_read_once_a_process(void **state)
{
	struct fixture *f = *state;
	union wire_record r = alloc_record(WIRE_NEWOBJECT, HEAP_TYPE - BIAS, 0, 0);

	for (int i = 0; i < 3; i++) {
		assert_int_equal(decode(f, &r), 1);
		assert_string_equal(names_type(f->names, f->ev[0].type_id)->name,
				    "struct { Pid77 int }");
	}
	assert_int_equal(lookups.types_in_memory, 1);
	f->process = (struct decode_process){.pid = 78, .proc = 4, .bias = BIAS};
	assert_int_equal(decode(f, &r), 1);
	assert_string_equal(names_type(f->names, f->ev[0].type_id)->name, "struct { Pid78 int }");
	assert_int_equal(lookups.types_in_memory, 2);
	/* gone before it was asked: unknown, and not asked again */
	r = alloc_record(WIRE_NEWOBJECT, 0xc000999000, 0, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(decode(f, &r), 1);
		assert_int_equal(f->ev[0].type_id, 0);
	}
	assert_int_equal(lookups.types_in_memory, 3);
}

/* A creation's stack begins at the go statement, whatever of the runtime lies before it; one that
 * does not have it is none. Off the CPU: state, reason and length of the stay come with it. */
static void test_stacks(void **state)
{
	struct fixture *f = *state;
	struct wire_sample wire = {.time_ns = 9, .goid = 5, .weight = 64, .pid = 77, .n = 4};
	struct stack_sample named;

	wire.kind = WIRE_SAMPLE_CREATED;
	wire.size = 0x402000 + BIAS;
	wire.pcs[0] = 0x111 + BIAS;
	wire.pcs[1] = 0x222 + BIAS;
	wire.pcs[2] = 0x402000 + BIAS;
	wire.pcs[3] = 0x333 + BIAS;
	assert_true(decode_sample(f->decode, &f->process, &wire, &named));
	assert_int_equal(named.kind, SAMPLE_CREATED);
	assert_int_equal(named.weight, 64);
	assert_int_equal(named.n, 3); /* with the inlined call; the last is not Go */
	assert_string_equal(names_string(f->names, names_site(f->names, named.sites[0])->func_id),
			    "main.inner");
	assert_int_equal(named.sites[2], 0);
	wire.size = 0x444;
	assert_false(decode_sample(f->decode, &f->process, &wire, &named));
	wire.kind = WIRE_SAMPLE_OFF_CPU;
	wire.size = WIRE_WAS((uint64_t)GSTATE_WAITING, 19ull, 5000000ull);
	assert_true(decode_sample(f->decode, &f->process, &wire, &named));
	assert_int_equal(named.state, GSTATE_WAITING);
	assert_int_equal(named.size, 5000000);
	assert_string_equal(names_string(f->names, named.reason_id), "chan receive");
	assert_int_equal(named.n, 5);
	/* A reason that was left behind by an earlier wait is not one of this state. */
	wire.size = WIRE_WAS((uint64_t)GSTATE_SYSCALL, 19ull, 5000000ull);
	assert_true(decode_sample(f->decode, &f->process, &wire, &named));
	assert_int_equal(named.reason_id, 0);
	/* Of an allocation the window it was taken in comes with it, beside what else is in flags.
	 */
	wire.kind = WIRE_SAMPLE_ALLOC;
	wire.flags = SAMPLE_WINDOWS << 1 | WIRE_SAMPLE_CUT;
	assert_true(decode_sample(f->decode, &f->process, &wire, &named));
	assert_int_equal(named.window, SAMPLE_WINDOWS);
	assert_true(named.cut);
	wire.kind = WIRE_SAMPLE_KINDS;
	assert_false(decode_sample(f->decode, &f->process, &wire, &named));
}

/* A stack deeper than what was walked keeps its innermost calls, of each kind of sample. */
static void test_deep_stacks(void **state)
{
	struct fixture *f = *state;
	struct wire_sample wire = {.time_ns = 9, .goid = 5, .weight = 64, .pid = 77};
	struct stack_sample named;

	wire.n = WIRE_STACK_MAX;
	wire.flags = WIRE_SAMPLE_CUT;
	for (uint32_t i = 0; i < WIRE_STACK_MAX; i++)
		wire.pcs[i] = 0x333 + BIAS;
	wire.pcs[2] = 0x402000 + BIAS;
	for (unsigned kind = 0; kind < WIRE_SAMPLE_KINDS; kind++) {
		wire.kind = kind;
		wire.size = kind == WIRE_SAMPLE_CREATED ? 0x402000 + BIAS : 0;
		assert_true(decode_sample(f->decode, &f->process, &wire, &named));
		assert_true(named.cut);
		assert_int_equal(named.n, kind == WIRE_SAMPLE_CREATED ? WIRE_STACK_MAX - 1
								      : WIRE_STACK_MAX + 1);
		assert_string_equal(
			names_string(f->names,
				     names_site(f->names,
						named.sites[kind == WIRE_SAMPLE_CREATED ? 0 : 2])
					     ->func_id),
			"main.inner");
	}
	/* More calls than are kept, by those that were inlined. */
	wire.kind = WIRE_SAMPLE_OFF_CPU;
	wire.flags = 0;
	for (uint32_t i = 0; i < WIRE_STACK_MAX; i++)
		wire.pcs[i] = 0x402000 + BIAS;
	assert_true(decode_sample(f->decode, &f->process, &wire, &named));
	assert_int_equal(named.n, SAMPLE_DEPTH_MAX);
	assert_false(named.cut);
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_waiting_has_its_reason),
		CASE(test_exit_is_two_events),
		CASE(test_exit_probe_is_one_event),
		CASE(test_syscall_site),
		CASE(test_creation),
		CASE(test_c_thread_enters),
		CASE(test_impossible_states),
		CASE(test_newobject),
		CASE(test_merged_variables),
		CASE(test_slices_and_maps),
		CASE(test_what_is_not_written_is_not_shown),
		CASE(test_reflected_type_is_read_once_a_process),
		CASE(test_stacks),
		CASE(test_deep_stacks),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
