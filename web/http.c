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

static const struct error {
	int err, status;
	const char *means;
} errors[] = {
	{-ENOENT, 404, "not found"},
	{-EINVAL, 400, "not valid"},
	{-ERANGE, 400, "not valid"},
	{-ENOSYS, 501, "not available here (a replay, or not supported)"},
	{-EOPNOTSUPP, 501, "not available here (a replay, or not supported)"},
	{-ENODATA, 409, "there is nothing of that"},
	{-EFBIG, 400, "that is too much"},
	{-ESRCH, 410, "the target has exited"},
	{-EPERM, 403, "permission denied"},
	{-EACCES, 403, "permission denied"},
	{-ENOMEM, 503, "not enough memory or busy, try again"},
	{-EAGAIN, 503, "not enough memory or busy, try again"},
	{-EBUSY, 503, "not enough memory or busy, try again"},
};

static const struct error *error_of(int err)
{
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		if (errors[i].err == err)
			return &errors[i];
	}
	return NULL;
}

int http_status(int err)
{
	const struct error *e = error_of(err);

	return e ? e->status : 500;
}

int http_errno(struct response *rs, int err, const char *what)
{
	const struct error *e = error_of(err);

	return http_error(rs, http_status(err), "%s: %s", what, e ? e->means : strerror(-err));
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

static bool takes(const struct request *rq, const char *key)
{
	for (unsigned i = 0; i < HTTP_TAKES && rq->takes[i]; i++) {
		if (has_word(rq->takes[i], key))
			return true;
	}
	return !rq->takes[0];
}

const char *http_arg(const struct request *rq, const char *key)
{
	if (!takes(rq, key)) {
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

/* One of "name;params, name, …". */
struct item {
	const char *name, *name_end; /* without blanks */
	const char *params, *end;
};

static bool next_item(const char **p, struct item *ret)
{
	const char *next = *p + strcspn(*p, ",");
	const char *semicolon = memchr(*p, ';', (size_t)(next - *p));

	if (!**p)
		return false;
	*ret = (struct item){*p, semicolon ? semicolon : next, semicolon ? semicolon + 1 : next,
			     next};
	trim(&ret->name, &ret->name_end);
	*p = *next ? next + 1 : next;
	return true;
}

bool http_takes_gzip(const char *header)
{
	const char *p = header ? header : "";
	bool gzip = false;
	struct item item;

	while (next_item(&p, &item)) {
		if (is_token(item.name, item.name_end, "gzip") ||
		    is_token(item.name, item.name_end, "x-gzip"))
			gzip = gzip || weight(item.params, item.end);
	}
	return gzip;
}

/* Of a media type: its weight comes after parameters of its own, if it has any. */
static uint64_t media_weight(const struct item *item)
{
	const char *last = memrchr(item->params, ';', (size_t)(item->end - item->params));
	const char *at = last ? last + 1 : item->params;

	while (at < item->end && (*at == ' ' || *at == '\t'))
		at++;
	return at < item->end && (*at == 'q' || *at == 'Q') ? weight(at, item->end) : 1000;
}

bool http_prefers_text(const char *header)
{
	uint64_t text = 0, json = 0, any = 0;
	const char *p = header ? header : "";
	struct item item;

	while (next_item(&p, &item)) {
		const char *type = item.name, *end = item.name_end;
		uint64_t q = media_weight(&item);

		if (is_token(type, end, "text/plain") || is_token(type, end, "text/*"))
			text = MAX(text, q);
		else if (is_token(type, end, "application/json"))
			json = MAX(json, q);
		else if (is_token(type, end, "application/*") || is_token(type, end, "*/*"))
			any = MAX(any, q);
	}
	return text > (json ? json : any);
}
