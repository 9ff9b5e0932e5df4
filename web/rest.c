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

int rest_param_u64(const struct request *rq, struct response *rs, unsigned i, uint64_t *ret)
{
	if (!parse_u64(rest_param(rq, i), ret))
		return 0;
	http_error(rs, 400, "\"%.40s\" is not a number", rest_param(rq, i));
	return -EINVAL;
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

int rest_proc(const struct request *rq, struct response *rs, const struct source *s, unsigned *ret)
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

int rest_goids(const struct request *rq, struct response *rs, uint64_t *ret, size_t max,
	       size_t *ret_n)
{
	const char *text = http_arg(rq, "goids");

	if (!parse_u64_list(text ? text : "", ret, max, ret_n))
		return 0;
	http_error(rs, 400, "goids: at most %zu numbers or ranges like 1,5,9-12 are expected", max);
	return -EINVAL;
}

static int compare_goids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int rest_select(const struct request *rq, struct response *rs, const struct source *s,
		unsigned proc, struct goroutine **ret, size_t *ret_n)
{
	uint64_t goids[PYRAMID_ROWS_MAX], now = rest_now(s);
	const struct names *names = model_names(s->view.model);
	struct goroutine *list = NULL;
	size_t n_goids = 0, n = 0, kept = 0;
	struct filter filter;
	char why[160];
	int err;

	if (filter_parse(http_arg(rq, "filter"), &filter, why, sizeof(why))) {
		http_error(rs, 400, "%s", why);
		return -EINVAL;
	}
	err = rest_goids(rq, rs, goids, ARRAY_SIZE(goids), &n_goids);
	if (err)
		return err;
	err = model_goroutines(s->view.model, proc, true, &list, &n);
	if (err) {
		http_errno(rs, err, "goroutines");
		return err;
	}
	qsort(goids, n_goids, sizeof(*goids), compare_goids);
	for (size_t i = 0; i < n; i++) {
		if (n_goids &&
		    !bsearch(&list[i].goid, goids, n_goids, sizeof(*goids), compare_goids))
			continue;
		if (filter_match(&filter, names, &list[i], now))
			list[kept++] = list[i];
	}
	*ret = list;
	*ret_n = kept;
	return 0;
}

struct source *rest_chosen(const struct request *rq, struct response *rs, unsigned *ret_proc,
			   struct goroutine **ret, size_t *ret_n)
{
	struct source *s = rest_source(rq, rs);

	if (s &&
	    (rest_proc(rq, rs, s, ret_proc) || rest_select(rq, rs, s, *ret_proc, ret, ret_n))) {
		rest_done(rq, s);
		return NULL;
	}
	return s;
}

void rest_site(const struct names *names, uint32_t site_id, struct buf *out)
{
	const struct site *site = names_site(names, site_id);
	const char *file = names_string(names, site->file_id);

	buf_adds(out, names_string(names, site->func_id));
	if (*file)
		buf_addf(out, " (%s:%u)", file, site->line);
}
