/*
 * The facade: which probes the rates call for, and the order in which things start and stop.
 * capture.h has the contract; program.h, probes.h, procs.h, decode.h and pump.h do the work.
 */
#include "core/capture/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/base/log.h"
#include "core/capture/decode.h"
#include "core/capture/probes.h"
#include "core/capture/procs.h"
#include "core/capture/program.h"
#include "core/capture/pump.h"
#include "core/model/control.h"

/* An eighth of a second of a million records a second. */
#define RING_BYTES_DEFAULT (8u << 20)

/* The same numbers in three rooms that do not know each other. */
#define SAME_NUMBER(event, wire, want)                                                             \
	_Static_assert((int)(event) == (int)(wire) && 1 << (event) == (int)(want), #event)
SAME_NUMBER(EVENT_CASGSTATUS, WIRE_CASGSTATUS, WANT_STATES);
SAME_NUMBER(EVENT_MAKESLICE, WIRE_MAKESLICE, WANT_SLICES);
SAME_NUMBER(EVENT_MAKEMAP, WIRE_MAKEMAP, WANT_MAPS);
SAME_NUMBER(EVENT_NEWOBJECT, WIRE_NEWOBJECT, WANT_OBJECTS);
SAME_NUMBER(EVENT_NEWGOROUTINE, WIRE_NEWGOROUTINE, WANT_CREATIONS);
SAME_NUMBER(EVENT_GOEXIT, WIRE_GOEXIT, WANT_EXITS);
_Static_assert((int)EVENT_TYPES == (int)WIRE_TYPES && RATE_ONE == WIRE_RATE_ONE, "rates");

struct capture {
	struct target *target;
	struct capture_sink sink;
	pid_t pid;
	int binary_fd; /* keeps the file reachable, deleted or not */
	char path[64]; /* /proc/self/fd/<binary_fd> */
	dev_t dev;
	ino_t ino;
	struct program *program;
	struct decode *decode;
	struct procs *procs;
	struct pump *pump;
	uint64_t trap_ns;
	pthread_mutex_t changing; /* held as long as the kernel takes; before lock */
	struct probes *probes;    /* protected by changing */
	bool attached, over;      /* the same */
	pthread_mutex_t lock;     /* what is told of us; held for moments only */
	bool paused;              /* protected by lock; changed by who holds both */
	struct probe_site *shown; /* the same: the sites in use */
	size_t n_shown;
};

static unsigned wanted(const uint32_t rates[EVENT_TYPES])
{
	unsigned bits = 0;

	for (unsigned t = 0; t < EVENT_TYPES; t++)
		bits |= rates[t] ? 1u << t : 0;
	return bits;
}

static int rates_check(const uint32_t rates[EVENT_TYPES])
{
	for (unsigned t = 0; t < EVENT_TYPES; t++)
		if (rates[t] > RATE_ONE)
			return -EINVAL;
	return 0;
}

/* Tells the BPF program. Where both could tell of a creation or an exit, casgstatus does. */
static void rates_publish(struct capture *c, const uint32_t rates[EVENT_TYPES])
{
	volatile struct wire_control *control = c->program->control;
	bool states = rates[EVENT_CASGSTATUS];

	pthread_mutex_lock(&c->lock);
	control->creations_by_newproc = !states && rates[EVENT_NEWGOROUTINE];
	control->exits_by_gdestroy = !states && rates[EVENT_GOEXIT];
	for (unsigned t = 0; t < EVENT_TYPES; t++)
		control->rates[t] = rates[t];
	pthread_mutex_unlock(&c->lock);
}

/* --- making and freeing ---------------------------------------------------------------------- */

static int open_binary(struct capture *c)
{
	const char *path = target_path(c->target);
	struct stat st;
	int err;

	c->binary_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (c->binary_fd < 0 || fstat(c->binary_fd, &st) < 0) {
		err = -errno;
		return log_error(err, "%s: %m", path);
	}
	c->dev = st.st_dev;
	c->ino = st.st_ino;
	(void)snprintf(c->path, sizeof(c->path), "/proc/self/fd/%d", c->binary_fd);
	return 0;
}

int capture_new(const struct capture_config *config, struct target *target, struct names *names,
		const struct capture_sink *sink, struct capture **ret)
{
	struct program_config program = {.pid = config->pid,
					 .n_rings = config->readers,
					 .ring_bytes = config->ring_bytes ? config->ring_bytes
									  : RING_BYTES_DEFAULT};
	struct capture *c;
	int err = rates_check(config->rates);

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
	c->trap_ns = config->trap_ns;
	c->binary_fd = -1;
	program_route_log();
	err = open_binary(c);
	if (!err)
		err = program_load(&program, target, &c->program);
	if (!err)
		err = probes_new(c->program, c->path, c->pid, config->asked, &c->probes);
	if (!err)
		err = decode_new(target, names, &c->decode);
	if (!err)
		err = procs_new(target, &c->sink, &c->procs);
	if (!err)
		err = pump_new(c->program, c->decode, c->procs, &c->sink, &c->pump);
	if (err) {
		capture_free(c);
		return err;
	}
	rates_publish(c, config->rates);
	*ret = c;
	return 0;
}

void capture_free(struct capture *c)
{
	if (!c)
		return;
	if (c->pump)
		capture_stop(c);
	pump_free(c->pump);
	probes_free(c->probes);
	procs_free(c->procs);
	decode_free(c->decode);
	program_free(c->program);
	if (c->binary_fd >= 0)
		close(c->binary_fd);
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->changing);
	free(c->shown);
	free(c);
}

/* --- attaching ------------------------------------------------------------------------------- */

static void current_rates(struct capture *c, uint32_t ret[EVENT_TYPES])
{
	pthread_mutex_lock(&c->lock);
	for (unsigned t = 0; t < EVENT_TYPES; t++)
		ret[t] = c->program->control->rates[t];
	pthread_mutex_unlock(&c->lock);
}

/* What capture_sites() tells from now on. */
static void show_sites(struct capture *c)
{
	struct probe_site *sites = NULL, *old;
	uint32_t rates[EVENT_TYPES];
	size_t n = 0;

	current_rates(c, rates);
	if (wanted(rates) && target_sites(c->target, wanted(rates), &sites, &n))
		n = 0;
	for (size_t i = 0; i < n; i++)
		sites[i].attached = probes_attached(c->probes, &sites[i]);
	pthread_mutex_lock(&c->lock);
	old = c->shown;
	c->shown = sites;
	c->n_shown = n;
	pthread_mutex_unlock(&c->lock);
	free(old);
}

static void set_paused(struct capture *c, bool paused)
{
	pthread_mutex_lock(&c->lock);
	c->paused = paused;
	pthread_mutex_unlock(&c->lock);
}

/* Makes the attached probes those that `rates` need (none while paused), then publishes the rates.
 */
static int apply_rates(struct capture *c, const uint32_t rates[EVENT_TYPES])
{
	cleanup_free_ struct probe_site *sites = NULL;
	unsigned bits = wanted(rates);
	size_t n = 0;
	int err;

	if (bits) {
		err = target_sites(c->target, bits, &sites, &n);
		if (err)
			return err;
	}
	if (!c->attached || c->paused || c->over) {
		rates_publish(c, rates);
		return 0;
	}
	err = probes_attach(c->probes, sites, n);
	if (err)
		return err;
	rates_publish(c, rates);
	return probes_keep(c->probes, sites, n);
}

static int change_rates(struct capture *c, const uint32_t rates[EVENT_TYPES])
{
	int err = apply_rates(c, rates);

	show_sites(c);
	return err;
}

static void detach_all(struct capture *c)
{
	(void)probes_keep(c->probes, NULL, 0);
	show_sites(c);
}

int capture_attach(struct capture *c)
{
	uint32_t rates[EVENT_TYPES];
	int err;

	pthread_mutex_lock(&c->changing);
	current_rates(c, rates);
	c->attached = true;
	err = change_rates(c, rates);
	if (err)
		c->attached = false;
	pthread_mutex_unlock(&c->changing);
	if (err)
		return err;
	if (!c->pid)
		return procs_scan(c->procs, c->dev, c->ino, monotonic_ns());
	err = procs_add(c->procs, c->pid, monotonic_ns());
	if (err) {
		pthread_mutex_lock(&c->changing);
		detach_all(c);
		c->attached = false;
		pthread_mutex_unlock(&c->changing);
		if (err == -ESRCH)
			return log_error(err, "process %d is gone", c->pid);
	}
	return err;
}

int capture_start(struct capture *c)
{
	return pump_start(c->pump);
}

void capture_stop(struct capture *c)
{
	bool over;

	pthread_mutex_lock(&c->changing);
	over = c->over;
	c->over = true;
	detach_all(c);
	pthread_mutex_unlock(&c->changing);
	if (!over)
		pump_stop(c->pump);
}

int capture_set_rates(struct capture *c, const uint32_t rates[EVENT_TYPES])
{
	int err = rates_check(rates);

	if (err)
		return err;
	pthread_mutex_lock(&c->changing);
	err = change_rates(c, rates);
	pthread_mutex_unlock(&c->changing);
	return err;
}

void capture_get_rates(struct capture *c, uint32_t ret[EVENT_TYPES])
{
	current_rates(c, ret);
}

int capture_set_paused(struct capture *c, bool paused)
{
	uint32_t rates[EVENT_TYPES];
	bool was;
	int err = 0;

	pthread_mutex_lock(&c->changing);
	was = c->paused;
	set_paused(c, paused);
	if (paused) {
		err = probes_keep(c->probes, NULL, 0);
		show_sites(c);
	} else if (was) {
		current_rates(c, rates);
		err = change_rates(c, rates);
		if (err)
			set_paused(c, true);
	}
	pthread_mutex_unlock(&c->changing);
	return err;
}

bool capture_needs_admin(const struct capture *c)
{
	return !c->program->multi;
}

bool capture_get_paused(struct capture *c)
{
	bool paused;

	pthread_mutex_lock(&c->lock);
	paused = c->paused;
	pthread_mutex_unlock(&c->lock);
	return paused;
}

void capture_low_latency(struct capture *c, bool on)
{
	pump_low_latency(c->pump, on);
}

/* --- what it did ----------------------------------------------------------------------------- */

void capture_stats(struct capture *c, struct capture_stats *ret)
{
	struct program_counters counters;
	struct capture_stats s = {.readers = c->program->n_rings,
				  .ring_bytes = c->program->ring_bytes};

	program_counters(c->program, &counters);
	s.hits = counters.hits;
	s.skipped = counters.skipped;
	s.faulted = counters.faulted;
	s.prog_ns_sum = counters.prog_ns_sum;
	s.prog_ns_samples = counters.prog_ns_samples;
	for (unsigned t = 0; t < EVENT_TYPES; t++)
		s.lost[t] = counters.lost[t];
	pump_stats(c->pump, &s);
	s.trap_ns = c->trap_ns;
	*ret = s;
}

size_t capture_sites(struct capture *c, struct probe_site *ret, size_t max)
{
	size_t n;

	pthread_mutex_lock(&c->lock);
	n = MIN(c->n_shown, max);
	for (size_t i = 0; i < n; i++)
		ret[i] = c->shown[i];
	pthread_mutex_unlock(&c->lock);
	return n;
}
