/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What may be changed while it runs. A request is read whole before anything is changed; when a
 * change fails, those before it are taken back. So a request that is refused has changed nothing.
 */
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <string.h>

#include "web/rest.h"

struct values {
	const char *replay;
	uint32_t rates[RATES];
	double max_overhead;
	bool paused;
	enum probe_level level;
};

struct setting {
	const char *key;
	bool (*here)(const struct control *c);
	/* 0, or -EINVAL with what is expected. */
	int (*read)(const json_t *v, struct values *ret, char *why, size_t size);
	int (*apply)(const struct control *c, const struct values *v);
	/* What apply() would put back; NULL: nothing does, and it is the last. */
	void (*now)(const struct control *c, struct values *ret);
};

static int expected(char *why, size_t size, const char *what)
{
	snprintf(why, size, "%s is expected", what);
	return -EINVAL;
}

static bool replay_here(const struct control *c)
{
	return c->replay;
}

static int replay_read(const json_t *v, struct values *ret, char *why, size_t size)
{
	ret->replay = json_string_value(v);
	return ret->replay ? 0 : expected(why, size, "a text");
}

static int replay_apply(const struct control *c, const struct values *v)
{
	return c->replay(c->ctx, v->replay);
}

static bool sample_here(const struct control *c)
{
	return c->set_rates && c->get_rates;
}

static int sample_read(const json_t *v, struct values *ret, char *why, size_t size)
{
	const char *text = json_string_value(v);

	return text ? control_parse_rates(text, ret->rates, why, size)
		    : expected(why, size, "a text");
}

static int sample_apply(const struct control *c, const struct values *v)
{
	return c->set_rates(c->ctx, v->rates);
}

/* What was asked for, not what the bound on the overhead made of it. */
static void sample_now(const struct control *c, struct values *ret)
{
	(c->get_wanted ? c->get_wanted : c->get_rates)(c->ctx, ret->rates);
}

static bool max_overhead_here(const struct control *c)
{
	return c->set_max_overhead && c->get_max_overhead;
}

static int max_overhead_read(const json_t *v, struct values *ret, char *why, size_t size)
{
	ret->max_overhead = json_number_value(v);
	if (json_is_number(v) && control_max_overhead_ok(ret->max_overhead))
		return 0;
	return expected(why, size, CONTROL_MAX_OVERHEAD_TAKES);
}

static int max_overhead_apply(const struct control *c, const struct values *v)
{
	return c->set_max_overhead(c->ctx, v->max_overhead);
}

static void max_overhead_now(const struct control *c, struct values *ret)
{
	ret->max_overhead = c->get_max_overhead(c->ctx);
}

static bool paused_here(const struct control *c)
{
	return c->set_paused && c->get_paused;
}

static int paused_read(const json_t *v, struct values *ret, char *why, size_t size)
{
	ret->paused = json_is_true(v);
	return json_is_boolean(v) ? 0 : expected(why, size, "true or false");
}

static int paused_apply(const struct control *c, const struct values *v)
{
	return c->set_paused(c->ctx, v->paused);
}

static void paused_now(const struct control *c, struct values *ret)
{
	ret->paused = c->get_paused(c->ctx);
}

static bool probes_here(const struct control *c)
{
	return c->set_probes && c->get_probes;
}

static int probes_read(const json_t *v, struct values *ret, char *why, size_t size)
{
	const char *text = json_string_value(v);

	return text ? probe_level_parse(text, &ret->level, why, size)
		    : expected(why, size, "a text");
}

static int probes_apply(const struct control *c, const struct values *v)
{
	return c->set_probes(c->ctx, v->level);
}

static void probes_now(const struct control *c, struct values *ret)
{
	ret->level = c->get_probes(c->ctx);
}

/* In the order in which they are applied: what cannot be taken back comes last. */
static const struct setting settings[] = {
	{"sample", sample_here, sample_read, sample_apply, sample_now},
	{"max_overhead", max_overhead_here, max_overhead_read, max_overhead_apply,
	 max_overhead_now},
	{"paused", paused_here, paused_read, paused_apply, paused_now},
	{"probes", probes_here, probes_read, probes_apply, probes_now},
	{"replay", replay_here, replay_read, replay_apply, NULL},
};

int rest_control_get(const struct request *rq, struct response *rs)
{
	const struct control *c = sources_live(rq->web->sources)->view.control;
	struct buf *out = &rs->body, text = BUF_INIT;
	uint32_t rates[RATES];

	buf_addc(out, '{');
	if (c->get_rates) {
		c->get_rates(c->ctx, rates);
		control_format_rates(rates, &text);
		json_ks(out, "sample", text.data ? text.data : "");
	}
	if (c->get_paused)
		json_kb(out, "paused", c->get_paused(c->ctx));
	if (c->get_probes)
		json_ks(out, "probes", probe_levels[c->get_probes(c->ctx)].name);
	if (c->get_max_overhead)
		json_kd(out, "max_overhead", c->get_max_overhead(c->ctx));
	if (c->get_replay) {
		buf_reset(&text);
		c->get_replay(c->ctx, &text);
		json_ks(out, "replay", text.data ? text.data : "");
	}
	buf_adds(out, "}\n");
	buf_free(&text);
	return 0;
}

/* All of the request; a bit of *ret_set for each that it names. -EINVAL: answered. */
static int read_all(const struct control *c, json_t *given, struct values *ret, unsigned *ret_set,
		    struct response *rs)
{
	const char *key;
	char why[200];
	json_t *v;

	*ret_set = 0;
	json_object_foreach(given, key, v)
	{
		unsigned i = 0;

		while (i < ARRAY_SIZE(settings) && strcmp(key, settings[i].key))
			i++;
		if (i == ARRAY_SIZE(settings) || !settings[i].here(c)) {
			http_error(rs, 400, "\"%.40s\" cannot be set here", key);
			return -EINVAL;
		}
		if (settings[i].read(v, ret, why, sizeof(why))) {
			http_error(rs, 400, "%s: %s", key, why);
			return -EINVAL;
		}
		*ret_set |= 1u << i;
	}
	return 0;
}

/* Takes back what was set of the first n. Says so in the answer where that fails, too. */
static void take_back(const struct control *c, const struct values *before, unsigned set,
		      unsigned n, const char *failed, struct response *rs)
{
	while (n--) {
		if ((set & 1u << n) && settings[n].now && settings[n].apply(c, before))
			http_error(rs, 500, "%s cannot be set, and %s cannot be set back", failed,
				   settings[n].key);
	}
}

/* -errno: answered, and nothing is changed. */
static int apply_all(const struct control *c, const struct values *v, unsigned set,
		     struct response *rs)
{
	struct values before = {0};

	for (unsigned i = 0; i < ARRAY_SIZE(settings); i++) {
		int err;

		if (!(set & 1u << i))
			continue;
		if (settings[i].now)
			settings[i].now(c, &before);
		err = settings[i].apply(c, v);
		if (!err)
			continue;
		if (err == -ETIMEDOUT) /* it may still be done: what is asked for after it comes
					  after it */
			http_error(rs, 503, "%s: takes too long, try again", settings[i].key);
		else
			http_errno(rs, err, settings[i].key);
		take_back(c, &before, set, i + (err == -ETIMEDOUT), settings[i].key, rs);
		return err;
	}
	return 0;
}

int rest_control_set(const struct request *rq, struct response *rs)
{
	const struct control *c = sources_live(rq->web->sources)->view.control;
	json_error_t error;
	json_t *given = json_loadb(rq->body.data ? rq->body.data : "", rq->body.len,
				   JSON_REJECT_DUPLICATES, &error);
	struct values values = {0};
	unsigned set;
	int err;

	if (!json_is_object(given)) {
		json_decref(given);
		return http_error(rs, 400, "a JSON object is expected");
	}
	err = read_all(c, given, &values, &set, rs);
	if (!err) {
		/* One at a time: what is taken back must not be somebody else's. */
		pthread_mutex_lock(&rq->web->control_lock);
		err = apply_all(c, &values, set, rs);
		pthread_mutex_unlock(&rq->web->control_lock);
	}
	json_decref(given);
	return err ? 0 : rest_control_get(rq, rs);
}
