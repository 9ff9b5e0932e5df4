/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "core/engine/leak_news.h"

#include "core/base/buf.h"
#include "core/base/log.h"

/* Of who is to blame, the first of them. */
static void culprit_of(struct model *model, unsigned proc, const struct leak_report *r,
		       const struct leak_group *group, struct goroutine *ret)
{
	const struct leak_member *m = &r->groups.members[group->first];
	uint64_t goid = r->graph->goroutines[m->goroutine].goid;

	if (model_goroutine(model, proc, goid, ret))
		*ret = (struct goroutine){.goid = goid}; /* number 0 is "" everywhere */
}

static uint64_t key_of(const struct leak_group *group, const struct goroutine *g)
{
	return ((uint64_t)g->start_func_id << 32 | g->created_site_id) * LEAK_KINDS + group->kind;
}

static bool is_told(const struct leak_news *news, uint64_t key)
{
	for (unsigned i = 0; i < news->n; i++)
		if (news->told[i] == key)
			return true;
	return false;
}

static void say(struct model *model, unsigned proc, const struct leak_group *group,
		const struct goroutine *g)
{
	const struct names *names = model_names(model);
	const struct site *site = names_site(names, g->created_site_id);
	const char *func = names_string(names, g->start_func_id);
	const char *file = names_string(names, site->file_id);
	cleanup_buf_ struct buf place = BUF_INIT;
	struct proc_info info;

	if (model_proc(model, proc, &info))
		return;
	if (*file)
		buf_addf(&place, ", made at %s:%u", file, site->line);
	log_warn("process %d: leaked: goroutine %llu %s%s can never go on (%s, %u goroutine%s)",
		 info.pid, (unsigned long long)g->goid, *func ? func : "?",
		 place.data ? place.data : "", leak_kind_name(group->kind), group->n,
		 group->n == 1 ? "" : "s");
}

void leak_news_tell(struct leak_news *news, struct model *model, unsigned proc,
		    const struct leak_report *report)
{
	for (size_t i = 0; i < report->groups.n && news->n < LEAK_NEWS_MAX; i++) {
		const struct leak_group *group = &report->groups.groups[i];
		struct goroutine g;
		uint64_t key;

		if (!group->proven)
			continue;
		culprit_of(model, proc, report, group, &g);
		key = key_of(group, &g);
		if (is_told(news, key))
			continue;
		news->told[news->n++] = key;
		say(model, proc, group, &g);
		if (news->n == LEAK_NEWS_MAX)
			log_warn("leaked: there is more, which is no longer told here");
	}
}
