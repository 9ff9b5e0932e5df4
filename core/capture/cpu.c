/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The CPUs' clocks; see cpu.h. */
#include "core/capture/cpu.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/util.h"
#include "core/capture/capture.h"
#include "core/capture/program.h"
#include "cpu.skel.h"

#define CPUS_MAX     4096
#define ONLINE_BYTES 512 /* more is cut off: a change there is not noticed */

#define NO_BTF                                                                                     \
	"there is no /sys/kernel/btf/vmlinux, by which a thread's pointer to its own storage is "  \
	"found: /sys is not mounted, or this kernel was built without BTF (CONFIG_DEBUG_INFO_BTF)"
#define NOT_ALLOWED                                                                                \
	"the kernel does not let us have perf events of CPUs: that takes CAP_PERFMON (see "        \
	"/proc/sys/kernel/perf_event_paranoid)"

_Static_assert((int)TARGET_G_REGISTER == (int)WIRE_G_REGISTER &&
		       (int)TARGET_G_OFFSET == (int)WIRE_G_OFFSET &&
		       (int)TARGET_G_POINTER == (int)WIRE_G_POINTER,
	       "where a g is");

struct cpu_sampler {
	struct cpu_bpf *skeleton; /* NULL: it cannot */
	struct target_g_slot slot;
	unsigned hz, n_cpus; /* possible ones */
	int *events;         /* by CPU; -1: none */
	pthread_mutex_t lock;
	unsigned n_open, n_online; /* protected by lock, as the next */
	char why[200];             /* it does not, or not everywhere; "" */
	char online[ONLINE_BYTES]; /* which were, when the events were opened */
};

static void say_why(struct cpu_sampler *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say_why(struct cpu_sampler *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	pthread_mutex_lock(&s->lock);
	(void)vsnprintf(s->why, sizeof(s->why), fmt, ap);
	pthread_mutex_unlock(&s->lock);
	va_end(ap);
}

/* --- loading --------------------------------------------------------------------------------- */

static void fill_knobs(struct cpu_bpf *skeleton, const struct target *target)
{
	const struct go_layout *go = target_layout(target);

	skeleton->rodata->layout = (struct wire_cpu_layout){
		.g_m = go->g_m,
		.g_goid = go->g_goid,
		.g_sched_bp = go->g_sched_bp,
		.g_syscallsp = go->g_syscallsp,
		.g_syscallpc = go->g_syscallpc,
		.m_g0 = go->m_g0,
		.m_curg = go->m_curg,
		.arm64 = target_has_link_register(target),
	};
	(void)program_namespace((uint64_t *)&skeleton->rodata->pidns_dev,
				(uint64_t *)&skeleton->rodata->pidns_ino);
}

static int load(struct cpu_sampler *s, const struct target *target)
{
	int err;

	s->skeleton = cpu_bpf__open();
	if (!s->skeleton)
		return -errno;
	fill_knobs(s->skeleton, target);
	err = cpu_bpf__load(s->skeleton);
	if (!err && !s->skeleton->bss)
		err = -ENOTSUP;
	if (err) {
		cpu_bpf__destroy(s->skeleton);
		s->skeleton = NULL;
	}
	return err;
}

static bool has_btf(void)
{
	return access("/sys/kernel/btf/vmlinux", F_OK) == 0;
}

static void say_not_loaded(struct cpu_sampler *s, int err)
{
	if (!has_btf())
		say_why(s, NO_BTF);
	else if (err == -EPERM)
		say_why(s, "not allowed to load BPF programs: that takes CAP_BPF and CAP_PERFMON");
	else
		say_why(s, "this kernel does not take the BPF program: %s", strerror(-err));
}

static int make(struct cpu_sampler **ret)
{
	struct cpu_sampler *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	*ret = s;
	return 0;
}

int cpu_sampler_none(struct cpu_sampler **ret)
{
	int err = make(ret);

	if (!err)
		say_why(*ret, "without BPF (-probes none)");
	return err;
}

int cpu_sampler_new(const struct target *target, unsigned hz, struct cpu_sampler **ret)
{
	int cpus = libbpf_num_possible_cpus(), err;
	struct cpu_sampler *s;

	err = make(&s);
	if (err)
		return err;
	s->hz = hz;
	if (!hz) {
		say_why(s, "-sample-cpu 0");
		*ret = s;
		return 0;
	}
	s->n_cpus = (unsigned)MAX(1, MIN(cpus, CPUS_MAX));
	s->events = malloc(s->n_cpus * sizeof(*s->events));
	if (!s->events) {
		cpu_sampler_free(s);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < s->n_cpus; i++)
		s->events[i] = -1;
	target_g_slot(target, &s->slot);
	err = load(s, target);
	if (err)
		say_not_loaded(s, err);
	*ret = s;
	return 0;
}

void cpu_sampler_free(struct cpu_sampler *s)
{
	if (!s)
		return;
	if (s->skeleton)
		(void)cpu_sampler_switch(s, false);
	cpu_bpf__destroy(s->skeleton);
	free(s->events);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

int cpu_sampler_fd(const struct cpu_sampler *s)
{
	return s->skeleton ? bpf_map__fd(s->skeleton->maps.ring) : -1;
}

uint64_t cpu_sampler_period_ns(const struct cpu_sampler *s)
{
	return NS_PER_SEC / MAX(s->hz, 1u);
}

/* --- which processes ------------------------------------------------------------------------- */

void cpu_sampler_follow(struct cpu_sampler *s, pid_t pid, uint64_t bias)
{
	struct wire_cpu_target t = {.g_slot = s->slot.at, .g_from = s->slot.from};
	uint32_t key = (uint32_t)pid;

	if (!s->skeleton)
		return;
	if (t.g_from == WIRE_G_POINTER)
		t.g_slot += bias;
	if (bpf_map_update_elem(bpf_map__fd(s->skeleton->maps.targets), &key, &t, BPF_ANY))
		log_debug("process %d is not sampled on CPUs: %m", (int)pid);
}

void cpu_sampler_leave(struct cpu_sampler *s, pid_t pid)
{
	uint32_t key = (uint32_t)pid;

	if (s->skeleton)
		(void)bpf_map_delete_elem(bpf_map__fd(s->skeleton->maps.targets), &key);
}

/* --- on and off ------------------------------------------------------------------------------ */

/* Ticks of a CPU's own clock, which go on for whoever runs there. -ENODEV: it is not online. */
static int open_clock(int cpu, uint64_t period_ns)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = period_ns,
		.disabled = 1,
		.exclude_idle = 1,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int open_event(struct cpu_sampler *s, int cpu)
{
	int fd = open_clock(cpu, cpu_sampler_period_ns(s)), err = 0;

	if (fd < 0)
		return fd;
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, bpf_program__fd(s->skeleton->progs.on_cpu_clock)) <
		    0 ||
	    ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) < 0)
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	s->events[cpu] = fd;
	return 0;
}

static void say_not_opened(struct cpu_sampler *s, int err)
{
	if (err == -EPERM || err == -EACCES)
		say_why(s, NOT_ALLOWED);
	else if (err)
		say_why(s, "perf events: %s", strerror(-err));
}

static void close_events(struct cpu_sampler *s)
{
	for (unsigned cpu = 0; cpu < s->n_cpus; cpu++) {
		close_fd(&s->events[cpu]);
		s->events[cpu] = -1;
	}
}

/* As the kernel lists them, "0-3,5"; "" where it does not. */
static void read_online(char ret[ONLINE_BYTES])
{
	int fd = open("/sys/devices/system/cpu/online", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, ret, ONLINE_BYTES - 1);

	ret[MAX(n, 0)] = '\0';
	close_fd(&fd);
}

bool cpu_sampler_outdated(struct cpu_sampler *s)
{
	char online[ONLINE_BYTES];
	bool ret;

	if (!s->skeleton)
		return false;
	read_online(online);
	pthread_mutex_lock(&s->lock);
	ret = s->n_open && online[0] && strcmp(online, s->online) != 0;
	pthread_mutex_unlock(&s->lock);
	return ret;
}

static bool open_events(struct cpu_sampler *s)
{
	char online[ONLINE_BYTES]; /* read first: what changes meanwhile is noticed */
	unsigned n_open = 0, n_online = 0;
	int err = 0;

	if (cpu_sampler_outdated(s))
		close_events(s);
	read_online(online);
	for (unsigned cpu = 0; cpu < s->n_cpus; cpu++) {
		int one = s->events[cpu] < 0 ? open_event(s, (int)cpu) : 0;

		n_online += one != -ENODEV;
		n_open += !one;
		err = one && one != -ENODEV ? one : err;
	}
	say_not_opened(s, err);
	pthread_mutex_lock(&s->lock);
	s->n_open = n_open;
	s->n_online = n_online;
	memcpy(s->online, online, sizeof(online));
	if (!err)
		s->why[0] = '\0';
	pthread_mutex_unlock(&s->lock);
	return n_open;
}

bool cpu_sampler_switch(struct cpu_sampler *s, bool on)
{
	if (!s->skeleton)
		return false;
	if (on)
		return open_events(s);
	close_events(s);
	say_why(s, "no probes now");
	pthread_mutex_lock(&s->lock);
	s->n_open = 0;
	pthread_mutex_unlock(&s->lock);
	return false;
}

void cpu_sampler_is(struct cpu_sampler *s, char *ret, size_t size)
{
	bool outdated = cpu_sampler_outdated(s);

	pthread_mutex_lock(&s->lock);
	if (!s->n_open)
		snprintf(ret, size, "off: %s", s->why[0] ? s->why : "not yet");
	else if (s->n_open < s->n_online)
		snprintf(ret, size, "incomplete: on %u of %u CPUs: %s", s->n_open, s->n_online,
			 s->why);
	else if (outdated)
		snprintf(ret, size, "incomplete: CPUs have come or gone just now");
	else
		snprintf(ret, size, "on");
	pthread_mutex_unlock(&s->lock);
}

void cpu_sampler_counts(const struct cpu_sampler *s, struct wire_cpu_counts *ret)
{
	struct wire_cpu_counts sum = {0};

	for (unsigned i = 0; s->skeleton && i < MIN(s->n_cpus, WIRE_CPU_SLOTS); i++) {
		const volatile struct wire_cpu_counts *c = &s->skeleton->bss->counts[i];

		sum.hits += c->hits;
		sum.lost += c->lost;
		sum.ns += c->ns;
	}
	*ret = sum;
}

int capture_check_cpu(char *why, size_t size)
{
	int fd, err = 0;

	if (!has_btf()) {
		snprintf(why, size, "%s", NO_BTF);
		return -ENOTSUP;
	}
	for (int cpu = 0; cpu < CPUS_MAX; cpu++) { /* the first one that is online */
		fd = open_clock(cpu, NS_PER_SEC);
		if (fd == -ENODEV)
			continue;
		err = MIN(fd, 0);
		close_fd(&fd);
		break;
	}
	if (err == -EPERM || err == -EACCES) {
		snprintf(why, size, "%s", NOT_ALLOWED);
		return -EPERM;
	}
	snprintf(why, size, "perf events: %s", strerror(-err));
	return err ? -ENOTSUP : 0;
}
