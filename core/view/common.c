/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the views share. Any thread. */
#include "core/base/json.h"
#include "core/view/view_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "core/view/words.h"

const uint8_t view_states[] = {GSTATE_RUNNING, GSTATE_RUNNABLE,  GSTATE_WAITING,
			       GSTATE_SYSCALL, GSTATE_PREEMPTED, GSTATE_LEAKED};
const unsigned view_n_states = ARRAY_SIZE(view_states);

/* The last event's time; of a recording that was read to its end, until when nothing came after
 * that. Where there is none, as in an empty or torn session, the present is where what is known
 * begins: it must not be before that. */
static uint64_t last_event(const struct view *v)
{
	struct model_totals totals;
	struct proc_info info;
	struct recording rec;
	uint64_t begun = 0;

	model_totals(v->model, -1, &totals);
	if (!v->replay)
		return totals.last_event_ns;
	view_recording(v, &rec);
	if (rec.until_ns || totals.last_event_ns)
		return MAX(rec.until_ns, totals.last_event_ns);
	/* Nor before goroutines were found in memory: they would be of times to come. */
	for (unsigned proc = 0; !model_proc(v->model, proc, &info); proc++) {
		totals = (struct model_totals){.first_read_ns = 0};
		model_totals(v->model, (int)proc, &totals);
		begun = MAX(begun, MAX(info.attached_ns, totals.first_read_ns));
	}
	return begun;
}

uint64_t view_now(const struct view *v, unsigned proc)
{
	struct proc_info info;
	uint64_t now;

	if (v->replay || (proc == VIEW_ALL_PROCS && feed_closed(model_feed(v->model)))) {
		now = last_event(v);
	} else {
		now = monotonic_ns();
	}
	/* One that ended stays as it was then. */
	if (model_proc(v->model, proc, &info) == 0 && info.state == PROC_EXITED)
		now = v->replay ? MIN(now, info.exited_ns) : info.exited_ns;
	return now;
}

int view_exit_status(const struct proc_info *info)
{
	return info->status_known && WIFEXITED(info->status) ? WEXITSTATUS(info->status) : -1;
}

int view_exit_signal(const struct proc_info *info)
{
	return info->status_known && WIFSIGNALED(info->status) ? WTERMSIG(info->status) : -1;
}

void view_ended_as(const struct proc_info *info, struct buf *out)
{
	int status = view_exit_status(info), signo = view_exit_signal(info);
	const char *name = signo > 0 ? sigabbrev_np(signo) : NULL;

	if (status >= 0)
		buf_addf(out, " with exit status %d", status);
	else if (signo > 0)
		buf_addf(out, ", killed by signal %d%s%s%s", signo, name ? " (SIG" : "",
			 name ? name : "", name ? ")" : "");
}

uint64_t view_unix(const struct view *v, uint64_t monotonic)
{
	return unix_ns(monotonic, model_wall_offset(v->model));
}

unsigned view_state(const struct goroutine *g)
{
	if (g->flags & GOROUTINE_EXITED)
		return GSTATE_DEAD;
	return g->flags & GOROUTINE_STATE_UNKNOWN ? GSTATES : g->state;
}

const char *view_state_name(unsigned state)
{
	const char *name = state == GSTATES ? STATE_UNKNOWN_WORD : gstate_name(state);

	return name ? name : "";
}

int view_state_parse(const char *word)
{
	for (unsigned state = 0; state <= GSTATES; state++) {
		if (!strcmp(word, view_state_name(state)))
			return (int)state;
	}
	return strcmp(word, STATE_DEAD_ALIAS) ? -EINVAL : GSTATE_DEAD;
}

uint64_t view_state_ns(const struct goroutine *g, unsigned state, uint64_t now)
{
	bool open = view_state(g) == state && !(g->flags & (GOROUTINE_EXITED | GOROUTINE_GAP));

	if (state >= GSTATES)
		return 0;
	return sum_u64(g->state_ns[state], open ? view_since(now, g->state_since_ns) : 0);
}

uint64_t view_age_ns(const struct goroutine *g, uint64_t now)
{
	uint64_t since = g->created_ns;

	/* It was there when it began to wait. */
	if (g->flags & GOROUTINE_FOUND)
		since = MIN(since, goroutine_began(g));
	return view_since(g->flags & GOROUTINE_EXITED ? g->exited_ns : now, since);
}

void view_note_dropped(uint64_t dropped, const char *what, struct buf *out)
{
	if (dropped)
		buf_addf(out, "... %llu exited goroutines are no longer kept: %s\n",
			 (unsigned long long)dropped, what);
}

uint64_t view_events_of(const struct goroutine *g)
{
	return event_counts_sum(g->counts);
}

void view_site(const struct view *v, uint32_t site_id, struct buf *out)
{
	const struct names *names = model_names(v->model);
	const struct site *site = names_site(names, site_id);
	const char *func = names_string(names, site->func_id);

	buf_adds(out, func);
	if (*func && site->line) {
		buf_addc(out, ':');
		buf_addu(out, site->line);
	}
}

void view_site_file(const struct names *names, uint32_t site_id, struct buf *out)
{
	const struct site *site = names_site(names, site_id);
	const char *file = names_string(names, site->file_id);

	buf_adds(out, names_string(names, site->func_id));
	if (*file)
		buf_addf(out, " (%s:%u)", file, site->line);
}

bool view_rates(const struct view *v, uint32_t ret[RATES])
{
	if (!v->control->get_rates)
		return false;
	v->control->get_rates(v->control->ctx, ret);
	for (unsigned type = 0; type < RATES; type++) {
		if (ret[type] < RATE_ONE)
			return true;
	}
	return false;
}

void view_emit_rates(struct emit *e, const struct view *v)
{
	uint32_t rates[RATES];

	if (!view_rates(v, rates))
		return;
	for (unsigned type = 0; type < RATES; type++) {
		char key[32];

		if (rates[type] >= RATE_ONE)
			continue;
		snprintf(key, sizeof(key), "sample_%s",
			 type == RATE_GOROUTINES ? "goroutines" : event_type_name(type));
		emit_double(e, key, (double)rates[type] / RATE_ONE, 4);
	}
}

void view_emit_known(struct emit *e, const char *key, bool known, uint64_t value)
{
	if (known)
		emit_u64(e, key, value);
	else
		emit_unknown(e, key);
}

void view_emit_price(struct emit *e, const char *key, uint64_t ns)
{
	view_emit_known(e, key, ns, ns);
}

void view_emit_mean(struct emit *e, const char *key, uint64_t sum, uint64_t count)
{
	if (count)
		emit_u64(e, key, sum / count);
	else
		emit_none(e, key);
}

void view_json_text(const char *key, const char *value, struct buf *out)
{
	json_key(out, key);
	if (value && *value)
		json_str(out, value);
	else
		buf_adds(out, "null");
}

void view_json_by_type(const char *key, const uint64_t counts[EVENT_TYPES], struct buf *out)
{
	json_key(out, key);
	buf_addc(out, '{');
	for (unsigned i = 0; i < EVENT_TYPES; i++)
		json_ku(out, event_type_name(i), counts[i]);
	buf_addc(out, '}');
}
