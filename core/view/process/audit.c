/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the audit found (core/model/audit.h): the figures of events beside those of memory, what
 * differs, and what that means. The verdict's line is also health's. Any thread.
 */
#include <stdio.h>
#include <string.h>

#include "core/view/process/process.h"
#include "core/view/view_internal.h"

#define LLU(n) ((unsigned long long)(n))

static const char *const meanings[AUDIT_KINDS] = {
	[AUDIT_CREATION] =
		"creation: goroutines are there that no event told of: a way to start them passes "
		"the probes, or probes are gone; counts of goroutines are too low",
	[AUDIT_EXIT] = "exit: goroutines ended and no event told of it: until a reading found "
		       "that out they were shown as living",
	[AUDIT_ALIVE] = "alive: events told that goroutines ended which are still there: they are "
			"missing in the list",
	[AUDIT_STATE] = "state: goroutines changed their state and no event told of it: times in "
			"states, waits and latencies miss that",
	[AUDIT_MISSED] = "missed: the runtime numbered more goroutines than creations were seen: "
			 "the others came and went unseen, or came and are shown without their "
			 "beginning",
	[AUDIT_INVENTED] = "invented: more creations were told of than the runtime numbered "
			   "goroutines: some of those shown never were",
};

void view_audit_of(const struct view *v, unsigned proc, struct audit *ret)
{
	struct recording rec;

	*ret = (struct audit){.state = AUDIT_NONE};
	if (v->live->audit) {
		v->live->audit(v->live->ctx, proc, ret);
		return;
	}
	view_recording(v, &rec);
	ret->state = rec.audit.state;
	ret->comparisons = rec.audit.comparisons;
	memcpy(ret->total, rec.audit.found, sizeof(ret->total));
}

/* "3 creation, 1 exit" */
static void add_kinds(const uint64_t counts[AUDIT_KINDS], struct buf *out)
{
	const char *between = "";

	for (unsigned i = 0; i < AUDIT_KINDS; i++) {
		if (!counts[i])
			continue;
		buf_addf(out, "%s%llu %s", between, LLU(counts[i]), audit_kind_name(i));
		between = ", ";
	}
}

void view_audit_line(const struct audit *a, struct buf *out)
{
	buf_adds(out, audit_state_name(a->state));
	switch (a->state) {
	case AUDIT_AGREES:
		buf_adds(out, audit_total(a) ? ": events and memory tell the same again"
					     : ": events and memory tell the same");
		break;
	case AUDIT_DIFFERS:
		buf_adds(out, ": events do not tell all that happens");
		break;
	case AUDIT_WAITING:
		buf_adds(out, ": the first comparison with the program's memory is under way");
		break;
	case AUDIT_NONE:
		buf_adds(out, a->why[0] ? ": " : ": not recorded");
		break;
	case AUDIT_FINISHED:
		buf_adds(out, audit_total(a) ? "" : ": events and memory told the same to the end");
		break;
	default:
		buf_adds(out, ": ");
	}
	buf_adds(out, a->why);
	if (audit_total(a)) {
		buf_adds(out, "; found since the begin, and corrected where memory could tell: ");
		add_kinds(a->total, out);
	}
}

/* The worst first. */
static unsigned rank(enum audit_state state)
{
	static const unsigned char ranks[AUDIT_STATES] = {
		[AUDIT_BLIND] = 7,  [AUDIT_DIFFERS] = 6, [AUDIT_BEHIND] = 5,   [AUDIT_OFF] = 4,
		[AUDIT_AGREES] = 3, [AUDIT_WAITING] = 2, [AUDIT_FINISHED] = 1,
	};

	return ranks[state];
}

void view_audit_kept(const struct view *v, struct audit_kept *ret)
{
	*ret = (struct audit_kept){.state = AUDIT_NONE};
	for (unsigned proc = 0; proc < model_procs(v->model); proc++) {
		struct audit a;

		view_audit_of(v, proc, &a);
		ret->comparisons += a.comparisons;
		for (unsigned kind = 0; kind < AUDIT_KINDS; kind++)
			ret->found[kind] += a.total[kind];
		if (rank(a.state) > rank(ret->state))
			ret->state = a.state;
	}
}

void view_audit_word(const struct view *v, struct buf *out)
{
	struct audit_kept kept;
	uint64_t found = 0;

	view_audit_kept(v, &kept);
	for (unsigned kind = 0; kind < AUDIT_KINDS; kind++)
		found += kept.found[kind];
	if (found)
		buf_addf(out, "%llu difference%s", LLU(found), found == 1 ? "" : "s");
	if (!found || kept.state != AUDIT_AGREES)
		buf_addf(out, "%s%s", found ? ", " : "", audit_state_name(kept.state));
}

static void emit_when(struct emit *e, const struct view *v, const struct audit *a)
{
	emit_u64(e, "comparisons", a->comparisons);
	if (a->compared_ns) {
		emit_u64(e, "compared_unix_ns", view_unix(v, a->compared_ns));
		emit_u64(e, "comparison_took_ns", a->took_ns);
	} else {
		emit_none(e, "compared_unix_ns");
		emit_none(e, "comparison_took_ns");
	}
	emit_yes(e, "compares_states", a->states);
	emit_yes(e, "compares_creations", a->creations);
	emit_yes(e, "compares_exits", a->exits);
	emit_yes(e, "compares_numbers", a->numbers);
	if (a->no_numbers[0])
		emit_string(e, "numbers_not_compared", a->no_numbers);
	else
		emit_none(e, "numbers_not_compared");
	emit_string(e, "allocations_not_compared",
		    "the runtime counts every allocation, the probes only what new and make ask "
		    "for: its counts cannot prove them right or wrong");
}

static void emit_goroutines(struct emit *e, const struct audit *a)
{
	char key[48];

	emit_u64(e, "goroutines_in_memory", a->in_memory);
	emit_u64(e, "goroutines_by_events", a->in_model);
	emit_u64(e, "goroutines_agree", a->agree);
	emit_u64(e, "goroutines_changed_meanwhile", a->moved);
	emit_u64(e, "goroutines_state_unknown", a->unknown);
	emit_u64(e, "goroutines_beyond_probes", a->unseen);
	emit_u64(e, "goroutines_unconfirmed", a->unconfirmed);
	for (unsigned i = 0; i < view_n_states; i++) {
		const char *state = gstate_name(view_states[i]);

		snprintf(key, sizeof(key), "%s_in_memory", state);
		emit_u64(e, key, a->memory_states[view_states[i]]);
		snprintf(key, sizeof(key), "%s_by_events", state);
		emit_u64(e, key, a->model_states[view_states[i]]);
	}
	emit_u64(e, "numbers_given", a->given);
	emit_u64(e, "creations_by_events", a->created);
	emit_u64(e, "creations_maybe_lost", a->maybe_lost);
}

static void emit_examples(struct emit *e, const struct view *v, const struct audit *a)
{
	emit_list_begin(e, "difference");
	for (unsigned i = 0; i < a->n_examples; i++) {
		const struct audit_example *x = &a->examples[i];
		char text[200];

		snprintf(text, sizeof(text),
			 "goroutine %llu %s: %s by events, %s in memory, first met at %llu",
			 LLU(x->goid), audit_kind_name(x->kind),
			 x->events == GSTATE_DEAD ? "not there" : view_state_name(x->events),
			 x->memory == GSTATE_DEAD ? "not there" : view_state_name(x->memory),
			 LLU(view_unix(v, x->since_ns)));
		emit_list_item(e, "difference", text);
	}
	emit_list_end(e);
}

static void emit_meaning(struct emit *e, const struct audit *a)
{
	emit_list_begin(e, "meaning");
	for (unsigned i = 0; i < AUDIT_KINDS; i++) {
		if (a->total[i])
			emit_list_item(e, "meaning", meanings[i]);
	}
	if (audit_total(a))
		emit_list_item(e, "meaning",
			       "what to do: stacks and what is in memory now can be relied on, "
			       "counts and times since the first difference cannot. When it goes "
			       "on, start xgotopfs anew: that puts every probe in again; when it "
			       "then comes back, this program has a way past them: please report "
			       "it, with its Go version and how it was built");
	emit_list_end(e);
}

static void emit_differences(struct emit *e, const struct view *v, const struct audit *a)
{
	uint64_t now = 0;
	char key[48];

	for (unsigned i = 0; i < AUDIT_KINDS; i++)
		now += a->now[i];
	emit_u64(e, "differences_now", now);
	emit_u64(e, "differences_total", audit_total(a));
	for (unsigned i = 0; i < AUDIT_KINDS; i++) {
		snprintf(key, sizeof(key), "differences_%s", audit_kind_name(i));
		emit_u64(e, key, a->total[i]);
	}
	if (a->first_ns)
		emit_u64(e, "first_difference_unix_ns", view_unix(v, a->first_ns));
	else
		emit_none(e, "first_difference_unix_ns");
}

int view_audit(const struct view *v, struct view_query *q, struct buf *out)
{
	cleanup_buf_ struct buf line = BUF_INIT;
	struct proc_info info;
	struct audit a;
	struct emit e;
	int err = model_proc(v->model, q->proc, &info);

	if (err)
		return err;
	view_audit_of(v, q->proc, &a);
	view_audit_line(&a, &line);
	emit_begin(&e, q->form, out);
	emit_string(&e, "audit", line.data ? line.data : "");
	emit_string(&e, "state", audit_state_name(a.state));
	emit_differences(&e, v, &a);
	emit_meaning(&e, &a);
	emit_examples(&e, v, &a);
	if (a.compared_ns || v->live->audit) {
		emit_when(&e, v, &a);
		emit_goroutines(&e, &a);
	} else {
		emit_u64(&e, "comparisons", a.comparisons);
	}
	return emit_end(&e);
}
