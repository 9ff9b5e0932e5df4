/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of conditions: see conditions.h. */
#include "core/view/conditions.h"

#include <errno.h>
#include <string.h>

#include "core/base/duration.h"
#include "core/base/parse.h"
#include "core/base/text.h"
#include "core/memory/leak_report.h"
#include "core/view/family.h"
#include "core/view/view_internal.h"

#define NS_PER_MS 1000000u

static int parse_count(const char *text, uint64_t *ret)
{
	return parse_u64_name(text, ret);
}

/* Whole milliseconds. */
static int parse_duration(const char *text, uint64_t *ret)
{
	uint64_t ns;
	int err = duration_parse(text, &ns);

	if (err || ns % NS_PER_MS)
		return -ENOENT;
	*ret = ns / NS_PER_MS;
	return 0;
}

static int goroutines_gt(const struct view *v, unsigned proc, uint64_t number, struct buf *out)
{
	struct model_totals totals;

	model_totals(v->model, (int)proc, &totals);
	if (totals.live_total <= number)
		return 0;
	buf_addf(out, "goroutines=%llu\n", (unsigned long long)totals.live_total);
	return 1;
}

/* Blocked is who waits for another goroutine: not for the network, for time, or for nobody (select
 * without cases), nor what belongs to the runtime. */
static bool is_blocked(const struct view *v, const struct goroutine *g)
{
	static const char *const others[] = {"", "IO wait", "sleep", "select (no cases)"};
	const char *reason = names_string(view_names(v), view_reason_id(g));

	if (g->flags & (GOROUTINE_SYSTEM | GOROUTINE_EXITED) || !gstate_waits(view_state(g)))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (!reason || !strcmp(reason, others[i]))
			return false;
	return true;
}

static void add_quoted(struct buf *out, const char *text)
{
	buf_addc(out, '"');
	text_add(out, text, strlen(text), TEXT_QUOTED);
	buf_addc(out, '"');
}

static int blocked_gt(const struct view *v, unsigned proc, uint64_t number, struct buf *out)
{
	struct model_pass *pass cleanup_pass_ = NULL;
	uint64_t now = view_now(v, proc), longest_ns = number * NS_PER_MS;
	struct goroutine oldest = {0};
	const struct goroutine *g;
	int err = model_pass_new(v->model, proc, &(struct model_which){0}, &pass);

	while (!err && (g = model_pass_next(pass))) {
		uint64_t ns = view_since(now, goroutine_began(g));

		if (ns <= longest_ns || !is_blocked(v, g))
			continue;
		longest_ns = ns;
		oldest = *g;
	}
	if (err || !oldest.goid)
		return err;
	buf_addf(out, "blocked_ns=%llu goid=%llu function=", (unsigned long long)longest_ns,
		 (unsigned long long)oldest.goid);
	add_quoted(out, names_string(view_names(v), oldest.start_func_id));
	buf_adds(out, " reason=");
	add_quoted(out, names_string(view_names(v), view_reason_id(&oldest)));
	buf_addc(out, '\n');
	return 1;
}

/* No number. */
static int parse_nothing(const char *text, uint64_t *ret)
{
	*ret = 0;
	return *text ? -ENOENT : 0;
}

/* Proven, the group that keeps most waiting. */
static int leaked(const struct view *v, unsigned proc, uint64_t number, struct buf *out)
{
	struct leak_report *report;
	struct goroutine g;
	uint64_t goid;
	int err = v->live->leaks_known ? v->live->leaks_known(v->live->ctx, proc, &report) : 0;

	(void)number;
	if (err || !v->live->leaks_known)
		return err == -EAGAIN ? 0 : err;
	for (size_t i = 0; i < report->groups.n; i++) {
		const struct leak_group *group = &report->groups.groups[i];

		if (!group->proven)
			continue;
		goid = report->graph->goroutines[report->groups.members[group->first].goroutine]
			       .goid;
		if (model_goroutine(v->model, proc, goid, &g))
			g = (struct goroutine){.goid = goid};
		buf_addf(out, "leaked=%zu goid=%llu kind=%s function=", leak_report_leaked(report),
			 (unsigned long long)goid, leak_kind_name(group->kind));
		add_quoted(out, names_string(view_names(v), g.start_func_id));
		buf_addc(out, '\n');
		break;
	}
	v->live->leaks_put(v->live->ctx, report);
	return out->len > 0;
}

static const struct {
	const char *prefix;
	int (*parse)(const char *text, uint64_t *ret);
	int (*holds)(const struct view *v, unsigned proc, uint64_t number, struct buf *out);
} rows[] = {
	{"goroutines_gt_", parse_count, goroutines_gt},
	{"blocked_gt_", parse_duration, blocked_gt},
	{"leaked", parse_nothing, leaked},
};

_Static_assert(ARRAY_SIZE(rows) <= VIEW_CONDITIONS_MAX, "a row fits its bits");

int view_condition_named(const char *name, struct view_condition *ret)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = strlen(rows[i].prefix);
		uint64_t number;

		if (strncmp(name, rows[i].prefix, len))
			continue;
		if (rows[i].parse(name + len, &number) || number >> VIEW_CONDITION_BITS)
			return -ENOENT;
		*ret = (struct view_condition){i, number};
		return 0;
	}
	return -ENOENT;
}

int view_condition_holds(const struct view *v, unsigned proc, const struct view_condition *c,
			 struct buf *out)
{
	int holds;

	if (c->row >= ARRAY_SIZE(rows))
		return -ENOENT;
	holds = rows[c->row].holds(v, proc, c->number, out);
	return buf_error(out) ? buf_error(out) : holds;
}
