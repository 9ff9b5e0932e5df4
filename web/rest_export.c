/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A range of time of a source as a session in one file, which -replay opens. */
#include <errno.h>
#include <stdio.h>

#include "core/session/export.h"
#include "core/session/meta.h"
#include "core/view/query.h"
#include "web/rest.h"

static int export_range(struct source *s, struct view_query *q, struct response *rs)
{
	struct recording_noted noted;
	struct export_range range = {.view = view_arg_text(q, "view"), .noted = &noted};
	int err = view_arg_proc(&s->view, q, true);

	if (!err)
		err = view_arg_u64(q, "from", 0, UINT64_MAX, 0, &range.from_ns);
	if (!err)
		err = view_arg_u64(q, "to", 0, UINT64_MAX, UINT64_MAX, &range.to_ns);
	if (err)
		return err;
	if (range.view && !session_view_valid(range.view))
		return view_refuse(
			q, -EINVAL,
			"view: too long, or not what may stand behind the # of an address");
	/* What is recorded ends with its last event. */
	if (!s->view.replay)
		range.now_ns = sum_u64(view_now(&s->view, VIEW_ALL_PROCS), 1);
	view_noted(&s->view, &noted);
	err = session_export(s->view.model, &range, &rs->body);
	return err && range.why[0] ? view_refuse(q, err, "%s", range.why) : err;
}

int rest_export(const struct request *rq, struct response *rs)
{
	struct view_query q = {.arg = rest_argument, .arg_ctx = (void *)rq};
	struct source *s = rest_source(rq, rs);
	int err;

	if (!s)
		return 0;
	err = export_range(s, &q, rs);
	rest_done(rq, s);
	if (err) {
		buf_reset(&rs->body);
		return http_error(rs, http_status(err), "%s", q.why[0] ? q.why : "cannot be made");
	}
	rs->content_type = "application/x-tar";
	snprintf(rs->filename, sizeof(rs->filename), "xgotopfs-range.tar");
	return 0;
}
