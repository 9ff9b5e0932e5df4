/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The arguments of a query (query.h). */
#include "core/view/query.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/parse.h"
#include "core/base/text.h"

int view_refuse(struct view_query *q, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(q->why, sizeof(q->why), fmt, ap);
	va_end(ap);
	return err;
}

const char *view_arg_text(const struct view_query *q, const char *name)
{
	return q->arg ? q->arg(q->arg_ctx, name) : NULL;
}

int view_arg_u64(struct view_query *q, const char *name, uint64_t min, uint64_t max,
		 uint64_t absent, uint64_t *ret)
{
	const char *text = view_arg_text(q, name);

	*ret = absent;
	if (!text || !*text)
		return 0;
	if (!parse_u64_in(text, min, max, ret))
		return 0;
	return view_refuse(q, -EINVAL, "%s: a number from %llu to %llu is expected, not \"%.40s\"",
			   name, (unsigned long long)min, (unsigned long long)max, text);
}

int view_arg_word(struct view_query *q, const char *name, const char *const words[], unsigned *ret)
{
	const char *text = view_arg_text(q, name);
	char all[128] = "";

	if (!text || !*text)
		return 0;
	for (unsigned i = 0; words[i]; i++) {
		if (!strcmp(text, words[i])) {
			*ret = i;
			return 0;
		}
		text_list(all, sizeof(all), words[i]);
	}
	return view_refuse(q, -EINVAL, "%s: one of %s is expected, not \"%.40s\"", name, all, text);
}

bool view_arg_yes(const struct view_query *q, const char *name)
{
	const char *text = view_arg_text(q, name);

	return text && strcmp(text, "0") && strcmp(text, "false");
}

int view_arg_proc(const struct view *v, struct view_query *q, bool all)
{
	const char *text = view_arg_text(q, "proc");
	uint64_t proc;
	int err;

	if (all && (!text || !*text)) {
		q->proc = VIEW_ALL_PROCS;
		return 0;
	}
	err = view_arg_u64(q, "proc", 0, MODEL_PROCS_MAX - 1, model_proc_root(v->model), &proc);
	if (err)
		return err;
	q->proc = (unsigned)proc;
	/* Before the first one is there, its files are, too. */
	if (proc && proc >= model_procs(v->model))
		return view_refuse(q, -ENOENT, "no process %u", q->proc);
	return 0;
}

int view_arg_form(struct view_query *q, unsigned forms)
{
	static const char *const names[] = {[VIEW_TEXT] = "text", [VIEW_JSON] = "json"};
	bool choice = forms & (forms - 1);
	const char *text = choice ? view_arg_text(q, "format") : NULL;

	if (!text || !*text)
		return 0;
	for (unsigned form = 0; form < ARRAY_SIZE(names); form++) {
		if (!(forms & VIEW_HAS(form)) || strcmp(text, names[form]))
			continue;
		q->form = (enum view_form)form;
		return 0;
	}
	return view_refuse(q, -EINVAL, "format: one of text, json is expected, not \"%.40s\"",
			   text);
}
