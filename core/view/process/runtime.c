/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The heap and the scheduler as the program's own runtime has them, read from its memory when
 * somebody looks: what GODEBUG=gctrace=1 and schedtrace print, without a restart. Any thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/json.h"
#include "core/memory/runtime_seen.h"
#include "core/view/family.h"
#include "core/view/process/process.h"
#include "core/view/view_internal.h"

static int read_runtime(const struct view *v, unsigned proc, struct runtime_seen **ret)
{
	struct proc_info info;
	int err = model_proc(v->model, proc, &info);

	if (err)
		return err;
	return v->live->runtime ? v->live->runtime(v->live->ctx, proc, ret) : -ENOSYS;
}

/* --- heap ------------------------------------------------------------------------------------- */

static void emit_known(struct emit *e, const char *key, uint64_t value)
{
	if (value == RUNTIME_UNKNOWN)
		emit_unknown(e, key);
	else
		emit_u64(e, key, value);
}

static void emit_cycles(struct emit *e, const struct runtime_heap *h)
{
	emit_known(e, "gc_cycles", h->cycles);
	emit_known(e, "gc_cycles_forced", h->forced_cycles);
	if (h->cycles == 0) {
		emit_none(e, "gc_last_unix_ns");
		emit_none(e, "gc_pause_last_ns");
		emit_none(e, "gc_pause_longest_ns");
	} else {
		emit_known(e, "gc_last_unix_ns", h->last_gc_unix_ns);
		emit_known(e, "gc_pause_last_ns", h->pause_last);
		emit_known(e, "gc_pause_longest_ns", h->pause_longest);
	}
	emit_known(e, "gc_pause_total_ns", h->pause_total);
	if (h->cpu_fraction < 0)
		emit_unknown(e, "gc_cpu_percent");
	else
		emit_double(e, "gc_cpu_percent", 100 * h->cpu_fraction, 4);
	if (h->mark == RUNTIME_UNKNOWN)
		emit_unknown(e, "gc_assist_percent");
	else if (!h->mark)
		emit_none(e, "gc_assist_percent");
	else
		emit_double(e, "gc_assist_percent", 100 * (double)h->assist / (double)h->mark, 2);
}

static void emit_settings(struct emit *e, const struct runtime_heap *h)
{
	if (h->gc_percent != RUNTIME_UNKNOWN && h->gc_percent > INT32_MAX)
		emit_as(e, "gogc", "off", "\"off\"");
	else
		emit_known(e, "gogc", h->gc_percent);
	if (h->memory_limit == INT64_MAX)
		emit_none(e, "memory_limit_bytes");
	else
		emit_known(e, "memory_limit_bytes", h->memory_limit);
}

static void emit_goal(struct emit *e, const struct runtime_heap *h)
{
	if (h->goal != RUNTIME_UNKNOWN && h->goal > INT64_MAX)
		emit_none(e, "heap_goal_bytes"); /* GOGC=off without a limit */
	else
		emit_known(e, "heap_goal_bytes", h->goal);
}

/* Below 0: not known. */
static void emit_rate(struct emit *e, const char *key, double value, int digits)
{
	if (value < 0)
		emit_unknown(e, key);
	else
		emit_double(e, key, value, digits);
}

void view_emit_runtime(struct emit *e, const struct view *v, unsigned proc)
{
	struct live_runtime r = {.heap = runtime_heap_unknown(),
				 .procs = RUNTIME_UNKNOWN,
				 .threads = RUNTIME_UNKNOWN,
				 .files = RUNTIME_UNKNOWN,
				 .files_most = RUNTIME_UNKNOWN,
				 .cpu_ns = RUNTIME_UNKNOWN,
				 .alloc_per_second = -1,
				 .cpu_percent = -1,
				 .switches_per_second = -1,
				 .cpu_wait_ns = RUNTIME_UNKNOWN,
				 .cpu_wait_ratio = -1};

	if (v->live->runtime_known && v->live->runtime_known(v->live->ctx, proc, &r))
		emit_u64(e, "runtime_as_of_unix_ns", view_unix(v, r.read_ns));
	else
		emit_none(e, "runtime_as_of_unix_ns");
	emit_known(e, "cpu_ns", r.cpu_ns);
	emit_rate(e, "cpu_percent", r.cpu_percent, 2);
	emit_known(e, "cpu_wait_ns", r.cpu_wait_ns);
	emit_rate(e, "cpu_wait_ratio", r.cpu_wait_ratio, 2);
	emit_rate(e, "goroutine_switches_per_second_least", r.switches_per_second, 0);
	emit_known(e, "gomaxprocs", r.procs);
	emit_known(e, "threads", r.threads);
	emit_known(e, "open_files", r.files);
	emit_known(e, "open_files_limit", r.files_most);
	emit_known(e, "heap_live_bytes", r.heap.live);
	emit_goal(e, &r.heap);
	emit_known(e, "heap_allocated_total_bytes", r.heap.allocated);
	emit_rate(e, "heap_allocated_bytes_per_second", r.alloc_per_second, 0);
	emit_cycles(e, &r.heap);
}

/* As it is now; of a program that has ended as it was read last, since that may be why it has. */
static int read_heap(const struct view *v, unsigned proc, struct live_runtime *ret)
{
	struct runtime_seen *seen;
	int err = read_runtime(v, proc, &seen);

	if (err == -ESRCH && v->live->runtime_known &&
	    v->live->runtime_known(v->live->ctx, proc, ret) && ret->heap.live != RUNTIME_UNKNOWN)
		return 0;
	if (err)
		return err;
	ret->read_ns = seen->read_ns;
	ret->heap = seen->heap;
	err = seen->has_heap ? 0 : -ENOSYS;
	free(seen);
	return err;
}

int view_heap(const struct view *v, struct view_query *q, struct buf *out)
{
	struct live_runtime last;
	const struct runtime_heap *h = &last.heap;
	struct emit e;
	int err = read_heap(v, q->proc, &last);

	if (err)
		return err;
	emit_begin(&e, q->form, out);
	emit_u64(&e, "read_unix_ns", view_unix(v, last.read_ns));
	emit_known(&e, "heap_live_bytes", h->live);
	emit_known(&e, "heap_marked_bytes", h->marked);
	emit_goal(&e, h);
	emit_known(&e, "heap_allocated_total_bytes", h->allocated);
	emit_cycles(&e, h);
	emit_settings(&e, h);
	emit_known(&e, "heap_in_use_bytes", h->in_use);
	emit_known(&e, "heap_idle_bytes", h->idle);
	emit_known(&e, "heap_released_bytes", h->released);
	emit_known(&e, "heap_sys_bytes", h->sys);
	emit_known(&e, "stacks_in_use_bytes", h->stacks_in_use);
	emit_known(&e, "stacks_sys_bytes", h->stacks_sys);
	emit_known(&e, "spans_in_use", h->spans);
	emit_known(&e, "spans_bytes", h->spans_bytes);
	emit_known(&e, "gc_sys_bytes", h->gc_sys);
	emit_known(&e, "other_sys_bytes", h->other_sys);
	emit_known(&e, "sys_bytes", h->all_sys);
	return emit_end(&e);
}

/* --- sched/procs ------------------------------------------------------------------------------ */

/* A line of keys, or an object: text has a space where JSON has its commas. */
struct line {
	struct buf *out;
	bool json;
};

static void line_begin(struct line *l, const char *text)
{
	buf_adds(l->out, l->json ? "{" : text);
}

static void line_end(const struct line *l)
{
	buf_adds(l->out, l->json ? "}" : "\n");
}

static void key(struct line *l, const char *name)
{
	if (l->json)
		json_key(l->out, name);
	else
		buf_addf(l->out, " %s=", name);
}

/* Below 0: there is none. */
static void add_number(struct line *l, const char *name, int64_t value)
{
	key(l, name);
	if (value >= 0)
		buf_addi(l->out, value);
	else
		buf_adds(l->out, l->json ? "null" : "nil");
}

static void add_unknown(struct line *l, const char *name)
{
	key(l, name);
	buf_adds(l->out, l->json ? "null" : "?");
}

static void add_goid(struct line *l, const char *name, uint64_t goid)
{
	if (goid == RUNTIME_UNKNOWN) {
		add_unknown(l, name);
		return;
	}
	key(l, name);
	if (goid)
		buf_addu(l->out, goid);
	else
		buf_adds(l->out, l->json ? "null" : "nil");
}

static void add_yes(struct line *l, const char *name, bool value)
{
	key(l, name);
	buf_adds(l->out, value ? "true" : "false");
}

static const char *status_word(uint32_t status)
{
	static const char *const words[RUNTIME_P_STATUSES] = {"idle", "running", "syscall",
							      "gcstop", "dead"};

	return status < RUNTIME_P_STATUSES ? words[status] : "unknown";
}

static void add_sched(struct line *l, const struct runtime_seen *s)
{
	add_number(l, "gomaxprocs", s->n_ps);
	add_number(l, "idleprocs", s->idle_ps);
	add_number(l, "threads", s->threads);
	add_number(l, "spinningthreads", s->spinning);
	if (s->need_spinning >= 0)
		add_number(l, "needspinning", s->need_spinning);
	add_number(l, "idlethreads", s->idle_threads);
	add_number(l, "runqueue", s->run_queue);
	add_yes(l, "gcwaiting", s->gc_waiting);
	add_number(l, "nmidlelocked", s->idle_locked);
	add_number(l, "stopwait", s->stop_wait);
	add_yes(l, "sysmonwait", s->sysmon_waiting);
}

static void add_p(struct line *l, const struct runtime_p *p)
{
	if (l->json)
		add_number(l, "p", p->id);
	key(l, "status");
	buf_addf(l->out, l->json ? "\"%s\"" : "%s", status_word(p->status));
	add_number(l, "schedtick", p->schedtick);
	add_number(l, "syscalltick", p->syscalltick);
	add_number(l, "m", p->m);
	if (p->runq <= RUNTIME_RUNQ_MAX)
		add_number(l, "runqsize", p->runq);
	else
		add_unknown(l, "runqsize");
	add_yes(l, "runnext", p->next);
}

static void add_m(struct line *l, const struct runtime_m *m)
{
	if (l->json)
		add_number(l, "m", m->id);
	add_number(l, "tid", m->tid ? (int64_t)m->tid : -1);
	add_number(l, "p", m->p);
	add_goid(l, "curg", m->goid);
	add_number(l, "locks", m->locks);
	add_yes(l, "spinning", m->spinning);
	add_yes(l, "blocked", m->blocked);
	add_goid(l, "lockedg", m->locked_goid);
}

static void add_ps(struct line *l, const struct runtime_seen *s)
{
	char name[32];

	if (l->json)
		buf_adds(l->out, ",\"ps\":[");
	for (uint32_t i = 0; i < s->n_ps; i++) {
		snprintf(name, sizeof(name), "  P%d:", (int)s->ps[i].id);
		if (l->json && i)
			buf_addc(l->out, ',');
		line_begin(l, name);
		add_p(l, &s->ps[i]);
		line_end(l);
	}
	if (l->json)
		buf_addc(l->out, ']');
}

static void add_cut(struct line *l, const struct runtime_seen *s)
{
	if (s->many)
		buf_addf(l->out, "  ... cut: the newest %u of %lld threads\n", s->n_ms,
			 (long long)s->threads);
	else
		buf_adds(l->out, "  ... cut: the list of threads changed while it was read\n");
}

static void add_ms(struct line *l, const struct runtime_seen *s)
{
	const struct runtime_m *ms = runtime_ms(s);
	char name[32];

	if (l->json)
		buf_adds(l->out, s->has_ms ? ",\"ms\":[" : ",\"ms\":null");
	for (uint32_t i = 0; i < s->n_ms; i++) {
		snprintf(name, sizeof(name), "  M%lld:", (long long)ms[i].id);
		if (l->json && i)
			buf_addc(l->out, ',');
		line_begin(l, name);
		add_m(l, &ms[i]);
		line_end(l);
	}
	if (l->json && s->has_ms)
		buf_addc(l->out, ']');
	if (l->json)
		buf_addf(l->out, ",\"ms_cut\":%s", s->cut ? "true" : "false");
	else if (s->cut)
		add_cut(l, s);
	else if (!s->has_ms)
		buf_adds(l->out, "  M?: threads are not found in this program\n");
}

int view_sched_procs(const struct view *v, struct view_query *q, struct buf *out)
{
	struct line l = {.out = out, .json = q->form == VIEW_JSON};
	struct runtime_seen *seen;
	int err = read_runtime(v, q->proc, &seen);

	if (!err && !seen->has_sched) {
		free(seen);
		err = -ENOSYS;
	}
	if (err)
		return err;
	line_begin(&l, "SCHED");
	if (l.json)
		json_ku(out, "read_unix_ns", view_unix(v, seen->read_ns));
	add_sched(&l, seen);
	if (!l.json)
		line_end(&l);
	add_ps(&l, seen);
	add_ms(&l, seen);
	if (!l.json && view_ended(v, q->proc)) {
		buf_adds(out, "... ");
		view_stacks_as_of(v, q->proc, seen->read_ns, out);
		buf_addc(out, '\n');
	}
	free(seen);
	if (l.json)
		buf_adds(out, "}\n");
	return buf_error(out);
}
