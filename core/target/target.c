/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Opening a program: image, version, function table, moduledata, offsets, in this order, each of
 * them checked against the one before. Nothing here changes after target_open().
 */
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/target/file_copy.h"
#include "core/target/go_file.h"
#include "core/target/layout.h"
#include "core/target/mappings.h"
#include "core/target/target_internal.h"

/* Unpacking and reading this much DWARF takes about a quarter of a second. */
#define DWARF_CHECK_MAX (64ull << 20)
/* How many function tables to try. */
#define CANDIDATES_MAX 16

int refuse(char *why, size_t why_size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, why_size, fmt, ap);
	va_end(ap);
	return -ENOEXEC;
}

/* abi.FuncIDWrapper, the last one of the list in runtime/symtab.go or internal/abi/symtab.go. */
static uint8_t wrapper_id(unsigned minor)
{
	return minor >= 25 ? 23 : minor >= 22 ? 22 : minor >= 18 ? 21 : 22;
}

/* --- opening -------------------------------------------------------------------------------- */

/* GOEXPERIMENT, as the version string has it (X:a,b): those with which the runtime's structs, or
 * what is in which register, are others than the release's. DWARF does not tell all that is read.
 */
static const char *moving_experiment(const char *version)
{
	static const char *const names[] = {
		"regabi", /* 1.17: with or without, where the release does the other */
		"staticlockranking", "pagetrace", "exectracer2", /* 1.22 */
	};
	const char *list = strstr(version, "X:");

	for (size_t i = 0; list && i < ARRAY_SIZE(names); i++) {
		if (strstr(list, names[i]))
			return names[i];
	}
	return NULL;
}

/* A part need not say it (plugins up to 1.19 do not): it is the program's, or Go does not load it.
 */
static int read_version(struct target *t, const struct target *of, char *why, size_t why_size)
{
	const char *moving;
	int err = 0;

	if (of)
		t->build = of->build;
	else
		err = buildinfo_read(t->img, &t->build);
	if (err)
		return refuse_not_go(t, why, why_size);
	if (!strcmp(t->build.compiler, "gccgo"))
		return refuse(why, why_size, REFUSE_GCCGO);
	if (!t->build.minor)
		return refuse(
			why, why_size,
			"its Go version, \"%s\", does not say which release it belongs to: build "
			"it with a release of Go",
			t->build.version);
	if (t->build.minor < LAYOUT_OLDEST)
		return refuse(
			why, why_size,
			"it was built by %s; Go 1.17 is the oldest supported: rebuild it with a "
			"newer Go",
			t->build.version);
	moving = moving_experiment(t->build.version);
	if (moving)
		return refuse(
			why, why_size,
			"it was built with GOEXPERIMENT=%s (%s), with which the runtime keeps "
			"things elsewhere than the release does: build it without",
			moving, t->build.version);
	return 0;
}

/*
 * Offsets: the table, checked against DWARF where that costs little; DWARF alone for a release that
 * the table does not know. A tree between two releases may have moved a field already.
 */
static int read_layout(struct target *t, char *why, size_t why_size)
{
	struct moduledata_layout *md = &t->module_layout;
	const bool known = !layout_of_release(t->build.minor, image_machine(t->img), &t->layout);
	const uint64_t cost = dwarf_cost(t->img);
	struct go_layout with;
	struct dwarf_facts facts;
	int err = -ENOENT;
	bool differs = false;

	*md = *moduledata_layout(t->build.minor);
	if (cost && (cost <= DWARF_CHECK_MAX || !known || t->build.development))
		err = dwarf_read(t->img, &facts);
	if (!err) {
		with = t->layout;
		differs = layout_apply_dwarf(&with, &facts) > 0;
		err = layout_is_plausible(&with) ? 0 : -ENOEXEC;
	}
	/* Something of this machine, not of the program: no reason to refuse that. */
	if (err && err != -ENOENT && err != -ENOEXEC && err != -EIO && !known)
		return err;
	if (err && !known)
		return refuse(
			why, why_size,
			"it was built by %s, and this xgotopfs knows Go 1.17 to 1.%d; offsets "
			"could "
			"come from DWARF, but the program has none: build it without -ldflags=-w "
			"(or -s), or use a newer xgotopfs",
			t->build.version, LAYOUT_NEWEST);
	if (err) {
		snprintf(t->offsets_from, sizeof(t->offsets_from), "table go1.%u%s", t->build.minor,
			 t->build.development ? " (a development version: not certain)" : "");
		t->offsets_unproven = true;
		return 0;
	}
	moduledata_layout_apply_dwarf(md, &facts);
	t->layout = with;
	if (!known || differs)
		snprintf(t->offsets_from, sizeof(t->offsets_from), "DWARF%s",
			 known ? " (differs from the table)" : "");
	else
		snprintf(t->offsets_from, sizeof(t->offsets_from), "table go1.%u + DWARF",
			 t->build.minor);
	return 0;
}

/* The first table that some moduledata points at: the others belong to files inside this file. */
static int read_tables(struct target *t, const struct moduledata_layout *layout, char *why,
		       size_t why_size)
{
	struct pclntab tab;

	for (size_t nth = 0; nth < CANDIDATES_MAX && !pclntab_find(t->img, nth, &tab); nth++) {
		if (tab.format == PCLNTAB_OLD || moduledata_find(t->img, &tab, layout, &t->module))
			continue;
		t->tab = tab;
		moduledata_apply(&t->module, &t->tab);
		snprintf(t->symbols_from, sizeof(t->symbols_from), "%s", tab.found_by);
		t->ranges = (struct go_ranges){
			.text = t->module.text,
			.etext = t->module.etext,
			.types = t->module.types,
			.etypes = t->module.etypes,
		};
		return target_index_names(t);
	}
	return refuse_not_go(t, why, why_size);
}

/* The parts fit together: names, symbol table, version and code. */
static int check_tables(struct target *t, char *why, size_t why_size)
{
	const enum pclntab_format format = t->build.minor >= 20   ? PCLNTAB_120
					   : t->build.minor >= 18 ? PCLNTAB_118
								  : PCLNTAB_116;
	struct go_func cas, f;
	uint64_t addr, size;
	const uint8_t *code;

	if (target_func_by_name(t, "runtime.casgstatus", &cas) ||
	    target_func_by_name(t, "runtime.newproc1", &f))
		return refuse_not_go(t, why, why_size);
	if (t->tab.format != format && !t->build.development)
		return refuse(
			why, why_size,
			"it says that %s built it, but its function table is of another release: "
			"use the build as the go command made it",
			t->build.version);
	/* BOLT and the like move the code and leave Go's own table as it was. */
	if (!image_symbol(t->img, cas.name, &addr, &size) && addr != cas.entry)
		return refuse(
			why, why_size,
			"its symbol table and its Go function table disagree (%s at %#llx or "
			"%#llx), "
			"as after BOLT or another rewriting tool: use the build as the go command "
			"made it",
			cas.name, (unsigned long long)addr, (unsigned long long)cas.entry);
	if (!t->offsets_unproven)
		return 0;
	code = image_at(t->img, cas.entry, cas.end - cas.entry);
	if (!code ||
	    !layout_agrees_with_code(&t->layout, image_machine(t->img), code, cas.end - cas.entry))
		return refuse(
			why, why_size,
			"it says that %s built it, but its code keeps a goroutine's state "
			"elsewhere "
			"than that release does: use a release of Go, or build it with DWARF (no "
			"-ldflags=-w)",
			t->build.version);
	return 0;
}

/* What a build with a profile copied, and what nobody sees therefore. */
static int read_copies(struct target *t)
{
	int err = copied_find(t, &t->copied);

	if (err)
		return err;
	t->layout.syscall_sites &= !t->copied.syscalls;
	layout_not_covered(t->build.minor, t->not_covered, sizeof(t->not_covered));
	if (t->copied.missing[0])
		(void)snprintf(
			t->unseen, sizeof(t->unseen),
			"state changes by %s: the build, one with a profile, copied functions "
			"of the runtime into them, where they cannot be probed",
			t->copied.missing);
	return 0;
}

/* What one BPF program for both takes for granted. */
static int check_part(const struct target *t, const struct target *of, char *why, size_t why_size)
{
	const struct go_layout *a = &t->layout, *b = &of->layout;

	if (a->g_m == b->g_m && a->g_goid == b->g_goid && a->g_atomicstatus == b->g_atomicstatus &&
	    a->g_waitreason == b->g_waitreason && a->g_parent_goid == b->g_parent_goid &&
	    a->g_gopc == b->g_gopc && a->g_startpc == b->g_startpc && a->m_curg == b->m_curg &&
	    a->goid_before_status == b->goid_before_status && a->register_abi == b->register_abi &&
	    a->syscall_sites == b->syscall_sites &&
	    target_creations_by_states(t) == target_creations_by_states(of) &&
	    target_exits_by_states(t) == target_exits_by_states(of))
		return 0;
	return refuse(why, why_size,
		      "its copy of the runtime was compiled otherwise than the program's (with "
		      "another profile): build both alike");
}

static int open_file(const char *path, const struct target *of, struct target **ret, char *why,
		     size_t why_size)
{
	struct target *t = calloc(1, sizeof(*t));
	int err = -ENOMEM;

	*why = '\0';
	if (!t)
		return err;
	pthread_mutex_init(&t->lock, NULL);
	t->path = strdup(path);
	if (!t->path)
		goto fail;
	err = image_open(path, &t->img, why, why_size);
	if (!err)
		err = read_version(t, of, why, why_size);
	if (err)
		goto fail;
	(void)mappings_identity(image_fd(t->img), &t->mapped);
	t->part = go_file_kind(image_fd(t->img)) == GO_FILE_PART;
	t->wrapper_id = wrapper_id(t->build.minor);
	err = read_layout(t, why, why_size);
	if (!err)
		err = read_tables(t, &t->module_layout, why, why_size);
	if (!err)
		err = check_tables(t, why, why_size);
	if (err)
		goto fail;
	err = read_copies(t);
	if (!err && of)
		err = check_part(t, of, why, why_size);
	if (err)
		goto fail;
	image_drop_debug(t->img);
	*ret = t;
	return 0;
fail:
	target_free(t);
	return err;
}

int target_open_why(const char *path, struct target **ret, char *why, size_t why_size)
{
	return open_file(path, NULL, ret, why, why_size);
}

int target_open_part(const char *path, const struct target *of, struct target **ret, char *why,
		     size_t why_size)
{
	return open_file(path, of, ret, why, why_size);
}

int target_open(const char *path, struct target **ret)
{
	char why[512];
	int err = target_open_why(path, ret, why, sizeof(why));

	/* -b is often given a command's name, which a shell would look for in PATH. */
	if (err == -ENOENT && !strchr(path, '/'))
		return log_error(err,
				 "%s: No such file or directory: its path is wanted, such as "
				 "$(command -v %s)",
				 path, path);
	if (err)
		return log_error(err, "%s: %s", path, *why ? why : strerror(-err));
	return 0;
}

struct target *target_share(const struct target *t)
{
	struct target *shared = (struct target *)t;

	atomic_fetch_add(&shared->others, 1);
	return shared;
}

void target_end_reading(struct target *t)
{
	atomic_store(&t->reading_ends, true);
}

bool target_reading_ends(const struct target *t)
{
	return atomic_load_explicit(&t->reading_ends, memory_order_relaxed);
}

void target_free(struct target *t)
{
	if (!t || atomic_fetch_sub(&t->others, 1))
		return;
	for (unsigned i = 0; i < t->parts.n; i++)
		target_free(t->parts.part[i]);
	name_index_free(t->names);
	copied_free(&t->copied);
	wait_reasons_free(t->reasons);
	image_free(t->img);
	pthread_mutex_destroy(&t->lock);
	free(t->path);
	free(t);
}

/* --- the file, later ------------------------------------------------------------------------ */

int target_compare(const struct target *t, int fd)
{
	return file_copy_compare(image_copy(t->img), fd);
}

/* From the function's first byte on: the same bytes at a site mean another instruction where those
 * before it are others. */
int target_compare_sites(const struct target *t, int fd, const struct probe_site *sites, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t before = sites[i].addr - sites[i].func_entry;
		struct go_func f;
		int err = target_func_by_pc(t, sites[i].addr, &f);

		if (!err)
			err = file_copy_compare_part(image_copy(t->img), fd,
						     sites[i].file_offset - before,
						     f.end - f.entry);
		if (err)
			return err;
	}
	return 0;
}

/* --- plain answers -------------------------------------------------------------------------- */

int target_check_runnable(const struct target *t)
{
#if defined(__x86_64__)
	const uint16_t here = EM_X86_64;
#elif defined(__aarch64__)
	const uint16_t here = EM_AARCH64;
#else
	const uint16_t here = EM_NONE;
#endif

	if (image_machine(t->img) == here)
		return 0;
	return log_error(
		-ENOEXEC,
		"%s: it is an %s program and this machine is not: trace it on a machine where "
		"it runs",
		t->path, target_arch(t));
}

const struct image *target_image(const struct target *t)
{
	return t->img;
}

const struct pclntab *target_pclntab(const struct target *t)
{
	return &t->tab;
}

bool target_has_link_register(const struct target *t)
{
	return image_machine(t->img) == EM_AARCH64;
}

const struct go_ranges *target_ranges(const struct target *t)
{
	return &t->ranges;
}

struct target_modules target_modules(const struct target *t)
{
	const struct moduledata_layout *md = &t->module_layout;

	return (struct target_modules){
		.first = t->module.addr,
		.data = MODULE_DATA,
		.edata = MODULE_EDATA,
		.bss = MODULE_BSS,
		.ebss = MODULE_EBSS,
		.gcdatamask = md->gcdatamask,
		.gcbssmask = md->gcdatamask ? md->gcdatamask + MODULE_BITVECTOR_SIZE : 0,
		.next = md->next,
	};
}

const char *target_path(const struct target *t)
{
	return t->path;
}

const char *target_go_version(const struct target *t)
{
	return t->build.version;
}

unsigned target_go_minor(const struct target *t)
{
	return t->build.minor;
}

const char *target_arch(const struct target *t)
{
	return image_machine(t->img) == EM_X86_64 ? "amd64" : "arm64";
}

int target_godebug_labels(const char *godebug, size_t n)
{
	return godebug_labels(godebug, n);
}

bool target_shows_labels(const struct target *t)
{
	return t->build.labels ? t->build.labels > 0 : t->build.minor >= 27;
}

bool target_is_pie(const struct target *t)
{
	return image_is_pie(t->img);
}

bool target_may_load(const struct target *t)
{
	return image_is_interpreted(t->img) || image_is_library(t->img);
}

bool target_is_part(const struct target *t)
{
	return t->part;
}

bool target_is_library(const struct target *t)
{
	return image_is_library(t->img);
}

const char *target_symbols_from(const struct target *t)
{
	return t->symbols_from;
}

const char *target_offsets_from(const struct target *t)
{
	return t->offsets_from;
}

const char *target_not_covered(const struct target *t)
{
	return t->not_covered;
}

const char *target_unseen(const struct target *t)
{
	return t->unseen;
}

const struct go_layout *target_layout(const struct target *t)
{
	return &t->layout;
}
