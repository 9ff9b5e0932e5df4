/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Parts of a program (plugins) and whose an address is; files told by their headers; what is
 * mapped. A program stands in for a plugin here: what one really does is in tests/cases/plugins.sh.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/target/go_file.h"
#include "core/target/parts.h"
#include "tests/unit/sample.h"

struct fixture {
	struct target *t, *part;
	struct go_func casgstatus, of_part; /* static addresses, each of its own */
	int k;
};

static const char *const mode[] = {"pie-stripped", "stripped"};

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));
	static char path[2][SAMPLE_PATH_MAX];
	char why[512];

	assert_non_null(x);
	*state = NULL;
	for (int i = 0; i < 2; i++) {
		if (!sample_build("local", mode[i], "workload", path[i])) {
			free(x);
			return 0;
		}
	}
	assert_int_equal(target_open(path[0], &x->t), 0);
	assert_int_equal(target_open_part(path[1], x->t, &x->part, why, sizeof(why)), 0);
	assert_int_equal(target_func_by_name(x->t, "runtime.casgstatus", &x->casgstatus), 0);
	assert_int_equal(target_func_by_name(x->part, "runtime.casgstatus", &x->of_part), 0);
	assert_int_equal(target_parts_generation(x->t), 0);
	x->k = target_add_part(x->t, x->part);
	assert_int_equal(x->k, 1);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	if (!x)
		return 0;
	target_free(x->t);
	free(x);
	return 0;
}

static void is_casgstatus(const struct target *t, uint64_t entry)
{
	struct target_frame frame;
	struct go_func f;
	const char *file;
	uint32_t line;

	assert_int_equal(target_func_by_pc(t, entry + 1, &f), 0);
	assert_string_equal(f.name, "runtime.casgstatus");
	assert_int_equal(f.entry, entry);
	assert_int_equal(target_start_func(t, entry, &f), 0);
	assert_int_equal(f.entry, entry);
	assert_int_equal(target_line_by_pc(t, entry, &file, &line), 0);
	assert_non_null(strstr(file, "runtime/proc.go"));
	assert_int_equal(target_frames_by_pc(t, entry, &frame, 1), 1);
	assert_int_equal(frame.entry, entry);
	assert_true(target_is_system_goroutine(t, entry));
}

static void test_tag(void **state)
{
	struct fixture *x = *state;
	uint64_t tag = 1ull << TARGET_PART_SHIFT, base;

	if (!x)
		skip();
	is_casgstatus(x->t, x->casgstatus.entry);
	is_casgstatus(x->t, x->of_part.entry + tag);
	assert_ptr_equal(target_at(x->t, x->of_part.entry + tag, &base), x->part);
	assert_int_equal(base, tag);
	assert_true(target_part_has(x->t, x->of_part.entry + tag));
	assert_false(target_part_has(x->t, tag - 0x1000));
	assert_false(target_part_has(x->t, x->casgstatus.entry));
	/* Of a part that there is not. */
	assert_ptr_equal(target_at(x->t, x->of_part.entry + 2 * tag, &base), x->t);
	/* Below a tag, as an address is that lies before the part in memory. */
	assert_int_equal(target_part_of(tag - 0x7f0000000000), x->k);
	assert_int_equal(target_part_of(0 - 0x7f0000000000ull), 0);
}

static void test_window(void **state)
{
	struct fixture *x = *state;
	unsigned before;
	const uint64_t bias = 0x550000000000, part_bias = 0x7f0000000000;
	struct go_func f;
	uint64_t base;

	if (!x)
		skip();
	before = target_parts_generation(x->t);
	assert_int_equal(target_func_by_pc(x->t, x->of_part.entry + part_bias - bias, &f), -ENOENT);
	assert_int_equal(target_add_window(x->t, (unsigned)x->k, bias, part_bias), 0);
	assert_int_not_equal(target_parts_generation(x->t), before);
	is_casgstatus(x->t, x->of_part.entry + part_bias - bias);
	/* It is the program's own where the two meet, and the window of a process that has the part
	 * below the program. */
	is_casgstatus(x->t, x->casgstatus.entry);
	assert_int_equal(target_add_window(x->t, (unsigned)x->k, part_bias, bias), 0);
	is_casgstatus(x->t, x->of_part.entry + bias - part_bias);
	assert_ptr_equal(target_at(x->t, x->of_part.entry + bias - part_bias, &base), x->part);
	/* The same again is nothing new; something else there cannot be told apart. */
	before = target_parts_generation(x->t);
	assert_int_equal(target_add_window(x->t, (unsigned)x->k, bias, part_bias), 0);
	assert_int_equal(target_add_window(x->t, (unsigned)x->k, bias, part_bias + 0x1000),
			 -EEXIST);
	assert_int_equal(target_parts_generation(x->t), before);
}

static void test_bounds(void **state)
{
	struct fixture *x = *state;
	char path[SAMPLE_PATH_MAX], why[512];
	struct target *more;
	unsigned n = 0;

	if (!x)
		skip();
	for (uint64_t i = 1; i <= TARGET_WINDOWS + 1; i++)
		n += target_add_window(x->t, (unsigned)x->k, 0, i << 36) == 0;
	assert_int_equal(n, TARGET_WINDOWS);
	assert_int_equal(target_add_window(x->t, (unsigned)x->k, 0, 1ull << 46), -ENOSPC);
	assert_true(sample_build("local", mode[1], "workload", path));
	for (int k = 2; k <= TARGET_PARTS_MAX; k++) {
		assert_int_equal(target_open_part(path, x->t, &more, why, sizeof(why)), 0);
		assert_int_equal(target_add_part(x->t, more), k);
	}
	assert_int_equal(target_add_part(x->t, x->part), -ENOSPC);
}

/* An inner call of the part's allocator, by either kind of address; none of the program. */
static void test_excludes(void **state)
{
	struct fixture *x = *state;
	struct pc_range ranges[EXCLUDE_RANGES_MAX];
	uint64_t tag = 1ull << TARGET_PART_SHIFT;

	if (!x)
		skip();
	assert_true(target_exclude(x->part, EXCLUDE_MAPS, ranges) > 0);
	assert_true(target_excludes(x->t, ranges[0].lo + tag));
	assert_false(target_excludes(x->t, x->of_part.entry + tag));
	assert_true(target_exclude(x->t, EXCLUDE_MAPS, ranges) > 0);
	assert_false(target_excludes(x->t, ranges[0].lo));
}

static enum go_file kind_of(const char *path)
{
	cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return go_file_kind(fd);
}

static void test_kinds(void **state)
{
	char path[SAMPLE_PATH_MAX];

	(void)state;
	if (sample_build("local", "pie-stripped", "workload", path))
		assert_int_equal(kind_of(path), GO_FILE_PROGRAM);
	assert_int_equal(kind_of("/proc/self/exe"), GO_FILE_NONE);
	assert_int_equal(kind_of("/dev/null"), GO_FILE_NONE);
}

struct found {
	uintptr_t addr;
	struct mapping m;
	char path[256];
};

static int find(void *ctx, const struct mapping *m)
{
	struct found *f = ctx;

	if (f->addr < m->start || f->addr >= m->end)
		return 0;
	f->m = *m;
	snprintf(f->path, sizeof(f->path), "%s", m->path);
	return 7;
}

/* A name with blanks and a newline, a deleted file: what maps says is opened again. */
static void test_mappings(void **state)
{
	char path[256];
	const char *tmp = getenv("TMPDIR");
	struct found f = {0};
	struct stat a, b;
	struct mapped_file file;
	void *page;
	int fd, again;

	(void)state;
	snprintf(path, sizeof(path), "%.100s/a b\nc %d", tmp && *tmp ? tmp : "/tmp", (int)getpid());
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 8192), 0);
	page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 4096);
	assert_ptr_not_equal(page, MAP_FAILED);
	f.addr = (uintptr_t)page;
	assert_int_equal(mappings_each(getpid(), find, &f), 7);
	assert_int_equal(f.m.offset, 4096);
	assert_true(f.m.readable && !f.m.executable);
	assert_int_equal(mappings_identity(fd, &file), 0);
	assert_true(mapping_is_of(&f.m, &file));
	file.ino++;
	assert_false(mapping_is_of(&f.m, &file));
	file.ino = 0;
	assert_false(mapping_is_of(&f.m, &file));
	f.m.path = f.path;
	for (int i = 0; i < 2; i++) {
		again = mapping_open(&f.m);
		if (again < 0 && i) /* a deleted one takes a capability */
			break;
		assert_true(again >= 0);
		assert_int_equal(fstat(again, &a), 0);
		assert_int_equal(fstat(fd, &b), 0);
		assert_true(a.st_dev == b.st_dev && a.st_ino == b.st_ino);
		close(again);
		(void)unlink(path);
	}
	munmap(page, 4096);
	close(fd);
	assert_int_equal(mappings_each(0x3fffffff, find, &f), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tag, setup, teardown),
		cmocka_unit_test_setup_teardown(test_window, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_excludes, setup, teardown),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_mappings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
