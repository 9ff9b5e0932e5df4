/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Requests and answers apart from sockets: parsing of arguments, errors. */
#include "web/http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/parse.h"

int http_error(struct response *rs, int status, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_reset(&rs->body);
	rs->status = status;
	rs->content_type = "application/json";
	rs->fixed = NULL;
	rs->encoding = NULL;
	buf_adds(&rs->body, "{\"error\":");
	json_str(&rs->body, text);
	buf_adds(&rs->body, "}\n");
	return 0;
}

int http_errno(struct response *rs, int err, const char *what)
{
	switch (err) {
	case -ENOENT:
		return http_error(rs, 404, "%s: not found", what);
	case -EINVAL:
	case -ERANGE:
		return http_error(rs, 400, "%s: not valid", what);
	case -ENOSYS:
	case -EOPNOTSUPP:
		return http_error(rs, 501, "%s: not available here (a replay, or not supported)",
				  what);
	case -ESRCH:
		return http_error(rs, 410, "%s: the target has exited", what);
	case -EPERM:
	case -EACCES:
		return http_error(rs, 403, "%s: permission denied", what);
	case -ENOMEM:
	case -EAGAIN:
	case -EBUSY:
		return http_error(rs, 503, "%s: not enough memory or busy, try again", what);
	default:
		return http_error(rs, 500, "%s: %s", what, strerror(-err));
	}
}

int http_add_arg(struct request *rq, const char *text, size_t len)
{
	struct http_arg *arg = &rq->args[rq->n_args];
	char *at = rq->query + rq->query_len, *value;

	if (!len)
		return 0;
	if (memchr(text, '\0', len))
		return -EINVAL;
	if (rq->n_args == HTTP_ARGS_MAX || len >= sizeof(rq->query) - rq->query_len)
		return -E2BIG;
	memcpy(at, text, len);
	at[len] = '\0';
	rq->query_len += len + 1;
	value = strchr(at, '=');
	if (value)
		*value++ = '\0';
	arg->key = at;
	arg->value = value ? value : "";
	rq->n_args++;
	return 0;
}

/* Is it one of the words? */
static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word), n;

	for (const char *p = words; *p; p += n + (p[n] == ' ')) {
		n = strcspn(p, " ");
		if (n == len && !strncmp(p, word, n))
			return true;
	}
	return false;
}

const char *http_arg(const struct request *rq, const char *key)
{
	if (rq->takes && !has_word(rq->takes, key)) {
		log_error(-EINVAL, "%s: the argument %s is not in the table of routes", rq->path,
			  key);
		return NULL;
	}
	for (unsigned i = 0; i < rq->n_args; i++) {
		if (!strcmp(rq->args[i].key, key))
			return rq->args[i].value;
	}
	return NULL;
}

int http_arg_u64(const struct request *rq, struct response *rs, const char *key, uint64_t min,
		 uint64_t max, uint64_t absent, uint64_t *ret)
{
	const char *text = http_arg(rq, key);
	uint64_t value;

	if (!text || !*text) {
		*ret = absent;
		return 0;
	}
	if (parse_u64_in(text, min, max, &value)) {
		http_error(rs, 400, "%s: a number from %llu to %llu is expected, not \"%.40s\"",
			   key, (unsigned long long)min, (unsigned long long)max, text);
		return -EINVAL;
	}
	*ret = value;
	return 0;
}

/* [at, end) without the blanks around it. */
static void trim(const char **at, const char **end)
{
	while (*at < *end && (**at == ' ' || **at == '\t'))
		++*at;
	while (*end > *at && ((*end)[-1] == ' ' || (*end)[-1] == '\t'))
		--*end;
}

static bool is_token(const char *at, const char *end, const char *name)
{
	return (size_t)(end - at) == strlen(name) && !strncasecmp(at, name, (size_t)(end - at));
}

/* The weight in "gzip;q=0.5", in thousandths; 1000 without one, 0 for one that is none. */
static uint64_t weight(const char *params, const char *end)
{
	const char *at = memchr(params, '=', (size_t)(end - params)), *name = params;
	const char *name_end = at;
	uint64_t q;
	bool rest;

	if (params == end)
		return 1000;
	if (!at)
		return 0;
	trim(&name, &name_end);
	at++;
	trim(&at, &end);
	if (!is_token(name, name_end, "q") || scan_scaled(&at, end, 1000, &q, &rest) || at != end)
		return 0;
	return q;
}

bool http_takes_gzip(const char *header)
{
	const char *p = header ? header : "", *next;
	bool gzip = false;

	for (; *p; p = *next ? next + 1 : next) {
		const char *coding = p, *end, *params;

		next = p + strcspn(p, ",");
		end = memchr(p, ';', (size_t)(next - p));
		params = end ? end + 1 : next;
		end = end ? end : next;
		trim(&coding, &end);
		if (is_token(coding, end, "gzip") || is_token(coding, end, "x-gzip"))
			gzip = gzip || weight(params, next);
	}
	return gzip;
}
