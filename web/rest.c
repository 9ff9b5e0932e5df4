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
