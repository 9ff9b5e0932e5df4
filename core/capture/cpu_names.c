/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Names for CPU samples; see cpu_names.h. */
#include "core/capture/cpu_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/capture/idmap.h"
#include "core/target/mappings.h"

#define VDSOS_MAX 64 /* of so many processes it is remembered */

struct vdso {
	bool used;
	unsigned proc; /* which execve(2) makes another one, with a vdso elsewhere */
	uint64_t lo, hi;
};

struct cpu_names {
	struct decode *decode;
	const struct target *target;
	bool link_register;
	uint32_t kernel, c_code, vdso; /* sites */
	struct vdso vdsos[VDSOS_MAX];
	unsigned next;
	struct idmap ends; /* by static return address of Go code: enum end */
};

static uint32_t made_up(struct names *names, const char *name)
{
	return names_add_site(names,
			      (struct site){.func_id = names_intern(names, name, strlen(name))});
}

int cpu_names_new(struct decode *decode, const struct target *target, struct names *names,
		  struct cpu_names **ret)
{
	struct cpu_names *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->decode = decode;
	n->target = target;
	n->link_register = target_has_link_register(target);
	n->kernel = made_up(names, "[kernel]");
	n->c_code = made_up(names, "[C code]");
	n->vdso = made_up(names, "[vdso]");
	*ret = n;
	return 0;
}

void cpu_names_free(struct cpu_names *n)
{
	if (!n)
		return;
	idmap_free(&n->ends);
	free(n);
}

/* --- what is no Go code ---------------------------------------------------------------------- */

static int find_vdso(void *ctx, const struct mapping *m)
{
	struct vdso *v = ctx;

	if (strcmp(m->path, "[vdso]"))
		return 0;
	v->lo = m->start;
	v->hi = m->end;
	return 1;
}

static bool in_vdso(struct cpu_names *n, const struct decode_process *process, uint64_t pc)
{
	struct vdso *v = NULL;

	for (unsigned i = 0; i < VDSOS_MAX; i++)
		if (n->vdsos[i].used && n->vdsos[i].proc == process->proc)
			v = &n->vdsos[i];
	if (!v) {
		v = &n->vdsos[n->next++ % VDSOS_MAX];
		*v = (struct vdso){.used = true, .proc = process->proc};
		(void)mappings_each(process->pid, find_vdso, v);
	}
	return pc >= v->lo && pc < v->hi;
}

/* Consecutive ones are one. */
static void add_foreign(struct cpu_names *n, const struct decode_process *process, uint64_t pc,
			struct stack_sample *ret)
{
	uint32_t site = in_vdso(n, process, pc) ? n->vdso : n->c_code;

	if (!ret->n || ret->sites[ret->n - 1] != site)
		(void)stack_sample_add(ret, &site, 1);
}

/* --- calls ----------------------------------------------------------------------------------- */

/* false: it is not Go code. */
static bool add_calls(struct cpu_names *n, const struct decode_process *process, uint64_t return_pc,
		      struct stack_sample *ret)
{
	const uint32_t *sites = NULL;
	uint32_t calls = decode_calls(n->decode, process, return_pc, &sites);

	if (calls == 1 && !sites[0]) {
		add_foreign(n, process, return_pc, ret);
		return false;
	}
	if (!stack_sample_add(ret, sites, calls))
		ret->cut = true;
	return true;
}

/* What the innermost function returns to, when the first frame of the chain is not its own. 0: it
 * is, or nobody knows. `bytes`: of its frame; negative: it is not Go's. */
static uint64_t hidden_caller(const struct cpu_names *n, const struct wire_cpu_sample *s,
			      int32_t bytes)
{
	if (bytes < 0)
		return 0;
	if (n->link_register) {
		if (!bytes)
			return s->lr;
		return s->fp + 8 == s->sp ? 0 : s->top[0];
	}
	if (bytes && s->fp == s->sp + (uint32_t)bytes - 8)
		return 0;
	return bytes % 8 == 0 && bytes / 8 < WIRE_CPU_TOP ? s->top[bytes / 8] : 0;
}

static bool is_go(struct cpu_names *n, const struct decode_process *process, uint64_t return_pc)
{
	struct go_func func;

	return !target_func_by_pc(n->target, decode_static(n->decode, process, return_pc) - 1,
				  &func);
}

/* --- the outermost --------------------------------------------------------------------------- */

enum end {
	GOES_ON,
	MAY_END, /* the runtime's switches from one stack to another */
	ENDS,    /* the first call of a goroutine or a thread: what lies behind it is no frame */
};

static enum end end_of(const char *function)
{
	static const char *const first[] = {"runtime.goexit", "runtime.mstart", "runtime.rt0_go",
					    "runtime.mstart0", "_rt0_amd64"};
	static const char *const switches[] = {
		"runtime.mcall",       "runtime.morestack",
		"runtime.systemstack", "runtime.sigreturn",
		"runtime.sigtramp",    "runtime.sigtrampgo",
		"runtime.asmcgocall",  "runtime.gogo",
		"runtime.mstart1",     "gogo",
	};

	for (size_t i = 0; i < ARRAY_SIZE(first); i++)
		if (!strcmp(function, first[i]))
			return ENDS;
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++)
		if (!strcmp(function, switches[i]))
			return MAY_END;
	return GOES_ON;
}

/* Adds the calls at a return address; what it is for the stack. */
static enum end follow(struct cpu_names *n, const struct decode_process *process, uint64_t pc,
		       struct stack_sample *ret)
{
	uint64_t addr = decode_static(n->decode, process, pc);
	struct go_func func;
	uint32_t known;
	enum end end;

	if (!add_calls(n, process, pc, ret))
		return GOES_ON;
	/* The same hundreds of calls, again and again. */
	if (idmap_get(&n->ends, addr, 0, &known))
		return (enum end)known;
	if (target_func_by_pc(n->target, addr - 1, &func))
		return GOES_ON;
	end = end_of(func.name);
	(void)idmap_put(&n->ends, addr, 0, end); /* full: looked up each time */
	return end;
}

static enum end follow_all(struct cpu_names *n, const struct decode_process *process,
			   const __u64 *pcs, uint32_t depth, enum end end, struct stack_sample *ret)
{
	for (uint32_t i = 0; i < depth && end != ENDS && !ret->cut; i++)
		if (pcs[i])
			end = follow(n, process, pcs[i], ret);
	return end;
}

void cpu_names_decode(struct cpu_names *n, const struct decode_process *process,
		      const struct wire_cpu_sample *s, uint64_t period_ns, struct stack_sample *ret)
{
	uint32_t depth = MIN((uint32_t)s->n, (uint32_t)WIRE_CPU_DEPTH);
	uint32_t own = MIN((uint32_t)s->n_own, (uint32_t)WIRE_CPU_OWN_DEPTH);
	bool too_deep = s->flags & WIRE_CPU_CUT;
	int32_t bytes = target_frame_bytes(n->target, decode_static(n->decode, process, s->ip));
	uint64_t caller;
	enum end end;

	*ret = (struct stack_sample){.time_ns = s->time_ns,
				     .goid = s->goid,
				     .weight = period_ns,
				     .proc = process->proc,
				     .kind = SAMPLE_CPU};
	if (s->flags & WIRE_CPU_KERNEL) {
		ret->marks |= SAMPLE_IN_KERNEL;
		(void)stack_sample_add(ret, &n->kernel, 1);
	}
	end = follow(n, process, s->ip + 1, ret);
	if (bytes < 0)
		ret->marks |= SAMPLE_IN_C;
	caller = hidden_caller(n, s, bytes);
	if (caller && end != ENDS && is_go(n, process, caller))
		end = follow(n, process, caller, ret);
	end = follow_all(n, process, s->pcs, depth, end, ret);
	if (own)
		end = follow_all(n, process, s->own, own, GOES_ON, ret);
	if (!s->goid)
		ret->marks |= SAMPLE_NO_GOROUTINE;
	/* A thread that is not Go's has no Go calls to be missed. */
	if (too_deep || (end == GOES_ON && !(s->flags & WIRE_CPU_NO_G)))
		ret->cut = true;
	if (ret->cut)
		ret->marks |= SAMPLE_CUT;
}
