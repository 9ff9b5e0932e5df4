/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Why a goroutine waited, from its wait to the root, as text and JSON. Any thread. */
#include "core/base/json.h"
#include "core/base/util.h"
#include "core/view/view_internal.h"
#include "core/view/waits/blame.h"

#define WAITERS_TEXT 100

static const char *string_of(const struct view *v, uint32_t id)
{
	return names_string(model_names(v->model), id);
}

/* What the root says. */
static const char *root_text(enum blame_root root)
{
	static const char *const texts[BLAME_ROOTS] = {
		[BLAME_RAN] = "it ran most of that time",
		[BLAME_RUNNABLE] = "it waited for a processor most of that time: ran_instead",
		[BLAME_SYSCALL] = "it was in a system call most of that time",
		[BLAME_TIMER] = "it slept: time ends that",
		[BLAME_IO] =
			"it waited for input or output: the other end, or the kernel, ends that",
		[BLAME_RUNTIME] = "the runtime ended the wait, on no goroutine's behalf",
		[BLAME_NOBODY] = "it waits, and nobody is known who may end that",
		[BLAME_CIRCLE] = "it waits for one who waits for it: a circle",
		[BLAME_UNKNOWN] = "what it did then is not known",
		[BLAME_CUT] = "the chain goes on",
	};

	return texts[root];
}

static bool is_estimate(const struct blame *b)
{
	for (unsigned i = 0; i < b->n; i++) {
		if (b->hops[i].by == BLAME_HOLDS)
			return true;
	}
	return false;
}

/* --- JSON --------------------------------------------------------------------------------------
 */

static void json_hop(const struct view *v, const struct blame_hop *hop, struct buf *out)
{
	json_ku(out, "goid", hop->goid);
	json_ks(out, "function", string_of(v, hop->func_id));
	json_ks(out, "by", blame_by_word(hop->by));
	json_kb(out, "fact", hop->by != BLAME_HOLDS);
	if (hop->by == BLAME_HOLDS)
		json_ks(out, "evidence", hop->evidence);
	if (hop->at_ns)
		json_ku(out, "at", hop->at_ns);
	json_ku(out, "from", hop->from);
	json_ku(out, "to", hop->to);
	json_ku(out, "running_ns", hop->ns[GSTATE_RUNNING]);
	json_ku(out, "runnable_ns", hop->ns[GSTATE_RUNNABLE]);
	json_ku(out, "syscall_ns", hop->ns[GSTATE_SYSCALL]);
	json_ku(out, "waiting_ns", hop->ns[GSTATE_WAITING] + hop->ns[GSTATE_LEAKED]);
	json_ku(out, "unknown_ns", hop->ns[GSTATES]);
	json_ku(out, "not_made_yet_ns", hop->absent_ns);
	json_key(out, "wait");
	if (!hop->waited) {
		buf_adds(out, "null");
		return;
	}
	buf_addc(out, '{');
	json_ku(out, "begin", hop->wait.begin);
	json_ku(out, "end", hop->wait.end);
	json_ks(out, "reason", string_of(v, hop->wait.reason_id));
	buf_addc(out, '}');
}

static int as_json(const struct view *v, const struct chosen_stay *stay, const struct blame *b,
		   struct buf *out)
{
	buf_addc(out, '{');
	json_ku(out, "goid", stay->g.goid);
	chosen_stay_json(v, stay, out);
	json_key(out, "chain");
	buf_addc(out, '[');
	for (unsigned i = 0; i < b->n; i++) {
		buf_adds(out, i ? ",{" : "{");
		json_hop(v, &b->hops[i], out);
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
	json_ks(out, "root", blame_root_word(b->root));
	json_ks(out, "root_text", root_text(b->root));
	json_kb(out, "estimate", is_estimate(b));
	json_ks(out, "waiters_by", b->same_object ? "object" : "woken");
	json_kb(out, "waiters_cut", b->waiters_cut);
	json_key(out, "waiters");
	buf_addc(out, '[');
	for (size_t i = 0; i < b->n_waiters; i++) {
		buf_adds(out, i ? ",{" : "{");
		json_ku(out, "goid", b->waiters[i].goid);
		json_ku(out, "begin", b->waiters[i].begin);
		json_ku(out, "end", b->waiters[i].end);
		buf_addc(out, '}');
	}
	buf_adds(out, "]}\n");
	return buf_error(out);
}

/* --- text --------------------------------------------------------------------------------------
 */

static void text_times(const struct blame_hop *hop, struct buf *out)
{
	const struct {
		const char *word;
		uint64_t ns;
	} parts[] = {
		{"waited", hop->ns[GSTATE_WAITING] + hop->ns[GSTATE_LEAKED]},
		{"ran", hop->ns[GSTATE_RUNNING]},
		{"waited for a processor", hop->ns[GSTATE_RUNNABLE]},
		{"in system calls", hop->ns[GSTATE_SYSCALL]},
		{"was not made yet", hop->absent_ns},
		{"not known", hop->ns[GSTATES]},
	};
	const char *before = " ";

	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++) {
		if (!parts[i].ns)
			continue;
		buf_addf(out, "%s%s ", before, parts[i].word);
		emit_duration(out, parts[i].ns);
		before = ", ";
	}
}

static void text_hop(const struct view *v, const struct blame_hop *hop, struct buf *out)
{
	const char *function = string_of(v, hop->func_id);

	if (hop->by == BLAME_WOKE || hop->by == BLAME_MADE) {
		buf_addf(out, "%s by ", hop->by == BLAME_WOKE ? "woken" : "made");
	} else if (hop->by == BLAME_HOLDS) {
		buf_adds(out, hop->likely ? "likely held by " : "possibly held by ");
	}
	buf_addf(out, "%llu", (unsigned long long)hop->goid);
	if (*function)
		buf_addf(out, " %s", function);
	if (hop->by == BLAME_HOLDS)
		buf_addf(out, " (an estimate: %s)", hop->evidence);
	buf_adds(out, ": in ");
	emit_duration(out, view_since(hop->to, hop->from));
	text_times(hop, out);
	if (hop->waited) {
		const char *reason = string_of(v, hop->wait.reason_id);

		buf_adds(out, "; longest ");
		emit_duration(out, view_since(hop->wait.end ? MIN(hop->wait.end, hop->to) : hop->to,
					      MAX(hop->wait.begin, hop->from)));
		buf_addf(out, " for \"%s\"", *reason ? reason : "?");
	}
	buf_addc(out, '\n');
}

static int as_text(const struct view *v, const struct chosen_stay *stay, const struct blame *b,
		   struct buf *out)
{
	chosen_stay_text(v, stay, out);
	buf_addc(out, '\n');
	for (unsigned i = 0; i < b->n; i++)
		text_hop(v, &b->hops[i], out);
	buf_addf(out, "root %s: %s\n\n", blame_root_word(b->root), root_text(b->root));
	buf_addf(out, "waited_for_this %zu%s\n", b->n_waiters, b->waiters_cut ? "+" : "");
	if (b->n_waiters)
		buf_adds(out, "goid\tbegin_unix_ns\twaited_ns\n");
	for (size_t i = 0; i < MIN(b->n_waiters, (size_t)WAITERS_TEXT); i++) {
		const struct blame_waiter *w = &b->waiters[i];

		buf_addf(out, "%llu\t%llu\t%llu\n", (unsigned long long)w->goid,
			 (unsigned long long)view_unix(v, w->begin),
			 (unsigned long long)view_since(w->end ? w->end : stay->now, w->begin));
	}
	if (b->n_waiters > WAITERS_TEXT)
		buf_addf(out, "... cut: %zu more\n", b->n_waiters - WAITERS_TEXT);
	return buf_error(out);
}

int view_blame(const struct view *v, struct view_query *q, struct buf *out)
{
	cleanup_free_ struct blame *b = calloc(1, sizeof(*b));
	struct chosen_stay stay;
	int err = b ? chosen_stay_read(v, q, CHOOSE_BLOCKED, &stay) : -ENOMEM;

	if (err)
		return err;
	if (!stay.found)
		return chosen_stay_none(v, q, &stay, out);
	err = blame_walk(v, q->proc, &stay, b);
	if (!err)
		err = q->form == VIEW_JSON ? as_json(v, &stay, b, out) : as_text(v, &stay, b, out);
	blame_free(b);
	return err;
}
