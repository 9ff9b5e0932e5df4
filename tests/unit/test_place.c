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
};

static const struct row rows[] = {
	{"local", "plain", 0, 0, false},
	{"1.17", "plain", 2, 0, true},
	{"1.17", "pie-stripped", 2, 0, true},
	{"1.22", "stripped", 2, 0, false},
	{"1.22", "cgo-pie-stripped", 2, 0, false},
	{"1.27", "plain", 4, 14, false},
	{"1.27", "cgo-pie-stripped", 4, 14, false},
	{"1.17", "arm64", 2, 0, false},
	{"1.18", "arm64", 2, 0, true},
	{"1.27", "stripped-arm64", 4, 14, true},
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

/* What must hold for every site of every program. */
static void check_site(const struct target *t, const struct probe_site *site)
{
	cleanup_code_ struct code code = {0};
	const struct insn *insn;
	struct go_func func;

	assert_int_equal(target_func_by_pc(t, site->addr, &func), 0);
	assert_int_equal(func.entry, site->func_entry);
	assert_string_equal(func.name, site->symbol);
	assert_int_equal(code_read(t, &func, &code), 0);
	insn = code_at(&code, site->addr);
	assert_non_null(insn);
	assert_true(insn->emulated && site->emulated);
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

static void check_wants(const struct target *t, unsigned wanted, size_t expect)
{
	struct probe_site *sites;
	size_t n;

	assert_int_equal(target_sites(t, wanted, &sites, &n), 0);
	if (expect)
		assert_int_equal(n, expect);
	for (size_t i = 0; i < n; i++) {
		check_site(t, &sites[i]);
		assert_int_equal(sites[i].wants & ~wanted, 0);
	}
	free(sites);
}

static void check_known_places(const struct target *t, const struct row *row,
			       const struct probe_site *sites, size_t n)
{
	const struct probe_site *object = site_of(sites, n, "runtime.newobject");

	assert_int_equal(!!(object->flags & SITE_FILTER_BRANCH), row->filtered);
	assert_int_equal(count(sites, n, PROBE_MALLOC_SPECIAL), row->specialised);
	assert_int_equal(count(sites, n, PROBE_MAKEMAP_SMALL), 1);
	if (image_machine(target_image(t)) != EM_X86_64)
		return;
	if (target_go_minor(t) >= 21) {
		assert_int_equal(site_of(sites, n, "runtime.casgstatus")->addr,
				 site_of(sites, n, "runtime.casgstatus")->func_entry);
		assert_string_equal(object->instruction, "push rbp");
	} else {
		assert_string_equal(site_of(sites, n, "runtime.casgstatus")->instruction, "nop");
		assert_int_equal(site_of(sites, n, "runtime.casgstatus")->sp_delta, 0x40);
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
		check_wants(t, WANT_STATES, row->states);
		check_wants(t, WANT_CREATIONS, 1);
		check_wants(t, WANT_EXITS, 1);
		check_wants(t, WANT_CREATIONS | WANT_EXITS, 2);
		check_wants(t, WANT_MAPS, 2);
		check_wants(t, 0, 0);
		check_wants(t, WANT_ALL, 0);
		assert_int_equal(target_sites(t, WANT_ALL, &sites, &n), 0);
		if (strcmp(row->version, "local"))
			check_known_places(t, row, sites, n);
		free(sites);
		if (strcmp(row->version, "local"))
			check_excluded(t, row);
		target_free(t);
	}
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
		cmocka_unit_test(test_special_names),
		cmocka_unit_test(test_sites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
