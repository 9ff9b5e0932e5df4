/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who ran on which CPU (sched/cpus): a lane each, in as few spans as can be told apart at the zoom
 * that is asked for. What is not known is a span of its own. Any thread.
 */
#include <errno.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/util.h"
#include "core/view/columns.h"
#include "core/view/probes.h"
#include "core/view/query.h"
#include "core/view/stays.h"
#include "core/view/timeline/runs.h"
#include "core/view/view_internal.h"

#define PARTS_MAX  4000
#define PARTS_FILE 100
#define MARKS_MAX  1000

/* Go's state: the kernel takes the CPU away without an event of ours. */
#define BUSY_IS                                                                                    \
	"in state running, also while the kernel ran another program there: not CPU time (cpu_ns)"

/* One run, or several of which one begins within a part of the range after the first's begin. */
struct span {
	uint64_t begin, end;
	uint64_t goid; /* of the longest */
	uint64_t longest;
	uint64_t runs, busy;
	uint64_t sure; /* of one alone: it was seen there until then */
	unsigned kinds, ended, cpu_end;
};

struct lane {
	bool here, pending;
	struct span first; /* what is not known before all of them; kinds 0: there is nothing */
	struct span last;
	struct buf rows;
	uint64_t begin, busy, runs;
};

struct mark {
	uint64_t begin, end, goid;
	const char *what;
};

struct lanes {
	const struct view *v;
	enum view_form form;
	uint64_t from, to, part_ns;
	uint64_t elsewhere; /* ns of runs on no known CPU */
	uint64_t n_marks;
	struct buf marks;
	struct lane lanes[EVENT_CPUS_MAX];
};

/* --- spans -------------------------------------------------------------------------------------
 */

static void span_text(unsigned cpu, const struct span *s, struct buf *out)
{
	const char *what = run_kind_word((unsigned)__builtin_ctz(s->kinds));

	buf_addf(out, "%u\t%llu\t%llu\t%llu\t", cpu, (unsigned long long)s->begin,
		 (unsigned long long)s->end, (unsigned long long)(s->end - s->begin));
	if (s->goid)
		buf_addu(out, s->goid);
	else
		buf_addc(out, '?');
	buf_addf(out, "\t%llu\t%llu\t%s\t", (unsigned long long)s->runs,
		 (unsigned long long)s->busy, s->kinds & (s->kinds - 1) ? "several" : what);
	if (s->runs != 1)
		buf_adds(out, "-\n");
	else if (s->cpu_end)
		buf_addf(out, "%s to %u\n", run_end_word(s->ended), s->cpu_end - 1);
	else
		buf_addf(out, "%s\n", run_end_word(s->ended));
}

static void put_span(const struct lanes *l, unsigned cpu, const struct span *s, struct buf *out)
{
	if (l->form != VIEW_JSON) {
		span_text(cpu, s, out);
		return;
	}
	if (buf_last(out) == ']')
		buf_addc(out, ',');
	PACK(LANE_COLUMNS);
}

static void flush(struct lanes *l, unsigned cpu)
{
	struct lane *lane = &l->lanes[cpu];

	if (lane->pending)
		put_span(l, cpu, &lane->last, &lane->rows);
	lane->pending = false;
}

static void put_lane(const struct lanes *l, unsigned cpu, struct buf *out)
{
	const struct lane *lane = &l->lanes[cpu];

	if (lane->first.kinds)
		put_span(l, cpu, &lane->first, out);
	if (lane->rows.len && buf_last(out) == ']')
		buf_addc(out, ',');
	buf_add(out, lane->rows.data, lane->rows.len);
}

static struct span span_of(const struct lanes *l, const struct run *run)
{
	struct span s = {
		.begin = MAX(run->begin, l->from),
		.end = MIN(run->end ? run->end : l->to, l->to),
		.goid = run->goid,
		.kinds = 1u << run->kind,
		.ended = run->ended,
		.cpu_end = run->to_cpu,
		.sure = run->ended == RUN_MOVED ? run->sure_ns : run->end,
	};

	s.longest = s.end - s.begin;
	s.runs = run->kind != RUN_UNKNOWN;
	s.busy = s.runs ? s.longest : 0;
	return s;
}

static void add_span(struct lanes *l, unsigned cpu, const struct run *run)
{
	struct lane *lane = &l->lanes[cpu];
	struct span *last = &lane->last, s = span_of(l, run);

	if (s.end <= s.begin)
		return;
	if (run->kind == RUN_UNKNOWN && lane->here && s.begin < lane->begin) {
		lane->first = s;
		return;
	}
	if (!lane->here)
		lane->begin = s.begin;
	lane->here = true;
	lane->busy += s.busy;
	lane->runs += s.runs;
	/* As long as one that is alone is not longer than a part, and nor are all together. */
	if (!lane->pending || s.end - last->begin >= l->part_ns) {
		flush(l, cpu);
		*last = s;
		lane->pending = true;
		return;
	}
	if (s.longest > last->longest) {
		last->longest = s.longest;
		last->goid = s.goid;
	}
	last->end = MAX(last->end, s.end);
	last->runs += s.runs;
	last->busy += s.busy;
	last->kinds |= s.kinds;
	last->ended = last->cpu_end = 0;
	last->sure = last->end;
}

/* The collector at work, as far as events tell: the world is being stopped, or is stopped. */
static void add_mark(struct lanes *l, const struct run *run)
{
	const struct names *names = model_names(l->v->model);
	const char *what = names_string(names, run->reason_id);
	struct mark mark = {MAX(run->begin, l->from), MIN(run->end ? run->end : l->to, l->to),
			    run->goid, what};
	const struct mark *m = &mark;
	struct buf *out = &l->marks;

	if (run->kind != RUN_STOPPING &&
	    strncmp(what, "garbage collection", strlen("garbage collection")) != 0)
		return;
	if (l->n_marks++ >= MARKS_MAX || l->form != VIEW_JSON)
		return;
	if (l->n_marks > 1)
		buf_addc(out, ',');
	PACK(MARK_COLUMNS);
}

static void add_run(void *ctx, const struct run *run)
{
	struct lanes *l = ctx;

	if (run->cpu)
		add_span(l, run->cpu - 1u, run);
	else
		l->elsewhere += run_inside(run, l->from, l->to);
	if (run->kind == RUN_GC || run->kind == RUN_STOPPING)
		add_mark(l, run);
}

/* --- what is shown -----------------------------------------------------------------------------
 */

/* Why there are no lanes, or less than all; "": there are. */
static void add_why(const struct lanes *l, const struct runs *r, unsigned proc, struct buf *out)
{
	uint32_t rates[RATES];

	if (!r->has_cpus)
		view_no_probe(l->v, proc, l->to, out);
	if (out->len)
		return;
	if (view_rates(l->v, rates) && !rates_tell_all_states(rates))
		buf_adds(out, "changes of state are sampled: who ran is known in part");
	else if (r->since_ns >= l->to)
		buf_adds(out, "no events are kept of that time");
	else if (!r->has_cpus)
		buf_adds(out, "the events of that time do not say on which CPU they were made");
}

/* The last cycle, which memory tells of where no event did. */
static void json_last_gc(const struct lanes *l, unsigned proc, struct buf *out)
{
	const struct live *live = l->v->live;
	struct live_runtime r;
	uint64_t ended;

	if (!live->runtime_known || !live->runtime_known(live->ctx, proc, &r) ||
	    r.heap.last_gc_unix_ns == RUNTIME_UNKNOWN || !r.heap.last_gc_unix_ns ||
	    r.heap.pause_last == RUNTIME_UNKNOWN)
		return;
	ended = sub_u64(r.heap.last_gc_unix_ns, (uint64_t)r.wall_offset_ns);
	json_key(out, "last_gc");
	buf_addc(out, '{');
	json_ku(out, "ended", ended);
	json_ku(out, "pauses_ns", r.heap.pause_last);
	json_ku(out, "as_of", r.read_ns);
	buf_addc(out, '}');
}

static int as_json(struct lanes *l, const struct runs *r, unsigned proc, struct buf *out)
{
	cleanup_buf_ struct buf why = BUF_INIT;
	bool first = true;

	add_why(l, r, proc, &why);
	buf_addc(out, '{');
	json_ku(out, "from", l->from);
	json_ku(out, "to", l->to);
	json_ku(out, "since_ns", r->since_ns);
	json_ku(out, "part_ns", l->part_ns);
	json_kb(out, "partly_unknown", runs_partly_unknown(r));
	json_ks(out, "why", why.data ? why.data : "");
	json_ks(out, "busy_is", BUSY_IS);
	json_ku(out, "elsewhere_ns", l->elsewhere);
	json_key(out, "cpus");
	buf_addc(out, '[');
	for (unsigned cpu = 0; cpu < EVENT_CPUS_MAX; cpu++) {
		const struct lane *lane = &l->lanes[cpu];

		if (!lane->here)
			continue;
		buf_adds(out, first ? "{" : ",{");
		first = false;
		json_ku(out, "cpu", cpu);
		json_ku(out, "busy_ns", lane->busy);
		json_ku(out, "runs", lane->runs);
		json_key(out, "spans");
		buf_addc(out, '[');
		put_lane(l, cpu, out);
		buf_adds(out, "]}");
	}
	buf_addc(out, ']');
	json_key(out, "marks");
	buf_addc(out, '[');
	buf_add(out, l->marks.data, l->marks.len);
	buf_addc(out, ']');
	json_kb(out, "marks_cut", l->n_marks > MARKS_MAX);
	json_last_gc(l, proc, out);
	buf_adds(out, "}\n");
	return buf_error(out);
}

static int as_text(struct lanes *l, const struct runs *r, unsigned proc, struct buf *out)
{
	cleanup_buf_ struct buf why = BUF_INIT;

	add_why(l, r, proc, &why);
	buf_adds(out, "cpu\tbegin_ns\tend_ns\tns\tgoid\t"
		      "runs\tbusy_ns\twhat\tended\n");
	for (unsigned cpu = 0; cpu < EVENT_CPUS_MAX; cpu++)
		put_lane(l, cpu, out);
	if (r->has_cpus)
		buf_adds(out, "... busy_ns: " BUSY_IS "\n");
	if (why.len)
		buf_addf(out, "... %s\n", why.data);
	return buf_error(out);
}

/* Without from and to the last second. */
static int read_query(const struct view *v, struct view_query *q, struct lanes *l)
{
	uint64_t now = view_now(v, q->proc), to, parts;
	struct proc_info info;
	int err = model_proc(v->model, q->proc, &info);

	if (!err)
		err = view_arg_u64(q, "to", 0, UINT64_MAX, UINT64_MAX, &to);
	if (!err)
		err = view_arg_u64(q, "from", 0, UINT64_MAX, sub_u64(MIN(to, now), NS_PER_SEC),
				   &l->from);
	if (!err)
		err = view_arg_u64(q, "n", 1, PARTS_MAX, PARTS_FILE, &parts);
	if (err)
		return err;
	err = view_not_to_come(q, "from", l->from, now);
	if (err)
		return err;
	if (to <= l->from)
		return view_refuse(q, -EINVAL, "to must be after from");
	/* An open end is now, which may be where it begins. */
	l->to = MAX(MIN(to, now), l->from + 1);
	l->part_ns = (l->to - l->from) / parts;
	return 0;
}

int view_lanes(const struct view *v, struct view_query *q, struct buf *out)
{
	struct lanes *l = calloc(1, sizeof(*l));
	struct runs r = {.fn = add_run, .ctx = l};
	int err = l ? read_query(v, q, l) : -ENOMEM;

	if (err)
		goto done;
	l->v = v;
	l->form = q->form;
	r.from = l->from;
	r.to = l->to;
	err = runs_walk(v, q->proc, &r);
	for (unsigned cpu = 0; cpu < EVENT_CPUS_MAX && !err; cpu++) {
		flush(l, cpu);
		err = buf_error(&l->lanes[cpu].rows);
	}
	if (!err)
		err = q->form == VIEW_JSON ? as_json(l, &r, q->proc, out)
					   : as_text(l, &r, q->proc, out);
done:
	for (unsigned cpu = 0; l && cpu < EVENT_CPUS_MAX; cpu++)
		buf_free(&l->lanes[cpu].rows);
	if (l)
		buf_free(&l->marks);
	free(l);
	return err;
}
