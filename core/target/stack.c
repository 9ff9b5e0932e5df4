/*
 * Goroutines as text: what a Go program prints of itself with runtime.Stack or on a crash
 * (runtime/traceback.go goroutineheader, traceback2, printcreatedby), so that whatever reads those
 * dumps reads these. Which frames are shown, and under what name, is target_frame_shown() and
 * target_frame_print_name().
 */
#include "core/target/stack.h"

#include <errno.h>
#include <string.h>

#include "core/target/stack_walk.h"
#include "core/target/target_internal.h"

#define GSYSCALL 3 /* runtime2.go */
#define GWAITING 4
#define GLEAKED  10

#define INLINED_MAX    64
#define NAME_MAX_BYTES 1024
#define NS_PER_MINUTE  (60 * (int64_t)NS_PER_SEC)

/* The frames' text of stacks that were printed already: most goroutines of a busy program stand in
 * few places. */
#define MEMO_SLOTS 256

struct memo {
	uint64_t hash;
	size_t n;           /* frames; 0: unused */
	size_t offset, len; /* of the text in the output */
	struct stack_frame frames[64];
};

/* --- header ---------------------------------------------------------------------------------- */

static const char *status_text(const struct target *t, const struct target_goroutine *g)
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

static void print_header(const struct target *t, const struct target_goroutine *g, struct buf *out)
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

/* --- frames ---------------------------------------------------------------------------------- */

static void print_place(const struct target_frame *f, uint64_t pc, struct buf *out)
{
	buf_addc(out, '\t');
	buf_adds(out, f->file);
	buf_addc(out, ':');
	buf_addu(out, f->line);
	if (!f->inlined && pc > f->entry) {
		buf_adds(out, " +");
		buf_addx(out, pc - f->entry);
	}
	buf_addc(out, '\n');
}

/* `callee` is the frame inside of this one, when there is one; updated. Returns how many frames
 * were shown. */
static int print_frame(const struct target *t, const struct stack_frame *frame, bool all,
		       struct target_frame *callee, bool *has_callee, struct buf *out)
{
	struct target_frame calls[INLINED_MAX];
	char name[NAME_MAX_BYTES];
	int n = target_frames_by_pc(t, frame->lookup, calls, ARRAY_SIZE(calls)), shown = 0;

	for (int i = 0; i < n; i++) {
		if (all || target_frame_shown(&calls[i], *has_callee ? callee : NULL)) {
			target_frame_print_name(&calls[i], name, sizeof(name));
			buf_adds(out, name);
			buf_adds(out, "(...)\n");
			print_place(&calls[i], frame->pc, out);
			shown++;
		}
		*callee = calls[i];
		*has_callee = true;
	}
	return shown;
}

static int print_all_frames(const struct target *t, const struct stack_trace *trace, bool all,
			    struct buf *out)
{
	struct target_frame callee = {0};
	bool has_callee = false;
	int shown = 0;

	for (size_t i = 0; i < trace->n; i++)
		shown += print_frame(t, &trace->frames[i], all, &callee, &has_callee, out);
	return shown;
}

static void print_frames(const struct target *t, const struct stack_trace *trace, struct buf *out)
{
	/* The runtime's own frames are left out, unless there are no others (traceback1). */
	bool none = !print_all_frames(t, trace, false, out) && !print_all_frames(t, trace, true, out);

	/* The one form of this note that readers of such dumps know. */
	if (trace->state == STACK_CUT || none)
		buf_adds(out, "...additional frames elided...\n");
}

static void print_creator(const struct target *t, const struct target_goroutine *g, struct buf *out)
{
	struct target_frame calls[INLINED_MAX];
	char name[NAME_MAX_BYTES];
	int n;

	if (!g->go_pc || g->goid == 1)
		return;
	n = target_frames_by_pc(t, g->go_pc - 1, calls, ARRAY_SIZE(calls));
	/* Go names the function that holds the go statement after inlining, and its line. */
	if (n <= 0 || !target_frame_shown(&calls[n - 1], NULL))
		return;
	target_frame_print_name(&calls[n - 1], name, sizeof(name));
	buf_adds(out, "created by ");
	buf_adds(out, name);
	if (g->parent) {
		buf_adds(out, " in goroutine ");
		buf_addu(out, g->parent);
	}
	buf_addc(out, '\n');
	calls[n - 1].inlined = false;
	target_line_by_pc(t, g->go_pc - 1, &calls[n - 1].file, &calls[n - 1].line);
	print_place(&calls[n - 1], g->go_pc, out);
}

/* --- the same stack again -------------------------------------------------------------------- */

static uint64_t hash_frames(const struct stack_trace *trace)
{
	uint64_t h = 14695981039346656037ull;

	for (size_t i = 0; i < trace->n; i++)
		h = (h ^ trace->frames[i].pc) * 1099511628211ull;
	return h ^ h >> 29;
}

static void print_frames_memo(const struct target *t, const struct stack_trace *trace,
			      struct memo *memo, struct buf *out)
{
	uint64_t hash = hash_frames(trace);
	struct memo *m = &memo[hash % MEMO_SLOTS];
	size_t size = trace->n * sizeof(*trace->frames), from = out->len;

	if (m->n && m->n == trace->n && m->hash == hash &&
	    !memcmp(m->frames, trace->frames, size)) {
		if (!buf_reserve(out, m->len))
			buf_add(out, out->data + m->offset, m->len);
		return;
	}
	print_frames(t, trace, out);
	if (trace->state != STACK_WHOLE || trace->n > ARRAY_SIZE(m->frames))
		return;
	m->n = trace->n;
	m->hash = hash;
	m->offset = from;
	m->len = out->len - from;
	memcpy(m->frames, trace->frames, size);
}

/* --- one and all ----------------------------------------------------------------------------- */

static void print_trace(const struct target *t, const struct stack_trace *trace, struct memo *memo,
			struct buf *out)
{
	print_header(t, &trace->g, out);
	switch (trace->state) {
	case STACK_RUNNING:
	case STACK_UNSETTLED:
		/* Go's own words and not one more: with parentheses in it, the line is a call to
		 * gostackparse, and what follows then has to be a place. */
		buf_adds(out, "\tgoroutine running on other thread; stack unavailable\n");
		break;
	default:
		if (memo)
			print_frames_memo(t, trace, memo, out);
		else
			print_frames(t, trace, out);
	}
	print_creator(t, &trace->g, out);
}

void stack_print(const struct target *t, const struct stack_trace *trace, struct buf *out)
{
	print_trace(t, trace, NULL, out);
}

int target_stack(const struct target *t, pid_t pid, uint64_t bias, const struct target_goroutine *g,
		 struct buf *out)
{
	cleanup_free_ struct stack_trace *trace = malloc(sizeof(*trace));
	int err;

	if (!trace)
		return -ENOMEM;
	err = target_stack_trace(t, pid, bias, g, trace);
	if (err < 0)
		return err;
	stack_print(t, trace, out);
	return buf_error(out);
}

struct dump {
	const struct target *t;
	struct memo *memo;
	struct buf *out;
	bool started;
};

static void print_next(const struct stack_trace *trace, void *data)
{
	struct dump *dump = data;

	if (dump->started)
		buf_addc(dump->out, '\n');
	dump->started = true;
	print_trace(dump->t, trace, dump->memo, dump->out);
}

int target_stacks(const struct target *t, pid_t pid, uint64_t bias, struct buf *out)
{
	cleanup_free_ struct target_goroutine *list = NULL;
	cleanup_free_ struct memo *memo = calloc(MEMO_SLOTS, sizeof(*memo));
	struct dump dump = {.t = t, .memo = memo, .out = out};
	size_t n, kept = 0;
	int err;

	if (!memo)
		return -ENOMEM;
	err = target_goroutines(t, pid, bias, &list, &n);
	if (err < 0)
		return err;
	for (size_t i = 0; i < n; i++) {
		if (!target_is_system_goroutine(t, list[i].start_pc))
			list[kept++] = list[i];
	}
	err = target_stack_traces(t, pid, bias, list, kept, print_next, &dump);
	return err < 0 ? err : buf_error(out);
}
