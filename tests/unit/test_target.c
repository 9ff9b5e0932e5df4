/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * core/target against programs that the go command builds (tests/targets/build.sh). The truth comes
 * from elsewhere: the program's own runtime (tests/targets/facts prints types, wait reasons and the
 * calls at a pc), the ELF symbol table of the unstripped build, and its DWARF.
 *
 * TARGET_MATRIX="1.17:cgo-pie 1.22:race" in the environment replaces the list of builds.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "core/memory/type.h"
#include "core/target/layout.h"
#include "core/target/target_internal.h"
#include "tests/unit/target_build.h"

#define FRAMES_MAX 32
#define PCS        3000

static const char default_matrix[] =
	"local:plain local:stripped local:pie 1.17:stripped 1.17:pie-stripped 1.20:stripped "
	"1.22:stripped 1.22:pie 1.27:stripped 1.27:plain 1.27:pie-arm64";

/* --- helpers -------------------------------------------------------------------------------- */

static bool has_word(const char *mode, const char *word)
{
	return strstr(mode, word) != NULL;
}

/* --- the runtime's own word ----------------------------------------------------------------- */

/* Program counters all over the text, as return addresses. */
static size_t choose_pcs(const struct target *t, uint64_t pcs[PCS])
{
	const uint64_t span = t->ranges.etext - t->ranges.text;
	uint64_t state = 1;
	struct go_func f;
	size_t n = 0;

	for (int i = 0; i < PCS; i++) {
		uint64_t pc = t->ranges.text + 1 + next_random(&state) % (span - 1);

		if (!target_func_by_pc(t, pc - 1, &f) && pc - 1 > f.entry && pc < f.end)
			pcs[n++] = pc;
	}
	return n;
}

static void check_type(const struct target *t, const char *line, uint64_t bias)
{
	unsigned long addr, size, key_size, elem_size;
	unsigned kind, key_kind, elem_kind;
	struct target_type type;
	int used = 0;

	assert_int_equal(sscanf(line, "type %lx %lu %u %lu %u %lu %u %n", &addr, &size, &kind,
				&key_size, &key_kind, &elem_size, &elem_kind, &used),
			 7);
	assert_int_equal(target_type(t, addr - bias, &type), 0);
	assert_string_equal(type.name, line + used);
	assert_int_equal(type.size, size);
	assert_int_equal(type.kind, kind);
	assert_int_equal(type.key_size, key_size);
	assert_int_equal(type.key_kind, key_kind);
	assert_int_equal(type.elem_size, elem_size);
	assert_int_equal(type.elem_kind, elem_kind);
}

static bool same_name(const struct target_frame *f, const char *name)
{
	char print[1024];

	target_frame_print_name(f, print, sizeof(print));
	/* The runtime takes name offset 0 for "none" and so shows its first function without one.
	 */
	return !strcmp(f->function, name) || !strcmp(print, name) || !*name;
}

/* One line of a call; *pos is the frame it should be. */
static void check_frame(const struct target_frame *frames, int n, int *pos, char *line)
{
	char *function = line + 1, *file, *number;

	file = strchr(function, '\t');
	assert_non_null(file);
	*file++ = '\0';
	number = strchr(file, '\t');
	assert_non_null(number);
	*number++ = '\0';
	while (*pos < n && frames[*pos].wrapper && !same_name(&frames[*pos], function))
		++*pos;
	assert_true(*pos < n);
	if (!same_name(&frames[*pos], function))
		for (int i = 0; i < n; i++)
			print_error("%c %s:%u, but it is %s:%s\n", i == *pos ? '>' : ' ',
				    frames[i].function, frames[i].line, function, number);
	assert_true(same_name(&frames[*pos], function));
	assert_string_equal(frames[*pos].file, file);
	assert_int_equal(frames[*pos].line, atoi(number));
	++*pos;
}

/* All calls were seen; the runtime leaves out wrappers. */
static void check_end(const struct target_frame *frames, int n, int pos)
{
	while (pos < n && frames[pos].wrapper)
		pos++;
	assert_int_equal(pos, n);
}

struct tally {
	unsigned types, reasons, pcs, inlined;
};

static void check_output(const struct target *t, FILE *out, struct tally *tally)
{
	struct target_frame frames[FRAMES_MAX];
	int n = 0, pos = 0, reason;
	struct go_func f;
	unsigned long addr;
	uint64_t bias = 0;
	char *line = NULL;
	size_t cap = 0;
	int used;

	while (getline(&line, &cap, out) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "main %lx", &addr) == 1) {
			assert_int_equal(target_func_by_name(t, "main.main", &f), 0);
			bias = addr - f.entry;
			assert_true(target_is_pie(t) ? !(bias & 0xfff) : !bias);
		} else if (!strncmp(line, "version ", 8)) {
			assert_int_equal(strncmp(target_go_version(t), line + 8, strlen(line + 8)),
					 0);
		} else if (!strncmp(line, "made ", 5) || !strcmp(line, "ready")) {
			continue; /* test_process */
		} else if (!strncmp(line, "type ", 5)) {
			check_type(t, line, bias);
			tally->types++;
		} else if (sscanf(line, "reason %d %n", &reason, &used) == 1) {
			assert_non_null(target_wait_reason(t, (unsigned)reason));
			assert_string_equal(target_wait_reason(t, (unsigned)reason), line + used);
			tally->reasons++;
		} else if (sscanf(line, "pc %lx", &addr) == 1) {
			check_end(frames, n, pos);
			n = target_frames_by_pc(t, addr - bias - 1, frames, FRAMES_MAX);
			assert_true(n > 0);
			tally->inlined += n > 1;
			tally->pcs++;
			pos = 0;
		} else {
			assert_int_equal(*line, '\t');
			check_frame(frames, n, &pos, line);
		}
	}
	check_end(frames, n, pos);
	assert_null(target_wait_reason(t, tally->reasons));
	free(line);
}

/* Runs the program on a list of pcs. A position-independent one says first where it is. */
static void check_against_itself(const struct target *t, const char *path, struct tally *tally)
{
	char list[] = "/tmp/test_target_XXXXXX", command[1024];
	int fd = mkstemp(list);
	uint64_t pcs[PCS];
	size_t n = choose_pcs(t, pcs);
	struct go_func f;
	FILE *out;

	assert_true(fd >= 0);
	assert_int_equal(target_func_by_name(t, "main.main", &f), 0);
	for (size_t i = 0; i < n; i++)
		dprintf(fd, "%ld\n", (long)(pcs[i] - f.entry));
	close(fd);
	snprintf(command, sizeof(command), "timeout 60 %s < %s", path, list);
	out = popen(command, "r");
	assert_non_null(out);
	check_output(t, out, tally);
	assert_int_equal(pclose(out), 0);
	unlink(list);
	assert_int_equal(tally->pcs, n);
	assert_true(tally->types > 20 && tally->reasons > 25 && tally->inlined > 50);
}

/* --- the ELF symbol table ------------------------------------------------------------------- */

static const Elf64_Shdr *symbol_table(const uint8_t *elf)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)elf;
	const Elf64_Shdr *sh = (const Elf64_Shdr *)(elf + eh->e_shoff);

	for (int i = 0; i < eh->e_shnum; i++)
		if (sh[i].sh_type == SHT_SYMTAB)
			return &sh[i];
	return NULL;
}

/* Every Go function of `path`, an unstripped build, is where t (the same code) has it. */
static unsigned check_symbols(const struct target *t, const char *path)
{
	size_t size;
	const uint8_t *elf = map_file(path, &size);
	const Elf64_Shdr *tab = symbol_table(elf), *sections;
	const char *names;
	const Elf64_Sym *sym;
	unsigned checked = 0;

	assert_non_null(tab);
	sections = (const Elf64_Shdr *)(elf + ((const Elf64_Ehdr *)elf)->e_shoff);
	names = (const char *)elf + sections[tab->sh_link].sh_offset;
	sym = (const Elf64_Sym *)(elf + tab->sh_offset);
	for (size_t i = 0; i < tab->sh_size / sizeof(*sym); i++) {
		const char *name = names + sym[i].st_name;
		struct go_func f, g;

		if (ELF64_ST_TYPE(sym[i].st_info) != STT_FUNC || !sym[i].st_size ||
		    sym[i].st_value < t->ranges.text || sym[i].st_value >= t->ranges.etext ||
		    !strchr(name, '.'))
			continue;
		assert_int_equal(target_func_by_pc(t, sym[i].st_value, &f), 0);
		assert_int_equal(f.entry, sym[i].st_value);
		assert_true(f.end >= f.entry + sym[i].st_size);
		if (!strchr(name, '[') && !strstr(f.name, "·") &&
		    strncmp(name, f.name, strlen(f.name)) != 0)
			fail_msg("%s is %s", name, f.name);
		assert_int_equal(target_func_by_name(t, f.name, &g), 0);
		assert_true(g.entry == f.entry || f.wrapper || strstr(name, ".abi") ||
			    strchr(name, '['));
		checked++;
	}
	munmap((void *)elf, size);
	assert_true(checked > 1000);
	return checked;
}

/* The functions that probes stand on: the body, not the wrapper. */
static void check_wanted(const struct target *t)
{
	static const char *const names[] = {
		"runtime.casgstatus", "runtime.newproc1", "runtime.newobject", "runtime.makeslice",
		"runtime.makemap",    "runtime.mallocgc", "runtime.goexit1",   "runtime.main",
	};
	struct go_func f;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(target_func_by_name(t, names[i], &f), 0);
		assert_false(f.wrapper);
		assert_true(f.end - f.entry >= 32);
	}
	assert_int_equal(target_func_by_name(t, "runtime.noSuchFunction", &f), -ENOENT);
	assert_int_equal(target_func_by_name(t, "no.such", &f), -ENOENT);
	assert_int_equal(target_func_by_pc(t, 0, &f), -ENOENT);
	assert_int_equal(target_func_by_pc(t, t->ranges.etext + 64, &f), -ENOENT);
	assert_int_equal(target_func_by_name(t, "runtime.main", &f), 0);
	assert_false(target_is_system_goroutine(t, f.entry));
	assert_int_equal(target_func_by_name(t, "runtime.forcegchelper", &f), 0);
	assert_true(target_is_system_goroutine(t, f.entry));
	assert_int_equal(target_func_by_name(t, "main.main", &f), 0);
	assert_false(target_is_system_goroutine(t, f.entry));
}

static void check_offsets(const struct target *t, const char *mode)
{
	char want[64];

	snprintf(want, sizeof(want), "table go1.%u%s", target_go_minor(t),
		 has_word(mode, "stripped") || has_word(mode, "nodwarf") ? "" : " + DWARF");
	assert_string_equal(target_offsets_from(t), want);
}

static void check_build(const char *version, const char *mode)
{
	char path[512], twin[512], twin_mode[64];
	struct tally tally = {0};
	unsigned symbols = 0;
	const char *cut;
	struct target *t;

	if (!build(version, mode, path, sizeof(path))) {
		print_message("# %s %s: not to be had here, skipped\n", version, mode);
		return;
	}
	t = open_ok(path);
	check_wanted(t);
	check_offsets(t, mode);
	if (!has_word(mode, "arm64"))
		check_against_itself(t, path, &tally);
	cut = strstr(mode, "stripped");
	snprintf(twin_mode, sizeof(twin_mode), "%.*s%s", cut ? (int)(cut - mode) : 99, mode,
		 cut ? "plain" : "");
	if (build(version, twin_mode, twin, sizeof(twin)))
		symbols = check_symbols(t, twin);
	print_message(
		"# %-6s %-18s %s: %u symbols, %u types, %u wait reasons, %u pcs (%u inlined)\n",
		version, mode, target_symbols_from(t), symbols, tally.types, tally.reasons,
		tally.pcs, tally.inlined);
	target_free(t);
}

static void test_builds(void **state)
{
	const char *matrix = getenv("TARGET_MATRIX");
	char *copy = strdup(matrix ? matrix : default_matrix), *save = NULL;

	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		char *mode = strchr(word, ':');

		assert_non_null(mode);
		*mode++ = '\0';
		check_build(word, mode);
	}
	free(copy);
}

/* --- versions ------------------------------------------------------------------------------- */

static void test_version_strings(void **state)
{
	static const struct {
		const char *text;
		bool ok, development;
		unsigned minor;
	} rows[] = {
		{"go1.24.1 X:noswissmap", true, false, 24},
		{"go1.25-20250209-RC00 cl/724968557 X:boringcrypto", true, false, 25},
		{"go1.21.11 X:nocoverageredesign", true, false, 21},
		{"devel go1.27-0123abcd Mon Nov 2 2026", true, true, 27},
		{"go1.26-devel_0123abcd", true, true, 26},
		{"go1.22rc1", true, false, 22},
		{"go1.21beta1", true, true, 21},
		{"go1.17", true, false, 17},
		{"go1.20.6+custom", true, false, 20},
		{"devel +0123abcd", false, true, 0},
		{"go2.1", false, false, 0},
		{"go1.", false, false, 0},
		{"", false, false, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned minor = 0;
		bool development;

		assert_int_equal(buildinfo_parse_version(rows[i].text, &minor, &development),
				 rows[i].ok);
		assert_int_equal(minor, rows[i].minor);
		assert_int_equal(development, rows[i].development);
	}
}

/* A release that the table does not know: from DWARF. */
static void test_newer_release(void **state)
{
	char path[512];
	struct target *t, *known;
	struct copy c;

	if (!build("1.27", "plain", path, sizeof(path)))
		skip();
	known = open_ok(path);
	copy_open(&c, path);
	assert_true(copy_replace(&c, "go1.27.3", "go1.29.3") > 0);
	t = open_ok(c.path);
	assert_string_equal(target_offsets_from(t), "DWARF");
	assert_int_equal(target_go_minor(t), 29);
	assert_memory_equal(target_layout(t), target_layout(known), sizeof(*target_layout(t)));
	assert_memory_equal(&t->ranges, &known->ranges, sizeof(t->ranges));
	assert_string_equal(target_wait_reason(t, 1), "GC assist marking");
	target_free(t);
	target_free(known);
	copy_close(&c);
}

/* What DWARF has goes before the table, field by field; what cannot be is not taken. */
static void test_dwarf_facts(void **state)
{
	struct go_layout layout, table;
	struct dwarf_facts facts = {
		.g_size = 500,
		.sudog_size = 1000,
		.hchan_size = 1000,
		.poll_size = 1000,
		.notify_size = 1000,
		.defer_size = 1000,
		.timer_size = 1000,
	};

	assert_int_equal(layout_of_release(27, EM_X86_64, &table), 0);
	assert_true(layout_is_plausible(&table));
	for (size_t i = 0; i < DWARF_FIELDS; i++)
		facts.offset[i] = 8 * (int64_t)i;
	facts.offset[DWARF_G_SCHED] = 100;
	facts.offset[DWARF_GOBUF_LR] = 24;
	facts.offset[DWARF_G_SYSCALLBP] = -1;
	layout = table;
	assert_true(layout_apply_dwarf(&layout, &facts) > 0);
	assert_int_equal(layout.g_sched_lr, 124);
	assert_int_equal(layout.g_lockedm, 8 * DWARF_G_LOCKEDM);
	assert_int_equal(layout.g_syscallbp, 0);
	assert_int_equal(layout_apply_dwarf(&layout, &facts), 0);
	assert_true(layout_is_plausible(&layout));
	facts.offset[DWARF_GOBUF_BP] = 400; /* 100 + 400 is behind the end */
	layout = table;
	layout_apply_dwarf(&layout, &facts);
	assert_false(layout_is_plausible(&layout));
	facts.offset[DWARF_GOBUF_BP] = 8;
	facts.g_size = UINT32_MAX;
	layout_apply_dwarf(&layout, &facts);
	assert_false(layout_is_plausible(&layout));
	facts.g_size = 500;
	/* From 1.26 on an element is a pair of which the second word is meant. */
	assert_int_equal(layout.sudog_c, 8 * (DWARF_SUDOG_C + DWARF_TRACEABLE_VU));
	facts.hchan_size = 64; /* its fields lie behind that */
	layout = table;
	layout_apply_dwarf(&layout, &facts);
	assert_false(layout_is_plausible(&layout));
	facts.hchan_size = GO_WAIT_SIZE_MAX + 1;
	layout = table;
	layout_apply_dwarf(&layout, &facts);
	assert_false(layout_is_plausible(&layout));
	facts.hchan_size = 1000;
	facts.defer_size = 3; /* less than any field has */
	layout = table;
	layout_apply_dwarf(&layout, &facts);
	assert_false(layout_is_plausible(&layout));
	facts.defer_size = 8 * DWARF_DEFER_LINK + 4; /* half of its last field */
	layout = table;
	layout_apply_dwarf(&layout, &facts);
	assert_false(layout_is_plausible(&layout));
	facts.defer_size = 1000;
	facts.hchan_size = 0; /* not in the program: as the table has it */
	for (unsigned i = DWARF_HCHAN_QCOUNT; i <= DWARF_HCHAN_TIMER; i++)
		facts.offset[i] = -1;
	layout = table;
	layout_apply_dwarf(&layout, &facts);
	assert_true(layout_is_plausible(&layout));
	assert_int_equal(layout.hchan_recvq, table.hchan_recvq);
	facts.offset[DWARF_M_ID] = INT32_MAX;
	layout_apply_dwarf(&layout, &facts);
	assert_false(layout_is_plausible(&layout));
	for (unsigned minor = LAYOUT_OLDEST; minor <= LAYOUT_NEWEST; minor++) {
		assert_int_equal(layout_of_release(minor, EM_AARCH64, &table), 0);
		assert_true(layout_is_plausible(&table));
		assert_true(table.g_sched_bp == table.g_sched_lr + 8 && table.g_lockedm);
	}
}

/* --- a live process ------------------------------------------------------------------------- */

struct child {
	pid_t pid;
	int in;
	FILE *out;
};

static void child_start(struct child *c, const char *path)
{
	int in[2], out[2];

	assert_true(!pipe2(in, O_CLOEXEC) && !pipe2(out, O_CLOEXEC));
	c->pid = fork();
	if (!c->pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl(path, path, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	c->in = in[1];
	c->out = fdopen(out[0], "r");
	assert_non_null(c->out);
}

static void child_end(struct child *c)
{
	int status;

	kill(c->pid, SIGKILL);
	waitpid(c->pid, &status, 0);
	close(c->in);
	fclose(c->out);
}

/* A type that reflect made, as read from the running program. */
static void check_made(const struct target *t, pid_t pid, const char *line)
{
	struct target_type type;
	unsigned long addr, size;
	unsigned kind;
	int used = 0;

	assert_int_equal(sscanf(line, "made %lx %lu %u %n", &addr, &size, &kind, &used), 3);
	assert_int_equal(memory_type(t, pid, addr, &type), 0);
	assert_string_equal(type.name, line + used);
	assert_int_equal(type.size, size);
	assert_int_equal(type.kind, kind);
}

/* A copy of the program that is gone from the file system when we look: by /proc/PID/exe. */
static void check_process(const char *version, const char *mode)
{
	char path[512], copy[] = "/tmp/test_target_XXXXXX", command[1200], line[512];
	unsigned long addr = 0;
	struct child child;
	struct target *t;
	struct go_func f;
	uint64_t bias = 1;
	int made = 0;

	if (!build(version, mode, path, sizeof(path)))
		return;
	close(mkstemp(copy));
	snprintf(command, sizeof(command), "cp %s %s && chmod 700 %s", path, copy, copy);
	assert_int_equal(system(command), 0);
	child_start(&child, copy);
	assert_non_null(fgets(line, sizeof(line), child.out));
	assert_int_equal(sscanf(line, "main %lx", &addr), 1);
	assert_int_equal(unlink(copy), 0);
	snprintf(command, sizeof(command), "/proc/%d/exe", (int)child.pid);
	t = open_ok(command);
	assert_int_equal(target_func_by_name(t, "main.main", &f), 0);
	assert_int_equal(target_load_bias(t, child.pid, &bias), 0);
	assert_int_equal(f.entry + bias, addr);
	assert_int_equal(target_load_bias(t, getpid(), &bias), -ENOENT);
	while (fgets(line, sizeof(line), child.out) && strcmp(line, "ready\n") != 0) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "made ", 5) != 0)
			continue;
		check_made(t, child.pid, line);
		made++;
	}
	assert_int_equal(made, 8);
	child_end(&child);
	assert_int_equal(target_load_bias(t, child.pid, &bias), -ESRCH);
	target_free(t);
}

static void test_process(void **state)
{
	check_process("local", "plain");
	check_process("local", "pie");
	check_process("1.17", "pie-stripped");
	check_process("1.20", "stripped");
	check_process("1.27", "stripped");
}

/* Another architecture is read, but not run. */
static void test_foreign(void **state)
{
#if defined(__x86_64__)
	const char *mode = "pie-arm64";
#else
	const char *mode = "pie";
#endif
	struct target_type type;
	char path[512];
	struct target *t;
	bool found = false;

	if (!build("1.27", mode, path, sizeof(path)))
		skip();
	t = open_ok(path);
#if defined(__x86_64__)
	assert_int_equal(target_check_runnable(t), -ENOEXEC);
	assert_string_equal(target_arch(t), "arm64");
#endif
	for (uint64_t at = t->ranges.types; at < t->ranges.etypes; at += 8)
		if (!target_type(t, at, &type) && !strcmp(type.name, "main.table")) {
			assert_int_equal(type.kind, 21);
			assert_int_equal(type.key_kind, 24);
			assert_int_equal(type.elem_kind, 23);
			assert_int_equal(type.elem_size, 24);
			found = true;
		}
	assert_true(found);
	assert_string_equal(target_wait_reason(t, 2), "IO wait");
	assert_null(target_wait_reason(t, 47));
	target_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version_strings), cmocka_unit_test(test_builds),
		cmocka_unit_test(test_dwarf_facts),     cmocka_unit_test(test_newer_release),
		cmocka_unit_test(test_process),         cmocka_unit_test(test_foreign),
	};

	return cmocka_run_group_tests_name("target", tests, NULL, NULL);
}
