/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is attached now, and so how fine what the views say is. Any thread. */
#include <stdio.h>

#include "core/view/probes.h"
#include "core/view/view_internal.h"

/* Who must be quick has what was read a moment ago the next time. */
#define PATIENCE_QUICK_NS 10000000ull
#define PATIENCE_NS       (NS_PER_SEC / 4)
/* A million goroutines are met in less; after it, what is known is shown, and that it is in doubt.
 */
#define PATIENCE_FIRST_NS (10 * NS_PER_SEC)

void view_look(const struct view *v, unsigned proc, enum view_cost cost)
{
	if (v->live->look)
		v->live->look(v->live->ctx, proc,
			      cost == VIEW_QUICK ? PATIENCE_QUICK_NS : PATIENCE_NS);
}

void view_await(const struct view *v, unsigned proc)
{
	if (v->live->await)
		v->live->await(v->live->ctx, proc, PATIENCE_FIRST_NS);
}

bool view_probes(const struct view *v, unsigned proc, struct live_probes *ret)
{
	if (!v->live->probes)
		return false;
	v->live->probes(v->live->ctx, proc, ret);
	return true;
}

bool view_probes_always(const struct view *v, unsigned proc)
{
	struct live_probes p;

	return !view_probes(v, proc, &p) || (!p.off && !p.off_ns);
}

void view_probes_word(const struct view *v, bool with_age, struct buf *out)
{
	struct live_probes p;

	if (!view_probes(v, model_proc_root(v->model), &p))
		return;
	buf_adds(out, probe_levels[p.level].name);
	if (p.off)
		buf_adds(out, ", off");
	if (!with_age)
		return;
	buf_adds(out, " for ");
	emit_duration(out, view_since(monotonic_ns(), p.off ? p.since_ns : p.level_since_ns));
}

void view_no_probe(const struct view *v, unsigned proc, uint64_t at, struct buf *out)
{
	struct recording rec;
	struct live_probes p;

	if (view_probes(v, proc, &p)) {
		if (p.off && p.since_ns <= at)
			buf_addf(out, "no probe for events is attached, %s: there are no events",
				 p.why);
		return;
	}
	view_recording(v, &rec);
	if (!v->replay || !rec.probes_off_ns)
		return;
	buf_adds(out, "no probe was attached for ");
	emit_duration(out, rec.probes_off_ns);
	buf_adds(out, " of the recording: of that time there are no events");
}

bool view_unread(const struct view *v, unsigned proc)
{
	struct live_probes p;
	struct proc_info info;

	if (model_awaits(v->model, proc))
		return true;
	return view_probes(v, proc, &p) && p.off && !p.as_of_ns &&
	       !model_proc(v->model, proc, &info) && info.state == PROC_RUNNING;
}

void view_emit_live(struct emit *e, const struct view *v, unsigned proc,
		    const struct model_totals *t)
{
	bool known = !view_unread(v, proc);
	char key[40];

	view_emit_known(e, "goroutines_live", known, t->live_total);
	for (unsigned i = 0; i < view_n_states; i++) {
		snprintf(key, sizeof(key), "goroutines_%s", gstate_name(view_states[i]));
		view_emit_known(e, key, known, t->live[view_states[i]]);
	}
	view_emit_known(e, "goroutines_state_unknown", known, t->live_unknown);
}

/* As health and the mount's README say it. */
void view_probes_line(const struct view *v, unsigned proc, const struct live_probes *p,
		      struct buf *out)
{
	struct proc_info info;
	uint64_t now = view_now(v, proc); /* of one that has ended: its end */

	if (!p->off) {
		buf_adds(out, "events, exact in time");
		if (view_unread(v, proc))
			buf_adds(out, " of those that are known: " VIEW_UNREAD);
		return;
	}
	buf_addf(out, "%s: no probe for events is attached, %s; ",
		 p->paused ? "nobody, nor is memory read" : "memory", p->why);
	if (!p->as_of_ns) {
		buf_adds(out, "not read yet");
		return;
	}
	buf_adds(out, "as of ");
	/* Until then events have told, where memory was read before that. */
	emit_duration(out,
		      view_since(now, p->paused ? MAX(p->as_of_ns, p->since_ns) : p->as_of_ns));
	buf_adds(out, !model_proc(v->model, proc, &info) && info.state == PROC_EXITED
			      ? " before it ended"
			      : " ago");
	if (!p->paused)
		buf_adds(out, ", nothing is known of the time between two readings");
}

void view_emit_probes(struct emit *e, const struct view *v, unsigned proc)
{
	cleanup_buf_ struct buf line = BUF_INIT;
	struct live_probes p;

	if (!view_probes(v, proc, &p))
		return;
	view_probes_line(v, proc, &p, &line);
	emit_string(e, "probes_level", probe_levels[p.level].name);
	emit_u64(e, "probes_level_since_unix_ns", view_unix(v, p.level_since_ns));
	emit_yes(e, "probes_in", !p.off);
	emit_u64(e, "probes_since_unix_ns", view_unix(v, p.since_ns));
	emit_u64(e, "probes_switched", p.switched);
	emit_u64(e, "probes_off_ns", p.off_ns);
	emit_u64(e, "event_readers", p.readers);
	if (p.off && p.goids_most) {
		emit_u64(e, "goids_given_least", p.goids_least);
		emit_u64(e, "goids_given_most", p.goids_most);
	} else {
		emit_none(e, "goids_given_least");
		emit_none(e, "goids_given_most");
	}
	emit_string(e, "goroutines_as", line.data ? line.data : "");
	if (p.off && p.as_of_ns)
		emit_u64(e, "memory_as_of_unix_ns", view_unix(v, p.as_of_ns));
	else
		emit_none(e, "memory_as_of_unix_ns");
}

void view_noted(const struct view *v, struct recording_noted *ret)
{
	struct live_probes now;
	struct recording rec;

	*ret = (struct recording_noted){.audit.state = AUDIT_NONE};
	if (v->live->probes) {
		v->live->probes(v->live->ctx, VIEW_ALL_PROCS, &now);
		snprintf(ret->probes, sizeof(ret->probes), "%s", probe_levels[now.level].name);
		ret->off_ns = now.off_ns;
		ret->switched = now.switched;
		view_sample(v, ret->sample, sizeof(ret->sample));
	}
	view_audit_kept(v, &ret->audit);
	if (!v->replay)
		return;
	view_recording(v, &rec);
	snprintf(ret->sample, sizeof(ret->sample), "%s", rec.sample);
	ret->audit = rec.audit;
}
