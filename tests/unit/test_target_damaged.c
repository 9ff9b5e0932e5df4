/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * core/target and files that are not what they seem: cut off, flipped, changed while they are open,
 * or not of a kind that can be traced. Each is refused in one line, or answers without harm.
 *
 * TARGET_FLIPS=N in the environment damages N times as many copies, from seed N on.
 */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/target/file_copy.h"
#include "core/target/target_internal.h"
#include "tests/unit/target_build.h"

#define FRAMES_MAX 32

/* --- damaged files -------------------------------------------------------------------------- */

static void ask_opened(struct target *t, uint64_t seed)
{
	struct target_frame frames[FRAMES_MAX];
	struct target_type type;
	struct go_func f;

	for (int i = 0; i < 20; i++) {
		uint64_t pc = t->ranges.text +
			      next_random(&seed) % MAX(t->ranges.etext - t->ranges.text, 1ul);

		target_func_by_pc(t, pc, &f);
		target_frames_by_pc(t, pc, frames, FRAMES_MAX);
		if (t->ranges.etypes > t->ranges.types)
			target_type(t,
				    (t->ranges.types +
				     next_random(&seed) % (t->ranges.etypes - t->ranges.types)) &
					    ~7ull,
				    &type);
	}
	target_func_by_name(t, "main.main", &f);
	for (unsigned i = 0; i < 300; i++)
		target_wait_reason(t, i);
}

/* Opens it and asks everything: any answer will do, as long as there is one. */
static bool ask_everything(const char *path, uint64_t seed)
{
	char why[512];
	struct target *t;

	if (target_open_why(path, &t, why, sizeof(why))) {
		assert_true(*why);
		return false;
	}
	ask_opened(t, seed);
	target_free(t);
	return true;
}

/* Its owner empties the file, or writes another into it, while it is open here: what was read is
 * what counts, and that it differs is noticed. */
static void test_changed_while_open(void **state)
{
	struct probe_site *sites;
	char path[512], why[512];
	struct target *t;
	struct copy c;
	size_t n;

	if (!build("local", "plain", path, sizeof(path)))
		return;
	copy_open(&c, path);
	assert_int_equal(target_open_why(c.path, &t, why, sizeof(why)), 0);
	assert_int_equal(target_sites(t, WANT_ALL, &sites, &n), 0);
	assert_int_equal(target_compare(t, c.fd), 0);
	assert_int_equal(target_compare_sites(t, c.fd, sites, n), 0);
	for (size_t i = 0; i < n; i++) {
		c.data[sites[i].file_offset] ^= 1;
		assert_int_equal(target_compare_sites(t, c.fd, sites, n), -ESTALE);
		c.data[sites[i].file_offset] ^= 1;
	}
	c.data[c.size - 1] ^= 1; /* far from any code */
	assert_int_equal(target_compare_sites(t, c.fd, sites, n), 0);
	assert_int_equal(target_compare(t, c.fd), -ESTALE);
	c.data[c.size - 1] ^= 1;
	assert_int_equal(ftruncate(c.fd, (off_t)c.size + 1), 0);
	assert_int_equal(target_compare(t, c.fd), -ESTALE);
	assert_int_equal(ftruncate(c.fd, 0), 0);
	assert_int_equal(target_compare(t, c.fd), -ESTALE);
	assert_int_equal(target_compare_sites(t, c.fd, sites, n), -ESTALE);
	ask_opened(t, 1);
	free(sites);
	assert_int_equal(target_sites(t, WANT_ALL, &sites, &n), 0);
	free(sites);
	target_free(t);
	copy_close(&c);
}

static void test_truncated(void **state)
{
	static const char *const builds[][2] = {{"local", "stripped"}, {"1.17", "pie-stripped"}};

	for (size_t b = 0; b < ARRAY_SIZE(builds); b++) {
		char path[512];
		struct copy c;

		if (!build(builds[b][0], builds[b][1], path, sizeof(path)))
			continue;
		copy_open(&c, path);
		for (size_t size = c.size; size; size -= MAX(size / 60, (size_t)1)) {
			assert_int_equal(ftruncate(c.fd, (off_t)size), 0);
			ask_everything(c.path, size);
		}
		copy_close(&c);
	}
}

/* Flips bits in [off, off + n), a few at a time, and puts them right again. */
static void flip(struct copy *c, size_t off, size_t n, unsigned rounds, uint64_t *seed)
{
	const char *times = getenv("TARGET_FLIPS");

	rounds *= times ? (unsigned)atoi(times) : 1;
	for (unsigned r = 0; r < rounds; r++) {
		size_t at[4];
		uint8_t was[4];

		for (int i = 0; i < 4; i++) {
			at[i] = off + next_random(seed) % n;
			was[i] = c->data[at[i]];
			c->data[at[i]] ^= (uint8_t)(1u << (next_random(seed) & 7));
		}
		ask_everything(c->path, r);
		for (int i = 3; i >= 0; i--)
			c->data[at[i]] = was[i];
	}
}

static void test_flipped(void **state)
{
	static const char *const builds[][2] = {{"local", "plain"},
						{"1.17", "pie-stripped"},
						{"1.22", "stripped"},
						{"1.27", "pie-arm64"}};

	for (size_t b = 0; b < ARRAY_SIZE(builds); b++) {
		const Elf64_Ehdr *eh;
		const char *times = getenv("TARGET_FLIPS");
		uint64_t seed = b + 1 + (times ? (uint64_t)atoi(times) : 0), md, tab;
		char path[512];
		struct target *t;
		struct copy c;

		if (!build(builds[b][0], builds[b][1], path, sizeof(path)))
			continue;
		t = open_ok(path);
		copy_open(&c, path);
		md = (uint64_t)((const uint8_t *)image_at(t->img, t->module.addr, 1) -
				(const uint8_t *)image_bytes(t->img, &(size_t){0}));
		tab = (uint64_t)(t->tab.data - (const uint8_t *)image_bytes(t->img, &(size_t){0}));
		eh = (const Elf64_Ehdr *)c.data;
		flip(&c, 0, sizeof(*eh) + eh->e_phnum * sizeof(Elf64_Phdr), 150, &seed);
		flip(&c, eh->e_shoff, eh->e_shnum * sizeof(Elf64_Shdr), 100, &seed);
		flip(&c, md, 376, 100, &seed);
		flip(&c, tab, 72, 100, &seed);
		flip(&c, tab + t->tab.funcs, t->tab.nfunc * 8ul, 50, &seed);
		flip(&c, tab, c.size - tab, 50, &seed);
		assert_true(ask_everything(c.path, 1));
		target_free(t);
		copy_close(&c);
	}
}

/* --- refusals ------------------------------------------------------------------------------- */

static void refused(const char *path, const char *because)
{
	struct target *t;
	char why[512];

	assert_int_equal(target_open_why(path, &t, why, sizeof(why)), -ENOEXEC);
	if (!strstr(why, because))
		print_error("%s: %s\n", path, why);
	assert_non_null(strstr(why, because));
	assert_null(strchr(why, '\n'));
}

static void refused_text(const char *text, size_t n, const char *because)
{
	struct copy c = {.size = n};

	c.fd = memfd_create("text", MFD_CLOEXEC);
	assert_true(c.fd >= 0 && write(c.fd, text, n) == (ssize_t)n);
	snprintf(c.path, sizeof(c.path), "/proc/self/fd/%d", c.fd);
	refused(c.path, because);
	close(c.fd);
}

/* Go programs carry what they unpack behind their last section. It is not read: here it is more
 * than fits into any memory. A program of which the headers say that it is itself as large is
 * refused. */
static void test_appended(void **state)
{
	const off_t huge = (off_t)1 << 40;
	char path[512], why[512];
	struct file_copy whole;
	struct target *t;
	Elf64_Ehdr *eh;
	Elf64_Shdr *sh;
	struct copy c;

	if (!build("local", "plain", path, sizeof(path)))
		return;
	copy_open(&c, path);
	if (ftruncate(c.fd, huge)) {
		print_message("no sparse files here: %s\n", strerror(errno));
		copy_close(&c);
		return;
	}
	assert_int_equal(target_open_why(c.path, &t, why, sizeof(why)), 0);
	whole = *image_copy(t->img);
	assert_true(whole.size <= c.size && whole.stamp.size == huge);
	assert_int_equal(target_compare(t, c.fd), 0);
	ask_opened(t, 1);
	assert_int_equal(ftruncate(c.fd, huge - 1), 0);
	assert_int_equal(target_compare(t, c.fd), -ESTALE);
	target_free(t);
	eh = (Elf64_Ehdr *)c.data;
	sh = (Elf64_Shdr *)(c.data + eh->e_shoff);
	sh[eh->e_shnum - 1].sh_size = (uint64_t)huge / 2;
	refused(c.path, "GiB of it are code and data");
	sh[eh->e_shnum - 1].sh_size = UINT64_MAX;
	refused(c.path, "GiB of it are code and data");
	eh->e_shnum = 0;
	refused(c.path, "GiB of it are code and data");
	copy_close(&c);
}

static void test_refusals(void **state)
{
	static const char script[] = "#!/usr/bin/python3 -u\nprint(1)\n";
	static const char elf32[64] = "\177ELF\1\1\1", big[64] = "\177ELF\2\2\1";
	struct target *t;
	char path[512], why[512];
	const Elf64_Ehdr *eh;
	struct copy c;

	refused_text(script, sizeof(script) - 1, "/usr/bin/python3 -u");
	refused_text("hello", 5, "not an ELF");
	refused_text("#!", 2, "not an ELF");
	refused_text(elf32, sizeof(elf32), "32-bit");
	refused_text(big, sizeof(big), "big-endian");
	refused("/", "directory");
	refused("/proc/self/exe", "not a Go program");
	assert_int_equal(target_open_why("/no/such/file", &t, why, sizeof(why)), -ENOENT);

	if (!build("1.17", "stripped", path, sizeof(path)))
		return;
	copy_open(&c, path);
	copy_replace(&c, "go1.17.13", "go1.16.13");
	refused(c.path, "go1.16.13");
	copy_replace(&c, "go1.16.13", "go1.99.13");
	refused(c.path, "DWARF");
	/* As garble leaves it: no version, or another magic. */
	assert_true(copy_replace(&c, "go1.99.13", "unknown.x") > 0);
	refused(c.path, "does not say of which Go version");
	assert_true(copy_replace(&c, "unknown.x", "go1.17.13") > 0);
	assert_true(copy_replace(&c, "runtime.casgstatus", "kJ3hG8sd.aB3dE5fGh") > 0);
	refused(c.path, "hashed");
	assert_true(copy_replace(&c, "kJ3hG8sd.aB3dE5fGh", "runtime.casgstatus") > 0);
	assert_true(copy_replace(&c, "go1.17.13", "go1.18.13") > 0);
	refused(c.path, "function table");
	assert_true(copy_replace(&c, "go1.18.13", "go1.17.13") > 0);
	assert_true(copy_replace(&c, "\xfa\xff\xff\xff", "\x12\x34\x56\x78") > 0);
	refused(c.path, "function table was changed");
	assert_true(copy_replace(&c, "\x12\x34\x56\x78", "\xfb\xff\xff\xff") > 0);
	refused(c.path, "1.15 or older");
	eh = (const Elf64_Ehdr *)c.data;
	memcpy(c.data + eh->e_phoff + eh->e_phnum * sizeof(Elf64_Phdr) + 4, "UPX!", 4);
	refused(c.path, "upx -d");
	copy_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_changed_while_open),
		cmocka_unit_test(test_appended),
		cmocka_unit_test(test_flipped),
	};

	return cmocka_run_group_tests_name("target_damaged", tests, NULL, NULL);
}
