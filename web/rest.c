/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the handlers share. They run on workers. */
#include "web/rest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/parse.h"

static bool is_live(const struct request *rq)
{
	return !strncmp(rq->path, "/api/live/", 10);
}

const char *rest_param(const struct request *rq, unsigned i)
{
	return rq->params[i + (is_live(rq) ? 0 : 1)];
}

bool rest_readable(const struct request *rq, const struct source *s)
{
	int state = atomic_load(&s->state);

	return state == SOURCE_READY ||
	       (state == SOURCE_LOADING && atomic_load(&s->readable) && http_arg(rq, "partial"));
}

struct source *rest_source(const struct request *rq, struct response *rs)
{
	struct source *s;
	int err;

	if (is_live(rq))
		return sources_live(rq->web->sources);
	err = sources_open(rq->web->sources, rq->params[0], &s);
	if (err == -EINVAL || err == -ENOENT || err == -ENOTDIR || err == -ELOOP) {
		http_error(rs, err == -EINVAL ? 400 : 404, "no session \"%.60s\"", rq->params[0]);
		return NULL;
	}
	if (err) {
		http_errno(rs, err, err == -EBUSY ? "too many sessions are in use" : "session");
		return NULL;
	}
	if (rest_readable(rq, s))
		return s;
	if (atomic_load(&s->state) == SOURCE_FAILED)
		http_error(rs, 500, "session %s %s", s->id, s->error);
	else
		http_error(rs, 503, "session %s is being loaded", s->id);
	source_put(rq->web->sources, s);
	return NULL;
}

void rest_done(const struct request *rq, struct source *s)
{
	source_put(rq->web->sources, s);
}

static int rest_proc(const struct request *rq, struct response *rs, const struct source *s,
		     unsigned *ret)
{
	uint64_t proc;
	int err = http_arg_u64(rq, rs, "proc", 0, MODEL_PROCS_MAX - 1, 0, &proc);

	if (err)
		return err;
	if (proc && proc >= model_procs(s->view.model)) {
		http_error(rs, 404, "no process %u", (unsigned)proc);
		return -ENOENT;
	}
	*ret = (unsigned)proc;
	return 0;
}

int rest_any_proc(const struct request *rq, struct response *rs, const struct source *s, int *ret)
{
	const char *text = http_arg(rq, "proc");
	unsigned proc;
	int err;

	*ret = -1;
	if (!text || !*text)
		return 0;
	err = rest_proc(rq, rs, s, &proc);
	if (!err)
		*ret = (int)proc;
	return err;
}

uint64_t rest_now(const struct source *s)
{
	struct model_totals t;

	if (!s->view.replay && !feed_closed(model_feed(s->view.model)))
		return monotonic_ns();
	model_totals(s->view.model, -1, &t);
	return t.last_event_ns;
}
