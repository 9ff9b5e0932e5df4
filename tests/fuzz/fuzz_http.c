/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any request, to every route: method, path with its parameters, query and body, straight to the
 * handlers without a socket. An answer has a status that means something, its JSON is JSON, it
 * ends, and a request that is refused has changed nothing.
 *
 * An input: "GET /api/live/rows?sort=age&n=5", a newline, the body. An 'x' before it is a HEAD, "~"
 * a client that takes gzip.
 */
#include <jansson.h>
#include <time.h>
#include <unistd.h>

#include "tests/fuzz/fuzz_web.h"
#include "web/server.h"
#include "web/settings.h"

#define ANSWER_MAX (256u << 20)

static const int statuses[] = {200, 303, 304, 400, 404, 405, 406, 409,
			       410, 411, 413, 414, 415, 422, 501, 503};

static struct web *web;

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* As libwebsockets hands arguments over: between '&', decoded. */
static bool read_args(struct request *rq, const char *p, size_t len)
{
	char arg[HTTP_QUERY_MAX];
	size_t n = 0;

	for (size_t i = 0; i <= len; i++) {
		if (i == len || p[i] == '&') {
			if (http_add_arg(rq, arg, n))
				return false;
			n = 0;
		} else if (n + 1 == sizeof(arg)) {
			return false;
		} else if (p[i] == '%' && i + 2 < len && hex(p[i + 1]) >= 0 && hex(p[i + 2]) >= 0) {
			arg[n++] = (char)(hex(p[i + 1]) << 4 | hex(p[i + 2]));
			i += 2;
		} else {
			arg[n++] = p[i];
		}
	}
	return true;
}

/* False when the connection would not have let it through. */
static bool read_request(struct request *rq, const char *p, size_t size)
{
	const char *line = memchr(p, '\n', size), *query;
	size_t len = line ? (size_t)(line - p) : size;

	for (; len && (*p == 'x' || *p == '~'); p++, len--) {
		rq->head = rq->head || *p == 'x';
		rq->gzip = rq->gzip || *p == '~';
	}
	if (len > 4 && !memcmp(p, "POST", 4))
		rq->method = HTTP_POST;
	while (len && *p != '/') {
		p++;
		len--;
	}
	query = memchr(p, '?', len);
	if (query) {
		if (!read_args(rq, query + 1, len - (size_t)(query + 1 - p)))
			return false;
		len = (size_t)(query - p);
	}
	if (!len || len >= sizeof(rq->path))
		return false;
	memcpy(rq->path, p, len);
	if (line && size - (size_t)(line + 1 - p) <= HTTP_BODY_MAX && rq->method == HTTP_POST)
		buf_add(&rq->body, line + 1, strnlen(line + 1, size));
	return true;
}

static struct job *request_new(const uint8_t *data, size_t size)
{
	struct job *job = job_new();
	char *text = malloc(size + 1);

	FUZZ_ASSERT(job && text);
	memcpy(text, data, size);
	text[size] = '\0';
	job->rq.web = web;
	if (!read_request(&job->rq, text, size)) {
		job_free(job);
		job = NULL;
	}
	free(text);
	return job;
}

static void settings_text(struct buf *out)
{
	buf_reset(out);
	FUZZ_ASSERT(!settings_get(web->settings, out));
}

static void check_body(const struct response *rs, const char *data, size_t len)
{
	json_error_t error;
	json_t *root;

	FUZZ_ASSERT(rs->content_type);
	if (strncmp(rs->content_type, "application/json", 16) || rs->encoding)
		return;
	root = json_loadb(data, len, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL,
			  &error);
	if (!root)
		dprintf(fuzz_stderr, "%s at %d: %.*s\n", error.text, error.position,
			(int)(len < 2000 ? len : 2000), data);
	FUZZ_ASSERT(root);
	FUZZ_ASSERT(rs->status < 400 || (json_is_object(root) && json_object_get(root, "error")));
	json_decref(root);
}

/* As jobs.c and connection.c do it, to the answer's end. */
static void answer(struct job *job, handler_fn handler)
{
	struct response *rs = &job->rs;
	struct buf all = BUF_INIT;
	bool known = false;
	int err = handler(&job->rq, rs), more;

	if (err < 0)
		http_errno(rs, err, job->rq.path);
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
		known = known || rs->status == statuses[i];
	if (!known)
		dprintf(fuzz_stderr, "status %d: %s\n", rs->status,
			rs->body.data ? rs->body.data : "");
	FUZZ_ASSERT(known);
	FUZZ_ASSERT(!buf_error(&rs->body));
	FUZZ_ASSERT(memchr(rs->filename, '\0', sizeof(rs->filename)) &&
		    !strpbrk(rs->filename, "\"\r\n/"));
	FUZZ_ASSERT(!strpbrk(rs->etag, "\r\n") && !strpbrk(rs->location, "\r\n") &&
		    !strpbrk(rs->cookie, "\r\n"));
	if (rs->fixed) {
		FUZZ_ASSERT(rs->fixed_len);
		return;
	}
	buf_add(&all, rs->body.data, rs->body.len);
	more = rs->more && rs->status == 200;
	while (more > 0 && all.len < ANSWER_MAX) {
		buf_reset(&rs->body);
		more = rs->more(rs->more_ctx, &rs->body);
		buf_add(&all, rs->body.data, rs->body.len);
	}
	FUZZ_ASSERT(more == 0 && !buf_error(&all));
	check_body(rs, all.data ? all.data : "", all.len);
	buf_free(&all);
}

/* Sessions are read when first asked for: until that is done, answers hang on the time. */
static void load_sessions(void)
{
	static const char *const ids[] = {"ec8df6e8-0216-4599-a243-4ab9b5faedb8",
					  "ad662111-7874-4aa4-b982-cac648075fbf"};
	handler_fn handler;

	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
		for (int tries = 0;; tries++) {
			struct job *job = job_new();
			int status;

			FUZZ_ASSERT(job && tries < 3000);
			job->rq.web = web;
			snprintf(job->rq.path, sizeof(job->rq.path), "/api/sessions/%s/stats",
				 ids[i]);
			FUZZ_ASSERT(!route_find(&job->rq, &handler));
			FUZZ_ASSERT(handler(&job->rq, &job->rs) >= 0);
			status = job->rs.status;
			job_free(job);
			if (status != 503)
				break;
			usleep(10000);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct buf before = BUF_INIT, after = BUF_INIT;
	struct fuzz_control control;
	handler_fn handler = NULL;
	struct job *job;
	int err;

	if (!web) {
		web = fuzz_web();
		load_sessions();
	}
	job = request_new(data, size);
	if (!job)
		return 0;
	control = fuzz_settings;
	settings_text(&before);
	err = route_find(&job->rq, &handler);
	FUZZ_ASSERT(err == 0 || err == -ENOENT || err == -EPERM);
	FUZZ_ASSERT((err == 0) == (handler != NULL));
	if (handler) {
		answer(job, handler);
		settings_text(&after);
		if (job->rs.status >= 400 || job->rq.method == HTTP_GET) {
			FUZZ_ASSERT(!memcmp(&control, &fuzz_settings, sizeof(control)));
			FUZZ_ASSERT(before.len == after.len &&
				    !memcmp(before.data, after.data, after.len));
		}
	}
	job_free(job);
	return 0;
}
