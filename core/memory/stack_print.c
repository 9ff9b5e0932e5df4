/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A goroutine as a Go program prints it with runtime.Stack or on a crash (runtime/traceback.go
 * goroutineheader, traceback2, printcreatedby), so that whatever reads those dumps reads these.
 * Which frames are shown, and under what name, is target_frame_shown() and
 * target_frame_print_name(). Names are the target's: each is escaped and has a bound, and none can
 * look like another line.
 */
#include "core/memory/stack_print.h"

#include <errno.h>
#include <string.h>

#include "core/base/text.h"

#define GSYSCALL 3 /* runtime2.go */
#define GWAITING 4
#define GLEAKED  10

#define INLINED_MAX   64
#define NS_PER_MINUTE (60 * (int64_t)NS_PER_SEC)

/* tracebackInnerFrames, tracebackOuterFrames (traceback.go, 1.21 on) */
#define INNER 50
#define OUTER 50

#define MEMO_SLOTS  256
#define MEMO_FRAMES 64
#define MEMO_BYTES  (16u << 10)
#define PLACES      64

/* The text of a stack's frames. */
struct memo {
	uint64_t hash;
	size_t n; /* frames; 0: unused */
	struct stack_frame frames[MEMO_FRAMES];
	struct buf text;
};

/* The calls at a pc: a recursion asks for few of them, again and again. */
struct place {
	uint64_t lookup; /* 0: unused */
	int n;
	struct target_frame calls[INLINED_MAX];
};

struct creator {
	uint64_t go_pc; /* 0: unused */
	struct buf name, place;
};

struct stack_printer {
	const struct target *t;
	struct memo memo[MEMO_SLOTS];
	struct place places[PLACES];
	struct creator creators[PLACES];
};

int stack_printer_new(const struct target *t, struct stack_printer **ret)
{
	struct stack_printer *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->t = t;
	*ret = p;
	return 0;
}

void stack_printer_free(struct stack_printer *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < MEMO_SLOTS; i++)
		buf_free(&p->memo[i].text);
	for (size_t i = 0; i < PLACES; i++) {
		buf_free(&p->creators[i].name);
		buf_free(&p->creators[i].place);
	}
	free(p);
}

/* --- header ---------------------------------------------------------------------------------- */

static const char *status_text(const struct target *t, const struct memory_goroutine *g)
{
	static const char *const names[] = {
		[0] = "idle",      [1] = "runnable",  [2] = "running",
		[3] = "syscall",   [4] = "waiting",   [6] = "dead",
		[8] = "copystack", [9] = "preempted", [10] = "leaked",
	};
	const char *reason = NULL;

	if ((g->status == GWAITING || g->status == GLEAKED) && g->wait_reason)
		reason = target_wait_reason(t, g->wait_reason);
	if (reason)
		return reason;
	return g->status < ARRAY_SIZE(names) && names[g->status] ? names[g->status] : "???";
}

static void print_header(const struct target *t, const struct memory_goroutine *g, struct buf *out)
{
	int64_t minutes = 0;

	if ((g->status == GWAITING || g->status == GSYSCALL) && g->wait_since_ns > 0)
		minutes = ((int64_t)monotonic_ns() - g->wait_since_ns) / NS_PER_MINUTE;
	buf_adds(out, "goroutine ");
	buf_addu(out, g->goid);
	buf_adds(out, " [");
	buf_adds(out, status_text(t, g));
	if (g->status == GLEAKED)
		buf_adds(out, " (leaked)");
	if (g->scanning)
		buf_adds(out, " (scan)");
	if (minutes >= 1) {
		buf_adds(out, ", ");
		buf_addi(out, minutes);
		buf_adds(out, " minutes");
	}
	if (g->locked_to_thread)
		buf_adds(out, ", locked to thread");
	buf_adds(out, "]:\n");
}

/* --- names and places ------------------------------------------------------------------------ */

/* At the beginning of a line: no name may make it one of another kind. */
static void print_function(const struct target_frame *f, struct buf *out)
{
	static const char *const others[] = {"goroutine ", "created by ", "...", "(", " "};
	char name[TEXT_NAME_SIZE];

	target_frame_print_name(f, name, sizeof(name));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		if (strncmp(name, others[i], strlen(others[i])))
			continue;
		buf_addf(out, "\\x%02x%s", (unsigned char)name[0], name + 1);
		return;
	}
	buf_adds(out, name[0] ? name : "?");
}

static void print_place(const struct target_frame *f, uint64_t pc, struct buf *out)
{
	char file[TEXT_NAME_SIZE];

	text_name(file, sizeof(file), f->file, strlen(f->file));
	buf_addc(out, '\t');
	buf_adds(out, file[0] ? file : "?");
	buf_addc(out, ':');
	buf_addu(out, f->line);
	if (!f->inlined && pc > f->entry) {
		buf_adds(out, " +");
		buf_addx(out, pc - f->entry);
	}
	buf_addc(out, '\n');
}

/* --- frames ---------------------------------------------------------------------------------- */

struct shown {
	struct target_frame frame;
	uint64_t pc;
};

/* The shown frames of a stack: the innermost of them, the outermost, and how many they are. */
struct selection {
	struct shown inner[INNER], outer[OUTER]; /* outer: a ring */
	size_t n;
	bool cut; /* there are others, nobody knows how many */
};

static size_t place_slot(uint64_t lookup)
{
	return (lookup * 0x9e3779b97f4a7c15ull) >> 58 & (PLACES - 1);
}

static bool knows_place(const struct stack_printer *p, uint64_t lookup)
{
	return lookup && p->places[place_slot(lookup)].lookup == lookup;
}

static const struct place *place_at(struct stack_printer *p, uint64_t lookup)
{
	struct place *place = &p->places[place_slot(lookup)];

	if (!knows_place(p, lookup)) {
		place->lookup = lookup;
		place->n = target_frames_by_pc(p->t, lookup, place->calls, INLINED_MAX);
	}
	return place;
}

static void select_frames(struct stack_printer *p, const struct stack_trace *trace, bool all,
			  uint64_t until_ns, struct selection *s)
{
	struct target_frame callee = {0};
	const struct place *place;
	bool has_callee = false;

	s->n = 0;
	s->cut = trace->state == STACK_CUT;
	for (size_t i = 0; i < trace->n; i++) {
		if (!knows_place(p, trace->frames[i].lookup) && i && monotonic_ns() > until_ns) {
			s->cut = true;
			break;
		}
		place = place_at(p, trace->frames[i].lookup);
		for (int k = 0; k < place->n; k++) {
			const struct target_frame *f = &place->calls[k];
			struct shown one = {*f, trace->frames[i].pc};

			if (all || target_frame_shown(f, has_callee ? &callee : NULL)) {
				if (s->n < INNER)
					s->inner[s->n] = one;
				else
					s->outer[(s->n - INNER) % OUTER] = one;
				s->n++;
			}
			callee = *f;
			has_callee = true;
		}
	}
}

static void print_shown(const struct shown *s, struct buf *out)
{
	print_function(&s->frame, out);
	buf_adds(out, "(...)\n");
	print_place(&s->frame, s->pc, out);
}

static void print_frames(struct stack_printer *p, const struct stack_trace *trace,
			 uint64_t until_ns, struct buf *out)
{
	struct selection s;
	size_t rest;

	/* The runtime's own frames are left out, unless there are no others (traceback1). */
	select_frames(p, trace, false, until_ns, &s);
	if (!s.n)
		select_frames(p, trace, true, until_ns, &s);
	for (size_t i = 0; i < MIN(s.n, (size_t)INNER); i++)
		print_shown(&s.inner[i], out);
	rest = s.n > INNER ? s.n - INNER : 0;
	if (rest > OUTER)
		buf_addf(out, "...%zu frames elided...\n", rest - OUTER);
	for (size_t i = rest > OUTER ? rest - OUTER : 0; i < rest; i++)
		print_shown(&s.outer[i % OUTER], out);
	/* How many more there are is not known: Go's words for that up to 1.20, which all readers
	 * of such dumps know. */
	if (s.cut || !s.n)
		buf_adds(out, "...additional frames elided...\n");
}

/* The lines of a go statement, once for all goroutines that it made: the function's name, and the
 * place. Both empty where there is nothing to say. */
static const struct creator *creator_at(struct stack_printer *p, uint64_t go_pc)
{
	struct creator *c = &p->creators[place_slot(go_pc)];
	const struct place *place;
	struct target_frame f;

	if (c->go_pc == go_pc)
		return c;
	c->go_pc = go_pc;
	buf_reset(&c->name);
	buf_reset(&c->place);
	place = place_at(p, go_pc - 1);
	/* Go names the function that holds the go statement after inlining, and its line. */
	if (place->n <= 0 || !target_frame_shown(&place->calls[place->n - 1], NULL))
		return c;
	f = place->calls[place->n - 1];
	print_function(&f, &c->name);
	f.inlined = false;
	target_line_by_pc(p->t, go_pc - 1, &f.file, &f.line);
	print_place(&f, go_pc, &c->place);
	if (buf_error(&c->name) || buf_error(&c->place))
		c->go_pc = 0; /* another time */
	return c;
}

static void print_creator(struct stack_printer *p, const struct memory_goroutine *g,
			  struct buf *out)
{
	const struct creator *c;

	if (!g->go_pc || g->goid == 1)
		return;
	c = creator_at(p, g->go_pc);
	if (!c->name.len || !c->place.len)
		return;
	buf_adds(out, "created by ");
	buf_add(out, c->name.data, c->name.len);
	if (g->parent) {
		buf_adds(out, " in goroutine ");
		buf_addu(out, g->parent);
	}
	buf_addc(out, '\n');
	buf_add(out, c->place.data, c->place.len);
}

/* --- the same stack again -------------------------------------------------------------------- */

static uint64_t hash_frames(const struct stack_trace *trace)
{
	uint64_t h = 14695981039346656037ull;

	for (size_t i = 0; i < trace->n; i++)
		h = (h ^ trace->frames[i].pc) * 1099511628211ull;
	return h ^ h >> 29;
}

static void print_frames_memo(struct stack_printer *p, const struct stack_trace *trace,
			      uint64_t until_ns, struct buf *out)
{
	uint64_t hash;
	struct memo *m;
	size_t size = trace->n * sizeof(*trace->frames), from = out->len;

	if (trace->state != STACK_WHOLE || trace->n > MEMO_FRAMES) {
		print_frames(p, trace, until_ns, out);
		return;
	}
	hash = hash_frames(trace);
	m = &p->memo[hash % MEMO_SLOTS];
	if (m->n && m->n == trace->n && m->hash == hash &&
	    !memcmp(m->frames, trace->frames, size)) {
		buf_add(out, m->text.data, m->text.len);
		return;
	}
	print_frames(p, trace, until_ns, out);
	buf_reset(&m->text);
	m->n = 0;
	if (buf_error(out) || out->len - from > MEMO_BYTES)
		return;
	buf_add(&m->text, out->data + from, out->len - from);
	if (buf_error(&m->text))
		return;
	m->n = trace->n;
	m->hash = hash;
	memcpy(m->frames, trace->frames, size);
}

void stack_print(struct stack_printer *p, const struct stack_trace *trace, uint64_t until_ns,
		 struct buf *out)
{
	print_header(p->t, &trace->g, out);
	switch (trace->state) {
	case STACK_RUNNING:
	case STACK_UNSETTLED:
		/* Go's own words and not one more: with parentheses in it, the line is a call to
		 * gostackparse, and what follows then has to be a place. */
		buf_adds(out, "\tgoroutine running on other thread; stack unavailable\n");
		break;
	default:
		print_frames_memo(p, trace, until_ns, out);
	}
	print_creator(p, &trace->g, out);
}
