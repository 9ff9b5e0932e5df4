/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Frames are found as Go's own unwinder does (runtime/traceback.go unwinder.resolveInternal and
 * next): the table pcsp of each function tells how far its frame reaches at a pc, and the return
 * address is at its end (amd64) or at its beginning (arm64). That is exact for assembly and for
 * functions without a frame pointer as well. Where that table has no answer, the saved frame
 * pointers lead on: both architectures keep {caller's frame pointer, return address} there.
 *
 * Every step goes towards the stack's end, so a walk ends. One that is not allowed to go all the
 * way, or does not know on, goes on near the outer end, where two things that the program keeps
 * independently have to agree: see skip_to_end().
 */
#include "core/memory/stack_unwind.h"

#include <errno.h>
#include <string.h>

#include "core/memory/memory.h"
#include "core/target/parts.h"

#define FLAG_TOPFRAME 1 /* abi.FuncFlagTopFrame, all releases */
#define FLAG_SPWRITE  2

#define FIRST_BYTES (64u << 10) /* of a stack that are read; more only when the walk gets there */
#define OUTER_BYTES (64u << 10) /* of its outer end, when it is not walked all the way */
#define PAGE        4096        /* at least */
#define LINKS_MAX   512         /* of the chain of frame pointers that are skipped */
#define CHECK_TIME  64          /* frames between two looks at the clock */
#define AGREE       3           /* frames that have to be the same by both ways of finding them */
#define CALLS_MAX   64          /* inlined at one pc */

/* What the tables say of a pc. A deep stack is a recursion: it returns to few places. */
struct step {
	uint64_t pc; /* 0: unused */
	struct pclntab_func f;
	int32_t delta; /* pcsp there; -1 unknown */
	bool injected; /* called where the code was interrupted */
	bool panics;   /* a wrapper that calls it is shown (elideWrapperCalling) */
	bool is_cgocallback;
	int32_t shown; /* calls of it that a dump shows; -1 not looked up yet */
	int32_t n_args;
	uint8_t offset[STACK_ARGS_MAX], size[STACK_ARGS_MAX]; /* of the words of its arguments */
};

#define STEPS 256 /* a power of two */

struct stack_steps {
	struct step at[STEPS];
};

struct walker {
	const struct target *t;
	struct stack_bytes *bytes;
	uint64_t bias;
	bool has_lr;         /* arm64 */
	uint64_t pc, sp, lr; /* pc and lr are static addresses; lr 0: not known yet */
	uint64_t frame_pointer;
	bool trap; /* pc is where the code was interrupted, no return address */
	bool innermost, in_syscall;
	bool callee_panics;
	uint64_t walked; /* frames */
	size_t ring;     /* index of the first of the last STACK_OUTER frames, a ring */
	uint64_t evicted;
	struct stack_steps *steps;
};

/* --- the stack's bytes ----------------------------------------------------------------------- */

static int move_window(struct stack_bytes *b, uint64_t addr)
{
	uint64_t at = addr & ~7ull;
	uint64_t size = b->size ? MIN(b->size * 8, (uint64_t)STACK_WINDOW) : FIRST_BYTES;

	if (!b->window || monotonic_ns() > b->until_ns)
		return -ETIME;
	b->at = at;
	b->size = MIN(b->hi - at, size);
	b->err = memory_read(b->pid, at, b->window, b->size);
	if (b->err == -EFAULT && b->size > PAGE) { /* it is said to be longer than it is */
		b->size = PAGE - at % PAGE;
		b->err = memory_read(b->pid, at, b->window, b->size);
	}
	if (b->err)
		b->size = 0;
	return b->err;
}

/* Up to eight bytes, little endian. */
static bool read_bytes(struct walker *w, uint64_t addr, size_t n, uint64_t *ret)
{
	struct stack_bytes *b = w->bytes;

	*ret = 0;
	if (addr < b->sp || addr >= b->hi || b->hi - addr < n)
		return false;
	if (b->copy) {
		memcpy(ret, b->copy + (addr - b->sp), n);
		return true;
	}
	if ((addr < b->at || addr + n > b->at + b->size) && move_window(b, addr))
		return false;
	if (addr + n > b->at + b->size)
		return false;
	memcpy(ret, b->window + (addr - b->at), n);
	return true;
}

static bool read_word(struct walker *w, uint64_t addr, uint64_t *ret)
{
	return addr % 8 == 0 && read_bytes(w, addr, 8, ret);
}

/* --- what the tables say --------------------------------------------------------------------- */

/* The function at a pc, of the program or of a plugin: `tab` is the table that has it, and
 * *ret_base what is to be taken from pc there. */
static bool func_of(const struct walker *w, uint64_t pc, struct pclntab_func *ret,
		    const struct pclntab **ret_tab, uint64_t *ret_base)
{
	const struct pclntab *tab = target_pclntab(target_at(w->t, pc, ret_base));
	uint32_t index;

	*ret_tab = tab;
	return !pclntab_index(tab, pc - *ret_base, &index) && !pclntab_func(tab, index, ret);
}

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(name, names[i]))
			return true;
	}
	return false;
}

static void name_step(const struct pclntab *tab, struct step *s)
{
	static const char *const injected[] = {"runtime.sigpanic", "runtime.asyncPreempt",
					       "runtime.debugCallV2"};
	static const char *const panics[] = {"runtime.gopanic", "runtime.sigpanic",
					     "runtime.panicwrap"};
	const char *name = pclntab_name(tab, s->f.name_off);

	if (!name)
		name = "";
	s->injected = is_one_of(name, injected, ARRAY_SIZE(injected));
	s->panics = is_one_of(name, panics, ARRAY_SIZE(panics));
	s->is_cgocallback = !strcmp(name, "runtime.cgocallback");
}

static void find_args(const struct walker *w, struct step *s)
{
	struct target_arg args[TARGET_ARGS_MAX];
	int n = target_args_by_pc(w->t, s->pc, args);

	s->n_args = n < 0 ? -1 : 0;
	for (int i = 0; i < n; i++) {
		if (args[i].kind != TARGET_ARG_VALUE)
			continue;
		if (s->n_args == STACK_ARGS_MAX) {
			s->n_args = -1;
			return;
		}
		s->offset[s->n_args] = args[i].offset;
		s->size[s->n_args++] = args[i].size;
	}
}

/* NULL: no function of the program is there. */
static struct step *step_at(struct walker *w, uint64_t pc)
{
	struct step *s = &w->steps->at[(pc ^ pc >> 8) & (STEPS - 1)];
	const struct pclntab *tab;
	uint64_t base;

	if (s->pc == pc && pc)
		return s;
	s->pc = 0;
	if (!func_of(w, pc, &s->f, &tab, &base))
		return NULL;
	s->pc = pc;
	s->delta = pclntab_value(tab, &s->f, s->f.pcsp, pc - base);
	s->f.entry += base;
	s->f.end += base;
	s->shown = -1;
	name_step(tab, s);
	find_args(w, s);
	return s;
}

/* How many calls of this frame a dump shows. */
static uint32_t shown_calls(const struct walker *w, struct step *step, uint64_t lookup)
{
	bool usual = !w->callee_panics && !w->trap;
	struct target_frame calls[CALLS_MAX], callee = {.function = ""};
	uint32_t shown = 0;
	int n;

	if (usual && step->shown >= 0)
		return (uint32_t)step->shown;
	if (w->callee_panics)
		callee.function = "runtime.gopanic";
	n = target_frames_by_pc(w->t, lookup, calls, CALLS_MAX);
	for (int i = 0; i < n; i++) {
		shown += target_frame_shown(&calls[i], &callee);
		callee = calls[i];
	}
	if (usual)
		step->shown = (int32_t)shown;
	return shown;
}

/* --- one frame ------------------------------------------------------------------------------- */

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
	bool sp_write = f->flag & FLAG_SPWRITE && !w->in_syscall && !step->is_cgocallback;
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
	const struct pclntab *tab;
	struct pclntab_func f;
	uint64_t saved, base;

	if (!read_word(w, w->sp, &saved))
		return false;
	w->sp += 16;
	if (!func_of(w, w->pc, &f, &tab, &base))
		w->pc = saved - w->bias;
	else if (pclntab_value(tab, &f, f.pcsp, w->pc - base) == 0)
		w->lr = saved - w->bias;
	return true;
}

/* Goes to the caller. False when it is not towards the stack's end: only a leaf of arm64, which
 * returns through its link register, may have an empty frame. */
static bool go_on(struct walker *w, const struct step *step, uint64_t lr, uint64_t end)
{
	if (end < w->sp || (end == w->sp && w->lr == 0))
		return false;
	w->trap = step->injected;
	w->callee_panics = step->panics;
	w->pc = lr;
	w->sp = end;
	w->lr = 0;
	w->innermost = w->in_syscall = false;
	return !w->has_lr || !w->trap || skip_saved_lr(w);
}

/* --- keeping them ---------------------------------------------------------------------------- */

static void read_args(struct walker *w, const struct step *step, uint64_t end,
		      struct stack_frame *f)
{
	/* stkframe.argp: behind the frame, and on arm64 behind the caller's place for its link
	 * register. */
	uint64_t args = end + (w->has_lr ? 8 : 0);

	f->n_args = step->n_args;
	for (int i = 0; i < step->n_args; i++) {
		if (!read_bytes(w, args + step->offset[i], step->size[i], &f->args[i])) {
			memset(f->args, 0, sizeof(f->args));
			f->n_args = -1;
			return;
		}
	}
}

/* From w->ring on the last STACK_OUTER are kept, in a ring; put_in_order() ends that. */
static void keep_frame(struct walker *w, struct step *step, bool resolved, uint64_t end,
		       struct stack_trace *trace)
{
	struct stack_frame f =
				   {
					   .pc = w->pc,
					   .lookup = w->pc > step->f.entry && !w->trap ? w->pc - 1
										       : w->pc,
					   .sp = w->sp,
					   .n_args = -1,
				   },
			   *to = &trace->frames[trace->n];

	if (resolved)
		read_args(w, step, end, &f);
	if (trace->n >= w->ring)
		f.shown = shown_calls(w, step, f.lookup);
	if (trace->n == w->ring + STACK_OUTER) {
		to = &trace->frames[w->ring + w->evicted++ % STACK_OUTER];
		trace->left_out += to->shown;
	} else {
		trace->n++;
	}
	*to = f;
	trace->hash = (trace->hash ^ w->pc) * 1099511628211ull;
}

static void reverse(struct stack_frame *from, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct stack_frame f = from[i];

		from[i] = from[n - 1 - i];
		from[n - 1 - i] = f;
	}
}

static void put_in_order(const struct walker *w, struct stack_trace *trace)
{
	struct stack_frame *ring = trace->frames + w->ring;
	size_t first = w->evicted % STACK_OUTER;

	if (!first)
		return;
	reverse(ring, first);
	reverse(ring + first, STACK_OUTER - first);
	reverse(ring, STACK_OUTER);
}

static bool out_of_bounds(const struct walker *w, const struct stack_bounds *bounds)
{
	return w->walked >= bounds->frames ||
	       (w->walked % CHECK_TIME == CHECK_TIME - 1 && monotonic_ns() > bounds->until_ns);
}

static enum stack_state walk(struct walker *w, const struct stack_bounds *bounds,
			     struct stack_trace *trace)
{
	for (;; w->walked++) {
		struct step *step = out_of_bounds(w, bounds) ? NULL : step_at(w, w->pc);
		uint64_t lr, end;
		bool resolved;

		if (!step)
			return STACK_CUT;
		resolved = resolve(w, step, &lr, &end);
		keep_frame(w, step, resolved, end, trace);
		if (!resolved)
			return STACK_CUT;
		if (lr == 0)
			return STACK_WHOLE;
		if (!go_on(w, step, lr, end))
			return STACK_CUT;
	}
}

/* --- from the outer end ---------------------------------------------------------------------- */

/* Does the frame of `w` end where its frame pointer says, too? amd64 saves the caller's below the
 * return address, arm64 below the frame. */
static bool agrees(struct walker *w, uint64_t end)
{
	uint64_t saved;

	if (w->has_lr)
		return read_word(w, w->sp - 8, &saved) && saved + 8 == end;
	return w->frame_pointer + 16 == end && read_word(w, w->frame_pointer, &w->frame_pointer);
}

/*
 * Do frames from here lead to the goroutine's very first, and are the first of them where both the
 * tables and the frame pointers say? What lies about on a stack from earlier calls may look like a
 * frame, but does not fit to all that follows.
 */
static bool leads_to_end(struct walker *w)
{
	uint64_t lr, end;

	for (unsigned n = 0; n < OUTER_BYTES / 8; n++) {
		struct step *step = step_at(w, w->pc);

		if (!step || w->pc == step->f.entry)
			return false;
		if (step->f.flag & FLAG_TOPFRAME)
			return n > 0;
		if (!resolve(w, step, &lr, &end) ||
		    (n < AGREE && step->delta > 0 && !agrees(w, end)) || !go_on(w, step, lr, end))
			return false;
	}
	return false;
}

/* Makes `w` the caller of a frame whose saved frame pointer is at `at`, its return address behind
 * it. */
static bool go_to_caller(struct walker *w, uint64_t at)
{
	uint64_t link, pc;

	if (!read_word(w, at, &link) || link <= at || link % 8 || link >= w->bytes->hi ||
	    !read_word(w, at + 8, &pc))
		return false;
	w->pc = pc - w->bias;
	w->sp = w->has_lr ? link + 8 : at + 16;
	w->lr = 0;
	w->frame_pointer = link;
	w->trap = w->innermost = w->in_syscall = w->callee_panics = false;
	return true;
}

/* Goes to the innermost frame of the stack's last bytes, after where it is. */
static bool skip_to_end(struct walker *w)
{
	struct stack_bytes *b = w->bytes;
	uint64_t from = b->hi - b->sp > OUTER_BYTES ? b->hi - OUTER_BYTES : b->sp;

	b->size = 0;              /* a new window, as small as it can be */
	b->until_ns = UINT64_MAX; /* it is read once */
	for (uint64_t at = MAX(from, w->sp) & ~7ull; at + 16 <= b->hi; at += 8) {
		if (!go_to_caller(w, at) || !leads_to_end(w))
			continue;
		return go_to_caller(w, at);
	}
	return false;
}

/* Nothing is known of what is between the frames so far and these. */
static void add_outer_end(struct walker *w, struct stack_trace *trace)
{
	static const struct stack_bounds none = {STACK_UNBOUNDED, UINT64_MAX};

	trace->n = trace->inner = w->ring = MIN(trace->n, (size_t)STACK_INNER);
	trace->left_out = w->evicted = 0;
	if (w->bytes->err || !skip_to_end(w))
		return;
	walk(w, &none, trace);
	put_in_order(w, trace);
	trace->left_out = STACK_SOME;
}

struct stack_steps *stack_steps_new(void)
{
	return calloc(1, sizeof(struct stack_steps));
}

void stack_unwind(const struct target *t, uint64_t bias, const struct memory_goroutine *g,
		  struct stack_steps *steps, struct stack_bytes *bytes,
		  const struct stack_bounds *bounds, struct stack_trace *ret)
{
	bool in_syscall = stack_starts_in_syscall(g);
	struct walker w = {
		.t = t,
		.bytes = bytes,
		.steps = steps,
		.bias = bias,
		.has_lr = target_has_link_register(t),
		.pc = (in_syscall ? g->syscall_pc : g->sched_pc) - bias,
		.sp = bytes->sp,
		.lr = !in_syscall && g->sched_lr ? g->sched_lr - bias : 0,
		.frame_pointer = in_syscall ? g->syscall_bp : g->sched_bp,
		.innermost = true,
		.in_syscall = in_syscall,
		.ring = STACK_INNER,
	};

	ret->n = ret->inner = 0;
	ret->left_out = 0;
	ret->hash = 14695981039346656037ull;
	ret->state = walk(&w, bounds, ret);
	ret->walked = w.walked;
	if (ret->state == STACK_CUT && !bytes->inner_only) {
		add_outer_end(&w, ret);
		return;
	}
	put_in_order(&w, ret);
	ret->inner = w.evicted ? STACK_INNER : ret->n;
}
