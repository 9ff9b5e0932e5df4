/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A goroutine as a Go program prints it with runtime.Stack or on a crash (runtime/traceback.go
 * goroutineheader, traceback2, printcreatedby), so that whatever reads those dumps reads these.
 * Which frames are shown, and under what name, is target_frame_shown() and
 * target_frame_print_name(). Names are the target's: each is escaped and has a bound, and none can
 * look like another line.
 */
#include "core/memory/stack_print.h"

#include <ctype.h>
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

#define PLACES   1024 /* powers of two */
#define CREATORS 64

/* The text of a call: from `name` to `at` its function, from there to `end` its place. */
struct call {
	struct target_frame frame;
	size_t name, at, end;
};

/* The calls at a pc: most goroutines of a busy program stand in few places. */
struct place {
	uint64_t pc, lookup; /* lookup 0: unused */
	int n, n_args;
	struct call *calls;      /* `text` is theirs */
	struct target_arg *args; /* of the last, which is the physical one */
	struct buf text;
};

struct creator {
	uint64_t go_pc; /* 0: unused */
	struct buf name, place;
};

struct stack_printer {
	const struct target *t;
	enum stack_style style;
	bool labels;
	int64_t clock_ahead_ns;
	struct place places[PLACES];
	struct creator creators[CREATORS];
};

static void place_free(struct place *place)
{
	free(place->calls);
	free(place->args);
	buf_free(&place->text);
	*place = (struct place){0};
}

int stack_printer_new(const struct target *t, enum stack_style style, bool labels,
		      struct stack_printer **ret)
{
	struct stack_printer *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->t = t;
	p->style = style;
	p->labels = labels;
	*ret = p;
	return 0;
}

void stack_printer_set_clock(struct stack_printer *p, int64_t ahead_ns)
{
	p->clock_ahead_ns = ahead_ns;
}

void stack_printer_free(struct stack_printer *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < PLACES; i++)
		place_free(&p->places[i]);
	for (size_t i = 0; i < CREATORS; i++) {
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

/* runtime2.go isIdleInSynctest, but for those that say themselves that they are durable. */
static bool is_idle_in_bubble(const char *reason)
{
	static const char *const idle[] = {
		"chan receive (nil chan)",
		"chan send (nil chan)",
		"select (no cases)",
		"sleep",
		"sync.Cond.Wait",
		"coroutine",
		"synctest.Run",
		"synctest.Wait",
	};

	for (size_t i = 0; reason && i < ARRAY_SIZE(idle); i++) {
		if (!strcmp(reason, idle[i]))
			return true;
	}
	return false;
}

static void print_bubble(const struct target *t, uint64_t bubble, struct buf *out)
{
	buf_adds(out, target_go_minor(t) < 25 ? ", synctest group " : ", synctest bubble ");
	buf_addu(out, bubble);
}

/* In 1.25 whatever state it is in. */
static bool is_durable(const struct target *t, const struct memory_goroutine *g)
{
	unsigned minor = target_go_minor(t);

	return minor >= 25 && (minor == 25 || g->status == GWAITING) &&
	       is_idle_in_bubble(target_wait_reason(t, g->wait_reason));
}

/* --- labels ---------------------------------------------------------------------------------- */

/* runtime/print.go printquoted(); `old`: as 1.26 has it. */
static void print_quoted(const char *text, size_t len, bool old, struct buf *out)
{
	uint32_t code;
	unsigned n;

	buf_addc(out, '"');
	for (size_t i = 0; i < len; i += n) {
		unsigned char c = (unsigned char)text[i];

		n = utf8_decode(text + i, len - i, &code);
		if (!n) {
			buf_addf(out, old ? "\\ufffd" : "\\x%02x", c);
			n = 1;
		} else if (c == '\n' || c == '\r' || c == '\t') {
			buf_adds(out, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
		} else if (c == '\\' || c == '"') {
			buf_addf(out, "\\%c", c);
		} else if (code >= ' ' && code <= '~') {
			buf_addc(out, (char)c);
		} else if (code < 127) {
			buf_addf(out, "\\x%02x", code);
		} else {
			buf_addf(out, code < 0x10000 ? "\\u%04x" : "\\U%08x", code);
		}
	}
	buf_addc(out, '"');
}

/* traceback.go tracebackStringNeedsQuoting() */
static bool needs_quotes(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)text[i]) && !strchr("./_", text[i]))
			return true;
	}
	return memchr(text, '\0', len);
}

static void print_label_text(const char *text, uint64_t len, bool old, struct buf *out)
{
	size_t n = MIN(len, (uint64_t)LABEL_BYTES_MAX);

	if (old || needs_quotes(text, n))
		print_quoted(text, n, old, out);
	else
		buf_add(out, text, n);
	if (n < len)
		buf_adds(out, "...");
}

/* `old`: as 1.26 has them. */
static void print_labels(const struct goroutine_about *about, bool old, struct buf *out)
{
	for (size_t i = 0; i < about->n; i++) {
		const struct memory_label *l = &about->labels[i];

		buf_adds(out, i ? ", " : "{");
		print_label_text(l->key, l->key_len, old, out);
		buf_adds(out, ": ");
		print_label_text(l->value, l->value_len, old, out);
	}
	buf_adds(out, about->more ? ", ...}" : "}");
}

/* 1.26 has them within the brackets. */
static void print_end(const struct stack_printer *p, const struct goroutine_about *about,
		      struct buf *out)
{
	bool labels = p->labels && about && about->n;
	bool inside = p->style == STACK_AS_GO && target_go_minor(p->t) == 26;

	if (labels && inside) {
		buf_adds(out, " labels:");
		print_labels(about, true, out);
	}
	buf_addc(out, ']');
	if (labels && !inside) {
		buf_addc(out, ' ');
		print_labels(about, false, out);
	}
	buf_adds(out, ":\n");
}

static int64_t minutes_since(const struct stack_printer *p, int64_t since_ns)
{
	int64_t ns;

	if (__builtin_sub_overflow((int64_t)monotonic_ns() + p->clock_ahead_ns, since_ns, &ns))
		return 0;
	return ns / NS_PER_MINUTE;
}

static void print_header(const struct stack_printer *p, const struct memory_goroutine *g,
			 const struct goroutine_about *about, struct buf *out)
{
	const char *status = status_text(p->t, g);
	int64_t minutes = 0;

	if ((g->status == GWAITING || g->status == GSYSCALL) && g->wait_since_ns > 0)
		minutes = minutes_since(p, g->wait_since_ns);
	buf_adds(out, "goroutine ");
	buf_addu(out, g->goid);
	buf_adds(out, " [");
	buf_adds(out, status);
	if (g->status == GLEAKED)
		buf_adds(out, " (leaked)");
	if (g->scanning)
		buf_adds(out, " (scan)");
	if (about && about->bubble && is_durable(p->t, g))
		buf_adds(out, " (durable)");
	if (minutes >= 1) {
		buf_adds(out, ", ");
		buf_addi(out, minutes);
		buf_adds(out, " minutes");
	}
	if (g->locked_to_thread)
		buf_adds(out, ", locked to thread");
	if (about && about->bubble)
		print_bubble(p->t, about->bubble, out);
	print_end(p, about, out);
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

static size_t slot_of(uint64_t pc, size_t slots)
{
	return (pc * 0x9e3779b97f4a7c15ull) >> 32 & (slots - 1);
}

static int read_place_args(struct stack_printer *p, struct place *place)
{
	struct target_arg args[TARGET_ARGS_MAX];

	place->n_args = target_args_by_pc(p->t, place->lookup, args);
	if (place->n_args <= 0)
		return 0;
	place->args = calloc((size_t)place->n_args, sizeof(*args));
	if (!place->args)
		return -ENOMEM;
	memcpy(place->args, args, (size_t)place->n_args * sizeof(*args));
	return 0;
}

static int fill_place(struct stack_printer *p, struct place *place)
{
	struct target_frame calls[INLINED_MAX];
	int n = target_frames_by_pc(p->t, place->lookup, calls, INLINED_MAX);

	place->calls = calloc((size_t)MAX(n, 1), sizeof(*place->calls));
	if (!place->calls)
		return -ENOMEM;
	for (int i = 0; i < n; i++) {
		struct call *c = &place->calls[i];

		c->frame = calls[i];
		c->name = place->text.len;
		print_function(&c->frame, &place->text);
		c->at = place->text.len;
		print_place(&c->frame, place->pc, &place->text);
		c->end = place->text.len;
	}
	place->n = n;
	return buf_error(&place->text) ? -ENOMEM : read_place_args(p, place);
}

/* NULL: no memory. */
static const struct place *place_at(struct stack_printer *p, uint64_t pc, uint64_t lookup)
{
	struct place *place = &p->places[slot_of(pc, PLACES)];

	if (place->lookup == lookup && place->pc == pc && lookup)
		return place;
	place_free(place);
	place->pc = pc;
	place->lookup = lookup;
	if (!fill_place(p, place))
		return place;
	place_free(place);
	return NULL;
}

/* One call that is shown. */
struct shown {
	const struct stack_frame *frame;
	int call; /* of those at its place */
};

/* The shown calls of a part of a stack: the first and the last of them, and how many they are. */
struct selection {
	struct shown first[INNER], last[OUTER]; /* last: a ring */
	size_t n;
};

struct callee {
	struct target_frame frame;
	bool known;
};

static void select_calls(struct stack_printer *p, const struct stack_frame *frames, size_t n,
			 bool all, struct callee *callee, struct selection *s)
{
	s->n = 0;
	for (size_t i = 0; i < n; i++) {
		const struct place *place = place_at(p, frames[i].pc, frames[i].lookup);

		for (int k = 0; place && k < place->n; k++) {
			const struct target_frame *f = &place->calls[k].frame;

			if (all || target_frame_shown(f, callee->known ? &callee->frame : NULL)) {
				if (s->n < INNER)
					s->first[s->n] = (struct shown){&frames[i], k};
				s->last[s->n++ % OUTER] = (struct shown){&frames[i], k};
			}
			callee->frame = *f;
			callee->known = true;
		}
	}
}

/* runtime/traceback.go printArgs() */
static void print_args(const struct place *place, const struct stack_frame *frame, struct buf *out)
{
	bool start = true;
	int word = 0;

	for (int i = 0; i < place->n_args; i++) {
		const struct target_arg *arg = &place->args[i];

		if (!start && arg->kind != TARGET_ARG_CLOSE)
			buf_adds(out, ", ");
		start = arg->kind == TARGET_ARG_OPEN;
		switch (arg->kind) {
		case TARGET_ARG_OPEN:
			buf_addc(out, '{');
			break;
		case TARGET_ARG_CLOSE:
			buf_addc(out, '}');
			break;
		case TARGET_ARG_MORE:
			buf_adds(out, "...");
			break;
		case TARGET_ARG_UNKNOWN:
			buf_addc(out, '_');
			break;
		default:
			buf_addx(out, word < frame->n_args ? frame->args[word] : 0);
			word++;
			if (!arg->live)
				buf_addc(out, '?');
		}
	}
}

static void print_shown(struct stack_printer *p, const struct shown *s, struct buf *out)
{
	const struct place *place = place_at(p, s->frame->pc, s->frame->lookup);
	const struct call *c = place && s->call < place->n ? &place->calls[s->call] : NULL;

	if (!c)
		return;
	buf_add(out, place->text.data + c->name, c->at - c->name);
	buf_addc(out, '(');
	if (c->frame.inlined || s->frame->n_args < 0 || p->style != STACK_AS_GO)
		buf_adds(out, "...");
	else
		print_args(place, s->frame, out);
	buf_adds(out, ")\n");
	buf_add(out, place->text.data + c->at, c->end - c->at);
}

static void print_first(struct stack_printer *p, const struct selection *s, size_t n,
			struct buf *out)
{
	for (size_t i = 0; i < MIN(n, s->n); i++)
		print_shown(p, &s->first[i], out);
}

static void print_last(struct stack_printer *p, const struct selection *s, size_t n,
		       struct buf *out)
{
	for (size_t i = s->n - MIN(n, s->n); i < s->n; i++)
		print_shown(p, &s->last[i % OUTER], out);
}

static void print_some_elided(struct buf *out)
{
	/* How many is not known: Go's words for that up to 1.20, which all readers of such dumps
	 * know. */
	buf_adds(out, "...additional frames elided...\n");
}

static void print_frames(struct stack_printer *p, const struct stack_trace *trace, struct buf *out)
{
	size_t n_outer = trace->n - trace->inner;
	struct callee callee = {0};
	struct selection s, outer;
	uint64_t rest;

	/* The runtime's own frames are left out, unless there are no others (traceback1). */
	select_calls(p, trace->frames, trace->inner, false, &callee, &s);
	if (!s.n && !n_outer) {
		callee.known = false;
		select_calls(p, trace->frames, trace->inner, true, &callee, &s);
	}
	print_first(p, &s, INNER, out);
	if (!n_outer) {
		if (s.n > INNER + OUTER)
			buf_addf(out, "...%zu frames elided...\n", s.n - INNER - OUTER);
		print_last(p, &s, s.n > INNER ? MIN(s.n - INNER, (size_t)OUTER) : 0, out);
		if (trace->state == STACK_CUT || !s.n)
			print_some_elided(out);
		return;
	}
	callee = (struct callee){.frame.function = "", .known = true};
	select_calls(p, trace->frames + trace->inner, n_outer, false, &callee, &outer);
	rest = s.n - MIN(s.n, (size_t)INNER) + outer.n - MIN(outer.n, (size_t)OUTER);
	if (trace->left_out == STACK_SOME)
		print_some_elided(out);
	else if (trace->left_out + rest)
		buf_addf(out, "...%llu frames elided...\n",
			 (unsigned long long)(trace->left_out + rest));
	print_last(p, &outer, OUTER, out);
}

/* The lines of a go statement, once for all goroutines that it made: the function's name, and the
 * place. Both empty where there is nothing to say. */
static const struct creator *creator_at(struct stack_printer *p, uint64_t go_pc)
{
	struct creator *c = &p->creators[slot_of(go_pc, CREATORS)];
	const struct place *place;
	struct target_frame f;

	if (c->go_pc == go_pc)
		return c;
	c->go_pc = go_pc;
	buf_reset(&c->name);
	buf_reset(&c->place);
	place = place_at(p, go_pc, go_pc - 1);
	/* Go names the function that holds the go statement after inlining, and its line. */
	if (!place || place->n <= 0 || !target_frame_shown(&place->calls[place->n - 1].frame, NULL))
		return c;
	f = place->calls[place->n - 1].frame;
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

void stack_print(struct stack_printer *p, const struct stack_trace *trace,
		 const struct goroutine_about *about, struct buf *out)
{
	print_header(p, &trace->g, about, out);
	if (p->style == STACK_LABELS_ONLY)
		return;
	switch (trace->state) {
	case STACK_RUNNING:
	case STACK_UNSETTLED:
		/* Go's own words and not one more: with parentheses in it, the line is a call to
		 * gostackparse, and what follows then has to be a place. */
		buf_adds(out, "\tgoroutine running on other thread; stack unavailable\n");
		break;
	default:
		print_frames(p, trace, out);
	}
	print_creator(p, &trace->g, out);
}
