/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A program's memory as no runtime leaves it: lists of goroutines that lie, stacks without end, a g
 * that changes while it is read, names that were made up. The memory is this test's own; the
 * functions are those of a real Go program (tests/targets/parked). Every answer comes within bounds
 * of time and memory and is text that readers of dumps take.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/text.h"
#include "core/target/allgs.h"
#include "core/memory/goroutines_read.h"
#include "core/memory/heap.h"
#include "core/memory/stack_print.h"
#include "core/memory/stack_walk.h"
#include "core/memory/wait_reading.h"
#include "core/target/target_internal.h"
#include "core/target/variables.h"
#include "tests/unit/dump_grammar.h"
#include "tests/unit/sample.h"

#define GS         4096
#define STACK_SIZE (64u << 20)
#define VARS       (16u << 20)
#define GRUNNABLE  1

struct world {
	char path[SAMPLE_PATH_MAX];
	struct target *t;
	struct allgs_address at;
	uint64_t bias;
	uint8_t *vars, *stack;
	uint8_t *gs; /* GS of them, g_bytes each */
	uint64_t *list;
	size_t g_bytes;
	/* A function, a place in it that returns to itself, and how far its frame reaches there. */
	struct go_func func;
	uint64_t pc, frame, end_pc;
};

static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static void put(uint8_t *at, uint32_t offset, uint64_t value)
{
	memcpy(at + offset, &value, sizeof(value));
}

static void set_list(struct world *w, uint64_t ptr, uint64_t len)
{
	memcpy((void *)(uintptr_t)(w->at.len + w->bias), &len, sizeof(len));
	memcpy((void *)(uintptr_t)(w->at.ptr + w->bias), &ptr, sizeof(ptr));
}

static uint8_t *g_at(const struct world *w, size_t i)
{
	return w->gs + i * w->g_bytes;
}

static void make_g(struct world *w, size_t i, uint64_t goid, uint64_t sp)
{
	const struct go_layout *l = target_layout(w->t);
	uint8_t *g = g_at(w, i);

	memset(g, 0, w->g_bytes);
	put(g, 0, (uint64_t)(uintptr_t)w->stack);
	put(g, 8, (uint64_t)(uintptr_t)w->stack + STACK_SIZE);
	put(g, l->g_sched, sp);
	put(g, l->g_sched + 8, w->pc + w->bias);
	put(g, l->g_atomicstatus, GRUNNABLE);
	put(g, l->g_goid, goid);
	put(g, l->g_startpc, w->func.entry + w->bias);
	put(g, l->g_gopc, w->func.entry + 1 + w->bias);
	w->list[i] = (uint64_t)(uintptr_t)g;
}

/* n frames of the same function, the last one called by runtime.goexit, at the stack's end; returns
 * where they begin. Each has saved its caller's frame pointer. */
static uint64_t make_stack(struct world *w, size_t n)
{
	uint64_t hi = (uint64_t)(uintptr_t)w->stack + STACK_SIZE - 32;
	uint64_t sp = hi - n * (w->frame + 8), at = sp;

	assert_true(n * (w->frame + 8) + 128 < STACK_SIZE);
	for (size_t i = 0; i < n; i++) {
		uint64_t pc = (i + 1 < n ? w->pc : w->end_pc) + w->bias;
		uint64_t fp = i + 1 < n ? at + 2 * w->frame : 0;

		memcpy((void *)(uintptr_t)(at + w->frame - 8), &fp, sizeof(fp));
		memcpy((void *)(uintptr_t)(at + w->frame), &pc, sizeof(pc));
		at += w->frame + 8;
	}
	return sp;
}

/* The smallest frame that main.main or a function near it has. */
static void find_frame(struct world *w)
{
	struct go_func exit;
	uint64_t best = UINT64_MAX;

	assert_int_equal(target_func_by_name(w->t, "runtime.goexit", &exit), 0);
	w->end_pc = exit.entry + 1;
	assert_int_equal(target_func_by_name(w->t, "main.main", &w->func), 0);
	for (uint64_t pc = w->func.entry; pc < w->func.end; pc++) {
		struct target_frame calls[8];
		struct pclntab_func f;
		uint32_t index;
		int32_t delta;

		assert_int_equal(pclntab_index(&w->t->tab, pc, &index), 0);
		assert_int_equal(pclntab_func(&w->t->tab, index, &f), 0);
		delta = pclntab_value(&w->t->tab, &f, f.pcsp, pc);
		if (delta <= 0 || (uint64_t)delta >= best ||
		    target_frames_by_pc(w->t, pc - 1, calls, ARRAY_SIZE(calls)) != 1)
			continue;
		best = (uint64_t)delta;
		w->pc = pc;
	}
	assert_true(best < 4096 && best % 8 == 0);
	w->frame = best;
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	uint64_t low;

	*state = w;
	if (!sample_build("local", "plain", "parked", w->path))
		return 0;
	assert_int_equal(target_open(w->path, &w->t), 0);
	if (image_machine(target_image(w->t)) != EM_X86_64) {
		target_free(w->t);
		w->t = NULL;
		return 0;
	}
	assert_int_equal(allgs_find(w->t, &w->at), 0);
	low = MIN(w->at.len, w->at.ptr) & ~4095ull;
	assert_true(MAX(w->at.len, w->at.ptr) - low < VARS - 8);
	w->vars = map(VARS);
	w->bias = (uint64_t)(uintptr_t)w->vars - low;
	w->g_bytes = (goroutine_bytes(w->t) + 63) & ~63ull;
	w->gs = map(GS * w->g_bytes);
	w->list = map(GS * sizeof(*w->list));
	w->stack = map(STACK_SIZE);
	find_frame(w);
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	if (w->t) {
		munmap(w->vars, VARS);
		munmap(w->gs, GS * w->g_bytes);
		munmap(w->list, GS * sizeof(*w->list));
		munmap(w->stack, STACK_SIZE);
		target_free(w->t);
	}
	free(w);
	return 0;
}

static struct world *world_of(void **state)
{
	struct world *w = *state;

	if (!w->t)
		skip();
	return w;
}

static uint64_t peak_kib(void)
{
	unsigned long long kib = 0;
	char line[128];
	FILE *f = fopen("/proc/self/status", "re");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "VmHWM: %llu", &kib);
	fclose(f);
	return kib;
}

/* So that the next peak is one of what follows. */
static void forget_peak(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "5", 1) != 1)
		print_message("# the peak is that of all tests\n");
	if (fd >= 0)
		close(fd);
}

/* --- text ----------------------------------------------------------------------------------- */

struct dump {
	struct buf text;
	size_t goroutines, notes;
	bool hurried;
	size_t cut; /* goroutines of which frames are missing */
};

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

/* One that was cut has its outermost frames and its creator all the same. */
static void check_both_ends(struct dump *d, const char *text)
{
	static const char note[] = "\n...additional frames elided...\n";
	const char *outer = strstr(text, note);

	if (!outer || !d->hurried)
		return;
	d->cut++;
	assert_int_equal(count(outer, "\nmain.main()\n"), 50);
	assert_int_equal(count(outer, "\ncreated by main.main\n\t/"), 1);
}

static int take(void *ctx, const char *text, size_t len)
{
	struct dump *d = ctx;
	const char *one = text[0] == '\n' ? text + 1 : text;

	assert_int_equal(strlen(text), len);
	for (size_t i = 0; i < len;) {
		size_t n = text_plain(text + i, len - i, TEXT_LINE);

		i += n;
		if (i < len)
			assert_true(text[i] == '\n' || text[i] == '\t');
		i += i < len;
	}
	if (!strncmp(one, "... cut: ", 9)) {
		d->notes++;
	} else {
		dump_check_grammar(one);
		check_both_ends(d, one);
		d->goroutines++;
	}
	buf_reset(&d->text);
	buf_add(&d->text, text, len);
	return buf_error(&d->text);
}

static void read_dump(const struct world *w, const struct stack_times *times, struct dump *d)
{
	static const struct stack_times usual = {5 * NS_PER_SEC, 20 * NS_PER_SEC};

	*d = (struct dump){.text = BUF_INIT, .hurried = times};
	assert_int_equal(stacks_within(w->t, getpid(), w->bias, STACK_AS_GO, times ? times : &usual,
				       take, d),
			 0);
}

/* --- lists ---------------------------------------------------------------------------------- */

static void check_list(struct world *w, uint64_t ptr, uint64_t len, size_t want)
{
	struct memory_goroutine *list;
	bool cut = true;
	size_t n;

	set_list(w, ptr, len);
	assert_int_equal(memory_goroutines(w->t, getpid(), w->bias, &list, &n, &cut), 0);
	assert_int_equal(n, want);
	assert_false(cut);
	free(list);
}

static void test_lists(void **state)
{
	struct world *w = world_of(state);
	uint64_t sp = make_stack(w, 3), list = (uint64_t)(uintptr_t)w->list;
	struct memory_goroutine *found;
	size_t n;

	for (size_t i = 0; i < 10; i++)
		make_g(w, i, i + 1, sp);
	check_list(w, list, 10, 10);
	/* The same g, and the same goroutine in another g; what is no address; none. */
	w->list[10] = w->list[3];
	make_g(w, 11, 4, sp);
	w->list[12] = 0;
	w->list[13] = w->list[2] + 1;
	w->list[14] = 64;
	w->list[15] = UINT64_MAX & ~7ull;
	check_list(w, list, 16, 10);
	check_list(w, 0, 0, 0);
	/* Lengths that no program has, and an array that is not there. */
	for (unsigned shift = 25; shift < 64; shift++) {
		set_list(w, list, 1ull << shift);
		assert_int_equal(memory_goroutines(w->t, getpid(), w->bias, &found, &n, NULL),
				 -EFAULT);
	}
	set_list(w, 64, 10);
	assert_int_equal(memory_goroutines(w->t, getpid(), w->bias, &found, &n, NULL), -EFAULT);
	set_list(w, list + 1, 10);
	assert_int_equal(memory_goroutines(w->t, getpid(), w->bias, &found, &n, NULL), -EFAULT);
}

/* 2^24 pointers in 2 MB: the same pages again and again. */
static uint64_t *map_again(uint64_t *page, size_t bytes, size_t times)
{
	int fd = memfd_create("list", MFD_CLOEXEC);
	uint8_t *p = mmap(NULL, bytes * times, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(fd >= 0 && p != MAP_FAILED);
	assert_int_equal(write(fd, page, bytes), bytes);
	for (size_t i = 0; i < times; i++)
		assert_ptr_not_equal(
			mmap(p + i * bytes, bytes, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0),
			MAP_FAILED);
	close(fd);
	return (uint64_t *)(void *)p;
}

static void test_copies_of_one(void **state)
{
	enum { BYTES = 2 << 20, TIMES = 64 };
	struct world *w = world_of(state);
	uint64_t *page = map(BYTES), *list, before, begun = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	struct dump d;

	make_g(w, 0, 1, make_stack(w, 3));
	for (size_t i = 0; i < BYTES / sizeof(*page); i++)
		page[i] = w->list[0];
	list = map_again(page, BYTES, TIMES);
	munmap(page, BYTES);
	forget_peak();
	before = peak_kib();
	check_list(w, (uint64_t)(uintptr_t)list, (uint64_t)BYTES * TIMES / sizeof(*list), 1);
	read_dump(w, NULL, &d);
	print_message("# 2^24 copies of one g: %llu KiB more, %llu ms\n",
		      (unsigned long long)(peak_kib() - before),
		      (unsigned long long)((clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begun) / 1000000));
	assert_int_equal(d.goroutines, 1);
	assert_true(peak_kib() - before < 200 << 10);
	assert_true(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begun < 20 * NS_PER_SEC);
	buf_free(&d.text);
	munmap(list, (size_t)BYTES * TIMES);
}

/* --- stacks --------------------------------------------------------------------------------- */

/* As Go: the innermost and outermost 50 frames, how many there are between them, and the creator.
 */
static void test_deep(void **state)
{
	static const struct {
		size_t frames;
		const char *note;
	} depths[] = {
		{1, NULL},
		{100, NULL},
		{101, "\n...1 frames elided...\n"},
		{10000, "\n...9900 frames elided...\n"},
		{60000, "\n...59900 frames elided...\n"},
		{70000, "\n...69900 frames elided...\n"},
		{1000000, "\n...999900 frames elided...\n"},
	};
	struct world *w = world_of(state);
	struct dump d;

	for (size_t i = 0; i < ARRAY_SIZE(depths); i++) {
		size_t shown = MIN(depths[i].frames, 100u);

		make_g(w, 0, 1000, make_stack(w, depths[i].frames));
		set_list(w, (uint64_t)(uintptr_t)w->list, 1);
		read_dump(w, NULL, &d);
		assert_int_equal(d.goroutines, 1);
		assert_int_equal(d.notes, 0);
		assert_int_equal(count(d.text.data, "\nmain.main()\n"), shown);
		assert_int_equal(count(d.text.data, "\ncreated by main.main\n\t/"), 1);
		if (depths[i].note)
			assert_int_equal(
				count(strstr(d.text.data, depths[i].note), "\nmain.main()\n"), 50);
		assert_true(d.text.len < 64 << 10);
		if (!depths[i].note)
			assert_null(strstr(d.text.data, "elided"));
		buf_free(&d.text);
	}
}

/* Bounds of a stack that no stack has, and registers that point anywhere. */
static void test_absurd(void **state)
{
	struct world *w = world_of(state);
	const struct go_layout *l = target_layout(w->t);
	uint64_t sp = make_stack(w, 20), list = (uint64_t)(uintptr_t)w->list;
	const uint64_t values[] = {0,
				   8,
				   4096,
				   1ull << 47,
				   (1ull << 47) - 8,
				   UINT64_MAX,
				   UINT64_MAX - 7,
				   sp,
				   sp + 4,
				   w->pc + w->bias};
	const uint32_t fields[] = {0,
				   8,
				   l->g_sched,
				   l->g_sched + 8,
				   l->g_sched + 40,
				   l->g_atomicstatus,
				   l->g_startpc,
				   l->g_gopc,
				   l->g_waitreason,
				   l->g_waitsince};
	size_t n = 0;
	struct dump d;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(values); k++, n++) {
			make_g(w, n, 1000 + n, sp);
			memcpy(g_at(w, n) + fields[i], &values[k],
			       fields[i] == l->g_waitreason     ? 1
			       : fields[i] == l->g_atomicstatus ? 4
								: 8);
		}
	}
	make_g(w, n, 1000 + n, sp);
	put(g_at(w, n), 0, 8);
	put(g_at(w, n), 8, 1ull << 47);
	set_list(w, list, n + 1);
	read_dump(w, NULL, &d);
	assert_in_range(d.goroutines, n / 2, n + 1);
	/* The last one's stack was whole all the same. */
	assert_int_equal(count(d.text.data, "\nmain.main()\n"), 20);
	buf_free(&d.text);
}

/* Many deep stacks: first they are cut, then the goroutines are, and both is said. */
static void test_time(void **state)
{
	const struct stack_times little = {20 * 1000000, 200 * 1000000};
	struct world *w = world_of(state);
	uint64_t sp = make_stack(w, 60000), begun, ns = 0;
	struct dump d = {.cut = 0};

	for (size_t i = 0; i < GS; i++)
		make_g(w, i, i + 1000, sp);
	set_list(w, (uint64_t)(uintptr_t)w->list, GS);
	/* Again where all of the time went by while others had the processor. */
	for (unsigned tries = 0; tries < 100 && !d.cut; tries++) {
		buf_free(&d.text);
		begun = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
		read_dump(w, &little, &d);
		ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begun;
	}
	print_message("# %zu of %d goroutines with 60000 frames each in %llu ms\n", d.goroutines,
		      GS, (unsigned long long)(ns / 1000000));
	assert_true(ns < 5 * NS_PER_SEC);
	assert_true(d.goroutines > 0);
	assert_true(d.goroutines == GS || d.notes == 1);
	assert_true(d.cut > 0);
	buf_free(&d.text);
	/* No time at all. */
	read_dump(w, &(const struct stack_times){0, 0}, &d);
	assert_int_equal(d.goroutines, 0);
	assert_int_equal(d.notes, 1);
	buf_free(&d.text);
}

struct changing {
	uint64_t *field;
	_Atomic bool stop;
};

static void *change(void *arg)
{
	struct changing *c = arg;

	while (!atomic_load(&c->stop))
		__atomic_fetch_add(c->field, 1, __ATOMIC_RELAXED);
	return NULL;
}

/* A g whose saved frame pointer is another one each time it is read: there is no stack of one
 * moment. */
static void test_moving(void **state)
{
	struct world *w = world_of(state);
	uint64_t sp = make_stack(w, 2000);
	uint32_t bp = target_layout(w->t)->g_sched + (target_go_minor(w->t) >= 25 ? 40 : 48);
	struct changing c = {.field = (uint64_t *)(void *)(g_at(w, 1) + bp)};
	pthread_t thread;
	size_t unavailable = 0;
	uint64_t until;
	struct dump d;

	for (size_t i = 0; i < 3; i++)
		make_g(w, i, i + 1000, sp);
	set_list(w, (uint64_t)(uintptr_t)w->list, 2);
	assert_int_equal(pthread_create(&thread, NULL, change, &c), 0);
	for (until = monotonic_ns() + 120 * NS_PER_SEC;
	     unavailable < 3 && monotonic_ns() < until;) {
		read_dump(w, NULL, &d);
		unavailable +=
			d.goroutines == 2 && strstr(d.text.data, "stack unavailable\ncreated");
		buf_free(&d.text);
	}
	atomic_store(&c.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(unavailable, 3);
}

/* --- names ---------------------------------------------------------------------------------- */

/* The program with other names in it; the caller unlinks it. */
static void patched(const struct world *w, char path[64], const char *name, const char *other)
{
	size_t n = strlen(name), size;
	uint8_t *data, *at;
	struct stat st;
	int fd = open(w->path, O_RDONLY | O_CLOEXEC);

	assert_int_equal(strlen(other), n);
	assert_int_equal(fstat(fd, &st), 0);
	size = (size_t)st.st_size;
	data = test_malloc(size);
	assert_int_equal(read(fd, data, size), size);
	close(fd);
	assert_non_null(memmem(data, size, name, n));
	for (at = data; (at = memmem(at, size - (size_t)(at - data), name, n)); at += n)
		memcpy(at, other, n);
	strcpy(path, "/tmp/xgotopfs-hostile.XXXXXX");
	fd = mkstemp(path);
	assert_int_equal(write(fd, data, size), size);
	close(fd);
	test_free(data);
}

static void check_names(const struct world *w, const char *name, const char *other,
			const char *line)
{
	struct world copy = *w;
	char path[64];
	struct dump d;

	patched(w, path, name, other);
	assert_int_equal(target_open(path, &copy.t), 0);
	unlink(path);
	make_g(&copy, 0, 1000, make_stack(&copy, 3));
	set_list(&copy, (uint64_t)(uintptr_t)copy.list, 1);
	read_dump(&copy, NULL, &d);
	assert_int_equal(d.goroutines, 1);
	if (!strstr(d.text.data, line))
		fail_msg("'%s' is not in\n%s", line, d.text.data);
	buf_free(&d.text);
	target_free(copy.t);
}

static void test_names(void **state)
{
	struct world *w = world_of(state);
	struct pclntab tab = w->t->tab;
	struct pclntab_func f;
	uint32_t index;

	check_names(w, "main.main", "mai\x1b[2J.n", "\nmai\\x1b[2J.n()\n");
	check_names(w, "main.main", "m\xc2\x9b\n.\xffnn\t", "\nm\\u009b\\n.\\xffnn\\t()\n");
	check_names(w, "main.main", "...1 fram", "\n\\x2e..1 fram()\n");
	check_names(w, "main.main", "\x1b]0;.main", "\n\\x1b]0;.main()\n");
	check_names(w, "/targets/parked/main.go", "/tar\n\xff\x9b\x1b[2J\tets/main.go",
		    "tar\\n\\xff\\x9b\\x1b[2J\\tets/main.go:");
	/* A name that does not end in the table. */
	assert_int_equal(pclntab_index(&tab, w->pc, &index), 0);
	assert_int_equal(pclntab_func(&tab, index, &f), 0);
	assert_non_null(pclntab_name(&tab, f.name_off));
	tab.cus = tab.names + f.name_off + 4;
	assert_null(pclntab_name(&tab, f.name_off));
}

#define SPANS_LISTED 20000
#define REPLACED     3 /* times a reading; each may fail one try */

struct spans {
	uint64_t *slice; /* array, length, capacity */
	atomic_int left;
	atomic_bool end;
};

static uint64_t *list_of(const void *span)
{
	uint64_t *list = map(SPANS_LISTED * sizeof(*list));

	for (size_t i = 0; i < SPANS_LISTED; i++)
		list[i] = (uint64_t)(uintptr_t)span;
	return list;
}

/* As the runtime does it when the list has no room left (mheap.go recordspan()): the next one has
 * more, and may come to lie where another was. */
static void *replace_lists(void *arg)
{
	struct spans *s = arg;

	while (!atomic_load(&s->end)) {
		uint64_t *old = (uint64_t *)(uintptr_t)s->slice[0];

		if (atomic_load(&s->left) <= 0) {
			sched_yield();
			continue;
		}
		__atomic_add_fetch(&s->slice[2], 1, __ATOMIC_SEQ_CST);
		__atomic_store_n(&s->slice[0],
				 (uint64_t)(uintptr_t)list_of((void *)(uintptr_t)old[0]),
				 __ATOMIC_SEQ_CST);
		munmap(old, SPANS_LISTED * sizeof(*old));
		atomic_fetch_sub(&s->left, 1);
	}
	return NULL;
}

/* In use, of one page. */
static uint8_t *make_span(const struct go_heap_layout *l)
{
	uint8_t *span = map(4096);

	put(span, l->span_base, 0xc000000000);
	put(span, l->span_limit, 0xc000002000);
	put(span, l->span_pages, 1);
	put(span, l->span_elem_size, 64);
	span[l->span_state] = 1;
	return span;
}

/* A list of spans that is replaced while it is read. */
static void test_spans(void **state)
{
	struct world *w = world_of(state);
	const struct go_heap_layout *l = &target_layout(w->t)->heap;
	uint8_t *span = make_span(l);
	uint64_t mheap, slice[3] = {0, SPANS_LISTED, SPANS_LISTED};
	struct spans s = {.slice = slice};
	pthread_t thread;

	assert_int_equal(variable_mheap(w->t, &mheap), 0);
	slice[0] = (uint64_t)(uintptr_t)list_of(span);
	assert_int_equal(pthread_create(&thread, NULL, replace_lists, &s), 0);
	for (int i = 0; i < 100; i++) {
		struct heap *h = NULL;

		atomic_store(&s.left, REPLACED);
		assert_int_equal(heap_read(w->t, getpid(),
					   (uint64_t)(uintptr_t)slice - mheap - l->allspans, &h),
				 0);
		assert_int_equal(h->n, 1);
		assert_int_equal(h->skipped, SPANS_LISTED - 1);
		heap_free(h);
	}
	atomic_store(&s.end, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	munmap((void *)(uintptr_t)slice[0], SPANS_LISTED * sizeof(uint64_t));
	munmap(span, 4096);
}

/* One span listed 2^24 times. */
static void test_copies_of_a_span(void **state)
{
	enum { BYTES = 2 << 20, TIMES = 64 };
	const uint64_t length = (uint64_t)BYTES * TIMES / sizeof(uint64_t);
	struct world *w = world_of(state);
	const struct go_heap_layout *l = &target_layout(w->t)->heap;
	uint64_t *page = map(BYTES), *list, mheap, slice[3], before;
	uint8_t *span = make_span(l);
	struct heap *h = NULL;

	for (size_t i = 0; i < BYTES / sizeof(*page); i++)
		page[i] = (uint64_t)(uintptr_t)span;
	list = map_again(page, BYTES, TIMES);
	munmap(page, BYTES);
	slice[0] = (uint64_t)(uintptr_t)list;
	slice[1] = slice[2] = length;
	assert_int_equal(variable_mheap(w->t, &mheap), 0);
	forget_peak();
	before = peak_kib();
	assert_int_equal(
		heap_read(w->t, getpid(), (uint64_t)(uintptr_t)slice - mheap - l->allspans, &h), 0);
	assert_int_equal(h->n, 1);
	assert_int_equal(h->skipped, length - 1);
	assert_true(peak_kib() - before < 300 << 10);
	heap_free(h);
	munmap(list, (size_t)BYTES * TIMES);
	munmap(span, 4096);
}

/* 512 Ps that share a list of 2^20 timers. */
static void test_timers(void **state)
{
	enum { PS = 512, TIMERS = 1 << 20 };
	struct world *w = world_of(state);
	const struct go_layout *l = target_layout(w->t);
	const size_t p_bytes = (l->heap.p_timers + 128) & ~63ul,
		     stride = l->timers_in_struct ? 2 : 1;
	uint64_t *timers = map(TIMERS * stride * sizeof(*timers)), *ps = map(PS * sizeof(*ps)),
		 *vars;
	uint64_t slice[3] = {(uint64_t)(uintptr_t)ps, PS, PS};
	uint64_t of_p[3] = {(uint64_t)(uintptr_t)timers, TIMERS, TIMERS}, channel = 0xc000000000;
	uint64_t begun = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	uint8_t *all = map(PS * p_bytes), *timer = map(4096);
	struct wait_object o = {.address = channel, .kind = WAIT_CHAN, .state_known = true};
	struct wait_graph graph = {0};
	struct wait_reading r = {.t = w->t, .l = l, .pid = getpid(), .objects = &o, .n_objects = 1};
	size_t n;

	r.graph = &graph;
	o.chan.cap = 1;
	o.chan.elem = 1;
	buf_add(&r.texts, "\0time.Time", sizeof("\0time.Time"));
	put(timer, l->timer_arg + 8, channel);
	for (size_t i = 0; i < TIMERS; i++)
		timers[stride * i] = (uint64_t)(uintptr_t)timer;
	for (uint32_t i = 0; i < PS; i++) {
		uint8_t *p = all + i * p_bytes;

		ps[i] = (uint64_t)(uintptr_t)p;
		memcpy(p + l->heap.p_id, &i, sizeof(i));
		memcpy(p + l->heap.p_timers + (l->timers_in_struct ? 8 : 0), of_p, sizeof(of_p));
	}
	assert_int_equal(variable_allp_candidates(w->t, &vars, &n), 0);
	assert_true(n > 0);
	r.bias = (uint64_t)(uintptr_t)slice - vars[0];
	assert_int_equal(address_map_put(&r.by_object[WAIT_CHAN], channel, 0), 1);
	assert_int_equal(reading_timers(&r), 0);
	assert_true(o.chan.timer);
	assert_true(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begun < 20 * NS_PER_SEC);
	address_map_free(&r.by_object[WAIT_CHAN]);
	buf_free(&r.texts);
	free(vars);
	munmap(timers, TIMERS * stride * sizeof(*timers));
	munmap(ps, PS * sizeof(*ps));
	munmap(all, PS * p_bytes);
	munmap(timer, 4096);
}

/* All words of a frame lead to lists of a Cond, in which one waiter is followed by itself. */
static void test_rings_of_waiters(void **state)
{
	enum { LISTS = 4096 };
	struct world *w = world_of(state);
	struct go_layout layout = *target_layout(w->t), *l = &layout;
	uint64_t sp = make_stack(w, 20), begun = clock_ns(CLOCK_PROCESS_CPUTIME_ID), lists = 0;
	uint8_t *rings = map(LISTS * 64), *sudog = map(4096);
	uint8_t park = PARK_COND;
	bool cut, broken = false;
	uint32_t sudog_of = ADDRESS_NONE;
	struct wait_graph graph = {0};
	struct wait_reading r = {.t = w->t, .l = l, .pid = getpid(), .bias = w->bias};

	/* As up to 1.25, where the goroutine does not say what it waits in. */
	layout.semaphores_in_g_waiting = false;
	layout.notify_head = 16;
	layout.notify_tail = 24;
	layout.notify_size = 32;
	make_g(w, 0, 1000, sp);
	put(sudog, 0, w->list[0]);
	put(sudog, l->sudog_next, (uint64_t)(uintptr_t)sudog);
	/* Not where it returns to. */
	for (uint64_t at = sp; at < sp + 20 * (w->frame + 8); at += 8) {
		uint64_t in_frame = (at - sp) % (w->frame + 8),
			 list = (uint64_t)(uintptr_t)rings + lists * 64;

		if (in_frame + 8 > w->frame)
			continue;
		put(rings, (uint32_t)(lists * 64), 1u << 22);
		put(rings, (uint32_t)(lists * 64) + l->notify_head, (uint64_t)(uintptr_t)sudog);
		put(rings, (uint32_t)(lists++ * 64) + l->notify_tail, (uint64_t)(uintptr_t)rings);
		memcpy((void *)(uintptr_t)at, &list, sizeof(list));
	}
	assert_in_range(lists, 20, LISTS - 1);
	set_list(w, (uint64_t)(uintptr_t)w->list, 1);
	assert_int_equal(memory_goroutines(w->t, getpid(), w->bias, &r.gs, &r.n, &cut), 0);
	assert_int_equal(r.n, 1);
	r.graph = &graph;
	r.park = &park;
	r.broken = &broken;
	r.sudog_of = &sudog_of;
	assert_int_equal(address_map_put(&r.by_g, w->list[0], 0), 1);
	assert_int_equal(reading_locks(&r), 0);
	assert_true(broken);
	assert_int_equal(r.n_edges, 0);
	assert_true(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begun < 20 * NS_PER_SEC);
	address_map_free(&r.by_g);
	free(r.gs);
	munmap(rings, LISTS * 64);
	munmap(sudog, 4096);
}

/* Addresses of gs that would all share a place, for who knows how a table finds them. */
static void test_colliding_addresses(void **state)
{
	enum { KEYS = 1 << 19 };
	/* 0x9e3779b97f4a7c15, by which tables were asked, times that is 1: bits 20 to 41 of the
	 * product are 0. */
	const uint64_t inverse = 0xf1de83e19937733dull;
	struct world *w = world_of(state);
	uint64_t *list = map(KEYS * sizeof(*list)), begun;
	size_t n = 0;

	for (uint64_t i = 1; n < KEYS; i++) {
		uint64_t key = ((i & 0x3fffff) << 42 | (i >> 22) << 3) * inverse;

		if (key < 1ull << 56)
			list[n++] = key;
	}
	begun = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	check_list(w, (uint64_t)(uintptr_t)list, KEYS, 0);
	assert_true(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begun < 30 * NS_PER_SEC);
	munmap(list, KEYS * sizeof(*list));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_copies_of_one),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_absurd),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_moving),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_copies_of_a_span),
		cmocka_unit_test(test_timers),
		cmocka_unit_test(test_rings_of_waiters),
		cmocka_unit_test(test_colliding_addresses),
	};

	return cmocka_run_group_tests_name("hostile", tests, set_up, tear_down);
}
