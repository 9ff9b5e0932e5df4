/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The model as profiles for `go tool pprof`: where goroutines are, what they allocate, and where
 * they spend the time that they do not run. Each says in its comments what it counts and what not.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/parse.h"
#include "core/memory/leak_report.h"
#include "core/model/feed.h"
#include "core/model/samples.h"
#include "core/pprof/pprof.h"
#include "core/view/dump.h"
#include "core/view/labels.h"
#include "core/view/origins.h"
#include "core/view/profiles/allocs.h"
#include "core/view/profiles/profile.h"
#include "core/view/view_internal.h"
#include "core/view/waits/waits.h"

#define READ_EVENTS 1024
#define TAG_CALLS   8 /* of the stack at a go statement */
#define NOT_SAMPLED "(not sampled)"

struct pprof_text profile_text(const struct view *v, uint32_t string_id)
{
	struct pprof_text text;

	text.p = names_string_len(model_names(v->model), string_id, &text.len);
	return text;
}

struct pprof_frame profile_frame(const struct view *v, uint32_t site_id)
{
	const struct site *site = names_site(model_names(v->model), site_id);

	return (struct pprof_frame){.function = profile_text(v, site->func_id),
				    .file = profile_text(v, site->file_id),
				    .line = site->line};
}

void profile_calls(const struct view *v, const struct sample_row *row, uint32_t first,
		   struct pprof_text unnamed, struct pprof_frame *frames, size_t *n)
{
	for (uint32_t i = first; i < row->n; i++) {
		struct pprof_frame *frame = &frames[(*n)++];

		*frame = profile_frame(v, row->sites[i]);
		if (!frame->function.len)
			frame->function = unnamed;
	}
	if (row->cut)
		frames[(*n)++] = (struct pprof_frame){.function = PPROF_TEXT("(more calls)")};
}

size_t profile_origin(const struct view *v, const struct goroutine *g, struct pprof_frame ret[2])
{
	ret[0] = (struct pprof_frame){.function = profile_text(v, g->start_func_id)};
	if (!ret[0].function.len)
		ret[0].function = PPROF_TEXT("(function unknown)");
	ret[1] = profile_frame(v, g->created_site_id);
	return ret[1].function.len ? 2 : 1;
}

static int make_once(const struct view *v, unsigned proc, const struct pprof_type *types,
		     unsigned n, profile_fill_fn fill, struct buf *out)
{
	uint64_t now = view_now(v, proc), from = now;
	struct proc_info info;
	struct pprof *p;
	int err = model_proc(v->model, proc, &info);

	if (!err)
		err = pprof_new(types, n, &p);
	if (err)
		return err;
	err = fill(v, proc, p, now, &from);
	if (!err)
		err = profile_finish(v, proc, p, from, now, out);
	pprof_free(p);
	return err;
}

int profile_make(const struct view *v, unsigned proc, const struct pprof_type *types, unsigned n,
		 profile_fill_fn fill, struct buf *out)
{
	int err = make_once(v, proc, types, n, fill, out);

	if (err == -ESTALE)
		err = make_once(v, proc, types, n, fill, out);
	return err == -ESTALE ? -ESRCH : err;
}

/* What is in a profile stays there: it is made anew. */
int profile_drop(void *arg)
{
	(void)arg;
	return -ESTALE;
}

int profile_finish(const struct view *v, unsigned proc, struct pprof *p, uint64_t from, uint64_t to,
		   struct buf *out)
{
	struct pprof_about about;
	struct proc_info info;
	int err = model_proc(v->model, proc, &info);

	if (err)
		return err;
	/* What is sampled may be so since before this process, or image, began. */
	from = MIN(MAX(from, info.attached_ns), to);
	about = (struct pprof_about){.binary = info.binary_path,
				     .time_ns = view_unix(v, from),
				     .duration_ns = to - from};
	return pprof_finish(p, &about, out);
}

void profile_note_rates(const struct view *v, struct pprof *p)
{
	uint32_t rates[RATES];

	if (!view_rates(v, rates))
		return;
	for (unsigned type = 0; type < RATES; type++) {
		if (rates[type] < RATE_ONE)
			pprof_comment(p, "%s is sampled now, at %.4g; what was not is missing here",
				      type == RATE_GOROUTINES ? "goroutines"
							      : event_type_name(type),
				      (double)rates[type] / RATE_ONE);
	}
}

/* --- where they are ----------------------------------------------------------------------------
 */

struct stacks {
	const struct view *v;
	unsigned proc;
	struct origins *origins;
	struct pprof *p;
	struct pprof_frame frames[DUMP_DEPTH_MAX];
	struct buf texts; /* of labels */
	uint64_t unread;
	int err;
};

/* "/src/main.go:12" */
void profile_read_place(const struct dump_frame *f, struct pprof_frame *ret)
{
	const char *colon = f->at_len ? memrchr(f->at, ':', f->at_len) : NULL;
	const char *end = f->at + f->at_len, *at = colon ? colon + 1 : end;
	uint64_t line;

	if (scan_u64(&at, end, &line) || at != end || line > UINT32_MAX)
		return;
	ret->line = (uint32_t)line;
	ret->file = (struct pprof_text){f->at, (size_t)(colon - f->at)};
}

/* The stack with `n` labels of ours, behind which come the program's. */
static void add_labelled(struct stacks *s, const struct dump_stack *stack,
			 const struct pprof_label *labels, unsigned n)
{
	struct pprof_sample sample = {.frames = s->frames, .n = stack->n, .values = {1}};

	for (size_t i = 0; i < stack->n; i++) {
		const struct dump_frame *f = &stack->frames[i];

		s->frames[i] = (struct pprof_frame){.function = {f->name, f->name_len}};
		profile_read_place(f, &s->frames[i]);
	}
	if (!stack->n) {
		s->frames[0] = (struct pprof_frame){.function = PPROF_TEXT("(running: no stack)")};
		sample.n = 1;
		s->unread++;
	}
	memcpy(sample.labels, labels, n * sizeof(*labels));
	if (stack->labels)
		labels_add_text(stack->labels, stack->labels_len, &sample, n, &s->texts);
	s->err = pprof_add(s->p, &sample);
}

static void add_stack(void *ctx, const struct dump_stack *stack)
{
	cleanup_buf_ struct buf from = BUF_INIT;
	struct pprof_label labels[2] = {{PPROF_TEXT("state"), {stack->why, stack->why_len}}};
	struct stacks *s = ctx;
	struct origin origin;
	struct goroutine g;

	if (s->origins && !model_goroutine(s->v->model, s->proc, stack->goid, &g) &&
	    origin_of(s->origins, &g, &origin)) {
		origin_text(s->v, &origin, TAG_CALLS, &from);
		labels[1] = (struct pprof_label){PPROF_TEXT("created"), {from.data, from.len}};
	}
	add_labelled(s, stack, labels, 1 + !!from.len);
}

static int add_text(void *arg, const char *text, size_t len)
{
	struct stacks *s = arg;

	dump_parse(text, len, add_stack, s);
	return s->err;
}

static int add_by_stack(const struct view *v, unsigned proc, struct pprof *p, uint64_t *from)
{
	cleanup_buf_ struct buf as_of = BUF_INIT;
	struct stacks s = {.v = v, .proc = proc, .p = p};
	uint64_t as_of_ns;
	int err = origins_read(v, proc, &s.origins);

	if (!err)
		err = view_each_stack(v, proc, LIVE_STACKS_LABELLED,
				      &(struct stack_taker){&s, add_text, profile_drop}, &as_of_ns);
	buf_free(&s.texts);
	origins_free(s.origins);
	if (err)
		return err;
	pprof_comment(p,
		      "label created: the stack at the go statement, sampled: of this goroutine, "
		      "or of others that the same statement made");
	pprof_comment(p, "goroutines by stack; label state says why one does not run, the others "
			 "are the program's (runtime/pprof.Do)");
	if (as_of_ns) {
		*from = as_of_ns;
		view_stacks_as_of(v, proc, as_of_ns, &as_of);
		pprof_comment(p, "%s", buf_error(&as_of) ? "" : as_of.data);
	}
	if (s.unread)
		pprof_comment(p, "%llu were running: their stacks could not be read",
			      (unsigned long long)s.unread);
	return 0;
}

static int add_by_origin(const struct view *v, unsigned proc, struct pprof *p)
{
	struct model_pass *pass cleanup_pass_ = NULL;
	const struct goroutine *g;
	int err = model_pass_new(v->model, proc, &(struct model_which){0}, &pass);

	while (!err && (g = model_pass_next(pass))) {
		struct pprof_frame frames[2];
		struct pprof_sample sample = {.frames = frames, .values = {1}};
		const char *state = view_state_word(g);

		if (g->flags & GOROUTINE_SYSTEM)
			continue;
		sample.n = profile_origin(v, g, frames);
		sample.labels[0] = (struct pprof_label){PPROF_TEXT("state"), PPROF_TEXT(state)};
		if (gstate_waits(view_state(g)))
			sample.labels[1] = (struct pprof_label){PPROF_TEXT("wait"),
								profile_text(v, g->reason_id)};
		err = pprof_add(p, &sample);
	}
	pprof_comment(p, "no stacks here: goroutines by start function and go statement");
	pprof_comment(p, PROFILE_NO_SYSTEM);
	return err;
}

static int add_goroutines(const struct view *v, unsigned proc, struct pprof *p, uint64_t now,
			  uint64_t *from)
{
	int err = add_by_stack(v, proc, p, from);

	if (err == -ENOSYS || err == -ESRCH) /* a replay; or it has ended, and none were read */
		err = add_by_origin(v, proc, p);
	return err;
}

int view_pprof_goroutine(const struct view *v, struct view_query *q, struct buf *out)
{
	static const struct pprof_type type = {"goroutine", "count"};

	return profile_make(v, q->proc, &type, 1, add_goroutines, out);
}

/* --- who is leaked -----------------------------------------------------------------------------
 */

struct leaked {
	uint64_t goid;
	const struct leak_group *group;
	const struct leak_member *member;
};

struct leak_stacks {
	struct stacks s;
	const struct leak_report *report;
	struct leaked *list; /* by goid; n of them */
	size_t n, met;
};

static void add_leak(void *ctx, const struct dump_stack *stack)
{
	struct leak_stacks *l = ctx;
	const struct leaked key = {.goid = stack->goid}, *found;
	const struct wait_graph *graph = l->report->graph;
	const char *object = "none";

	found = l->n ? bsearch(&key, l->list, l->n, sizeof(key), compare_u64) : NULL;
	if (!found || l->s.err)
		return;
	if (found->member->object != LEAK_NONE)
		object = view_object_kind(&graph->objects[found->member->object]);
	else if (graph->goroutines[found->member->goroutine].n_waits > 1)
		object = "several";
	const struct pprof_label labels[] = {
		{PPROF_TEXT("kind"), PPROF_TEXT(leak_kind_name(found->group->kind))},
		{PPROF_TEXT("level"), PPROF_TEXT(found->member->proven  ? "leaked"
						 : found->group->proven ? "kept waiting"
									: "suspect")},
		{PPROF_TEXT("object"), PPROF_TEXT(object)},
	};
	l->met++;
	add_labelled(&l->s, stack, labels, ARRAY_SIZE(labels));
}

static int add_leak_text(void *arg, const char *text, size_t len)
{
	struct leak_stacks *l = arg;

	dump_parse(text, len, add_leak, l);
	return l->s.err;
}

static int list_leaked(struct leak_stacks *l)
{
	const struct leak_groups *all = &l->report->groups;

	l->list = calloc(all->n_members + 1, sizeof(*l->list));
	if (!l->list)
		return -ENOMEM;
	for (size_t i = 0; i < all->n; i++) {
		const struct leak_group *group = &all->groups[i];

		for (uint32_t k = group->first; k < group->first + group->n; k++) {
			const struct leak_member *m = &all->members[k];

			l->list[l->n++] = (struct leaked){
				l->report->graph->goroutines[m->goroutine].goid, group, m};
		}
	}
	qsort(l->list, l->n, sizeof(*l->list), compare_u64);
	return 0;
}

static int fill_leaks(const struct view *v, unsigned proc, struct pprof *p, uint64_t now,
		      uint64_t *from)
{
	struct leak_stacks l = {.s.p = p};
	struct leak_report *report;
	uint64_t as_of_ns;
	bool late;
	int err = v->live->leaks ? v->live->leaks(v->live->ctx, proc, &report, &late) : -ENOSYS;

	if (err)
		return err;
	l.report = report;
	*from = MIN(now, report->end_ns);
	err = list_leaked(&l);
	if (!err && l.n)
		err = view_each_stack(v, proc, LIVE_STACKS_LABELLED,
				      &(struct stack_taker){&l, add_leak_text, profile_drop},
				      &as_of_ns);
	pprof_comment(p, "goroutines that nothing can wake any more, by stack; label level: leaked "
			 "is proven, kept waiting is by such a one, suspect is neither; kind: "
			 "cycle, self, orphan or never; object: "
			 "what they wait on; the others are the program's");
	if (!err && l.met < l.n)
		pprof_comment(p, "%zu more have no stack here", l.n - l.met);
	buf_free(&l.s.texts);
	free(l.list);
	v->live->leaks_put(v->live->ctx, report);
	return err;
}

int view_pprof_leaks(const struct view *v, struct view_query *q, struct buf *out)
{
	static const struct pprof_type type = {"goroutineleak", "count"};

	return profile_make(v, q->proc, &type, 1, fill_leaks, out);
}

/* --- what they allocate ------------------------------------------------------------------------
 */

static int add_allocation(const struct view *v, struct pprof *p, const struct event *ev,
			  const struct goroutine *by, struct labels *labels)
{
	struct names *names = model_names(v->model);
	const char *type = names_type(names, ev->type_id)->name;
	const char *kind = event_type_name(ev->type);
	struct pprof_frame frames[3] = {profile_frame(v, ev->site_id)};
	struct pprof_sample sample = {.frames = frames, .n = 1};
	uint32_t caller = names_site(names, ev->site_id)->func_id;

	sample.values[0] = 1;
	sample.values[1] = (int64_t)MIN(names_allocated(names, ev), (uint64_t)INT64_MAX);
	if (!frames[0].function.len)
		frames[0].function = PPROF_TEXT("(caller unknown)");
	if (by)
		sample.n += profile_origin(v, by, &frames[1]);
	/* It is the start function itself that allocates: once is enough. */
	if (by && caller && by->start_func_id == caller) {
		frames[1] = frames[2];
		sample.n--;
	}
	sample.labels[0] = (struct pprof_label){PPROF_TEXT("type"), PPROF_TEXT(type)};
	sample.labels[1] = (struct pprof_label){PPROF_TEXT("kind"), PPROF_TEXT(kind)};
	labels_add(labels, ev->goid, &sample, 2);
	return pprof_add(p, &sample);
}

struct retained {
	uint64_t n, bytes;
};

/* The retained events: they alone know who called. */
static int add_allocations(const struct view *v, unsigned proc, struct pprof *p,
			   struct labels *labels, uint64_t *from, struct retained *ret)
{
	cleanup_free_ struct event *events = malloc(READ_EVENTS * sizeof(*events));
	struct feed *feed = model_feed(v->model);
	uint64_t cursor = feed_tail(feed), head = feed_head(feed);
	struct goroutine by;
	size_t got;
	int err = events ? 0 : -ENOMEM;

	while (!err && cursor < head) {
		got = feed_read(feed, &cursor, events, READ_EVENTS, NULL);
		if (!got)
			break;
		for (size_t i = 0; i < got && !err; i++) {
			const struct event *ev = &events[i];
			bool known;

			*from = MIN(*from, ev->time_ns);
			if (ev->proc != proc || !event_is_allocation(ev->type))
				continue;
			ret->n++;
			ret->bytes =
				sum_u64(ret->bytes, names_allocated(model_names(v->model), ev));
			known = !model_goroutine(v->model, proc, ev->goid, &by);
			err = add_allocation(v, p, ev, known ? &by : NULL, labels);
		}
	}
	return err;
}

void profile_allocated(const struct view *v, const struct sample_row *row,
		       struct pprof_frame *frames, size_t *n)
{
	uint32_t first = 0;

	while (first < row->n && view_is_runtime(v, row->sites[first]))
		first++;
	if (first == row->n)
		first = 0;
	profile_calls(v, row, first, PPROF_TEXT("(not Go)"), frames, n);
	if (!row->n)
		frames[(*n)++] = (struct pprof_frame){.function = PPROF_TEXT("(more calls)")};
}

/* Values are behind those of events. */
static int add_sampled(const struct view *v, struct pprof *p, const struct sample_row *row)
{
	struct pprof_frame frames[SAMPLE_DEPTH_MAX + 1];
	struct pprof_sample sample = {.frames = frames};

	profile_allocated(v, row, frames, &sample.n);
	sample.values[2] = (int64_t)MIN(row->sum.objects, (double)INT64_MAX / 2);
	sample.values[3] = (int64_t)MIN(row->sum.weight, (uint64_t)INT64_MAX);
	sample.labels[0] = (struct pprof_label){PPROF_TEXT("kind"), PPROF_TEXT("sample")};
	return pprof_add(p, &sample);
}

static int add_samples(const struct view *v, unsigned proc, struct pprof *p, uint64_t *from,
		       struct sample_totals *totals)
{
	struct sample_row *rows;
	size_t n;
	int err = samples_copy(model_samples(v->model), proc, SAMPLE_ALLOC, &rows, &n, totals);

	if (err)
		return err;
	for (size_t i = 0; i < n && !err; i++)
		err = add_sampled(v, p, &rows[i]);
	free(rows);
	if (totals->from_ns)
		*from = MIN(*from, totals->from_ns);
	return err;
}

/* Bytes that are known to be missing, as a row, so that nothing is ranked as if it were all. */
static int add_missing(struct pprof *p, unsigned value, const char *name, uint64_t bytes)
{
	struct pprof_frame frame = {.function = {name, strlen(name)}};
	struct pprof_sample sample = {.frames = &frame, .n = 1};

	sample.values[value] = (int64_t)MIN(bytes, (uint64_t)INT64_MAX);
	return bytes ? pprof_add(p, &sample) : 0;
}

static void note_samples(const struct view *v, unsigned proc, struct pprof *p,
			 const struct sample_totals *totals)
{
	struct alloc_share share;

	pprof_comment(p,
		      "alloc_objects, alloc_space: sampled where the runtime hands out memory, "
		      "whoever asks (append, strings, closures, fmt); an estimate: %llu bytes, one "
		      "standard deviation is %llu",
		      (unsigned long long)totals->sum.weight,
		      (unsigned long long)sample_error(&totals->sum));
	if (view_alloc_share(v, proc, &share))
		pprof_comment(p,
			      "alloc_space covers %.1f %% of the %llu bytes that the runtime "
			      "allocated since tracing began; the rest is \"" NOT_SAMPLED
			      "\": what "
			      "garbage collections took back half used, or what alloc_sampling in "
			      "health names",
			      view_share_percent(share.sampled, &share),
			      (unsigned long long)share.allocated);
	else
		pprof_comment(p, "what garbage collections took back half used is not in it");
	if (totals->lost)
		pprof_comment(p, "%llu samples were lost, of %llu bytes",
			      (unsigned long long)totals->lost,
			      (unsigned long long)totals->lost_weight);
}

/* How much of all bytes the events tell of. */
static void note_events(const struct view *v, unsigned proc, struct pprof *p,
			const struct sample_totals *totals, uint64_t of_events)
{
	uint64_t all = sum_u64(totals->sum.weight, totals->lost_weight);
	struct alloc_share share;

	if (view_alloc_share(v, proc, &share))
		pprof_comment(p,
			      "event_objects, event_space: new, make and maps alone, each counted, "
			      "by type; since tracing began they told of some %.0f %% of the bytes "
			      "that were allocated",
			      view_share_percent(share.by_events, &share));
	else if (totals->sum.hits)
		pprof_comment(p,
			      "event_objects, event_space: new, make and maps alone, each counted, "
			      "by type; since tracing began they told of some %.0f %% of the bytes "
			      "that were sampled",
			      100 * MIN((double)of_events / (double)MAX(all, (uint64_t)1), 1.0));
	else
		pprof_comment(
			p, "event_objects, event_space: new, make and maps alone; append, "
			   "strings, conversions and others are not in it, and what share of all "
			   "bytes this is, is not known (no samples: see alloc_sampling in "
			   "health)");
}

/* What the samples, or where there are none the events, do not have. */
static int add_unseen(const struct view *v, unsigned proc, struct pprof *p,
		      const struct sample_totals *totals, const struct retained *retained,
		      uint64_t of_events)
{
	struct alloc_share share;
	int err;

	if (!view_alloc_share(v, proc, &share))
		return 0;
	if (totals->sum.hits) {
		uint64_t missing = sub_u64(share.allocated, share.sampled);

		return missing > 2 * sample_error(&totals->sum)
			       ? add_missing(p, 3, NOT_SAMPLED, missing)
			       : 0;
	}
	err = add_missing(p, 1, "(events that are no longer retained)",
			  sub_u64(of_events, retained->bytes));
	return err ? err
		   : add_missing(p, 1, "(no event: append, strings, conversions, closures, maps)",
				 sub_u64(share.allocated, share.by_events));
}

static int add_allocs(const struct view *v, unsigned proc, struct pprof *p, uint64_t *from,
		      bool sampled)
{
	struct retained retained = {0};
	struct sample_totals totals = {0};
	struct labels *labels = NULL;
	struct model_totals t;
	int err = labels_read(v, proc, &labels);

	if (!err)
		err = add_allocations(v, proc, p, labels, from, &retained);
	labels_free(labels);
	if (!err && sampled)
		err = add_samples(v, proc, p, from, &totals);

	model_totals(v->model, (int)proc, &t);
	if (!err)
		err = add_unseen(v, proc, p, &totals, &retained, t.alloc_bytes);
	if (totals.sum.hits)
		note_samples(v, proc, p, &totals);
	note_events(v, proc, p, &totals, t.alloc_bytes);
	pprof_comment(p, "allocations whose events are retained: %llu of %llu since tracing began",
		      (unsigned long long)retained.n,
		      (unsigned long long)(t.events[EVENT_MAKESLICE] + t.events[EVENT_MAKEMAP] +
					   t.events[EVENT_NEWOBJECT]));
	pprof_comment(p, "an event's stack is the caller, the start function and the go statement; "
			 "calls in between are not known");
	pprof_comment(p, "maps count, their memory is not known");
	pprof_comment(p, PROFILE_LABELS_NOW);
	profile_note_rates(v, p);
	return err;
}

static int fill_events(const struct view *v, unsigned proc, struct pprof *p, uint64_t now,
		       uint64_t *from)
{
	return add_allocs(v, proc, p, from, false);
}

static int fill_both(const struct view *v, unsigned proc, struct pprof *p, uint64_t now,
		     uint64_t *from)
{
	return add_allocs(v, proc, p, from, true);
}

int view_pprof_allocs(const struct view *v, struct view_query *q, struct buf *out)
{
	/* By another name than what Go's own profile has all of. */
	static const struct pprof_type events[] = {{"event_objects", "count"},
						   {"event_space", "bytes"}};
	static const struct pprof_type both[] = {{"event_objects", "count"},
						 {"event_space", "bytes"},
						 {"alloc_objects", "count"},
						 {"alloc_space", "bytes"}};
	struct sample_totals totals;

	samples_totals(model_samples(v->model), q->proc, SAMPLE_ALLOC, &totals);
	return totals.sum.hits
		       ? profile_make(v, q->proc, both, ARRAY_SIZE(both), fill_both, out)
		       : profile_make(v, q->proc, events, ARRAY_SIZE(events), fill_events, out);
}
