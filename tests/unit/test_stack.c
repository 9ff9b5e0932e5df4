/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Goroutines and stacks read from a live process, against the dump that the program made of itself
 * while everything rested (tests/targets/parked): the same text, arguments included.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/memory/goids.h"
#include "core/target/allgs.h"
#include "core/memory/roots.h"
#include "core/target/goids.h"
#include "core/memory/memory.h"
#include "core/memory/stack.h"
#include "core/memory/stack_print.h"
#include "core/target/target_internal.h"
#include "core/target/variables.h"
#include "tests/unit/dump_grammar.h"
#include "tests/unit/child.h"
#include "tests/unit/sample.h"

#define GWAITING 4 /* runtime2.go */
#define TEXT_MAX (1 << 20)

static const char *const programs[][2] = {
	{"local", "plain"},
	{"local", "pie-stripped"},
	{"1.17", "plain"},
	{"1.17", "cgo-pie-stripped"},
	{"1.17", "noopt-stripped"},
	{"1.19", "stripped"},
	{"1.20", "stripped"},
	{"1.20", "noopt-stripped"},
	{"1.22", "cgo"},
	{"1.23", "noopt"},
	{"1.24", "stripped-trimpath"},
	{"1.27", "cgo-pie-stripped"},
	{"1.27", "plain"},
	{"1.27", "noopt"},
};

struct child {
	pid_t pid;
	FILE *out;
	char *text; /* what it printed before END */
};

static void child_start(struct child *child, const char *path, const char *arg)
{
	char *argv[] = {(char *)path, (char *)arg, NULL}, line[4096];
	size_t len = 0;

	child->out = child_spawn(argv, &child->pid);
	child->text = calloc(1, TEXT_MAX);
	assert_non_null(child->text);
	while (fgets(line, sizeof(line), child->out) && strcmp(line, "END\n")) {
		assert_true(len + strlen(line) < TEXT_MAX);
		len += (size_t)snprintf(child->text + len, TEXT_MAX - len, "%s", line);
	}
	assert_true(len > 0);
}

static void child_stop(struct child *child)
{
	child_end(child->pid, child->out);
	free(child->text);
}

/* Finds "goroutine N [" at the start of a line and ends it at the blank line; NULL if not there. */
static char *section(const char *text, uint64_t goid)
{
	char head[64];
	const char *at, *end;

	snprintf(head, sizeof(head), "\ngoroutine %" PRIu64 " [", goid);
	at = strstr(text, head);
	if (at)
		at++;
	else if (!strncmp(text, head + 1, strlen(head) - 1))
		at = text;
	if (!at)
		return NULL;
	end = strstr(at, "\n\n");
	return strndup(at, end ? (size_t)(end - at) + 1 : strlen(at));
}

static void compare(const char *theirs, const char *ours)
{
	cleanup_free_ char *a = strdup(theirs), *b = strdup(ours);
	char *save_a, *save_b;
	char *x = strtok_r(a, "\n", &save_a), *y = strtok_r(b, "\n", &save_b);

	for (; x && y; x = strtok_r(NULL, "\n", &save_a), y = strtok_r(NULL, "\n", &save_b)) {
		if (strcmp(x, y))
			fail_msg("'%s' is not '%s' in\n%s---\n%s", y, x, ours, theirs);
	}
	if (x || y)
		fail_msg("of different length:\n%s---\n%s", ours, theirs);
}

static size_t count_headers(const char *text)
{
	size_t n = !strncmp(text, "goroutine ", 10);

	while ((text = strstr(text, "\ngoroutine "))) {
		text++;
		n++;
	}
	return n;
}

static int add_text(void *ctx, const char *text, size_t len)
{
	buf_add(ctx, text, len);
	return 0;
}

static void check_dump(const struct target *t, const struct child *child, uint64_t bias)
{
	struct buf out = BUF_INIT;
	size_t compared = 0;

	assert_int_equal(memory_stacks(t, child->pid, bias, STACK_AS_GO, add_text, &out), 0);
	for (const char *at = child->text; (at = strstr(at, "goroutine ")); at++) {
		uint64_t goid = strtoull(at + 10, NULL, 10);
		cleanup_free_ char *theirs = NULL, *ours = NULL;

		if (at > child->text && at[-1] != '\n')
			continue;
		theirs = section(child->text, goid);
		ours = section(out.data, goid);
		assert_non_null(theirs);
		dump_check_grammar(theirs);
		if (ours)
			dump_check_grammar(ours);
		if (!ours)
			fail_msg("goroutine %" PRIu64 " is missing:\n%s", goid, theirs);
		compare(theirs, ours);
		compared++;
	}
	/* All of them, and nothing more than the main goroutine, which is not in its own text. */
	assert_true(compared >= 20);
	assert_int_equal(count_headers(out.data), compared + 1);
	print_message("#   %zu goroutines alike\n", compared);
	buf_free(&out);
}

static bool is_in_list(const struct memory_goroutine *list, size_t n, uint64_t goid)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i].goid == goid)
			return true;
	}
	return false;
}

static void check_list(const struct target *t, const struct child *child, uint64_t bias)
{
	struct memory_goroutine *list, g;
	bool main_found = false;
	struct target *other;
	size_t n;

	/* Nothing is read any more once that is to end, by whom it is to. */
	assert_int_equal(target_open(target_path(t), &other), 0);
	target_end_reading(other);
	assert_int_equal(memory_goroutines(other, child->pid, bias, &list, &n, NULL), -ECANCELED);
	target_free(other);
	assert_int_equal(memory_goroutines(t, child->pid, bias, &list, &n, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		struct go_func func;

		assert_int_equal(target_func_by_pc(t, list[i].start_pc, &func), 0);
		assert_int_equal(func.entry, list[i].start_pc);
		assert_int_equal(list[i].address % 8, 0);
		assert_true(list[i].status >= 1 && list[i].status <= 9);
		if (list[i].goid == 1) {
			main_found = true;
			assert_string_equal(func.name, "runtime.main");
		} else if (target_go_minor(t) >= 21 && strncmp(func.name, "runtime.", 8)) {
			assert_true(is_in_list(list, n, list[i].parent));
		}
	}
	assert_true(main_found);
	assert_int_equal(memory_goroutine_by_id(t, child->pid, bias, 1, &g), 0);
	assert_int_equal(memory_goroutine_again(t, child->pid, bias, &g, &g), 0);
	g.goid = 12345678;
	assert_int_equal(memory_goroutine_again(t, child->pid, bias, &g, &g), -ESRCH);
	assert_int_equal(memory_goroutine_by_id(t, child->pid, bias, 12345678, &g), -ESRCH);
	free(list);
}

/* What decoding finds in a stripped binary is what the symbol table says in one that has it. */
static void check_allgs(const struct target *t)
{
	struct allgs_address by_symbol, by_code;

	assert_int_equal(allgs_find_in_code(t, &by_code), 0);
	assert_int_equal(allgs_find(t, &by_symbol), 0);
	assert_int_equal(by_code.len, by_symbol.len);
	assert_int_equal(by_code.ptr, by_symbol.ptr);
	assert_int_equal(semtable_find_in_code(t, &by_code.ptr), 0);
	assert_int_equal(semtable_find(t, &by_symbol.ptr), 0);
	assert_int_equal(by_code.ptr, by_symbol.ptr);
}

/* allp is found, and the list of goroutines is reached from the runtime's variables. */
static void check_roots(const struct target *t, pid_t pid, uint64_t bias, const struct heap *heap,
			const struct memory_goroutine *list, size_t n)
{
	struct reach *r cleanup_reach_ = NULL;
	struct weak_pointers weak = {0};
	unsigned modules;
	int err;

	assert_int_equal(reach_new(heap, pid, &r), 0);
	for (size_t i = 0; i < n; i++)
		reach_opaque(r, list[i].address);
	assert_int_equal(roots_variables(r, t, pid, bias, &modules), 0);
	assert_int_equal(modules, 1);
	assert_in_range(roots_procs(r, t, pid, bias), 1, 1024);
	assert_int_equal(roots_specials(r, t, pid, &weak), 0);
	roots_weak_done(&weak);
	while ((err = reach_run(r, 1 << 20)) == 1)
		;
	assert_int_equal(err, 0);
	assert_int_equal(reach_stats(r).unread, 0);
	for (size_t i = 0; i < n; i++)
		assert_true(reach_is_reached(r, list[i].address));
}

/* As many numbers were given as there are goroutines, or more; at rest the bounds are one. */
static void check_goids(const struct target *t, const struct child *child, uint64_t bias)
{
	struct goids_address by_symbol, by_code;
	struct memory_about about;
	struct memory_goroutine *list;
	struct goids goids;
	uint64_t highest = 0;
	size_t n;

	assert_int_equal(goids_find_in_code(t, &by_code), 0);
	assert_int_equal(goids_find(t, &by_symbol), 0);
	assert_int_equal(by_code.goidgen, by_symbol.goidgen);
	assert_int_equal(by_code.allp, by_symbol.allp);
	assert_int_equal(memory_goids(t, child->pid, bias, &goids), 0);
	assert_int_equal(memory_goroutines_about(t, child->pid, bias, &list, &n, &about), 0);
	for (size_t i = 0; i < n; i++)
		highest = MAX(highest, list[i].goid);
	assert_int_equal(goids.least, goids.most);
	assert_in_range(goids.least, n, highest);
	assert_true(about.of_threads < n);
	free(list);
}

/* Each runtime.g is an object of the heap, of the smallest class that holds one. */
static void check_heap(const struct target *t, const struct child *child, uint64_t bias)
{
	struct heap *heap cleanup_heap_ = NULL;
	struct memory_goroutine *list;
	uint64_t by_symbol, by_code;
	size_t n;

	assert_int_equal(variable_mheap_in_code(t, &by_code), 0);
	assert_int_equal(variable_mheap(t, &by_symbol), 0);
	assert_int_equal(by_code, by_symbol);
	assert_int_equal(heap_read(t, child->pid, bias, &heap), 0);
	assert_int_equal(heap->skipped, 0);
	assert_int_equal(memory_goroutines(t, child->pid, bias, &list, &n, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		const struct heap_span *s = heap_span_at(heap, list[i].address);

		assert_non_null(s);
		assert_in_range(s->elem_size, target_layout(t)->g_size, 512);
		assert_int_equal((list[i].address - s->base) % s->elem_size, 0);
		assert_false(s->noscan);
		assert_null(heap_span_at(heap, list[i].stack_lo));
	}
	check_roots(t, child->pid, bias, heap, list, n);
	free(list);
}

static void test_parked(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		char path[SAMPLE_PATH_MAX];
		struct child child = {0};
		struct target *t;
		uint64_t bias;

		if (!sample_build(programs[i][0], programs[i][1], "parked", path))
			continue;
		print_message("# %s %s\n", programs[i][0], programs[i][1]);
		child_start(&child, path, NULL);
		assert_int_equal(target_open(path, &t), 0);
		assert_int_equal(target_load_bias(t, child.pid, &bias), 0);
		check_allgs(t);
		check_list(t, &child, bias);
		check_goids(t, &child, bias);
		check_heap(t, &child, bias);
		check_dump(t, &child, bias);
		child_stop(&child);
		{
			struct memory_goroutine *list;
			size_t n;

			assert_int_equal(memory_goroutines(t, child.pid, bias, &list, &n, NULL),
					 -ESRCH);
		}
		target_free(t);
	}
}

/* A goroutine of the same process, by the tables of two targets. */
static void check_same(const struct memory_goroutine *a, const struct memory_goroutine *b)
{
	assert_int_equal(a->goid, b->goid);
	assert_int_equal(a->parent, b->parent);
	assert_int_equal(a->start_pc, b->start_pc);
	assert_int_equal(a->locked_to_thread, b->locked_to_thread);
	if (a->status != GWAITING || b->status != GWAITING)
		return;
	assert_true(a->sched_pc && a->sched_sp >= a->stack_lo && a->sched_sp < a->stack_hi);
	assert_int_equal(a->sched_pc, b->sched_pc);
	assert_int_equal(a->sched_sp, b->sched_sp);
	assert_int_equal(a->sched_bp, b->sched_bp);
	assert_int_equal(a->sched_lr, b->sched_lr);
	assert_int_equal(a->syscall_sp, b->syscall_sp);
	assert_int_equal(a->syscall_bp, b->syscall_bp);
}

/* What DWARF says goes before what the release should have: a program whose g, saved registers and
 * all, is laid out as another release's, made up by changing what it says it was built by. */
static void test_dwarf_goes_first(void **state)
{
	char path[SAMPLE_PATH_MAX], copy[] = "/tmp/test_stack_XXXXXX", command[1500];
	struct memory_goroutine *list, *known_list;
	struct target *t, *known;
	struct child child = {0};
	size_t n, n_known, locked = 0;
	uint64_t bias;

	if (!sample_build("1.27", "plain", "parked", path))
		skip();
	close(mkstemp(copy));
	snprintf(command, sizeof(command),
		 "LC_ALL=C sed 's/go1\\.27\\.\\([0-9]\\)/go1.24.\\1/g' '%s' >%s && chmod 700 %s",
		 path, copy, copy);
	assert_int_equal(system(command), 0);
	child_start(&child, copy, NULL);
	assert_int_equal(target_open(copy, &t), 0);
	assert_int_equal(target_open(path, &known), 0);
	assert_string_equal(target_offsets_from(t), "DWARF (differs from the table)");
	assert_int_equal(target_go_minor(t), 24);
	assert_int_equal(target_load_bias(t, child.pid, &bias), 0);
	assert_int_equal(memory_goroutines(t, child.pid, bias, &list, &n, NULL), 0);
	assert_int_equal(memory_goroutines(known, child.pid, bias, &known_list, &n_known, NULL), 0);
	assert_int_equal(n, n_known);
	for (size_t i = 0; i < n; i++) {
		check_same(&list[i], &known_list[i]);
		locked += list[i].locked_to_thread;
	}
	assert_true(locked > 0);
	child_stop(&child);
	free(list);
	free(known_list);
	target_free(t);
	target_free(known);
	unlink(copy);
}

/* Whatever was interrupted anywhere has a whole stack, down to the function it began with. */
static void check_busy(const char *text)
{
	for (const char *at = text; (at = strstr(at, "\ngoroutine ")); at++) {
		cleanup_free_ char *one = section(at, strtoull(at + 11, NULL, 10));

		dump_check_grammar(one);
		if (!strstr(one, "main.spin(") && !strstr(one, "main.grow("))
			continue;
		/* Frames left out of the middle of a deep one are as Go does it. */
		if (strstr(one, "additional frames elided") ||
		    !strstr(one, strstr(one, "main.spin(") ? "\nmain.spinForever()\n"
							   : "\nmain.growForever()\n"))
			fail_msg("not whole:\n%s", one);
	}
}

static void test_busy(void **state)
{
	static const char *const versions[] = {"local", "1.17", "1.27"};

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		char path[SAMPLE_PATH_MAX];
		struct child child = {0};
		struct target *t;

		if (!sample_build(versions[i], "plain", "parked", path))
			continue;
		child_start(&child, path, "busy");
		assert_int_equal(target_open(path, &t), 0);
		for (int round = 0; round < 200; round++) {
			struct buf out = BUF_INIT;

			assert_int_equal(
				memory_stacks(t, child.pid, 0, STACK_AS_GO, add_text, &out), 0);
			check_busy(out.data);
			buf_free(&out);
		}
		child_stop(&child);
		target_free(t);
	}
}

/* Whatever became of reading it, a goroutine's text is one that readers of dumps take. */
static void test_states(void **state)
{
	static const enum stack_state states[] = {STACK_WHOLE, STACK_CUT, STACK_RUNNING,
						  STACK_UNSETTLED};
	struct stack_trace *trace = test_calloc(1, sizeof(*trace));
	char path[SAMPLE_PATH_MAX];
	struct stack_printer *printer;
	struct go_func func;
	struct target *t;

	if (!sample_build("local", "plain", "parked", path)) {
		test_free(trace);
		return;
	}
	assert_int_equal(target_open(path, &t), 0);
	assert_int_equal(target_func_by_name(t, "main.main", &func), 0);
	assert_int_equal(stack_printer_new(t, STACK_AS_GO, false, &printer), 0);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(states); i++) {
		struct buf out = BUF_INIT;

		trace->state = states[i / 2];
		trace->g = (struct memory_goroutine){
			.goid = 7, .parent = 1, .status = 1, .go_pc = func.entry + 1};
		trace->n = trace->inner = i % 2;
		trace->frames[0] = (struct stack_frame){.pc = func.entry, .lookup = func.entry};
		stack_print(printer, trace, NULL, &out);
		assert_int_equal(buf_error(&out), 0);
		dump_check_grammar(out.data);
		assert_non_null(strstr(out.data, "\ncreated by main.main in goroutine 1\n\t/"));
		buf_free(&out);
	}
	stack_printer_free(printer);
	target_free(t);
	test_free(trace);
}

static struct memory_label label(const char *key, const char *value)
{
	struct memory_label l = {.key_len = strlen(key), .value_len = strlen(value)};

	memcpy(l.key, key, MIN(l.key_len, sizeof(l.key)));
	memcpy(l.value, value, MIN(l.value_len, sizeof(l.value)));
	return l;
}

/* What the runtime would print before it, part by part (traceback.go goroutineheader). */
static void test_headers(void **state)
{
	const int64_t now = (int64_t)monotonic_ns(), minute = 60 * (int64_t)NS_PER_SEC;
	char longer[LABEL_BYTES_MAX + 10] = "";
	struct goroutine_about about = {.n = 2, .labels = {label("a", "1/2"), label("b", "")}};
	const struct {
		struct memory_goroutine g;
		const struct goroutine_about *about;
		const char *want;
	} rows[] = {
		{{.goid = 1, .status = 1}, NULL, "goroutine 1 [runnable]:\n"},
		{{.goid = 2, .status = 4, .scanning = true},
		 NULL,
		 "goroutine 2 [waiting (scan)]:\n"},
		{{.goid = 3,
		  .status = 3,
		  .wait_since_ns = now - 5 * minute,
		  .locked_to_thread = true},
		 NULL,
		 "goroutine 3 [syscall, 5 minutes, locked to thread]:\n"},
		{{.goid = 4, .status = 4, .wait_since_ns = now - minute / 2},
		 NULL,
		 "goroutine 4 [waiting]:\n"},
		{{.goid = 5, .status = 1, .wait_since_ns = now - 5 * minute},
		 NULL,
		 "goroutine 5 [runnable]:\n"},
		{{.goid = 6, .status = 1}, &about, "goroutine 6 [runnable] {a: 1/2, b: }:\n"},
		{{.goid = 7, .status = 99}, NULL, "goroutine 7 [\?\?\?]:\n"},
	};
	char path[SAMPLE_PATH_MAX];
	struct stack_printer *printer;
	struct target *t;

	if (!sample_build("local", "plain", "parked", path))
		return;
	assert_int_equal(target_open(path, &t), 0);
	assert_int_equal(stack_printer_new(t, STACK_LABELS_ONLY, true, &printer), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stack_trace *trace = test_calloc(1, sizeof(*trace));
		struct buf out = BUF_INIT;

		trace->g = rows[i].g;
		stack_print(printer, trace, rows[i].about, &out);
		assert_string_equal(out.data, rows[i].want);
		buf_free(&out);
		test_free(trace);
	}
	/* What a label's text is cut at is said, and nothing in it ends a line. */
	memset(longer, 'x', sizeof(longer) - 1);
	about = (struct goroutine_about){
		.n = 1, .more = true, .labels = {label("a\n]:\n", longer)}};
	{
		struct stack_trace *trace = test_calloc(1, sizeof(*trace));
		struct buf out = BUF_INIT;

		trace->g.goid = 1;
		stack_print(printer, trace, &about, &out);
		assert_non_null(strstr(out.data, "[idle] {\"a\\n]:\\n\": xxx"));
		assert_non_null(strstr(out.data, "xxx..., ...}:\n"));
		buf_free(&out);
		test_free(trace);
	}
	/* A process with a clock of its own. */
	stack_printer_set_clock(printer, 3 * minute);
	{
		struct stack_trace *trace = test_calloc(1, sizeof(*trace));
		struct buf out = BUF_INIT;

		trace->g = (struct memory_goroutine){
			.goid = 1, .status = 4, .wait_since_ns = now + minute};
		stack_print(printer, trace, NULL, &out);
		assert_string_equal(out.data, "goroutine 1 [waiting, 2 minutes]:\n");
		buf_free(&out);
		test_free(trace);
	}
	stack_printer_free(printer);
	target_free(t);
}

static void test_allgs_of_other_machines(void **state)
{
	static const char *const versions[] = {"1.17", "1.18", "1.22", "1.27"};

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		char path[SAMPLE_PATH_MAX];
		struct target *t;

		if (!sample_build(versions[i], "arm64", "workload", path))
			continue;
		assert_int_equal(target_open(path, &t), 0);
		check_allgs(t);
		target_free(t);
	}
}

static void test_memory(void **state)
{
	uint64_t values[3] = {1, 2, 3}, copy[3] = {0}, none;
	struct memory_piece pieces[] = {
		{.addr = (uintptr_t)&values[0], .buf = &copy[0], .size = 8},
		{.addr = 64, .buf = &none, .size = 8},
		{.addr = (uintptr_t)&values[1], .buf = &copy[1], .size = 16},
	};

	assert_int_equal(memory_read(getpid(), (uintptr_t)values, copy, sizeof(copy)), 0);
	assert_memory_equal(values, copy, sizeof(copy));
	assert_int_equal(memory_read(getpid(), 64, copy, 8), -EFAULT);
	memset(copy, 0, sizeof(copy));
	assert_int_equal(memory_read_pieces(getpid(), pieces, ARRAY_SIZE(pieces)), 0);
	assert_true(pieces[0].ok && !pieces[1].ok && pieces[2].ok);
	assert_memory_equal(values, copy, sizeof(copy));
}

/* As on a kernel without process_vm_readv: the same answers. */
static void test_memory_by_file(void **state)
{
	uint64_t values[3] = {1, 2, 3}, copy[3] = {0};
	struct iovec local[] = {{copy, 8}, {&copy[1], 16}, {&copy[2], 8}};
	struct iovec remote[] = {{values, 8}, {&values[1], 16}, {(void *)64, 8}};

	assert_int_equal(memory_read_by_file(getpid(), local, remote, 2), 24);
	assert_memory_equal(values, copy, sizeof(copy));
	assert_int_equal(memory_read_by_file(getpid(), local, remote, 3), 24);
	assert_int_equal(memory_read_by_file(getpid(), &local[2], &remote[2], 1), -EFAULT);
	remote[0].iov_base = (void *)UINT64_MAX;
	assert_int_equal(memory_read_by_file(getpid(), local, remote, 1), -EFAULT);
	assert_int_equal(memory_read_by_file(1 << 23, local, remote, 1), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_memory_by_file),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_allgs_of_other_machines),
		cmocka_unit_test(test_dwarf_goes_first),
		cmocka_unit_test(test_parked),
		cmocka_unit_test(test_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
