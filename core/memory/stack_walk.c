/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From a goroutine's saved registers to its frames.
 *
 * Frames are found as Go's own unwinder does (runtime/traceback.go unwinder.resolveInternal and
 * next): the table pcsp of each function tells how far its frame reaches at a pc, and the return
 * address is at its end (amd64) or at its beginning (arm64). That is exact for assembly and for
 * functions without a frame pointer as well. Where that table has no answer, the saved frame
 * pointers lead on: both architectures keep {caller's frame pointer, return address} there.
 *
 * Nothing holds the goroutine still. The used part of its stack is copied and walked twice, with
 * another look at the g in between: only when registers, status, goid and both walks agree is it
 * the stack of one moment. It is walked in the copy, which cannot change under the walk, and every
 * step goes towards the stack's end, so a walk ends.
 */
#include "core/memory/stack_walk.h"

#include <errno.h>
#include <string.h>

#include "core/memory/memory.h"
#include "core/target/pclntab.h"

#define GRUNNING   2 /* runtime2.go */
#define GCOPYSTACK 8

#define FLAG_TOPFRAME 1 /* abi.FuncFlagTopFrame, all releases */
#define FLAG_SPWRITE  2

#define FIRST_BYTES                                                                                \
	(64u << 10) /* of a stack that are copied; more only when the walk gets there              \
		     */
#define TRIES      5
#define LINKS_MAX  512 /* of the chain of frame pointers that are skipped */
#define CHECK_TIME 64  /* frames between two looks at the clock */

/* What the tables say of a pc. A deep stack is a recursion: it returns to few places. */
struct step {
	uint64_t pc; /* 0: unused */
	struct pclntab_func f;
	int32_t delta; /* pcsp there; -1 unknown */
	bool injected; /* called where the code was interrupted */
};

#define STEPS 16 /* a power of two */

struct walker {
	const struct pclntab *tab;
	uint64_t bias;
	bool has_lr; /* arm64 */
	const uint8_t *stack;
	uint64_t sp_lo,
		sp_hi;       /* addresses of the copy's first byte and of the one after its last */
	uint64_t pc, sp, lr; /* pc and lr are static addresses; lr 0: not known yet */
	uint64_t frame_pointer;
	bool trap; /* pc is where the code was interrupted, no return address */
	bool innermost, in_syscall;
	struct step steps[STEPS];
};

static bool read_word(const struct walker *w, uint64_t addr, uint64_t *ret)
{
	if (addr < w->sp_lo || addr % 8 || w->sp_hi - addr < 8 || addr >= w->sp_hi)
		return false;
	memcpy(ret, w->stack + (addr - w->sp_lo), sizeof(*ret));
	return true;
}

static bool func_of(const struct walker *w, uint64_t pc, struct pclntab_func *ret)
{
	uint32_t index;

	return !pclntab_index(w->tab, pc, &index) && !pclntab_func(w->tab, index, ret);
}

static bool is_injected_call(const struct walker *w, const struct pclntab_func *f)
{
	const char *name = pclntab_name(w->tab, f->name_off);

	return name &&
	       (!strcmp(name, "runtime.sigpanic") || !strcmp(name, "runtime.asyncPreempt") ||
		!strcmp(name, "runtime.debugCallV2"));
}

/* NULL: no function of the program is there. */
static const struct step *step_at(struct walker *w, uint64_t pc)
{
	struct step *s = &w->steps[(pc ^ pc >> 6) & (STEPS - 1)];

	if (s->pc == pc && pc)
		return s;
	s->pc = 0;
	if (!func_of(w, pc, &s->f))
		return NULL;
	s->pc = pc;
	s->delta = pclntab_value(w->tab, &s->f, s->f.pcsp, pc);
	s->injected = is_injected_call(w, &s->f);
	return s;
}

static bool is_named(const struct walker *w, const struct pclntab_func *f, const char *expect)
{
	const char *name = pclntab_name(w->tab, f->name_off);

	return name && !strcmp(name, expect);
}

/* The frame's end by the chain of frame pointers: the first link at or above sp. */
static bool end_by_frame_pointer(struct walker *w, uint64_t *ret_lr, uint64_t *ret_end)
{
	uint64_t fp = w->frame_pointer, next;

	for (int i = 0; i < LINKS_MAX && fp && fp < w->sp; i++) {
		if (!read_word(w, fp, &next) || next <= fp)
			return false;
		fp = next;
	}
	if (!fp || !read_word(w, fp + 8, ret_lr))
		return false;
	w->frame_pointer = fp;
	*ret_end = fp + 16;
	return true;
}

/* Where the current frame ends and where it returns to; *ret_lr is 0 at the goroutine's first
 * function. False when that cannot be told. */
static bool resolve(struct walker *w, const struct step *step, uint64_t *ret_lr, uint64_t *ret_end)
{
	const struct pclntab_func *f = &step->f;
	int32_t delta = step->delta;
	bool sp_write =
		f->flag & FLAG_SPWRITE && !w->in_syscall && !is_named(w, f, "runtime.cgocallback");
	uint64_t lr = 0;

	*ret_lr = 0;
	*ret_end = w->sp;
	if (f->flag & FLAG_TOPFRAME)
		return true;
	if (delta < 0 || sp_write) {
		if (!end_by_frame_pointer(w, &lr, ret_end))
			return false;
		*ret_lr = lr - w->bias;
		return true;
	}
	*ret_end = w->sp + (uint32_t)delta + (w->has_lr ? 0 : 8);
	if (!w->has_lr) {
		if (!read_word(w, *ret_end - 8, &lr))
			return false;
	} else if ((w->innermost && delta > 0) || w->lr == 0) {
		if (!read_word(w, w->sp, &lr))
			return false;
	} else {
		*ret_lr = w->lr;
		return true;
	}
	*ret_lr = lr - w->bias;
	return true;
}

/* arm64: an injected call saved the interrupted function's link register below that function's
 * frame. */
static bool skip_saved_lr(struct walker *w)
{
	struct pclntab_func f;
	uint64_t saved;

	if (!read_word(w, w->sp, &saved))
		return false;
	w->sp += 16;
	if (!func_of(w, w->pc, &f))
		w->pc = saved - w->bias;
	else if (pclntab_value(w->tab, &f, f.pcsp, w->pc) == 0)
		w->lr = saved - w->bias;
	return true;
}

static bool out_of_bounds(size_t n, const struct stack_bounds *bounds)
{
	return n >= MIN(bounds->frames, (size_t)STACK_FRAMES_MAX) ||
	       (n % CHECK_TIME == CHECK_TIME - 1 && monotonic_ns() > bounds->until_ns);
}

static enum stack_state walk(struct walker *w, const struct stack_bounds *bounds,
			     struct stack_trace *trace)
{
	trace->n = 0;
	for (;;) {
		const struct step *step;
		uint64_t lr, end;

		step = out_of_bounds(trace->n, bounds) ? NULL : step_at(w, w->pc);
		if (!step)
			return STACK_CUT;
		trace->frames[trace->n++] = (struct stack_frame){
			.pc = w->pc,
			.lookup = w->pc > step->f.entry && !w->trap ? w->pc - 1 : w->pc,
		};
		if (!resolve(w, step, &lr, &end))
			return STACK_CUT;
		if (lr == 0)
			return STACK_WHOLE;
		/* Towards the end of the stack. Only a leaf of arm64, which returns through its
		 * link register, may have an empty frame. */
		if (end < w->sp || (end == w->sp && w->lr == 0))
			return STACK_CUT;
		w->trap = step->injected;
		w->pc = lr;
		w->sp = end;
		w->lr = 0;
		w->innermost = w->in_syscall = false;
		if (w->has_lr && w->trap && !skip_saved_lr(w))
			return STACK_CUT;
	}
}

/* --- a stack of one moment ------------------------------------------------------------------- */

static bool starts_in_syscall(const struct memory_goroutine *g)
{
	return g->syscall_sp != 0; /* as unwinder.initAt */
}

static uint64_t first_sp(const struct memory_goroutine *g)
{
	return starts_in_syscall(g) ? g->syscall_sp : g->sched_sp;
}

static bool is_sane(const struct memory_goroutine *g)
{
	uint64_t sp = first_sp(g);

	return g->stack_lo < g->stack_hi && sp >= g->stack_lo && sp < g->stack_hi && sp % 8 == 0;
}

bool stack_is_unmoved(const struct memory_goroutine *a, const struct memory_goroutine *b)
{
	return a->goid == b->goid && a->status == b->status && a->sched_pc == b->sched_pc &&
	       a->sched_sp == b->sched_sp && a->sched_bp == b->sched_bp &&
	       a->syscall_pc == b->syscall_pc && a->syscall_sp == b->syscall_sp &&
	       a->stack_lo == b->stack_lo && a->stack_hi == b->stack_hi;
}

uint64_t stack_used(const struct memory_goroutine *g, uint64_t *ret_sp)
{
	if (g->status == GRUNNING || g->status == GCOPYSTACK || !is_sane(g))
		return 0;
	*ret_sp = first_sp(g);
	return g->stack_hi - *ret_sp;
}

void stack_walk_copy(const struct target *t, uint64_t bias, const struct memory_goroutine *g,
		     const void *bytes, uint64_t size, const struct stack_bounds *bounds,
		     struct stack_trace *ret)
{
	uint64_t sp = first_sp(g);
	bool in_syscall = starts_in_syscall(g);
	struct walker w = {
		.tab = target_pclntab(t),
		.bias = bias,
		.has_lr = target_has_link_register(t),
		.stack = bytes,
		.sp_lo = sp,
		.sp_hi = sp + size,
		.pc = (in_syscall ? g->syscall_pc : g->sched_pc) - bias,
		.sp = sp,
		.lr = !in_syscall && g->sched_lr ? g->sched_lr - bias : 0,
		.frame_pointer = in_syscall ? g->syscall_bp : g->sched_bp,
		.innermost = true,
		.in_syscall = in_syscall,
	};

	ret->g = *g;
	ret->state = walk(&w, bounds, ret);
}

static int copy_and_walk(const struct target *t, pid_t pid, uint64_t bias,
			 const struct memory_goroutine *g, const struct stack_bounds *bounds,
			 uint8_t *buf, struct stack_trace *ret)
{
	uint64_t sp, used = MIN(stack_used(g, &sp), MIN(bounds->bytes, (uint64_t)STACK_BYTES_MAX));
	uint64_t size = MIN(used, (uint64_t)FIRST_BYTES);
	int err;

	if (size == 0)
		return -EAGAIN;
	for (;; size = MIN(used, size * 8)) {
		err = memory_read(pid, sp, buf, size);
		if (err < 0)
			return err;
		stack_walk_copy(t, bias, g, buf, size, bounds, ret);
		if (ret->state != STACK_CUT || size == used || out_of_bounds(ret->n, bounds))
			return 0;
	}
}

static bool is_same_walk(const struct stack_trace *a, const struct stack_trace *b)
{
	return a->state == b->state && a->n == b->n &&
	       !memcmp(a->frames, b->frames, a->n * sizeof(*a->frames));
}

struct stack_scratch {
	struct stack_trace other;
	uint8_t bytes[STACK_BYTES_MAX];
};

struct stack_scratch *stack_scratch_new(void)
{
	return malloc(sizeof(struct stack_scratch));
}

void stack_scratch_free(struct stack_scratch *scratch)
{
	free(scratch);
}

/* One try: 0, -EAGAIN when it raced, or another error. */
static int try_once(const struct target *t, pid_t pid, uint64_t bias,
		    const struct memory_goroutine *g, const struct stack_bounds *bounds,
		    struct stack_scratch *scratch, struct stack_trace *ret)
{
	struct memory_goroutine now;
	int err;

	err = copy_and_walk(t, pid, bias, g, bounds, scratch->bytes, &scratch->other);
	if (!err)
		err = memory_goroutine_again(t, pid, bias, g, &now);
	if (!err)
		err = stack_is_unmoved(g, &now) ? 0 : -EAGAIN;
	if (!err)
		err = copy_and_walk(t, pid, bias, &now, bounds, scratch->bytes, ret);
	if (err)
		return err == -EFAULT ? -EAGAIN : err;
	return is_same_walk(&scratch->other, ret) ? 0 : -EAGAIN;
}

int stack_trace_with(const struct target *t, pid_t pid, uint64_t bias,
		     const struct memory_goroutine *g, const struct stack_bounds *bounds,
		     struct stack_scratch *scratch, struct stack_trace *ret)
{
	struct memory_goroutine now = *g;

	for (int i = 0; i < TRIES; i++) {
		int err = -EAGAIN;

		if (now.status != GRUNNING)
			err = try_once(t, pid, bias, &now, bounds, scratch, ret);
		if (err != -EAGAIN)
			return err;
		err = memory_goroutine_again(t, pid, bias, g, &now);
		if (err < 0 && err != -EAGAIN)
			return err;
		if (now.status == GRUNNING)
			break;
	}
	ret->g = now;
	ret->n = 0;
	ret->state = now.status == GRUNNING ? STACK_RUNNING : STACK_UNSETTLED;
	return 0;
}
