/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Questions about code: functions by name and pc, file and line, the calls at a pc. The runtime's
 * functions are indexed by name once, while opening; anything else is looked for when asked, so
 * that a program of half a million functions opens at once. Read-only after target_open(); any
 * thread.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/text.h"
#include "core/target/target_internal.h"

struct name_index {
	uint32_t *funcs; /* indices into the function table, in its order */
	size_t n, cap;
	uint32_t *slots; /* hash table of positions in funcs, plus one; 0 is empty */
	size_t n_slots;  /* a power of two */
};

/* --- the runtime's names -------------------------------------------------------------------- */

static bool of_the_runtime(const char *name)
{
	return !strncmp(name, "runtime.", 8) || !strncmp(name, "internal/runtime/", 17) ||
	       !strncmp(name, "runtime/internal/", 17);
}

void name_index_free(struct name_index *names)
{
	if (!names)
		return;
	free(names->funcs);
	free(names->slots);
	free(names);
}

static int add(struct name_index *names, uint32_t index)
{
	if (names->n == names->cap) {
		size_t cap = names->cap ? names->cap * 2 : 4096;
		uint32_t *funcs = reallocarray(names->funcs, cap, sizeof(*funcs));

		if (!funcs)
			return -ENOMEM;
		names->funcs = funcs;
		names->cap = cap;
	}
	names->funcs[names->n++] = index;
	return 0;
}

/*
 * A body and its ABI wrapper carry the same name (cmd/compile, ssagen/abi.go): the body is the one
 * that is no wrapper, or else the longer one.
 */
static bool is_better(const struct target *t, uint32_t a, uint32_t b)
{
	struct pclntab_func fa, fb;

	if (pclntab_func(&t->tab, a, &fa))
		return false;
	if (pclntab_func(&t->tab, b, &fb))
		return true;
	if ((fa.id == t->wrapper_id) != (fb.id == t->wrapper_id))
		return fb.id == t->wrapper_id;
	return fa.end - fa.entry > fb.end - fb.entry;
}

static void insert(const struct target *t, struct name_index *names, uint32_t pos)
{
	const char *name = pclntab_func_name(&t->tab, names->funcs[pos]);
	size_t i;

	if (!name)
		return;
	for (i = hash_bytes(name, strlen(name), 0) & (names->n_slots - 1); names->slots[i];
	     i = (i + 1) & (names->n_slots - 1)) {
		uint32_t other = names->funcs[names->slots[i] - 1];
		const char *taken = pclntab_func_name(&t->tab, other);

		if (taken && !strcmp(taken, name)) {
			if (!is_better(t, names->funcs[pos], other))
				return;
			break;
		}
	}
	names->slots[i] = pos + 1;
}

int target_index_names(struct target *t)
{
	struct name_index *names = calloc(1, sizeof(*names));
	int err = 0;

	if (!names)
		return -ENOMEM;
	for (uint32_t i = 0; i < t->tab.nfunc && !err; i++) {
		const char *name = pclntab_func_name(&t->tab, i);

		if (name && of_the_runtime(name))
			err = add(names, i);
	}
	names->n_slots = 1024;
	while (names->n_slots < names->n * 2)
		names->n_slots *= 2;
	names->slots = err ? NULL : calloc(names->n_slots, sizeof(*names->slots));
	if (!names->slots) {
		name_index_free(names);
		return -ENOMEM;
	}
	for (size_t pos = 0; pos < names->n; pos++)
		insert(t, names, (uint32_t)pos);
	t->names = names;
	return 0;
}

/* --- functions ------------------------------------------------------------------------------ */

static int func_at(const struct target *t, uint32_t index, struct go_func *ret)
{
	struct pclntab_func f;
	const char *name;

	if (pclntab_func(&t->tab, index, &f))
		return -ENOENT;
	name = pclntab_name(&t->tab, f.name_off);
	if (!name)
		return -ENOENT;
	*ret = (struct go_func){
		.entry = f.entry,
		.end = f.end,
		.name = name,
		.start_line = f.start_line,
		.wrapper = f.id == t->wrapper_id,
	};
	return 0;
}

int target_runtime_func(const struct target *t, size_t i, struct go_func *ret)
{
	return i < t->names->n ? func_at(t, t->names->funcs[i], ret) : -ENOENT;
}

static int find_runtime(const struct target *t, const char *name, struct go_func *ret)
{
	const struct name_index *names = t->names;

	for (size_t i = hash_bytes(name, strlen(name), 0) & (names->n_slots - 1); names->slots[i];
	     i = (i + 1) & (names->n_slots - 1)) {
		uint32_t index = names->funcs[names->slots[i] - 1];
		const char *taken = pclntab_func_name(&t->tab, index);

		if (taken && !strcmp(taken, name))
			return func_at(t, index, ret);
	}
	return -ENOENT;
}

int target_func_by_name(const struct target *t, const char *name, struct go_func *ret)
{
	uint32_t best = UINT32_MAX;

	if (of_the_runtime(name))
		return find_runtime(t, name, ret);
	for (uint32_t i = 0; i < t->tab.nfunc; i++) {
		const char *other = pclntab_func_name(&t->tab, i);

		if (!other || strcmp(other, name))
			continue;
		if (best == UINT32_MAX || is_better(t, i, best))
			best = i;
	}
	return best == UINT32_MAX ? -ENOENT : func_at(t, best, ret);
}

int target_func_by_pc(const struct target *t, uint64_t pc, struct go_func *ret)
{
	uint64_t base;
	const struct target *at = target_at(t, pc, &base);
	uint32_t index;
	int err;

	if (pclntab_index(&at->tab, pc - base, &index))
		return -ENOENT;
	err = func_at(at, index, ret);
	if (err)
		return err;
	ret->entry += base;
	ret->end += base;
	return 0;
}

static bool line_of(const struct target *t, const struct pclntab_func *f, uint64_t pc,
		    const char **ret_file, uint32_t *ret_line)
{
	int32_t number = pclntab_value(&t->tab, f, f->pcfile, pc);
	int32_t line = pclntab_value(&t->tab, f, f->pcln, pc);
	const char *file = pclntab_file(&t->tab, f, number);

	if (!file || line < 0)
		return false;
	*ret_file = file;
	*ret_line = (uint32_t)line;
	return true;
}

int target_line_by_pc(const struct target *t, uint64_t pc, const char **ret_file,
		      uint32_t *ret_line)
{
	struct pclntab_func f;
	uint32_t index;
	uint64_t base;

	t = target_at(t, pc, &base);
	pc -= base;
	if (pclntab_index(&t->tab, pc, &index) || pclntab_func(&t->tab, index, &f) ||
	    !line_of(t, &f, pc, ret_file, ret_line))
		return -ENOENT;
	return 0;
}

bool target_is_system_goroutine(const struct target *t, uint64_t start_pc)
{
	struct go_func f;

	if (target_func_by_pc(t, start_pc, &f) || strncmp(f.name, "runtime.", 8))
		return false;
	return strcmp(f.name, "runtime.main") && strcmp(f.name, "runtime.handleAsyncEvent") &&
	       strcmp(f.name, "runtime.corostart");
}

enum target_user_code target_runs_user_code(const struct target *t, uint64_t start_pc)
{
	struct go_func f;

	if (target_func_by_pc(t, start_pc, &f))
		return TARGET_NO_USER_CODE;
	/* runfinq until 1.24. */
	if (!strcmp(f.name, "runtime.runFinalizers") || !strcmp(f.name, "runtime.runfinq"))
		return TARGET_FINALIZERS;
	return strcmp(f.name, "runtime.runCleanups") ? TARGET_NO_USER_CODE : TARGET_CLEANUPS;
}

/* --- the calls at a pc ---------------------------------------------------------------------- */

/* runtime.inlinedCall: 20 bytes with file and line up to 1.19, 16 bytes since. */
int inlined_call(const struct target *t, uint64_t tree, int32_t i, struct inlined_call *ret)
{
	const bool old = t->tab.format != PCLNTAB_120;
	const size_t size = old ? 20 : 16;
	const uint8_t *p;

	if (i < 0 || i >= 1 << 20)
		return -ENOENT;
	p = image_at(t->img, tree + (uint64_t)i * size, size);
	if (!p)
		return -ENOENT;
	ret->func_id = p[old ? 2 : 0];
	memcpy(&ret->name_off, p + (old ? 12 : 4), 4);
	memcpy(&ret->parent_pc, p + (old ? 16 : 8), 4);
	if (old)
		ret->start_line = 0;
	else
		memcpy(&ret->start_line, p + 12, 4);
	return 0;
}

static void frame_line(const struct target *t, const struct pclntab_func *f, uint64_t pc,
		       struct target_frame *frame)
{
	if (line_of(t, f, pc, &frame->file, &frame->line))
		return;
	frame->file = "?";
	frame->line = 0;
}

uint64_t inlined_outermost_pc(const struct target *t, const struct pclntab_func *f, uint64_t pc)
{
	struct inlined_call call;
	uint64_t tree = 0;
	uint32_t table = pclntab_pcdata(&t->tab, f, PCDATA_INLTREEINDEX);

	if (!table || pclntab_funcdata(&t->tab, f, FUNCDATA_INLTREE, &tree))
		return pc;
	for (int depth = 0; depth < INLINED_DEPTH_MAX; depth++) {
		if (inlined_call(t, tree, pclntab_value(&t->tab, f, table, pc), &call) ||
		    f->entry + call.parent_pc >= f->end)
			break;
		pc = f->entry + call.parent_pc;
	}
	return pc;
}

/* As inlineUnwinder does it (runtime/symtabinl.go; before 1.21 inside gentraceback()). */
int target_frames_by_pc(const struct target *t, uint64_t pc, struct target_frame *ret, size_t max)
{
	struct pclntab_func f;
	struct inlined_call call;
	uint64_t tree = 0, base;
	uint32_t index, table;
	size_t n = 0;

	t = target_at(t, pc, &base);
	pc -= base;
	if (!max || pclntab_index(&t->tab, pc, &index) || pclntab_func(&t->tab, index, &f))
		return -ENOENT;
	table = pclntab_pcdata(&t->tab, &f, PCDATA_INLTREEINDEX);
	if (pclntab_funcdata(&t->tab, &f, FUNCDATA_INLTREE, &tree))
		table = 0;
	/* One slot stays for the physical frame; a tree that loops ends there too. */
	while (table && n + 1 < max) {
		struct target_frame *frame = &ret[n];
		uint64_t parent;

		if (inlined_call(t, tree, pclntab_value(&t->tab, &f, table, pc), &call))
			break;
		*frame = (struct target_frame){
			.function = pclntab_name(&t->tab, call.name_off),
			.start_line = call.start_line,
			.entry = f.entry + base,
			.inlined = true,
			.wrapper = call.func_id == t->wrapper_id,
		};
		parent = f.entry + call.parent_pc;
		if (!frame->function || parent >= f.end)
			break;
		frame_line(t, &f, pc, frame);
		pc = parent;
		n++;
	}
	ret[n] = (struct target_frame){
		.function = pclntab_name(&t->tab, f.name_off),
		.start_line = f.start_line,
		.entry = f.entry + base,
		.wrapper = f.id == t->wrapper_id,
	};
	if (!ret[n].function)
		return -ENOENT;
	frame_line(t, &f, pc, &ret[n]);
	return (int)n + 1;
}

/* runtime.isExportedRuntime(): an exported function, or such a method of an exported type. */
static bool is_exported_runtime(const char *name)
{
	const char *type = name + 8, *dot = strrchr(type, '.'), *func = dot ? dot + 1 : type;

	if (*func < 'A' || *func > 'Z')
		return false;
	if (!dot)
		return true;
	if (!strncmp(type, "(*", 2))
		type += 2;
	return *type >= 'A' && *type <= 'Z';
}

bool target_frame_shown(const struct target_frame *f, const struct target_frame *callee)
{
	const char *name = f->function;

	if (f->wrapper && !(callee && (!strcmp(callee->function, "runtime.gopanic") ||
				       !strcmp(callee->function, "runtime.sigpanic") ||
				       !strcmp(callee->function, "runtime.panicwrap"))))
		return false;
	if (!strcmp(name, "runtime.runFinalizers") || !strcmp(name, "runtime.runCleanups"))
		return true;
	if (!strcmp(name, "runtime.gopanic") && callee)
		return true;
	if (!strchr(name, '.'))
		return false;
	return strncmp(name, "runtime.", 8) || is_exported_runtime(name);
}

void target_frame_print_name(const struct target_frame *f, char *buf, size_t size)
{
	const char *name = strcmp(f->function, "runtime.gopanic") ? f->function : "panic";
	const char *open = strchr(name, '['), *close = strrchr(name, ']');
	char text[4096];
	int n = -1;

	if (open && close > open)
		n = snprintf(text, sizeof(text), "%.*s[...]%s",
			     (int)MIN(open - name, (ptrdiff_t)sizeof(text)), name, close + 1);
	if (n >= 0 && n < (int)sizeof(text))
		text_name(buf, size, text, (size_t)n);
	else
		text_name(buf, size, name, strlen(name));
}
