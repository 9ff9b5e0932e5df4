/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Probe sites in real Go programs: which functions, which instruction, and that whatever was chosen
 * stands where one hit is one call. Checked against what was seen under probes on those versions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <elf.h>
#include <errno.h>

#include "core/base/util.h"
#include "core/target/exclude.h"
#include "core/target/place.h"
#include "core/target/target_internal.h"
#include "tests/unit/sample.h"

struct row {
	const char *version, *mode;
	unsigned states;      /* sites for the goroutine states */
	unsigned specialised; /* mallocs */
	bool filtered;        /* newobject is probed on its stack check's branch */
	bool stepped;         /* no instruction behind the store of a goid is emulated */
};

static const struct row rows[] = {
	{"local", "plain", 0, 0, true, false},
	{"1.17", "plain", 2, 0, true, false},
	{"1.17", "pie-stripped", 2, 0, true, false},
	{"1.22", "stripped", 2, 0, true, false},
	{"1.22", "cgo-pie-stripped", 2, 0, true, false},
	{"1.20", "noopt-stripped", 2, 0, true, false},
	{"1.23", "noopt-stripped", 2, 0, true, true},
	{"1.27", "noopt-stripped", 4, 14, true, false},
	{"1.27", "plain", 4, 14, true, false},
	{"1.27", "cgo-pie-stripped", 4, 14, true, false},
	{"1.17", "arm64", 2, 0, false, false},
	{"1.18", "arm64", 2, 0, true, false},
	{"1.27", "stripped-arm64", 4, 14, true, false},
};

static size_t count(const struct probe_site *sites, size_t n, enum probe_kind kind)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += sites[i].kind == kind;
	return found;
}

static const struct probe_site *site_of(const struct probe_site *sites, size_t n,
					const char *symbol)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(sites[i].symbol, symbol))
			return &sites[i];
	}
	fail_msg("no site in %s", symbol);
	return NULL;
}

/* A push or a call, which the kernel emulates by a copy to the thread's stack, only where the way
 * to it has no branch. */
static void check_not_dear(const struct code *code, const struct insn *at)
{
	if (code->machine != EM_X86_64 || (at->class != INSN_PUSH && at->class != INSN_CALL))
		return;
	for (const struct insn *insn = code->insns; insn < at; insn++)
		assert_true(insn->class != INSN_JCC);
}

/* What must hold for every site of every program. */
static void check_site(const struct target *t, const struct row *row, const struct probe_site *site)
{
	const bool stepped = row->stepped && site->kind == PROBE_NEWPROC_GOID;
	cleanup_code_ struct code code = {0};
	const struct insn *insn;
	struct go_func func;

	assert_int_equal(target_func_by_pc(t, site->addr, &func), 0);
	assert_int_equal(func.entry, site->func_entry);
	assert_string_equal(func.name, site->symbol);
	assert_int_equal(code_read(t, &func, &code), 0);
	insn = code_at(&code, site->addr);
	assert_non_null(insn);
	assert_int_equal(insn->emulated, !stepped);
	assert_int_equal(site->emulated, !stepped);
	if (site->kind != PROBE_NEWPROC_GOID)
		check_not_dear(&code, insn);
	assert_true(site->instruction[0] && site->instruction[0] != '?');
	assert_true(site->wants != 0);
	assert_int_equal(memcmp(image_at(target_image(t), site->addr, insn->len),
				code.bytes + (site->addr - func.entry), insn->len),
			 0);
	if (site->flags & SITE_FILTER_BRANCH) {
		assert_true(insn->lower_or_same && code_goes_to_morestack(t, &code, insn));
		assert_int_equal(site->sp_delta, 0);
	}
	/* No jump leads to the site itself, except from before it: the entry is no target of a
	 * loop. */
	assert_false(code_is_jump_target(&code, site->addr) && site->addr != func.entry);
}

static void check_wants(const struct target *t, const struct row *row, unsigned wanted,
			size_t expect)
{
	struct probe_site *sites;
	size_t n;

	assert_int_equal(target_sites(t, wanted, &sites, &n), 0);
	if (expect)
		assert_int_equal(n, expect);
	for (size_t i = 0; i < n; i++) {
		check_site(t, row, &sites[i]);
		assert_int_equal(sites[i].wants & ~wanted, 0);
	}
	free(sites);
}

static void check_known_places(const struct target *t, const struct row *row,
			       const struct probe_site *sites, size_t n)
{
	const struct probe_site *object = site_of(sites, n, "runtime.newobject");
	const struct probe_site *casgstatus = site_of(sites, n, "runtime.casgstatus");

	assert_int_equal(!!(object->flags & SITE_FILTER_BRANCH), row->filtered);
	assert_int_equal(count(sites, n, PROBE_MALLOC_SPECIAL), row->specialised);
	assert_int_equal(count(sites, n, PROBE_MAKEMAP_SMALL), 1);
	if (image_machine(target_image(t)) != EM_X86_64)
		return;
	if (strstr(row->mode, "noopt")) {
		assert_in_range(casgstatus->sp_delta, 0x20, 0x100);
	} else if (target_go_minor(t) >= 21) {
		assert_int_equal(strncmp(casgstatus->instruction, "jb ", 3), 0);
		assert_in_range(casgstatus->sp_delta, 0x20, 0x100);
	} else {
		assert_string_equal(casgstatus->instruction, "nop");
		assert_int_equal(casgstatus->sp_delta, 0x40);
	}
}

/* The map's own allocations are excluded, the program's are not. */
static void check_excluded(const struct target *t, const struct row *row)
{
	struct pc_range ranges[EXCLUDE_RANGES_MAX];
	struct go_func func;
	bool small = false;
	size_t n;

	n = target_exclude(t, EXCLUDE_MAPS, ranges);
	assert_in_range(n, 1, EXCLUDE_RANGES_MAX);
	/* It is this one that allocates, unless it is inlined. */
	if (!strstr(row->mode, "noopt") ||
	    target_func_by_name(t, "internal/runtime/maps.NewEmptyMap", &func))
		assert_int_equal(target_func_by_name(t, "runtime.makemap_small", &func), 0);
	for (size_t i = 0; i < n; i++) {
		assert_true(ranges[i].lo < ranges[i].hi);
		assert_true(i == 0 || ranges[i - 1].hi < ranges[i].lo);
		small |= ranges[i].lo <= func.entry && func.end <= ranges[i].hi;
	}
	assert_true(small);

	n = target_exclude(t, EXCLUDE_MALLOC, ranges);
	if (!row->specialised) {
		assert_int_equal(n, 0);
		return;
	}
	assert_in_range(n, 1, EXCLUDE_RANGES_MAX);
	assert_int_equal(target_func_by_name(t, "runtime.mallocgc", &func), 0);
	small = false;
	for (size_t i = 0; i < n; i++)
		small |= ranges[i].lo <= func.entry && func.end <= ranges[i].hi;
	assert_true(small);
}

static void test_sites(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		char path[SAMPLE_PATH_MAX];
		struct probe_site *sites;
		struct target *t;
		size_t n;

		if (!sample_build(row->version, row->mode, "workload", path))
			continue;
		print_message("# %s %s\n", row->version, row->mode);
		assert_int_equal(target_open(path, &t), 0);
		check_wants(t, row, WANT_STATES, row->states);
		check_wants(t, row, WANT_CREATIONS, 1);
		check_wants(t, row, WANT_EXITS, 1);
		check_wants(t, row, WANT_CREATIONS | WANT_EXITS, 2);
		check_wants(t, row, WANT_MAPS, 2);
		check_wants(t, row, 0, 0);
		check_wants(t, row, WANT_ALL, 0);
		assert_int_equal(target_sites(t, WANT_ALL, &sites, &n), 0);
		if (strcmp(row->version, "local"))
			check_known_places(t, row, sites, n);
		free(sites);
		if (strcmp(row->version, "local"))
			check_excluded(t, row);
		target_free(t);
	}
}

/* --- made-up functions ----------------------------------------------------------------------- */

#define ENTRY 0x401000

/* Without a function table: nothing it calls is known by name. */
static struct target made_up = {.layout = {.register_abi = true}};

static int read_made_up(const char *bytes, size_t n, struct code *ret)
{
	struct go_func func = {.entry = ENTRY, .end = ENTRY + n, .name = "made.up"};

	return code_decode(&made_up, EM_X86_64, bytes, &func, ret);
}

static int place_made_up(const char *bytes, size_t n, unsigned n_args, struct probe_site *site)
{
	cleanup_code_ struct code code = {0};
	const char *why = NULL;
	int err;

	assert_int_equal(read_made_up(bytes, n, &code), 0);
	memset(site, 0, sizeof(*site));
	err = place_near_entry(&made_up, &code, n_args, site, &why);
	assert_true(err == 0 || (err == -ENOEXEC && why));
	return err;
}

#define PLACE(bytes, n_args, site) place_made_up(bytes, sizeof(bytes) - 1, n_args, site)

static void test_made_up(void **state)
{
	struct probe_site site;

	/* mov rbp, rsp; push rbx; ret: on the push, one instruction in */
	assert_int_equal(PLACE("\x48\x89\xe5\x53\xc3", 1, &site), 0);
	assert_int_equal(site.addr, ENTRY + 3);
	assert_true(site.emulated);
	/* sub rsp, 0x18; nop; ret: the return address is 0x18 further up */
	assert_int_equal(PLACE("\x48\x83\xec\x18\x90\xc3", 3, &site), 0);
	assert_int_equal(site.addr, ENTRY + 4);
	assert_int_equal(site.sp_delta, 0x18);
	/* xor eax, eax; nop: the first argument is gone, so the slow entry; without arguments, the
	 * nop */
	assert_int_equal(PLACE("\x31\xc0\x90\xc3", 1, &site), 0);
	assert_int_equal(site.addr, ENTRY);
	assert_false(site.emulated);
	assert_int_equal(PLACE("\x31\xc0\x90\xc3", 0, &site), 0);
	assert_int_equal(site.addr, ENTRY + 2);
	/* mov rsp, rbp; nop: the stack pointer is not known any more */
	assert_int_equal(PLACE("\x48\x89\xec\x90\xc3", 0, &site), 0);
	assert_int_equal(site.addr, ENTRY);
	/* xor ecx, ecx; nop; jmp -3: a loop comes back to the nop */
	assert_int_equal(PLACE("\x31\xc9\x90\xeb\xfd", 1, &site), 0);
	assert_int_equal(site.addr, ENTRY);
	/* mov r14, rax; nop: g is gone */
	assert_int_equal(PLACE("\x49\x89\xc6\x90\xc3", 0, &site), 0);
	assert_int_equal(site.addr, ENTRY);
	/* nop; jmp to the entry: counted once a round */
	assert_int_equal(PLACE("\x90\xeb\xfd", 0, &site), -ENOEXEC);
	/* nop; jmp rcx: where to? */
	assert_int_equal(PLACE("\x90\xff\xe1", 0, &site), -ENOEXEC);
}

static void test_made_up_refused(void **state)
{
	struct code code;

	/* jmp into the middle of a mov */
	assert_int_equal(read_made_up("\xeb\x01\x48\x89\xe5\xc3", 6, &code), -EILSEQ);
	/* no instruction */
	assert_int_equal(read_made_up("\x06\xc3", 2, &code), -EILSEQ);
	/* cut off */
	assert_int_equal(read_made_up("\x48\x83\xec", 3, &code), -EILSEQ);
}

static int place_goid(const char *bytes, size_t n, struct probe_site *site)
{
	cleanup_code_ struct code code = {0};
	const char *why = NULL;

	assert_int_equal(read_made_up(bytes, n, &code), 0);
	return place_after_goid_store(&code, 0x98, site, &why);
}

#define PLACE_GOID(bytes, site) place_goid(bytes, sizeof(bytes) - 1, site)
#define STORE                   "\x48\x89\x8a\x98\x00\x00\x00" /* mov [rdx+0x98], rcx */

static void test_goid_store(void **state)
{
	struct probe_site site = {0};

	assert_int_equal(PLACE_GOID("\x90" STORE "\x31\xc0\x90\xc3", &site), 0);
	assert_int_equal(site.addr, ENTRY + 10);
	assert_int_equal(site.reg, AMD64_RDX);
	assert_true(site.emulated);
	/* The register changes first: what changes it is stepped, and has it still. */
	assert_int_equal(PLACE_GOID(STORE "\x31\xd2\x90\xc3", &site), 0);
	assert_int_equal(site.addr, ENTRY + 7);
	assert_false(site.emulated);
	/* no kernel takes an instruction that locks the bus */
	assert_int_equal(PLACE_GOID(STORE "\xf0\xff\x02\xc3", &site), -ENOEXEC);
	/* a jump skips the store but not the nop */
	assert_int_equal(PLACE_GOID("\x74\x07" STORE "\x90\xc3", &site), -ENOEXEC);
	/* two stores */
	assert_int_equal(PLACE_GOID(STORE STORE "\x90\xc3", &site), -ENOEXEC);
	assert_int_equal(PLACE_GOID("\x90\xc3", &site), -ENOEXEC);
}

/* lock cmpxchg %ecx, 0x90(%rdi) */
#define SWAP "\xf0\x0f\xb1\x8f\x90\x00\x00\x00"

/* The first compare-and-swap of a state in these bytes; -ENOENT: there is none. */
static int place_swap(const char *bytes, size_t n, struct probe_site *site)
{
	struct target t = {.layout = {.register_abi = true, .g_atomicstatus = 0x90}};
	cleanup_code_ struct code code = {0};
	const char *why = NULL;
	int err;

	assert_int_equal(read_made_up(bytes, n, &code), 0);
	for (size_t i = 0; i < code.n; i++) {
		if (!place_is_state_swap(&t, &code.insns[i]))
			continue;
		memset(site, 0, sizeof(*site));
		err = place_behind_swap(&code, &code.insns[i], site, &why);
		assert_true(err == 0 || (err == -ENOEXEC && why));
		return err;
	}
	return -ENOENT;
}

#define PLACE_SWAP(bytes, site) place_swap(bytes, sizeof(bytes) - 1, site)

static void test_swaps(void **state)
{
	struct probe_site site;

	/* mov $1, %eax; mov $2, %r8d; lock cmpxchg %r8d, 0x90(%rdi); sete %r9b; test; jne */
	assert_int_equal(
		PLACE_SWAP("\xb8\x01\x00\x00\x00\x41\xb8\x02\x00\x00\x00\xf0\x44\x0f\xb1\x87\x90"
			   "\x00\x00\x00\x41\x0f\x94\xc1\x45\x84\xc9\x75\x06\x90\xc3",
			   &site),
		0);
	assert_int_equal(site.addr, ENTRY + 27);
	assert_true(site.emulated);
	assert_int_equal(site.flags, 0); /* of the test: ZF says that it did not take place */
	assert_int_equal(site.reg, AMD64_RDI);
	assert_int_equal(site.reg2, 8);
	/* a wide nop between, a store after the test, and je: the flag is the same */
	assert_int_equal(
		PLACE_SWAP(
			SWAP
			"\x40\x0f\x94\xc6\x0f\x1f\x00\x40\x84\xf6\x48\x89\x5c\x24\x20\x74\x06\xc3",
			&site),
		0);
	assert_int_equal(site.addr, ENTRY + 23);
	assert_int_equal(site.flags, 0);
	assert_int_equal(site.reg2, AMD64_RCX);
	/* jne at once */
	assert_int_equal(PLACE_SWAP(SWAP "\x75\x06\xc3", &site), 0);
	assert_int_equal(site.addr, ENTRY + 8);
	assert_int_equal(site.flags, SITE_ZERO_IS_SWAPPED);
	/* without lock; of another field */
	assert_int_equal(PLACE_SWAP("\x0f\xb1\x8f\x90\x00\x00\x00\x75\x06\xc3", &site), -ENOENT);
	assert_int_equal(PLACE_SWAP("\xf0\x0f\xb1\x8f\x94\x00\x00\x00\x75\x06\xc3", &site),
			 -ENOENT);
	/* sete %dil: g is gone */
	assert_int_equal(PLACE_SWAP(SWAP "\x40\x0f\x94\xc7\x40\x84\xff\x74\x06\xc3", &site),
			 -ENOEXEC);
	/* an addition after the test: other flags */
	assert_int_equal(
		PLACE_SWAP(SWAP "\x40\x0f\x94\xc6\x40\x84\xf6\x48\x83\xc3\x01\x74\x06\xc3", &site),
		-ENOEXEC);
	/* jbe looks at carry, too */
	assert_int_equal(PLACE_SWAP(SWAP "\x76\x06\xc3", &site), -ENOEXEC);
	/* sete, je: on what the swap left, but not proven to be about it */
	assert_int_equal(PLACE_SWAP(SWAP "\x40\x0f\x94\xc6\x74\x06\xc3", &site), -ENOEXEC);
	/* a call between */
	assert_int_equal(PLACE_SWAP(SWAP
				    "\x40\x0f\x94\xc6\xe8\x1b\x00\x00\x00\x40\x84\xf6\x74\x06\xc3",
				    &site),
			 -ENOEXEC);
	/* a jump comes in behind the swap */
	assert_int_equal(
		PLACE_SWAP("\x74\x0c" SWAP "\x40\x0f\x94\xc6\x40\x84\xf6\x74\x06\xc3", &site),
		-ENOEXEC);
}

static void test_special_names(void **state)
{
	assert_true(is_special_malloc("runtime.mallocgcSmallNoScanSC2"));
	assert_true(is_special_malloc("runtime.mallocgcSmallScanNoHeaderSC26"));
	assert_true(is_special_malloc("runtime.mallocgcTinySize15"));
	assert_true(is_special_malloc("runtime.mallocgcTinySC2"));
	assert_false(is_special_malloc("runtime.mallocgcTinySC"));
	assert_false(is_special_malloc("runtime.mallocgcTinySC2SlowPath"));
	assert_false(is_special_malloc("runtime.mallocgcSmallNoscan"));
	assert_false(is_special_malloc("runtime.mallocgc"));
	assert_false(is_special_malloc("main.mallocgcTinySC2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_special_names),   cmocka_unit_test(test_made_up),
		cmocka_unit_test(test_made_up_refused), cmocka_unit_test(test_goid_store),
		cmocka_unit_test(test_swaps),           cmocka_unit_test(test_sites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
