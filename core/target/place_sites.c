/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which functions are probed for what is wanted: target_sites(). Where in them: place.c. What each
 * kind of site means, and why these sites give every event exactly once: place.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/log.h"
#include "core/target/copies.h"
#include "core/target/exclude.h"
#include "core/target/place.h"
#include "core/target/target_internal.h"

struct site_list {
	const struct target *t;
	unsigned wanted;
	struct probe_site *sites;
	size_t n, cap;
};

/* How many leading arguments the BPF program reads. */
static const uint8_t arguments[PROBE_KINDS] = {
	[PROBE_CASGSTATUS] = 3,     [PROBE_GDESTROY] = 1,  [PROBE_NEWOBJECT] = 1,
	[PROBE_MALLOC_SPECIAL] = 3, [PROBE_MAKESLICE] = 3, [PROBE_MAKESLICECOPY] = 2,
	[PROBE_MAKEMAP] = 2,        [PROBE_REFILL] = 2,    [PROBE_ALLOC_LARGE] = 2,
};

static int list_grow(struct site_list *list, struct probe_site **ret)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 16;
		struct probe_site *sites = reallocarray(list->sites, cap, sizeof(*sites));

		if (!sites)
			return -ENOMEM;
		list->sites = sites;
		list->cap = cap;
	}
	*ret = &list->sites[list->n];
	memset(*ret, 0, sizeof(**ret));
	return 0;
}

static int refuse_site(const struct go_func *func, const char *why)
{
	return log_error(-ENOEXEC,
			 "%s: no safe place for a probe: %s; sampling without this event may work",
			 func->name, why);
}

int place_describe(const struct target *t, const struct code *code, struct probe_site *site)
{
	const struct go_func *func = &code->func;

	site->func_entry = func->entry;
	insn_format(code->machine, code->bytes + (site->addr - func->entry), func->end - site->addr,
		    site->addr, site->instruction, sizeof(site->instruction));
	return image_code_offset(target_image(t), site->addr, &site->file_offset);
}

static int place(const struct target *t, const struct go_func *func, struct probe_site *site)
{
	cleanup_code_ struct code code = {0};
	const char *why = "its code cannot be decoded";
	int err;

	err = code_read(t, func, &code);
	if (err == -ENOMEM)
		return err;
	if (err < 0)
		return refuse_site(func, why);
	if (site->kind == PROBE_NEWPROC_GOID)
		err = place_after_goid_store(&code, target_layout(t)->g_goid, site, &why);
	else
		err = place_near_entry(t, &code, arguments[site->kind], site, &why);
	if (err < 0)
		return refuse_site(func, why);
	if (place_describe(t, &code, site))
		return refuse_site(func, "it is not in an executable segment");
	return 0;
}

static int add_func(struct site_list *list, enum probe_kind kind, unsigned wants,
		    const struct go_func *func)
{
	struct probe_site *site;
	int err;

	err = list_grow(list, &site);
	if (err < 0)
		return err;
	site->kind = kind;
	site->wants = wants & list->wanted;
	snprintf(site->symbol, sizeof(site->symbol), "%s", func->name);
	err = place(list->t, func, site);
	if (err < 0)
		return err;
	list->n++;
	return 0;
}

static int add(struct site_list *list, enum probe_kind kind, unsigned wants, const char *name)
{
	struct go_func func;

	if (target_func_by_name(list->t, name, &func))
		return log_error(-ENOEXEC,
				 "%s: this binary has no function %s, or not under this name",
				 target_path(list->t), name);
	return add_func(list, kind, wants, &func);
}

/* A function that the linker leaves out when nothing calls it. */
static int add_if_linked(struct site_list *list, enum probe_kind kind, unsigned wants,
			 const char *name)
{
	struct go_func func;

	if (target_func_by_name(list->t, name, &func))
		return 0;
	return add_func(list, kind, wants, &func);
}

/*
 * makeslice64, makemap64: they convert the length and call the plain form (runtime/slice.go,
 * runtime/map.go), whose probe then tells the event. Only a build in which the plain form was
 * inlined into them would need a site of its own.
 */
static int add_unless_it_calls(struct site_list *list, enum probe_kind kind, unsigned wants,
			       const char *name, const char *plain_name)
{
	cleanup_code_ struct code code = {0};
	struct go_func func, plain;
	int err;

	if (target_func_by_name(list->t, name, &func))
		return 0;
	err = code_read(list->t, &func, &code);
	if (err < 0)
		return err == -ENOMEM ? err : refuse_site(&func, "its code cannot be decoded");
	if (!target_func_by_name(list->t, plain_name, &plain) && code_calls(&code, plain.entry))
		return 0;
	return add_func(list, kind, wants, &func);
}

/* Those that were placed when the target was opened. */
static int add_placed(struct site_list *list, const struct probe_site *sites, size_t n,
		      unsigned wants)
{
	for (size_t i = 0; i < n; i++) {
		struct probe_site *site;
		int err = list_grow(list, &site);

		if (err < 0)
			return err;
		*site = sites[i];
		site->wants = wants & list->wanted;
		list->n++;
	}
	return 0;
}

/* Every change of state, for the sake of `wants`. */
static int add_casgstatus(struct site_list *list, unsigned wants)
{
	const struct copied *copied = &list->t->copied;
	int err = (copied->states ? add_if_linked : add)(list, PROBE_CASGSTATUS, wants,
							 "runtime.casgstatus");

	return err ? err : add_placed(list, copied->swaps, copied->n_swaps, wants);
}

static int add_newproc(struct site_list *list, unsigned wants)
{
	const struct copied *copied = &list->t->copied;
	int err = (copied->newproc ? add_if_linked : add)(list, PROBE_NEWPROC_GOID, wants,
							  "runtime.newproc1");

	return err ? err : add_placed(list, copied->goids, copied->n_goids, wants);
}

/* Goroutine states; with them come creation and exit. */
static int add_states(struct site_list *list)
{
	const struct go_layout *layout = target_layout(list->t);
	int err;

	err = add_casgstatus(list, WANT_STATES | WANT_CREATIONS | WANT_EXITS);
	if (!err && !layout->goid_before_status)
		err = add_newproc(list, WANT_STATES | WANT_CREATIONS);
	if (err || !layout->syscall_sites)
		return err;
	err = add(list, PROBE_ENTERSYSCALL, WANT_STATES, "runtime.reentersyscall");
	if (!err)
		err = add_if_linked(list, PROBE_ENTERSYSCALL, WANT_STATES,
				    "runtime.entersyscallblock");
	if (!err)
		err = add(list, PROBE_EXITSYSCALL, WANT_STATES, "runtime.exitsyscall");
	return err;
}

bool target_creations_by_states(const struct target *t)
{
	return t->copied.newproc && target_layout(t)->goid_before_status;
}

bool target_exits_by_states(const struct target *t)
{
	return t->copied.gdestroy;
}

bool target_states_in_one_place(const struct target *t)
{
	struct go_func links; /* a plugin into the program */

	return !t->copied.states &&
	       target_func_by_name(t, "runtime.pluginftabverify", &links) == -ENOENT;
}

static int add_exits(struct site_list *list)
{
	struct go_func func;

	/* gdestroy (1.22 on) serves goexit0 and coroutines that return. */
	if (!target_func_by_name(list->t, "runtime.gdestroy", &func))
		return add_func(list, PROBE_GDESTROY, WANT_EXITS, &func);
	return add(list, PROBE_GDESTROY, WANT_EXITS, "runtime.goexit0");
}

/* Creations and exits without the state changes between them. */
static int add_lives(struct site_list *list)
{
	const struct target *t = list->t;
	unsigned by_states = (target_creations_by_states(t) ? WANT_CREATIONS : 0) |
			     (target_exits_by_states(t) ? WANT_EXITS : 0);
	int err = 0;

	if (list->wanted & by_states)
		err = add_casgstatus(list, by_states);
	if (!err && list->wanted & WANT_CREATIONS & ~by_states)
		err = add_newproc(list, WANT_CREATIONS);
	if (!err && list->wanted & WANT_EXITS & ~by_states)
		err = add_exits(list);
	return err;
}

static int add_objects(struct site_list *list)
{
	struct go_func func;
	int err;

	err = add_if_linked(list, PROBE_NEWOBJECT, WANT_OBJECTS, "runtime.newobject");
	for (size_t i = 0; !err && !target_runtime_func(list->t, i, &func); i++) {
		if (!func.wrapper && is_special_malloc(func.name))
			err = add_func(list, PROBE_MALLOC_SPECIAL, WANT_OBJECTS, &func);
	}
	return err;
}

static int add_slices(struct site_list *list)
{
	int err;

	err = add_if_linked(list, PROBE_MAKESLICE, WANT_SLICES, "runtime.makeslice");
	if (!err)
		err = add_unless_it_calls(list, PROBE_MAKESLICE, WANT_SLICES, "runtime.makeslice64",
					  "runtime.makeslice");
	if (!err)
		err = add_if_linked(list, PROBE_MAKESLICECOPY, WANT_SLICES,
				    "runtime.makeslicecopy");
	return err;
}

static int add_maps(struct site_list *list)
{
	int err;

	err = add_if_linked(list, PROBE_MAKEMAP, WANT_MAPS, "runtime.makemap");
	if (!err)
		err = add_unless_it_calls(list, PROBE_MAKEMAP, WANT_MAPS, "runtime.makemap64",
					  "runtime.makemap");
	if (!err)
		err = add_if_linked(list, PROBE_MAKEMAP_SMALL, WANT_MAPS, "runtime.makemap_small");
	return err;
}

/* --- allocation samples ------------------------------------------------------------------- */

static const struct {
	enum probe_kind kind;
	const char *name, *hides;
} slow_paths[] = {
	{PROBE_REFILL, "runtime.(*mcache).refill", "small objects"},
	{PROBE_ALLOC_LARGE, "runtime.(*mcache).allocLarge", "objects over 32 KiB"},
};

/* NULL: it can be probed, at `ret` when that is not NULL. */
static const char *place_slow_path(const struct target *t, unsigned i, struct probe_site *ret)
{
	cleanup_code_ struct code code = {0};
	struct probe_site site = {.kind = slow_paths[i].kind, .wants = WANT_SAMPLES};
	const char *why = "its code cannot be decoded";
	struct go_func func;

	if (target_func_by_name(t, slow_paths[i].name, &func))
		return "there is no such function";
	if (!target_layout(t)->heap.mcache_alloc || !target_layout(t)->heap.span_alloc_count)
		return "where this release keeps its spans is not known";
	if (code_read(t, &func, &code) ||
	    place_near_entry(t, &code, arguments[site.kind], &site, &why))
		return why;
	/* Ten times the cost is no sample that hardly costs anything. */
	if (!site.emulated)
		return "no place for a probe that the kernel emulates";
	snprintf(site.symbol, sizeof(site.symbol), "%s", func.name);
	if (place_describe(t, &code, &site))
		return "it is not in an executable segment";
	if (ret)
		*ret = site;
	return NULL;
}

static int add_slow_paths(struct site_list *list)
{
	struct probe_site site, *room;
	int err = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(slow_paths) && !err; i++) {
		if (target_is_part(list->t) || place_slow_path(list->t, i, &site))
			continue;
		err = list_grow(list, &room);
		if (!err) {
			*room = site;
			list->n++;
		}
	}
	return err;
}

/* A build with a profile copied it into others: those calls are not seen. */
static int note_copy(void *arg, const struct copy *copy)
{
	*(unsigned *)arg |= 1u << copy->which;
	return 0;
}

void target_unsampled(const struct target *t, char *buf, size_t size)
{
	const char *names[ARRAY_SIZE(slow_paths)];
	cleanup_buf_ struct buf text = BUF_INIT;
	unsigned copied = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(slow_paths); i++)
		names[i] = slow_paths[i].name;
	(void)copies_each(t, names, ARRAY_SIZE(slow_paths), note_copy, &copied);
	for (unsigned i = 0; i < ARRAY_SIZE(slow_paths); i++) {
		const char *why = place_slow_path(t, i, NULL);

		/* Where it is hot in a profile, nothing but copies may be left of it. */
		if (why && !(copied >> i & 1))
			buf_addf(&text, "%s%s are not sampled: %s: %s", text.len ? "; " : "",
				 slow_paths[i].hides, slow_paths[i].name, why);
		else if (why || copied >> i & 1)
			buf_addf(&text,
				 "%s%s%s are not sampled: the compiler copied %s into its "
				 "callers (-pgo)",
				 text.len ? "; " : "", why ? "" : "some ", slow_paths[i].hides,
				 slow_paths[i].name);
	}
	snprintf(buf, size, "%s", text.len && !buf_error(&text) ? text.data : "");
}

int target_sites(const struct target *t, unsigned wanted, struct probe_site **ret, size_t *ret_n)
{
	struct site_list list = {.t = t, .wanted = wanted};
	int err;

	err = wanted & WANT_STATES ? add_states(&list) : add_lives(&list);
	if (!err && wanted & WANT_OBJECTS)
		err = add_objects(&list);
	if (!err && wanted & WANT_SLICES)
		err = add_slices(&list);
	if (!err && wanted & WANT_MAPS)
		err = add_maps(&list);
	if (!err && wanted & WANT_SAMPLES)
		err = add_slow_paths(&list);
	if (err < 0) {
		free(list.sites);
		return err;
	}
	*ret = list.sites;
	*ret_n = list.n;
	return 0;
}
