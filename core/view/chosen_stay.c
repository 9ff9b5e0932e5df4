/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which of a goroutine's stays a question is about: chosen_stay.h. Any thread. */
#include "core/view/chosen_stay.h"

#include "core/base/json.h"
#include "core/base/util.h"
#include "core/view/probes.h"
#include "core/view/query.h"
#include "core/view/view_internal.h"

struct search {
	struct chosen_stay *ret;
	uint64_t at, longest;
	bool over; /* a recording, or what has ended: it is in none any more */
};

static bool fits(enum choose_stay what, unsigned state)
{
	return what == CHOOSE_RUNNABLE ? state == GSTATE_RUNNABLE : gstate_waits(state);
}

static void look_at(void *ctx, const struct stay *stay)
{
	struct search *s = ctx;
	struct chosen_stay *ret = s->ret;
	uint64_t end = stay->end ? stay->end : MAX(ret->now, stay->begin);

	if (!fits(ret->what, stay->state))
		return;
	/* At the end of one its next begins. */
	if (ret->asked ? s->at < stay->begin || s->at >= MAX(end, stay->begin + 1)
		       : (stay->end || s->over) && end - stay->begin < s->longest)
		return;
	ret->found = true;
	ret->stay = *stay;
	s->longest = end - stay->begin;
}

int chosen_stay_read(const struct view *v, struct view_query *q, enum choose_stay what,
		     struct chosen_stay *ret)
{
	struct search s = {.ret = ret};
	struct window w;
	const char *at = view_arg_text(q, "at");
	int err = view_arg_u64(q, "at", 0, UINT64_MAX, 0, &s.at);

	*ret = (struct chosen_stay){.what = what, .asked = at && *at};
	if (!err)
		err = model_goroutine(v->model, q->proc, q->goid, &ret->g);
	if (err)
		return err;
	window_all(v, q->proc, &w);
	ret->now = w.now;
	err = view_not_to_come(q, "at", s.at, w.now);
	if (err)
		return err;
	ret->at = ret->asked ? s.at : w.now;
	s.over = v->replay || w.end_ns;
	return window_stays(&w, v, &ret->g, look_at, &s);
}

void chosen_stay_json(const struct view *v, const struct chosen_stay *s, struct buf *out)
{
	const struct stay *stay = &s->stay;

	json_key(out, "stay");
	buf_addc(out, '{');
	json_ku(out, "begin", stay->begin);
	json_ku(out, "end", stay->end);
	json_ku(out, "ns", view_since(stay->end ? stay->end : s->now, stay->begin));
	json_kb(out, "begin_known", stay->seen);
	json_ks(out, "state", view_state_name(stay->state));
	json_ks(out, "reason", names_string(model_names(v->model), stay->reason_id));
	json_ku(out, "ended_by", stay->ended_by);
	buf_addc(out, '}');
}

void chosen_stay_text(const struct view *v, const struct chosen_stay *s, struct buf *out)
{
	const struct stay *stay = &s->stay;
	const char *reason = names_string(model_names(v->model), stay->reason_id);

	buf_addf(out, "goid %llu\n", (unsigned long long)s->g.goid);
	buf_addf(out, "state %s\n", view_state_name(stay->state));
	if (*reason)
		buf_addf(out, "wait_reason %s\n", reason);
	buf_addf(out, "begin_unix_ns %llu\n", (unsigned long long)view_unix(v, stay->begin));
	if (stay->end)
		buf_addf(out, "end_unix_ns %llu\n", (unsigned long long)view_unix(v, stay->end));
	else
		buf_adds(out, "end_unix_ns -\n");
	buf_addf(out, "waited_ns %llu\n",
		 (unsigned long long)view_since(stay->end ? stay->end : s->now, stay->begin));
	if (!stay->seen)
		buf_adds(out, "begin_known no\n");
}

int chosen_stay_none(const struct view *v, const struct view_query *q, const struct chosen_stay *s,
		     struct buf *out)
{
	cleanup_buf_ struct buf why = BUF_INIT;
	const char *what = s->what == CHOOSE_RUNNABLE ? "time as runnable" : "wait";

	view_no_probe(v, q->proc, s->at, &why);
	if (q->form == VIEW_JSON) {
		buf_addc(out, '{');
		json_ku(out, "goid", q->goid);
		json_ks(out, "why", why.len ? why.data : "");
		buf_adds(out, ",\"stay\":null}\n");
		return buf_error(out);
	}
	buf_addf(out, "no %s of it is retained%s", what, s->asked ? " at that time" : "");
	if (why.len)
		buf_addf(out, ": %s", why.data);
	buf_addc(out, '\n');
	return buf_error(out);
}
