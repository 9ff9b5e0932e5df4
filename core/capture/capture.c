/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The facade: which probes the rates call for, and the order in which things start and stop.
 * capture.h has the contract; program.h, probes.h, procs.h, decode.h and pump.h do the work,
 * guard.h and runners.h see to it that the file is the one that was decoded.
 */
#include "core/capture/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/privilege.h"
#include "core/capture/decode.h"
#include "core/capture/guard.h"
#include "core/capture/plugins.h"
#include "core/capture/probes.h"
#include "core/capture/procs.h"
#include "core/capture/program.h"
#include "core/capture/pump.h"
#include "core/capture/runners.h"
#include "core/capture/uprobe_multi.h"
#include "core/model/control.h"
#include "core/target/file_copy.h"
#include "core/target/process.h"

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
_Static_assert((int)EVENT_TYPES == (int)WIRE_TYPES && RATE_ONE == WIRE_RATE_ONE, "rates");

struct capture {
	struct target *target;
	struct capture_sink sink;
	pid_t pid;
	int binary_fd; /* keeps the file reachable, deleted or not */
	char path[64]; /* /proc/self/fd/<binary_fd> */
	struct program *program;
	struct decode *decode;
	struct procs *procs;
	struct pump *pump;
	struct capture_price price;
	pthread_mutex_t changing; /* held as long as the kernel takes; before lock */
	struct probes *probes;    /* protected by changing */
	struct plugins *plugins;  /* the same; NULL until there is one */
	const atomic_bool *asked;
	bool attached, over; /* the same */
	struct guard *guard;
	struct runners *runners;  /* CAPTURE_FOLLOWED only */
	struct file_stamp stamp;  /* protected by changing: the file when it was compared last */
	bool left;                /* the same: its links are those of a thread that is gone */
	int enter_err;            /* the same: why the last process could not be followed */
	pthread_mutex_t lock;     /* what is told of us; held for moments only */
	bool paused;              /* protected by lock; changed by who holds both */
	bool samples_alone;       /* the same: allocations are sampled, whatever the rates say */
	enum capture_file file;   /* the same */
	unsigned file_changes;    /* the same */
	uint64_t switching_ns;    /* the same */
	struct probe_site *shown; /* the same: the sites in use */
	size_t n_shown;
};

static unsigned wanted(const uint32_t rates[RATES])
{
	unsigned bits = 0;

	for (unsigned t = 0; t < EVENT_TYPES; t++)
		bits |= rates[t] ? 1u << t : 0;
	return bits;
}

/* What the rates call for; nothing of theirs while paused. While allocations are looked at they are
 * sampled too: that sees what events do not (append, strings, closures), and costs next to nothing
 * beside them. */
static unsigned wanted_of(const struct capture *c, const uint32_t rates[RATES])
{
	unsigned bits = c->paused ? 0 : wanted(rates);

	if (c->program->samples &&
	    (c->samples_alone || bits & (WANT_SLICES | WANT_MAPS | WANT_OBJECTS)))
		bits |= WANT_SAMPLES;
	return bits;
}

static int rates_check(const uint32_t rates[RATES])
{
	for (unsigned t = 0; t < RATES; t++)
		if (rates[t] > RATE_ONE)
			return -EINVAL;
	return 0;
}

/* Tells the BPF program. Where both could tell of a creation or an exit, casgstatus does. */
static void rates_publish(struct capture *c, const uint32_t rates[RATES])
{
	volatile struct wire_control *control = c->program->control;
	bool states = rates[EVENT_CASGSTATUS];

	pthread_mutex_lock(&c->lock);
	control->creations_by_newproc =
		!states && rates[EVENT_NEWGOROUTINE] && !target_creations_by_states(c->target);
	control->exits_by_gdestroy =
		!states && rates[EVENT_GOEXIT] && !target_exits_by_states(c->target);
	for (unsigned t = 0; t < EVENT_TYPES; t++)
		control->rates[t] = rates[t];
	control->goroutines = rates[RATE_GOROUTINES];
	pthread_mutex_unlock(&c->lock);
}

static int file_release(void *ctx);
static bool file_was_released(void *ctx);
static void file_held(void *ctx);
static void file_lost(void *ctx);
static int file_enter(void *ctx, pid_t pid);
static void file_leave(void *ctx, pid_t pid);
static bool file_left(void *ctx, pid_t pid);

/* --- making and freeing ---------------------------------------------------------------------- */

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

static void set_file(struct capture *c, enum capture_file file)
{
	pthread_mutex_lock(&c->lock);
	c->file = file;
	c->file_changes++;
	pthread_mutex_unlock(&c->lock);
}

/* Nothing of ours comes into the file: nobody needs to be kept off it. */
static int leave_file(struct capture *c)
{
	set_file(c, CAPTURE_UNTOUCHED);
	c->paused = true;
	return 0;
}

/* What keeps writers off the file; and is it still the one that was read? */
static int guard_file(struct capture *c)
{
	static const struct guard_ops guard = {.release = file_release,
					       .was_released = file_was_released,
					       .held = file_held,
					       .lost = file_lost};
	static const struct runners_ops runners = {
		.enter = file_enter, .leave = file_leave, .left = file_left};
	struct guard_ops guard_ops = guard;
	struct runners_ops runners_ops = runners;
	int err;

	guard_ops.ctx = runners_ops.ctx = c;
	/* To look at processes, and to attach where the keeper cannot. */
	err = guard_new(c->binary_fd,
			CAP_BIT(CAP_BPF) | CAP_BIT(CAP_PERFMON) | CAP_BIT(CAP_SYS_PTRACE) |
				(uprobe_multi_works() ? 0 : CAP_BIT(CAP_SYS_ADMIN)),
			&guard_ops, &c->guard);
	if (err)
		return log_error(err, "cannot watch over the file: %s", strerror(-err));
	switch (guard_state(c->guard)) {
	case GUARD_HELD:
		set_file(c, CAPTURE_HELD);
		break;
	case GUARD_NONE:
		set_file(c, CAPTURE_FOLLOWED);
		err = runners_new(c->binary_fd, c->target, c->pid, &runners_ops, &c->runners);
		break;
	case GUARD_WRITER:
	case GUARD_LOST:
		set_file(c, CAPTURE_WRITER);
		return 0; /* it is compared when that is over */
	}
	if (!err)
		err = file_stamp_read(c->binary_fd, &c->stamp);
	return err ? err : target_compare(c->target, c->binary_fd);
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
	int err;

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

static int make(struct capture *c, const struct capture_config *config, struct names *names)
{
	int err = open_binary(c);

	if (!err)
		err = config->without_bpf ? leave_file(c) : guard_file(c);
	if (!err)
		err = config->without_bpf ? program_none(&c->program) : load(c, config);
	if (!err)
		err = probes_new(c->program, c->path, c->runners ? PROBES_NAMED : c->pid,
				 config->asked, &c->probes);
	if (!err && c->guard && !c->runners)
		err = probes_guard(c->probes, c->binary_fd);
	if (!err)
		err = decode_new(c->target, names, config->made_type, &c->decode);
	if (!err)
		err = procs_new(c->target, c->guard, c->pid != 0, &c->sink, &c->procs);
	if (!err)
		err = pump_new(c->program, c->decode, c->procs, &c->sink, &c->pump);
	return err;
}

int capture_new(const struct capture_config *config, struct target *target, struct names *names,
		const struct capture_sink *sink, struct capture **ret)
{
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
	rates_publish(c, config->rates);
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
	gone = (!c->probes || probes_gone(c->probes)) && (!c->plugins || plugins_gone(c->plugins));
	plugins_free(c->plugins);
	probes_free(c->probes);
	procs_free(c->procs);
	decode_free(c->decode);
	program_free(c->program);
	/* The lease never goes before the last breakpoint; the keeper sees to that. */
	if (c->binary_fd >= 0 && gone) {
		(void)fcntl(c->binary_fd, F_SETLEASE, F_UNLCK); /* a child may have it open, too */
		close(c->binary_fd);
	}
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->changing);
	free(c->shown);
	free(c);
}

/* --- attaching ------------------------------------------------------------------------------- */

static void current_rates(struct capture *c, uint32_t ret[RATES])
{
	pthread_mutex_lock(&c->lock);
	for (unsigned t = 0; t < EVENT_TYPES; t++)
		ret[t] = c->program->control->rates[t];
	ret[RATE_GOROUTINES] = c->program->control->goroutines;
	pthread_mutex_unlock(&c->lock);
}

/* All of them, in the program and its plugins. */
static int drop_probes(struct capture *c)
{
	int err = probes_keep(c->probes, NULL, 0);
	int more = c->plugins ? plugins_apply(c->plugins, 0) : 0;

	return err ? err : more;
}

/* The same with those of the plugins behind `sites`; frees that and returns a longer one. */
static struct probe_site *with_plugins(struct capture *c, struct probe_site *sites, size_t *n)
{
	size_t more = c->plugins ? plugins_sites(c->plugins, NULL, 0) : 0;
	struct probe_site *all = more ? reallocarray(sites, *n + more, sizeof(*all)) : NULL;

	if (!all)
		return sites;
	*n += plugins_sites(c->plugins, all + *n, more);
	return all;
}

/* What capture_sites() tells from now on. */
static void show_sites(struct capture *c)
{
	struct probe_site *sites = NULL, *old;
	uint32_t rates[RATES];
	size_t n = 0;

	current_rates(c, rates);
	if (target_sites(c->target, wanted(rates) | wanted_of(c, rates), &sites, &n))
		n = 0;
	for (size_t i = 0; i < n; i++)
		sites[i].attached = probes_attached(c->probes, &sites[i]);
	sites = with_plugins(c, sites, &n);
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

static void set_samples_alone(struct capture *c, bool on)
{
	pthread_mutex_lock(&c->lock);
	c->samples_alone = on;
	pthread_mutex_unlock(&c->lock);
}

static void tell_file(const struct capture *c)
{
	if (c->sink.file)
		c->sink.file(c->sink.ctx);
}

/* Without a lease: is it the file that was decoded? 0, -ESTALE, -errno. */
static int compare_followed(struct capture *c, const struct probe_site *sites, size_t n)
{
	struct file_stamp now;
	int err = file_stamp_read(c->binary_fd, &now);

	if (!err && !file_stamp_same(&now, &c->stamp)) {
		err = target_compare(c->target, c->binary_fd);
		if (!err)
			c->stamp = now;
	}
	return err ? err : target_compare_sites(c->target, c->binary_fd, sites, n);
}

/* May these probes be in the file at this moment? */
static bool file_is_ours(struct capture *c, const struct probe_site *sites, size_t n)
{
	if (c->file == CAPTURE_HELD)
		return guard_holds(c->guard);
	if (c->file != CAPTURE_FOLLOWED)
		return false;
	if (!compare_followed(c, sites, n))
		return true;
	set_file(c, CAPTURE_CHANGED);
	tell_file(c);
	return false;
}

/* Makes the attached probes those that `rates` need (none while paused, or while the file is not
 * ours), then publishes the rates. */
static int apply_rates(struct capture *c, const uint32_t rates[RATES])
{
	cleanup_free_ struct probe_site *sites = NULL;
	unsigned bits = wanted_of(c, rates);
	size_t n = 0;
	int err;

	if (bits) {
		err = target_sites(c->target, bits, &sites, &n);
		if (err)
			return err;
	}
	if (!c->attached || (c->paused && !bits) || c->over || !file_is_ours(c, sites, n)) {
		rates_publish(c, rates);
		return 0;
	}
	err = probes_attach(c->probes, sites, n);
	if (err == -ESTALE || (!err && !file_is_ours(c, sites, n))) {
		(void)drop_probes(c); /* who watches over it sees it, too */
		rates_publish(c, rates);
		return 0;
	}
	if (err)
		return err;
	rates_publish(c, rates);
	err = probes_keep(c->probes, sites, n);
	if (!err && c->plugins)
		err = plugins_apply(c->plugins, bits);
	return err;
}

static int change_rates(struct capture *c, const uint32_t rates[RATES])
{
	int err = apply_rates(c, rates);

	show_sites(c);
	return err;
}

static void detach_all(struct capture *c)
{
	(void)drop_probes(c);
	show_sites(c);
}

/* --- the file -------------------------------------------------------------------------------- */

enum capture_file capture_file(struct capture *c, unsigned *ret_changes)
{
	enum capture_file file;

	pthread_mutex_lock(&c->lock);
	file = c->file;
	*ret_changes = c->file_changes;
	pthread_mutex_unlock(&c->lock);
	return file;
}

const char *capture_path(const struct capture *c)
{
	return c->path;
}

bool capture_file_can_be_held(const char *path)
{
	cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	/* A signal that is ignored, should somebody write just now. */
	return fd >= 0 && guard_trusts_leases(fd) && fcntl(fd, F_SETSIG, SIGURG) == 0 &&
	       (fcntl(fd, F_SETLEASE, F_RDLCK) == 0 || errno == EAGAIN);
}

static int file_release(void *ctx)
{
	struct capture *c = ctx;
	bool gone = true;

	pthread_mutex_lock(&c->changing);
	if (!c->over)
		set_file(c, CAPTURE_WRITER);
	if (c->probes) {
		detach_all(c);
		gone = probes_gone(c->probes) && (!c->plugins || plugins_gone(c->plugins));
	}
	pthread_mutex_unlock(&c->changing);
	tell_file(c);
	return gone ? 0 : -EBUSY;
}

static bool file_was_released(void *ctx)
{
	struct capture *c = ctx;
	bool was;

	pthread_mutex_lock(&c->changing);
	was = c->probes && probes_have_let_go(c->probes);
	pthread_mutex_unlock(&c->changing);
	return was;
}

/* Whoever wrote is done: the same file as before, or another. */
static void file_held(void *ctx)
{
	struct capture *c = ctx;
	uint32_t rates[RATES];

	pthread_mutex_lock(&c->changing);
	if (c->over || !c->pump) { /* nothing to attach any more, or capture_new() failed */
		pthread_mutex_unlock(&c->changing);
		return;
	}
	if (target_compare(c->target, c->binary_fd)) {
		set_file(c, CAPTURE_CHANGED);
	} else {
		set_file(c, CAPTURE_HELD);
		current_rates(c, rates);
		if (!c->pid || target_runs_in(c->target, c->pid))
			(void)change_rates(c, rates);
	}
	pthread_mutex_unlock(&c->changing);
	tell_file(c);
}

static void file_lost(void *ctx)
{
	struct capture *c = ctx;

	pthread_mutex_lock(&c->changing);
	if (!c->over)
		set_file(c, CAPTURE_LOST);
	pthread_mutex_unlock(&c->changing);
	tell_file(c);
}

/* The file is looked at while the process runs it, which keeps writers off, before and after. */
static int enter(struct capture *c, pid_t pid, const struct probe_site *sites, size_t n)
{
	int err;

	if (!file_is_ours(c, sites, n))
		return -ESTALE;
	err = probes_add_process(c->probes, pid);
	if (err)
		return err;
	if (!file_is_ours(c, sites, n))
		err = -ESTALE;
	else if (!target_runs_in(c->target, pid))
		err = -ESRCH;
	if (err)
		(void)probes_remove_process(c->probes, pid);
	return err;
}

static int file_enter(void *ctx, pid_t pid)
{
	struct capture *c = ctx;
	cleanup_free_ struct probe_site *sites = NULL;
	uint32_t rates[RATES];
	size_t n = 0;
	int err = 0;

	pthread_mutex_lock(&c->changing);
	current_rates(c, rates);
	if (c->over)
		err = -ECANCELED;
	else if (wanted(rates))
		err = target_sites(c->target, wanted_of(c, rates), &sites, &n);
	if (!err)
		err = enter(c, pid, sites, n);
	if (err == -ESTALE)
		(void)drop_probes(c);
	c->enter_err = err;
	show_sites(c);
	pthread_mutex_unlock(&c->changing);
	return err;
}

static void file_leave(void *ctx, pid_t pid)
{
	struct capture *c = ctx;

	pthread_mutex_lock(&c->changing);
	(void)probes_remove_process(c->probes, pid);
	show_sites(c);
	pthread_mutex_unlock(&c->changing);
}

static bool file_left(void *ctx, pid_t pid)
{
	return procs_left_behind(((struct capture *)ctx)->procs, pid);
}

/* --- from outside ---------------------------------------------------------------------------- */

static int attach_all(struct capture *c)
{
	uint32_t rates[RATES];
	int err;

	pthread_mutex_lock(&c->changing);
	current_rates(c, rates);
	c->attached = true;
	c->enter_err = -ESRCH;
	err = change_rates(c, rates);
	if (err)
		c->attached = false;
	pthread_mutex_unlock(&c->changing);
	if (err || !c->runners)
		return err;
	runners_look(c->runners);
	err = c->pid ? c->enter_err : 0;
	return err == -ESRCH ? log_error(err, "process %d is gone", c->pid) : err;
}

int capture_attach(struct capture *c)
{
	int err = program_watch_execs(c->program);

	if (err)
		log_warn("it is not noticed when a process executes another program: %s",
			 strerror(-err));
	err = attach_all(c);
	if (err)
		return err;
	if (!c->pid)
		return procs_scan(c->procs, monotonic_ns());
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

/* `changing` is held. The links for a process are those for the thread that was its first. They
 * must be gone before there are others, or both would tell of a hit. */
static int follow_exec(struct capture *c)
{
	uint32_t rates[RATES];
	int err = 0;

	c->left = procs_left_behind(c->procs, c->pid) || c->left;
	if (!c->left)
		return 0;
	if (c->runners) {
		cleanup_free_ struct probe_site *sites = NULL;
		size_t n = 0;

		(void)probes_remove_process(c->probes, c->pid);
		current_rates(c, rates);
		if (wanted_of(c, rates))
			err = target_sites(c->target, wanted_of(c, rates), &sites, &n);
		if (!err)
			err = enter(c, c->pid, sites, n);
	} else if (!c->paused || c->samples_alone) {
		current_rates(c, rates);
		err = probes_keep(c->probes, NULL, 0);
		if (!err)
			err = apply_rates(c, rates);
	}
	c->left = err != 0;
	show_sites(c);
	return err;
}

int capture_executed(struct capture *c)
{
	char path[PATH_MAX];
	int err;

	pthread_mutex_lock(&c->changing);
	process_binary(c->pid, path, sizeof(path));
	if (c->over)
		err = -ECANCELED;
	else if (!procs_runs(c->procs, c->pid))
		err = path[0] ? -ESTALE : -ESRCH;
	else
		err = follow_exec(c);
	pthread_mutex_unlock(&c->changing);
	return err;
}

int capture_start(struct capture *c)
{
	int err = pump_start(c->pump);

	if (!err && c->runners)
		err = runners_start(c->runners);
	return err;
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

int capture_set_rates(struct capture *c, const uint32_t rates[RATES])
{
	int err = rates_check(rates);

	if (err)
		return err;
	pthread_mutex_lock(&c->changing);
	err = change_rates(c, rates);
	pthread_mutex_unlock(&c->changing);
	return err;
}

void capture_get_rates(struct capture *c, uint32_t ret[RATES])
{
	current_rates(c, ret);
}

/* `changing` is held. */
static uint64_t attaching_cpu_ns(const struct capture *c)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID) + probes_cpu_ns(c->probes);
}

/* Puts in, or takes out, what is called for by now; `changing` is held. */
static int switch_probes(struct capture *c)
{
	uint32_t rates[RATES];
	int err;

	if (c->paused && !c->samples_alone) {
		err = drop_probes(c);
		show_sites(c);
		return err;
	}
	current_rates(c, rates);
	return change_rates(c, rates);
}

int capture_set_paused(struct capture *c, bool paused)
{
	uint64_t start_ns;
	bool was;
	int err = 0;

	pthread_mutex_lock(&c->changing);
	start_ns = attaching_cpu_ns(c);
	was = c->paused;
	if (!paused && c->file == CAPTURE_UNTOUCHED) {
		pthread_mutex_unlock(&c->changing);
		return -ENOTSUP;
	}
	set_paused(c, paused);
	if (paused || was)
		err = switch_probes(c);
	if (err && !paused)
		set_paused(c, true);
	pthread_mutex_lock(&c->lock);
	c->switching_ns += MAX(attaching_cpu_ns(c), start_ns) - start_ns;
	pthread_mutex_unlock(&c->lock);
	pthread_mutex_unlock(&c->changing);
	return err;
}

int capture_sample_allocations(struct capture *c, bool on)
{
	bool was;
	int err = 0;

	pthread_mutex_lock(&c->changing);
	was = c->samples_alone;
	if (on && !c->program->samples)
		err = -ENOTSUP;
	if (!err && was != on) {
		set_samples_alone(c, on);
		err = switch_probes(c);
		if (err && on)
			set_samples_alone(c, false);
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

/* --- plugins --------------------------------------------------------------------------------- */

/* What is attached in the program now is to be so in its plugins. */
static int apply_to_plugins(struct capture *c)
{
	uint32_t rates[RATES];
	bool on = c->attached && !c->paused && !c->over &&
		  (c->file == CAPTURE_HELD || c->file == CAPTURE_FOLLOWED);

	current_rates(c, rates);
	return plugins_apply(c->plugins, on ? wanted_of(c, rates) : 0);
}

int capture_add_part(struct capture *c, unsigned k, const struct target *part, int fd)
{
	int err = 0;

	pthread_mutex_lock(&c->changing);
	if (!c->plugins)
		err = plugins_new(c->program, c->asked, &c->plugins);
	if (!err)
		err = plugins_add(c->plugins, k, part, fd);
	if (!err)
		err = apply_to_plugins(c);
	pthread_mutex_unlock(&c->changing);
	return err;
}

int capture_enter_part(struct capture *c, unsigned k, pid_t pid, uint64_t part_bias)
{
	/* Before the first record that needs it. */
	int err = decode_part(c->decode, pid, k, part_bias);

	pthread_mutex_lock(&c->changing);
	if (!err)
		err = c->plugins && !c->over ? plugins_enter(c->plugins, k, pid) : -ECANCELED;
	show_sites(c);
	pthread_mutex_unlock(&c->changing);
	return err;
}

void capture_leave_parts(struct capture *c, pid_t pid)
{
	pthread_mutex_lock(&c->changing);
	if (c->plugins)
		plugins_leave(c->plugins, pid);
	pthread_mutex_unlock(&c->changing);
}

unsigned capture_changed_parts(struct capture *c)
{
	unsigned bits = 0;

	pthread_mutex_lock(&c->changing);
	if (c->plugins) {
		bits = plugins_changed(c->plugins);
		if (bits)
			show_sites(c);
	}
	pthread_mutex_unlock(&c->changing);
	return bits;
}

/* --- what it did ----------------------------------------------------------------------------- */

/* By what the sites that are attached now are there for; and what switching them cost. */
static void price_types(struct capture *c, struct capture_stats *s)
{
	pthread_mutex_lock(&c->lock);
	s->switching_ns = c->switching_ns;
	for (size_t i = 0; i < c->n_shown; i++) {
		const struct probe_site *site = &c->shown[i];
		uint64_t ns = site->emulated ? c->price.trap_ns : c->price.step_ns;

		for (unsigned type = 0; type < EVENT_TYPES; type++) {
			if (site->attached && site->wants >> type & 1)
				s->hit_ns[type] = MAX(s->hit_ns[type], ns);
		}
	}
	pthread_mutex_unlock(&c->lock);
}

void capture_stats(struct capture *c, struct capture_stats *ret)
{
	struct program_counters counters;
	struct capture_stats s = {.readers = c->program->n_rings,
				  .ring_bytes = c->program->ring_bytes};

	program_counters(c->program, &counters);
	s.hits = counters.hits;
	s.skipped = counters.skipped;
	s.faulted = counters.faulted;
	s.refused = counters.refused;
	s.cancelled = counters.cancelled;
	s.hidden = counters.hidden;
	s.absent = counters.absent;
	s.outside = counters.outside;
	s.prog_ns_sum = counters.prog_ns_sum;
	s.prog_ns_samples = counters.prog_ns_samples;
	for (unsigned t = 0; t < EVENT_TYPES; t++) {
		s.lost[t] = counters.lost[t];
		s.unchosen[t] = counters.unchosen[t];
	}
	pump_stats(c->pump, &s);
	s.stepped = counters.stepped;
	s.sample_hits = counters.sample_hits;
	s.price = c->price;
	price_types(c, &s);
	*ret = s;
}

void capture_sampling(struct capture *c, char *ret, size_t size)
{
	const char *is = "off: no event of an allocation is wanted";
	uint32_t rates[RATES];

	current_rates(c, rates);
	pthread_mutex_lock(&c->lock);
	if (!c->program->samples)
		is = c->program->own ? "off: without BPF"
				     : "off: this kernel does not take the BPF programs for it";
	else if (wanted_of(c, rates) & WANT_SAMPLES)
		is = "on";
	else if (c->paused)
		is = "off: no probes now";
	pthread_mutex_unlock(&c->lock);
	snprintf(ret, size, "%s", is);
}

uint64_t capture_delivered(struct capture *c, uint64_t wanted_ns)
{
	return pump_delivered(c->pump, wanted_ns);
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
