/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The control files: what each shows, on any thread and at once, and takes, on the one helper
 * thread for commands. One write is one command.
 */
#include "fs/fs_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/text.h"

static bool sample_here(const struct control *c)
{
	return c->set_rates && c->get_rates;
}

static void sample_show(const struct control *c, struct buf *out)
{
	uint32_t rates[RATES];

	c->get_rates(c->ctx, rates);
	control_format_rates(rates, out);
	buf_addc(out, '\n');
}

static int sample_set(const struct control *c, const char *text, char *why, size_t size)
{
	uint32_t rates[RATES];
	int err = control_parse_rates(text, rates, why, size);

	return err ? err : c->set_rates(c->ctx, rates);
}

const struct node_control control_sample = {sample_here, sample_show, sample_set};

static bool pause_here(const struct control *c)
{
	return c->set_paused && c->get_paused;
}

static void pause_show(const struct control *c, struct buf *out)
{
	buf_adds(out, c->get_paused(c->ctx) ? "1\n" : "0\n");
}

static int pause_set(const struct control *c, const char *text, char *why, size_t size)
{
	bool paused;
	int err = control_parse_paused(text, &paused, why, size);

	return err ? err : c->set_paused(c->ctx, paused);
}

const struct node_control control_pause = {pause_here, pause_show, pause_set};

static bool probes_here(const struct control *c)
{
	return c->set_probes && c->get_probes;
}

static void probes_show(const struct control *c, struct buf *out)
{
	buf_addf(out, "%s\n", probe_levels[c->get_probes(c->ctx)].name);
}

static int probes_set(const struct control *c, const char *text, char *why, size_t size)
{
	enum probe_level level;
	int err = probe_level_parse(text, &level, why, size);

	return err ? err : c->set_probes(c->ctx, level);
}

const struct node_control control_probes = {probes_here, probes_show, probes_set};

static bool max_overhead_here(const struct control *c)
{
	return c->set_max_overhead && c->get_max_overhead;
}

static void max_overhead_show(const struct control *c, struct buf *out)
{
	buf_addf(out, "%g\n", c->get_max_overhead(c->ctx));
}

static int max_overhead_set(const struct control *c, const char *text, char *why, size_t size)
{
	double percent;
	int err = control_parse_max_overhead(text, &percent, why, size);

	return err ? err : c->set_max_overhead(c->ctx, percent);
}

const struct node_control control_max_overhead = {max_overhead_here, max_overhead_show,
						  max_overhead_set};

static bool replay_here(const struct control *c)
{
	return c->replay && c->get_replay;
}

static void replay_show(const struct control *c, struct buf *out)
{
	c->get_replay(c->ctx, out);
}

static int replay_set(const struct control *c, const char *text, char *why, size_t size)
{
	char shown[64];
	int err = c->replay(c->ctx, text);

	text_name(shown, sizeof(shown), text, strlen(text));
	if (err == -EINVAL)
		snprintf(why, size, "\"%s\" is not taken: pause, resume, seek 12.5s or speed 2 are",
			 shown);
	return err;
}

const struct node_control control_replay = {replay_here, replay_show, replay_set};
