/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any file as the program to trace: ELF, build info, function table, module data, types, code. What
 * it is refused for is said in one line; what opens answers every question within its own bounds,
 * and the answers fit together. tests/fuzz/make_elf.py makes the seeds.
 */
#include <errno.h>
#include <sys/mman.h>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/target/allgs.h"
#include "core/memory/goroutines_read.h"
#include "core/memory/stack_print.h"
#include "core/memory/stack_walk.h"
#include "core/target/lock_flow.h"
#include "core/target/target_internal.h"
#include "tests/fuzz/fuzz.h"

#define FUNCS_MAX  64
#define FRAMES_MAX 8
#define TYPES_MAX  64
#define STACK      4096
#define STACK_AT   0xc000010000u

static void check_text(const char *text, size_t size)
{
	FUZZ_ASSERT(memchr(text, '\0', size));
}

/* What holders of locks are told by. */
static void check_code(const struct target *t, uint64_t pc)
{
	static const struct lock_calls calls = {.takes = {"runtime.lock2"},
						.tries = {"runtime.lock"},
						.gives = {"runtime.unlock2"}};
	struct target_open_defers defers;
	struct target_stack_map map;

	FUZZ_ASSERT(lock_held_at(t, pc, &calls, NULL) <= LOCK_HELD_YES);
	(void)lock_called(t, pc, calls.gives, NULL);
	if (!target_open_defers(t, pc, &defers))
		FUZZ_ASSERT(defers.n <= TARGET_OPEN_DEFERS_MAX);
	for (uint32_t i = 0; !target_stack_map(t, pc, &map) && i < MIN(map.n_objects, 8u); i++)
		(void)target_stack_object(&map, i);
}

static void check_pc(const struct target *t, uint64_t pc)
{
	struct target_frame frames[FRAMES_MAX];
	struct go_func found;
	const char *file = NULL;
	char name[128];
	uint32_t line;
	int n;

	if (!target_func_by_pc(t, pc, &found))
		FUZZ_ASSERT(found.entry <= pc && pc < found.end && found.name);
	if (!target_line_by_pc(t, pc, &file, &line))
		FUZZ_ASSERT(file);
	n = target_frames_by_pc(t, pc, frames, FRAMES_MAX);
	FUZZ_ASSERT(n == -ENOENT || (n >= 1 && n <= FRAMES_MAX));
	for (int i = 0; i < n; i++) {
		FUZZ_ASSERT(frames[i].function && frames[i].file);
		memset(name, 'x', sizeof(name));
		target_frame_print_name(&frames[i], name, sizeof(name));
		check_text(name, sizeof(name));
		(void)target_frame_shown(&frames[i], i ? &frames[i - 1] : NULL);
	}
	if (!target_start_func(t, pc, &found))
		FUZZ_ASSERT(found.name && found.entry < found.end);
	(void)target_is_system_goroutine(t, pc);
	check_code(t, pc);
}

static void check_functions(const struct target *t)
{
	struct go_func func, again;

	for (size_t i = 0; i < FUNCS_MAX && !target_runtime_func(t, i, &func); i++) {
		FUZZ_ASSERT(func.name && func.entry < func.end);
		if (!target_func_by_name(t, func.name, &again))
			FUZZ_ASSERT(!strcmp(again.name, func.name));
		check_pc(t, func.entry);
		check_pc(t, func.entry + (func.end - func.entry) / 2);
		check_pc(t, func.end - 1);
	}
	check_pc(t, 0);
	check_pc(t, UINT64_MAX);
}

static void check_types(const struct target *t)
{
	const struct go_ranges *ranges = target_ranges(t);
	struct target_type type;

	FUZZ_ASSERT(ranges->types <= ranges->etypes && ranges->text < ranges->etext);
	for (unsigned i = 0; i < TYPES_MAX; i++) {
		uint64_t addr = ranges->types + 8 * (uint64_t)i;

		if (target_type(t, addr, &type))
			continue;
		FUZZ_ASSERT(addr >= ranges->types && addr < ranges->etypes);
		check_text(type.name, sizeof(type.name));
		FUZZ_ASSERT(type.kind < 32 && type.key_kind < 32 && type.elem_kind < 32);
	}
	FUZZ_ASSERT(target_type(t, ranges->etypes, &type));
	for (unsigned i = 0; i < 300; i++) {
		const char *reason = target_wait_reason(t, i);

		for (; reason && *reason; reason++)
			FUZZ_ASSERT(*reason >= ' ' && *reason <= '~');
	}
}

static void check_sites(const struct target *t, unsigned wanted)
{
	struct pc_range ranges[EXCLUDE_RANGES_MAX];
	struct probe_site *sites;
	struct go_func func;
	size_t n;

	if (!target_sites(t, wanted, &sites, &n)) {
		for (size_t i = 0; i < n; i++) {
			uint64_t offset;

			FUZZ_ASSERT(sites[i].kind < PROBE_KINDS &&
				    sites[i].addr >= sites[i].func_entry);
			check_text(sites[i].symbol, sizeof(sites[i].symbol));
			check_text(sites[i].instruction, sizeof(sites[i].instruction));
			FUZZ_ASSERT(!image_code_offset(target_image(t), sites[i].addr, &offset));
			FUZZ_ASSERT(offset == sites[i].file_offset);
			FUZZ_ASSERT(image_file(target_image(t), offset, 1));
			if (!target_func_by_name(t, sites[i].symbol, &func) &&
			    func.entry == sites[i].func_entry)
				FUZZ_ASSERT(sites[i].addr < func.end);
		}
		free(sites);
	}
	for (unsigned kind = 0; kind < EXCLUDE_KINDS; kind++) {
		n = target_exclude(t, kind, ranges);
		FUZZ_ASSERT(n <= EXCLUDE_RANGES_MAX);
		for (size_t i = 0; i < n; i++)
			FUZZ_ASSERT(ranges[i].lo < ranges[i].hi);
	}
}

/* Whatever the names are, what is printed is shown characters, line ends and tabs. */
static void check_lines(struct buf *out)
{
	FUZZ_ASSERT(!buf_error(out));
	for (size_t i = 0; i < out->len; i++) {
		if (out->data[i] == '\n' || out->data[i] == '\t')
			out->data[i] = ' ';
	}
	FUZZ_ASSERT(text_plain(out->data, out->len, TEXT_LINE) == out->len);
}

/* The file's own end as a goroutine and its stack: what a program's memory says is not to be
 * trusted either. */
static void check_stack(const struct target *t, const uint8_t *data, size_t size)
{
	static struct stack_trace trace;
	struct memory_goroutine g;
	size_t bytes = goroutine_bytes(t), used;
	struct buf out = BUF_INIT;
	uint8_t *g_copy, *stack;
	uint64_t sp;

	if (bytes > size || bytes > STACK)
		return;
	g_copy = malloc(bytes);
	FUZZ_ASSERT(g_copy);
	memcpy(g_copy, data + size - bytes, bytes);
	if (goroutine_from_bytes(t, g_copy, STACK_AT, 0, &g)) {
		g.stack_lo = STACK_AT;
		g.stack_hi = STACK_AT + STACK;
		g.sched_sp = STACK_AT + g.sched_sp % STACK;
		used = stack_used(&g, &sp);
		FUZZ_ASSERT(used <= STACK);
		stack = malloc(used ? used : 1);
		FUZZ_ASSERT(stack);
		for (size_t i = 0; i < used; i++)
			stack[i] = data[i % size];
		if (used) {
			const struct stack_bounds bounds = {STACK_UNBOUNDED, UINT64_MAX};
			struct stack_printer *printer;

			struct stack_steps *steps = stack_steps_new();

			FUZZ_ASSERT(steps);
			stack_walk_copy(t, 0, &g, steps, stack, used, &bounds, &trace);
			free(steps);
			FUZZ_ASSERT(trace.n <= STACK_FRAMES_MAX);
			FUZZ_ASSERT(!stack_printer_new(t, STACK_AS_GO, false, &printer));
			stack_print(printer, &trace, NULL, &out);
			stack_printer_free(printer);
			check_lines(&out);
		}
		free(stack);
		buf_free(&out);
	}
	free(g_copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("program", MFD_CLOEXEC);
	struct allgs_address allgs;
	struct target *t = NULL;
	char path[64], why[512];
	int err;

	log_set_level(LOG_LEVEL_ERROR);
	FUZZ_ASSERT(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	memset(why, 'x', sizeof(why));
	err = target_open_why(path, &t, why, sizeof(why));
	if (err) {
		check_text(why, sizeof(why));
		FUZZ_ASSERT(err < 0 && (err != -ENOEXEC || *why) && !strchr(why, '\n'));
		close(fd);
		return 0;
	}
	check_functions(t);
	check_types(t);
	check_sites(t, WANT_ALL);
	check_sites(t, WANT_ALL & ~WANT_STATES);
	(void)allgs_find(t, &allgs);
	(void)allgs_find_in_code(t, &allgs);
	check_stack(t, data, size);
	target_free(t);
	close(fd);
	return 0;
}
