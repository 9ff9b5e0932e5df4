/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The retained events as a trace for ui.perfetto.dev, in pieces: first the processes and the
 * goroutines that the model knows, then the events that there are by then. Any thread.
 */
#include <errno.h>

#include "core/session/perfetto.h"
#include "core/view/view_internal.h"

#define PIECE (64u << 10)
#define BATCH 2048

struct trace {
	struct perfetto *perfetto;
	struct model *model;
	unsigned proc;    /* VIEW_ALL_PROCS: all */
	bool described;   /* the processes are */
	unsigned next;    /* process whose goroutines are next */
	uint64_t now_ns;  /* what is open has lasted until then, at least */
	uint64_t from_ns; /* the oldest retained event; now without any */
	struct model_pass *pass;
	uint64_t cursor, end; /* in the feed; end 0: the goroutines are not done */
	size_t bytes, bytes_max;
	struct event events[1 + BATCH]; /* one in front for those that went meanwhile */
};

static void trace_free(void *ctx)
{
	struct trace *t = ctx;

	model_pass_free(t->pass);
	perfetto_free(t->perfetto);
	free(t);
}

static bool is_chosen(const struct trace *t, unsigned proc)
{
	return t->proc == VIEW_ALL_PROCS || t->proc == proc;
}

static int add_processes(struct trace *t, struct buf *out)
{
	int err = 0;

	for (unsigned i = 0; i < model_procs(t->model) && !err; i++) {
		struct proc_info info;

		if (is_chosen(t, i) && !model_proc(t->model, i, &info))
			err = perfetto_process(t->perfetto, i, &info, out);
	}
	return err;
}

/* The next process's goroutines, if there is one. */
static int next_pass(struct trace *t)
{
	struct model_which all = {.exited = true, .by_goid = true};

	model_pass_free(t->pass);
	t->pass = NULL;
	while (t->next < model_procs(t->model) && !is_chosen(t, t->next))
		t->next++;
	if (t->next >= model_procs(t->model)) {
		t->end = feed_head(model_feed(t->model));
		return 0;
	}
	return model_pass_new(t->model, t->next++, &all, &t->pass);
}

static int add_goroutines(struct trace *t, struct buf *out)
{
	const struct goroutine *g;
	int err = 0;

	while (t->pass && !err && out->len < PIECE) {
		g = model_pass_next(t->pass);
		if (!g)
			err = next_pass(t);
		else if (!(g->flags & GOROUTINE_EXITED) || g->exited_ns >= t->from_ns)
			err = perfetto_goroutine(t->perfetto, g, t->from_ns, out);
	}
	return err;
}

/* Those of the chosen process, moved together. */
static size_t pick(const struct trace *t, struct event *events, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (is_chosen(t, events[i].proc) || events[i].proc == EVENT_PROC_NONE)
			events[kept++] = events[i];
	}
	return kept;
}

static int add_events(struct trace *t, struct buf *out)
{
	int err = 0;

	while (!err && out->len < PIECE && t->cursor < t->end) {
		struct feed *feed = model_feed(t->model);
		uint64_t missed = 0;
		struct event *first = t->events + 1;
		size_t n =
			feed_read(feed, &t->cursor, first, MIN(BATCH, t->end - t->cursor), &missed);

		feed_count_missed(feed, FEED_DOWNLOAD, missed);
		if (!n)
			t->cursor = t->end;
		if (n && missed) {
			t->events[0] = event_missing(missed, first->time_ns);
			first--;
			n++;
		}
		err = perfetto_events(t->perfetto, first, pick(t, first, n), out);
	}
	return err;
}

static int finish(struct trace *t, bool cut, struct buf *out)
{
	cleanup_buf_ struct buf why = BUF_INIT;
	int err = 0;

	if (cut) {
		if (!t->end)
			t->end = feed_head(model_feed(t->model));
		buf_addf(&why, "cut: after %zu MiB; %llu events more are retained",
			 t->bytes_max >> 20, (unsigned long long)(t->end - t->cursor));
		err = buf_error(&why);
		if (!err)
			err = perfetto_cut(t->perfetto, why.data, out);
	}
	return err ? err : perfetto_finish(t->perfetto, cut ? 0 : t->now_ns, out);
}

static int trace_next(void *ctx, struct buf *out)
{
	struct trace *t = ctx;
	size_t from = out->len;
	bool cut;
	int err = t->described ? 0 : add_processes(t, out);

	t->described = true;
	if (!err)
		err = add_goroutines(t, out);
	if (!err && !t->pass)
		err = add_events(t, out);
	if (err)
		return err;
	t->bytes += out->len - from;
	cut = t->bytes_max && t->bytes >= t->bytes_max;
	if (!cut && (t->pass || t->cursor < t->end))
		return 1;
	return finish(t, cut && (t->pass || t->cursor < t->end), out);
}

static int trace_open(struct trace *t)
{
	struct feed *feed = model_feed(t->model);
	uint64_t cursor;
	struct event first;
	int err = perfetto_new(model_names(t->model), model_wall_offset(t->model), &t->perfetto);

	t->cursor = cursor = feed_tail(feed);
	t->from_ns = feed_read(feed, &cursor, &first, 1, NULL) ? first.time_ns : monotonic_ns();
	return err ? err : next_pass(t);
}

int view_trace(const struct view *v, struct view_query *q, struct view_stream *ret)
{
	struct trace *t;
	struct proc_info info;
	int err;

	if (q->proc != VIEW_ALL_PROCS && model_proc(v->model, q->proc, &info))
		return -ENOENT;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->model = v->model;
	t->proc = q->proc;
	t->now_ns = view_now(v, q->proc);
	t->bytes_max = q->bytes_max;
	err = trace_open(t);
	if (err) {
		trace_free(t);
		return err;
	}
	*ret = (struct view_stream){.next = trace_next, .free = trace_free, .ctx = t};
	return 0;
}
