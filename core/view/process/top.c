/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The busiest goroutines now: what each did in the last second, out of the retained events of that
 * second alone. So nobody keeps anything for it, it costs what happened in that second, and a
 * process that has ended shows its last one. Any thread.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/text.h"
#include "core/base/top.h"
#include "core/model/samples.h"
#include "core/model/walk.h"
#include "core/view/groups.h"
#include "core/view/probes.h"
#include "core/view/process/hits.h"
#include "core/view/process/process.h"
#include "core/view/profiles/allocs.h"
#include "core/view/query.h"
#include "core/view/second.h"
#include "core/view/view_internal.h"

#define BATCH      2048
#define EVENTS_MAX (1u << 20) /* looked at; of more than that, the newest */
#define SHOWN      50
#define SHOWN_MAX  1000

struct row {
	uint64_t goid;
	struct life life;
	uint64_t ns[GSTATES];
	uint64_t cpu_ns; /* by samples */
	uint64_t events, allocations, alloc_bytes, wakes;
	uint64_t hits;      /* that its own thread took */
	uint32_t reason_id; /* of the last wait that ended */
};

struct look {
	const struct view *v;
	unsigned proc;
	uint64_t from_ns, to_ns;
	bool cut;            /* no more is retained, or too much */
	uint64_t first, end; /* of the events */
	bool seen;           /* events are, just now */
	bool states;         /* every change of state is told of */
	bool sampled;
	bool cpu; /* CPU samples were taken, to the end of it */
	struct groups rows;
	struct hits hits;
	struct groups sites; /* struct second_site; only of who asks for them */
	bool by_site;
	struct row all;
	struct event events[BATCH];
};

/* --- which events ---------------------------------------------------------------------------- */

/* Moves *at behind what it read: what is no longer retained is passed over. */
static size_t read_some(struct look *l, uint64_t *at, uint64_t to)
{
	return feed_read(model_feed(l->v->model), at, l->events, MIN(to - *at, BATCH), NULL);
}

/*
 * Goes back from the newest until all of a batch is older: they are in order a goroutine, and
 * nearly so over all. What is not retained, or too much, makes the time shorter.
 */
static void find_first(struct look *l)
{
	struct feed *feed = model_feed(l->v->model);
	uint64_t tail = feed_tail(feed), oldest = l->to_ns, newest;

	l->first = l->end = feed_head(feed);
	while (l->first > tail && l->end - l->first < EVENTS_MAX) {
		uint64_t to = l->first, from = to - MIN(to - tail, BATCH), at = from;
		size_t n = read_some(l, &at, to);

		newest = 0;
		for (size_t i = 0; i < n; i++) {
			oldest = MIN(oldest, l->events[i].time_ns);
			newest = MAX(newest, l->events[i].time_ns);
		}
		l->first = from;
		if (newest < l->from_ns)
			return;
	}
	if (l->first && oldest > l->from_ns) {
		l->cut = true;
		l->from_ns = oldest;
	}
}

/* --- what they say --------------------------------------------------------------------------- */

/* Before its first event it was, from the beginning, in what that event says: in the state it
 * leaves, or running, as it acts. But one whose state nobody knows may have been in any. */
static void seed(const struct look *l, struct row *row, const struct event *ev)
{
	bool subject = ev->type == EVENT_CASGSTATUS && ev->target == row->goid;
	struct goroutine g;

	if (row->life.flags & LIFE_SEEN || (event_is_creation(ev) && ev->target == row->goid))
		return;
	if (!subject &&
	    (model_goroutine(l->v->model, l->proc, row->goid, &g) || view_state(&g) == GSTATES))
		return;
	row->life =
		(struct life){.since_ns = l->from_ns, .state = GSTATE_RUNNING, .flags = LIFE_SEEN};
	if (subject)
		row->life.state = walk_fold(ev->from);
}

static int follow(struct look *l, uint64_t goid, const struct event *ev)
{
	struct row *row = goid ? groups_row(&l->rows, goid) : NULL;
	struct meaning m;

	if (!row)
		return goid ? -ENOMEM : 0;
	seed(l, row, ev);
	walk_event(&row->life, goid, ev, &m);
	if (life_known(&row->life) && row->life.state < GSTATES)
		row->ns[row->life.state] += meaning_stay(&row->life, &m);
	row->life = m.life;
	return 0;
}

/* What there is no memory for is of no site. */
static void count_site(struct look *l, uint32_t site_id, uint64_t bytes)
{
	struct second_site *site = groups_row(&l->sites, site_id);

	if (site)
		site->alloc_bytes = sum_u64(site->alloc_bytes, bytes);
}

/* As the model counts: a change of state is its subject's, all else is of who did it. */
static void count(struct look *l, const struct event *ev)
{
	uint64_t goid = ev->type == EVENT_CASGSTATUS ? ev->target : ev->goid;
	struct row *row = goid ? groups_find(&l->rows, goid) : NULL;
	bool allocation = event_is_allocation(ev->type);
	uint64_t bytes = names_allocated(model_names(l->v->model), ev);

	l->all.events++;
	l->all.allocations += allocation;
	l->all.alloc_bytes = sum_u64(l->all.alloc_bytes, bytes);
	if (allocation && l->by_site)
		count_site(l, ev->site_id, bytes);
	if (!row)
		return;
	if (ev->type == EVENT_CASGSTATUS && gstate_waits(ev->from) && ev->to == GSTATE_RUNNABLE) {
		row->wakes++;
		row->reason_id = ev->string_id;
	}
	row->events++;
	row->allocations += allocation;
	row->alloc_bytes = sum_u64(row->alloc_bytes, bytes);
}

/* Who acts pays for it, whomever it tells of. */
static int count_hit(struct look *l, const struct event *ev)
{
	struct row *row = ev->goid ? groups_find(&l->rows, ev->goid) : NULL;

	l->all.hits++;
	if (row)
		row->hits++;
	return hits_add(&l->hits, ev);
}

static int add_event(struct look *l, const struct event *ev)
{
	uint64_t subject = event_subject(ev);
	int err;

	if (ev->type >= EVENT_TYPES || ev->proc != l->proc || ev->time_ns < l->from_ns ||
	    ev->time_ns >= l->to_ns)
		return 0;
	err = follow(l, subject, ev);
	if (!err && ev->goid != subject)
		err = follow(l, ev->goid, ev);
	if (!err)
		count(l, ev);
	if (!err && hits_has(&l->hits, ev))
		err = count_hit(l, ev);
	return err;
}

static int add_events(struct look *l)
{
	int err = 0;

	for (uint64_t at = l->first; at < l->end && !err;) {
		size_t n = read_some(l, &at, l->end);

		if (!n)
			break;
		for (size_t i = 0; i < n && !err; i++)
			err = add_event(l, &l->events[i]);
	}
	return err;
}

/* Those that are in this state and have no event of the time: all of it, or since they are. */
static int add_silent(struct look *l, unsigned state)
{
	cleanup_free_ uint64_t *goids = NULL;
	size_t n = 0;
	int err = model_goids(l->v->model, l->proc, MODEL_BY_STATE, state, &goids, &n);

	for (size_t i = 0; i < n && !err; i++) {
		struct goroutine g;
		struct row *row;

		if (groups_find(&l->rows, goids[i]) ||
		    model_goroutine(l->v->model, l->proc, goids[i], &g) || view_state(&g) != state)
			continue;
		row = groups_row(&l->rows, goids[i]);
		if (!row)
			return -ENOMEM;
		row->life = (struct life){.since_ns = MAX(g.state_since_ns, l->from_ns),
					  .state = (uint8_t)state,
					  .flags = LIFE_SEEN};
	}
	return err;
}

static void end_stays(struct look *l)
{
	struct row *rows = (void *)l->rows.rows;

	for (size_t i = 0; i < l->rows.n; i++) {
		struct row *row = &rows[i];

		if (life_known(&row->life))
			row->ns[row->life.state] += view_since(l->to_ns, row->life.since_ns);
		for (unsigned k = 0; k < GSTATES; k++)
			l->all.ns[k] += row->ns[k];
	}
}

/* --- what is shown --------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	const uint64_t keys[][2] = {{x->cpu_ns, y->cpu_ns},
				    {x->ns[GSTATE_RUNNING], y->ns[GSTATE_RUNNING]},
				    {x->ns[GSTATE_RUNNABLE], y->ns[GSTATE_RUNNABLE]},
				    {x->events, y->events},
				    {y->goid, x->goid}};

	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
		if (keys[i][0] != keys[i][1])
			return keys[i][0] > keys[i][1] ? -1 : 1;
	}
	return 0;
}

static double seconds(const struct look *l)
{
	return (double)(l->to_ns - l->from_ns) / NS_PER_SEC;
}

static double per_second(const struct look *l, uint64_t n)
{
	uint64_t ns = l->to_ns - l->from_ns;

	return ns ? (double)n * NS_PER_SEC / (double)ns : 0;
}

static double percent(const struct look *l, const struct row *row, unsigned state)
{
	return l->states ? per_second(l, row->ns[state]) * 100 / NS_PER_SEC : NAN;
}

/* Of what events tell: while none is seen, that is not known. */
static double rate(const struct look *l, uint64_t n)
{
	return l->seen ? per_second(l, n) : NAN;
}

static double cpu_percent(const struct look *l, const struct row *row)
{
	return l->cpu ? per_second(l, row->cpu_ns) * 100 / NS_PER_SEC : NAN;
}

static void emit_rates(struct emit *e, const struct look *l, const struct row *row)
{
	emit_double(e, "running_percent", percent(l, row, GSTATE_RUNNING), 1);
	emit_double(e, "runnable_percent", percent(l, row, GSTATE_RUNNABLE), 1);
	emit_double(e, "cpu_percent", cpu_percent(l, row), 1);
	emit_double(e, "events_per_second", rate(l, row->events), 0);
	emit_double(e, "allocations_per_second", rate(l, row->allocations), 0);
	emit_double(e, "alloc_bytes_per_second", rate(l, row->alloc_bytes), 0);
	emit_double(e, "hits_per_second", rate(l, row->hits), 0);
}

static int as_json(const struct look *l, const struct model_totals *t, const struct top *top,
		   struct buf *out)
{
	const struct names *names = model_names(l->v->model);
	const struct row *rows = top->v;
	struct emit e;
	int err;

	emit_begin(&e, VIEW_JSON, out);
	emit_u64(&e, "measured_ns", l->to_ns - l->from_ns);
	emit_u64(&e, "until_unix_ns", view_unix(l->v, l->to_ns));
	view_emit_live(&e, l->v, l->proc, t);
	emit_rates(&e, l, &l->all);
	view_emit_alloc_share(&e, l->v, l->proc);
	view_emit_rates(&e, l->v);
	emit_u64(&e, "active", l->rows.n);
	json_key(out, "goroutines");
	buf_addc(out, '[');
	for (size_t i = 0; i < top->n; i++) {
		struct goroutine g = {.flags = GOROUTINE_STATE_UNKNOWN};
		struct emit row;

		if (i)
			buf_addc(out, ',');
		model_goroutine(l->v->model, l->proc, rows[i].goid, &g);
		emit_begin(&row, VIEW_JSON, out);
		emit_u64(&row, "goid", rows[i].goid);
		emit_string(&row, "state", view_state_word(&g));
		emit_rates(&row, l, &rows[i]);
		emit_string(&row, "function", names_string(names, g.start_func_id));
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
	json_key(out, "hits");
	err = hits_emit(&l->hits, l->v, seconds(l), VIEW_JSON, out);
	return err ? err : emit_end(&e);
}

static void text_number(double value, int width, int digits, struct buf *out)
{
	if (isnan(value))
		buf_addf(out, " %*s", width, "?");
	else
		buf_addf(out, " %*.*f", width, digits, value);
}

static void text_rates(const struct look *l, const struct row *row, struct buf *out)
{
	text_number(percent(l, row, GSTATE_RUNNING), 6, 1, out);
	text_number(percent(l, row, GSTATE_RUNNABLE), 6, 1, out);
	text_number(cpu_percent(l, row), 6, 1, out);
	text_number(rate(l, row->events), 9, 0, out);
	text_number(rate(l, row->allocations), 9, 0, out);
	text_number(rate(l, row->alloc_bytes), 12, 0, out);
	text_number(rate(l, row->hits), 9, 0, out);
}

static void text_head(const struct look *l, const struct model_totals *t,
		      const struct proc_info *info, struct buf *out)
{
	char sample[RECORDING_SAMPLE_MAX];

	buf_addf(out, "top - pid %d, ", (int)info->pid);
	text_line(out, info->binary_path);
	buf_addf(out, ", the last %.3f s%s\n", seconds(l),
		 info->state == PROC_EXITED ? " before it ended" : "");
	buf_addf(out, "Goroutines: %llu live", (unsigned long long)t->live_total);
	for (unsigned i = 0; i < view_n_states; i++) {
		if (t->live[view_states[i]])
			buf_addf(out, ", %llu %s", (unsigned long long)t->live[view_states[i]],
				 gstate_name(view_states[i]));
	}
	if (t->live_unknown)
		buf_addf(out, ", %llu unknown", (unsigned long long)t->live_unknown);
	if (view_unread(l->v, l->proc))
		buf_adds(out, " (" VIEW_UNREAD ")");
	if (l->seen || l->rows.n)
		buf_addf(out, "; %s%zu ran, could run or did something\n",
			 l->seen ? "" : "at least ", l->rows.n);
	else
		buf_addc(out, '\n');
	buf_adds(out, "Allocations: ");
	view_note_events_only(l->v, l->proc, out);
	buf_addc(out, '\n');
	if (l->sampled) {
		view_sample(l->v, sample, sizeof(sample));
		buf_addf(out, "Sampled (%s): rates are of the events that were chosen.\n",
			 *sample ? sample : "nothing");
	}
	if (!l->states)
		buf_addf(out, "Changes of state are %s: who ran how long is not known.\n",
			 l->seen ? "sampled" : "not seen just now");
}

static int as_text(const struct look *l, const struct model_totals *t, const struct proc_info *info,
		   const struct top *top, struct buf *out)
{
	const struct names *names = model_names(l->v->model);
	const struct row *rows = top->v;

	text_head(l, t, info, out);
	buf_adds(out,
		 "\n      GOID STATE        RUN%   RDY%   CPU%  EVENTS/S  ALLOCS/S      BYTES/S "
		 "   HITS/S FUNCTION\n");
	buf_adds(out, "       all -        ");
	text_rates(l, &l->all, out);
	buf_adds(out, " -\n");
	for (size_t i = 0; i < top->n; i++) {
		struct goroutine g = {.flags = GOROUTINE_STATE_UNKNOWN};
		const char *func;

		model_goroutine(l->v->model, l->proc, rows[i].goid, &g);
		func = names_string(names, g.start_func_id);
		buf_addf(out, "%10llu %-9s", (unsigned long long)rows[i].goid, view_state_word(&g));
		text_rates(l, &rows[i], out);
		buf_addc(out, ' ');
		text_line(out, *func ? func : "?");
		buf_addc(out, '\n');
	}
	if (top->more)
		buf_addf(out, "... cut: %zu more\n", l->rows.n - top->n);
	buf_adds(out, "\nWhat the probes are hit by");
	if (l->sampled)
		buf_adds(out, ", as far as -sample chose it");
	buf_adds(out, ":\n");
	return hits_emit(&l->hits, l->v, seconds(l), VIEW_TEXT, out);
}

/* Who was met on a CPU. */
static int add_cpu(struct look *l)
{
	struct samples *samples = model_samples(l->v->model);
	cleanup_free_ struct sample_row *stacks = NULL;
	uint64_t first_ns;
	size_t n;
	int err;

	l->cpu = samples_on(samples, SAMPLE_CPU, l->to_ns);
	err = samples_recent(samples, l->proc, SAMPLE_CPU, l->from_ns, l->to_ns, &stacks, &n,
			     &first_ns);
	for (size_t i = 0; !err && i < n; i++) {
		struct row *row;

		l->all.cpu_ns += stacks[i].sum.weight;
		if (!stacks[i].goid)
			continue;
		row = groups_row(&l->rows, stacks[i].goid);
		if (!row)
			return -ENOMEM;
		row->cpu_ns += stacks[i].sum.weight;
	}
	return err;
}

/* Is anything told now? Of the time before the probes came nothing is known, and no rate is of it;
 * but where they come and go many times a second. */
static bool sees_events(const struct view *v, unsigned proc, uint64_t *from_ns, uint64_t to_ns)
{
	struct live_probes p;

	if (!view_probes(v, proc, &p))
		return true;
	if (!p.off && !view_in_windows(v))
		*from_ns = MAX(*from_ns, MIN(p.since_ns, to_ns));
	return !p.off;
}

static int measure(struct look *l, const struct proc_info *info, uint64_t ns)
{
	uint32_t rates[RATES];
	int err;

	l->sampled = view_rates(l->v, rates);
	l->to_ns = view_now(l->v, l->proc);
	l->from_ns = MAX(l->to_ns - MIN(l->to_ns, ns), MIN(info->attached_ns, l->to_ns));
	l->seen = sees_events(l->v, l->proc, &l->from_ns, l->to_ns);
	l->states = l->seen && (!l->sampled || rates_tell_all_states(rates));
	find_first(l);
	err = add_events(l);
	if (!err)
		err = add_silent(l, GSTATE_RUNNING);
	if (!err)
		err = add_silent(l, GSTATE_RUNNABLE);
	if (!err)
		err = add_cpu(l);
	if (!err)
		end_stays(l);
	return err;
}

static int choose(const struct look *l, struct top *top)
{
	const struct row *rows = (const void *)l->rows.rows;
	int err = 0;

	for (size_t i = 0; i < l->rows.n && !err; i++)
		err = top_add(top, &rows[i]);
	if (!err)
		top_sort(top);
	return err;
}

int view_top(const struct view *v, struct view_query *q, struct buf *out)
{
	cleanup_free_ struct look *l = calloc(1, sizeof(*l));
	struct top top = TOP_INIT(struct row, SHOWN, compare);
	struct model_totals totals;
	struct proc_info info;
	uint64_t limit;
	int err = view_arg_u64(q, "limit", 1, SHOWN_MAX, SHOWN, &limit);

	if (!err)
		err = l ? model_proc(v->model, q->proc, &info) : -ENOMEM;
	if (err)
		return err;
	top.limit = limit;
	l->v = v;
	l->proc = q->proc;
	l->rows = (struct groups)GROUPS_INIT(struct row);
	hits_init(&l->hits, v);
	model_totals(v->model, (int)q->proc, &totals);
	err = measure(l, &info, NS_PER_SEC);
	if (!err)
		err = choose(l, &top);
	if (!err && q->form == VIEW_JSON)
		err = as_json(l, &totals, &top, out);
	else if (!err)
		err = as_text(l, &totals, &info, &top, out);
	top_free(&top);
	groups_free(&l->rows);
	hits_free(&l->hits);
	return err ? err : buf_error(out);
}

/* --- for other views ---------------------------------------------------------------------------
 */

/* The rows by site are taken over. */
static int copy_second(struct look *l, struct second *ret)
{
	const struct row *rows = (const void *)l->rows.rows;

	*ret = (struct second){.ns = l->to_ns - l->from_ns,
			       .cut = l->cut,
			       .events = l->seen,
			       .states = l->states,
			       .rows = calloc(l->rows.n + 1, sizeof(*ret->rows))};
	if (!ret->rows)
		return -ENOMEM;
	ret->n_sites = l->sites.n;
	ret->sites = (void *)l->sites.rows;
	l->sites.rows = NULL;
	for (size_t i = 0; i < l->rows.n; i++) {
		struct second_row *to = &ret->rows[ret->n++];

		*to = (struct second_row){.goid = rows[i].goid,
					  .wakes = rows[i].wakes,
					  .alloc_bytes = rows[i].alloc_bytes,
					  .reason_id = rows[i].reason_id};
		memcpy(to->state_ns, rows[i].ns, sizeof(to->state_ns));
		ret->alloc_bytes = sum_u64(ret->alloc_bytes, to->alloc_bytes);
	}
	return 0;
}

int second_measure(const struct view *v, unsigned proc, uint64_t ns, struct second *ret)
{
	cleanup_free_ struct look *l = calloc(1, sizeof(*l));
	struct proc_info info;
	int err = l ? model_proc(v->model, proc, &info) : -ENOMEM;

	*ret = (struct second){0};
	if (err)
		return err;
	l->v = v;
	l->proc = proc;
	l->by_site = true;
	l->rows = (struct groups)GROUPS_INIT(struct row);
	l->sites = (struct groups)GROUPS_INIT(struct second_site);
	hits_init(&l->hits, v);
	err = measure(l, &info, ns);
	if (!err)
		err = copy_second(l, ret);
	groups_free(&l->sites);
	groups_free(&l->rows);
	hits_free(&l->hits);
	return err;
}

void second_free(struct second *s)
{
	free(s->rows);
	free(s->sites);
}
