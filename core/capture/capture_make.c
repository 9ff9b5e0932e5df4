/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How a capture is made, in which order, and freed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/capture/capture_internal.h"
#include "core/capture/decode.h"
#include "core/capture/guard.h"
#include "core/capture/plugins.h"
#include "core/capture/probes.h"
#include "core/capture/procs.h"
#include "core/capture/program.h"
#include "core/capture/pump.h"
#include "core/capture/runners.h"
#include "core/model/control.h"

/* An eighth of a second of a million records a second. */
#define RING_BYTES_DEFAULT (32u << 20) /* as -ring-size has it (app/config.c) */
#define RING_BYTES_FEWEST  (1u << 20)  /* not less is tried where memory is short */

/* The same numbers in three rooms that do not know each other. */
#define SAME_NUMBER(event, wire, want)                                                             \
	_Static_assert((int)(event) == (int)(wire) && 1 << (event) == (int)(want), #event)
SAME_NUMBER(EVENT_CASGSTATUS, WIRE_CASGSTATUS, WANT_STATES);
SAME_NUMBER(EVENT_MAKESLICE, WIRE_MAKESLICE, WANT_SLICES);
SAME_NUMBER(EVENT_MAKEMAP, WIRE_MAKEMAP, WANT_MAPS);
SAME_NUMBER(EVENT_NEWOBJECT, WIRE_NEWOBJECT, WANT_OBJECTS);
SAME_NUMBER(EVENT_NEWGOROUTINE, WIRE_NEWGOROUTINE, WANT_CREATIONS);
SAME_NUMBER(EVENT_GOEXIT, WIRE_GOEXIT, WANT_EXITS);
_Static_assert(CAPTURE_TIMED == WIRE_TIMED, "timed");
_Static_assert(SAMPLE_WINDOWS == WIRE_WINDOWS, "windows");
_Static_assert((int)EVENT_TYPES == (int)WIRE_TYPES && RATE_ONE == WIRE_RATE_ONE, "rates");

static int open_binary(struct capture *c)
{
	const char *path = target_path(c->target);
	int err;

	c->binary_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (c->binary_fd < 0) {
		err = -errno;
		return log_error(err, "%s: %m", path);
	}
	(void)snprintf(c->path, sizeof(c->path), "/proc/self/fd/%d", c->binary_fd);
	return 0;
}

/* Rings are the kernel's memory, all of it from the start, and count to our control group: where
 * there is no room for them, smaller ones are better than none. */
static int load(struct capture *c, const struct capture_config *config)
{
	struct program_config program = {
		.pid = config->pid,
		.n_rings = config->readers,
		.ring_bytes = config->ring_bytes ? config->ring_bytes : RING_BYTES_DEFAULT,
	};
	size_t wanted = program.ring_bytes;
	int err = capture_check_clock();

	if (err)
		return err;
	for (;;) {
		program.quiet = program.ring_bytes > RING_BYTES_FEWEST;
		err = program_load(&program, c->target, &c->program);
		if (err != -ENOMEM || !program.quiet)
			break;
		program.ring_bytes /= 2;
	}
	if (!err && program.ring_bytes != wanted)
		log_warn("no memory for rings of %zu bytes: they have %zu each (-ring-size)",
			 wanted, program.ring_bytes);
	return err;
}

static void cpu_came(void *ctx, pid_t pid, uint64_t bias)
{
	cpu_sampler_follow(((struct capture *)ctx)->cpu, pid, bias);
}

static void cpu_left(void *ctx, pid_t pid)
{
	cpu_sampler_leave(((struct capture *)ctx)->cpu, pid);
}

static int make_cpu(struct capture *c, const struct capture_config *config, struct names *names)
{
	const struct procs_watcher watcher = {.ctx = c, .came = cpu_came, .left = cpu_left};
	int err = config->without_bpf ? cpu_sampler_none(&c->cpu)
				      : cpu_sampler_new(c->target, config->cpu_hz, &c->cpu);

	if (!err)
		err = cpu_names_new(c->decode, c->target, names, &c->cpu_names);
	if (!err)
		procs_watch(c->procs, &watcher);
	return err;
}

static int make(struct capture *c, const struct capture_config *config, struct names *names)
{
	int err = open_binary(c);

	if (!err)
		err = config->without_bpf ? program_none(&c->program) : load(c, config);
	if (!err)
		err = probes_new(c->program, c->path, c->pid, config->asked, &c->probes);
	/* Before there is a lease: who is stopped while he has one, and nobody who lets a writer in
	 * for him, has the writer wait until the kernel has enough of it. */
	if (!err && !config->without_bpf && guard_trusts_leases(c->binary_fd))
		err = probes_guard(c->probes, c->binary_fd);
	if (!err)
		err = config->without_bpf ? capture_leave_file(c) : capture_guard_file(c);
	if (!err && c->runners)
		err = probes_name(c->probes);
	if (!err)
		err = decode_new(c->target, names, config->made_type, &c->decode);
	if (!err && !c->program->tells_cpus)
		decode_without_cpus(c->decode);
	if (!err)
		err = procs_new(c->target, c, c->guard ? capture_file_is : NULL, c->pid != 0,
				&c->sink, &c->procs);
	if (!err)
		err = make_cpu(c, config, names);
	if (!err)
		err = pump_new(c->program, c->decode, c->procs, c->cpu, c->cpu_names, &c->sink,
			       &c->pump);
	return err;
}

int capture_new(const struct capture_config *config, struct target *target, struct names *names,
		const struct capture_sink *sink, struct capture **ret)
{
	struct capture *c;
	int err = capture_check_rates(config->rates);

	if (err)
		return log_error(err, "a sampling rate is above 1");
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	pthread_mutex_init(&c->changing, NULL);
	c->target = target;
	c->sink = *sink;
	c->pid = config->pid;
	c->price = config->price;
	c->asked = config->asked;
	c->binary_fd = -1;
	program_route_log();
	pthread_mutex_lock(&c->changing); /* the guard waits until all is there */
	err = make(c, config, names);
	pthread_mutex_unlock(&c->changing);
	if (err) {
		capture_free(c);
		return err;
	}
	capture_publish_rates(c, config->rates);
	*ret = c;
	return 0;
}

void capture_free(struct capture *c)
{
	bool gone;

	if (!c)
		return;
	if (c->pump)
		capture_stop(c);
	guard_free(c->guard);
	runners_free(c->runners);
	pump_free(c->pump);
	cpu_names_free(c->cpu_names);
	cpu_sampler_free(c->cpu);
	gone = capture_let_go(c);
	/* The lease never goes before the last breakpoint, which the keeper sees to, and never
	 * after the keeper. */
	if (c->binary_fd >= 0 && gone)
		(void)fcntl(c->binary_fd, F_SETLEASE, F_UNLCK); /* a child may have it open, too */
	plugins_free(c->plugins);
	probes_free(c->probes);
	procs_free(c->procs);
	decode_free(c->decode);
	program_free(c->program);
	if (c->binary_fd >= 0 && gone)
		close(c->binary_fd);
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->changing);
	free(c->shown);
	free(c);
}
