/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The pump thread; see pump.h. Statistics are written by it alone and read with relaxed loads. */
#include "core/capture/pump.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/thread.h"
#include "core/capture/cpu_names.h"
#include "core/capture/merge.h"

#define BATCH             512 /* events handed to the sink at once */
#define PASS_RECORDS      16384
#define QUICK_INTERVAL_NS 500000 /* somebody waits for single events */
/* Records are read, but the watermark has not passed them yet. */
#define STRAGGLER_INTERVAL_NS 200000
#define IDLE_TICK_NS          250000000 /* for losses and what else does not wake us */
#define EXECS_INTERVAL_NS     NS_PER_SEC
#define HELD_MAX              4096 /* samples: 2 MiB */
#define FINISH_TRIES          200  /* of 1 ms: for a program that was preempted while it wrote */
#define FINISH_NS             (5 * NS_PER_SEC) /* a probe that could not be taken out goes on writing */

/* Samples that the watermark has not passed: their process may still have to be told of. */
struct held {
	char *list;
	size_t n, cap;
	size_t size, time_at; /* of one, and where in it its time is */
	void (*deliver)(struct pump *p, const void *sample);
};

struct pump {
	struct program *program;
	struct decode *decode;
	struct procs *procs;
	const struct capture_sink *sink;
	struct merge *merge;
	int stop_fd;  /* eventfd: stop, or look now */
	int event_fd; /* epoll: stop_fd, the processes' ends */
	int sleep_fd; /* epoll: event_fd and the rings */
	pthread_t thread;
	bool started;
	bool stopping;        /* atomic */
	unsigned low_latency; /* atomic */
	int64_t interval_ns;  /* between two passes while records come */
	uint64_t drained_ns;  /* the rings were read then, */
	uint64_t apart_ns;    /* so long after the time before */
	bool more;            /* records that could be delivered wait */
	size_t n;             /* of batch */
	struct event *batch;
	struct capture_lost lost; /* told so far */
	uint64_t lost_execs;      /* seen to */
	uint64_t execs_ns;        /* looked for */
	/* The same. */
	uint64_t samples_lost[WIRE_SAMPLE_KINDS], samples_lost_weight[WIRE_SAMPLE_KINDS];
	struct held held, cpu_held; /* struct wire_sample, struct wire_cpu_sample */
	struct cpu_sampler *cpu;
	struct cpu_names *cpu_names;
	uint64_t cpu_lost; /* told so far */
	/* written by the pump, read by anybody (atomic) */
	uint64_t read, delivered, waiting, undecodable, senseless, ignored, stranded,
		deliver_ns_sum, delivered_until_ns;
};

static int on_sample(void *ctx, void *data, size_t size);
static int on_cpu_sample(void *ctx, void *data, size_t size);
static void deliver_sample(struct pump *p, const void *sample);
static void deliver_cpu_sample(struct pump *p, const void *sample);

static int epoll_add(int epoll_fd, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

static int open_fds(struct pump *p)
{
	int err;

	p->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->event_fd = epoll_create1(EPOLL_CLOEXEC);
	p->sleep_fd = epoll_create1(EPOLL_CLOEXEC);
	if (p->stop_fd < 0 || p->event_fd < 0 || p->sleep_fd < 0)
		return -errno;
	err = epoll_add(p->event_fd, p->stop_fd);
	if (!err)
		err = epoll_add(p->event_fd, procs_fd(p->procs));
	if (!err)
		err = epoll_add(p->sleep_fd, p->event_fd);
	if (!err && p->program->wakeups)
		err = epoll_add(p->sleep_fd, ring_buffer__epoll_fd(p->program->wakeups));
	return err;
}

int pump_new(struct program *program, struct decode *decode, struct procs *procs,
	     struct cpu_sampler *cpu, struct cpu_names *cpu_names, const struct capture_sink *sink,
	     struct pump **ret)
{
	struct pump *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->program = program;
	p->decode = decode;
	p->procs = procs;
	p->cpu = cpu;
	p->cpu_names = cpu_names;
	p->sink = sink;
	p->stop_fd = p->event_fd = p->sleep_fd = -1;
	p->interval_ns = PUMP_INTERVAL_MOST;
	p->held = (struct held){.size = sizeof(struct wire_sample),
				.time_at = offsetof(struct wire_sample, time_ns),
				.deliver = deliver_sample};
	p->cpu_held = (struct held){.size = sizeof(struct wire_cpu_sample),
				    .time_at = offsetof(struct wire_cpu_sample, time_ns),
				    .deliver = deliver_cpu_sample};
	p->batch = malloc(BATCH * sizeof(*p->batch));
	err = p->batch ? merge_new(program->rings, program->n_rings, &p->merge) : -ENOMEM;
	if (!err && program->samples)
		err = ring_buffer__add(program->wakeups, program_samples_fd(program), on_sample, p);
	if (!err && cpu_sampler_fd(cpu) >= 0)
		err = ring_buffer__add(program->wakeups, cpu_sampler_fd(cpu), on_cpu_sample, p);
	if (!err)
		err = open_fds(p);
	if (err) {
		pump_free(p);
		return err;
	}
	*ret = p;
	return 0;
}

void pump_free(struct pump *p)
{
	if (!p)
		return;
	if (p->started)
		pump_stop(p);
	if (p->stop_fd >= 0)
		close(p->stop_fd);
	if (p->event_fd >= 0)
		close(p->event_fd);
	if (p->sleep_fd >= 0)
		close(p->sleep_fd);
	merge_free(p->merge);
	free(p->held.list);
	free(p->cpu_held.list);
	free(p->batch);
	free(p);
}

/* --- one pass ------------------------------------------------------------------------------ */

static void add_to(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static void flush(struct pump *p)
{
	if (!p->n)
		return;
	p->sink->events(p->sink->ctx, p->batch, p->n);
	add_to(&p->delivered, p->n);
	p->n = 0;
}

/* Of a sample: it is known, or the sink hears of it first. NULL: it is nobody's. */
static const struct decode_process *sampled_process(struct pump *p, uint32_t pid, uint64_t time_ns)
{
	const struct decode_process *process = procs_known(p->procs, (pid_t)pid, time_ns);

	if (!process) {
		flush(p);
		process = procs_find(p->procs, (pid_t)pid, time_ns);
	}
	return p->sink->sample ? process : NULL;
}

static void deliver_sample(struct pump *p, const void *one)
{
	const struct wire_sample *sample = one;
	const struct decode_process *process = sampled_process(p, sample->pid, sample->time_ns);
	struct stack_sample named;

	if (!process)
		return;
	if (decode_sample(p->decode, process, sample, &named))
		p->sink->sample(p->sink->ctx, &named);
	else if (p->sink->samples_lost)
		p->sink->samples_lost(p->sink->ctx, (enum sample_kind)sample->kind, 1,
				      sample->weight);
}

/* Nobody is followed for such a sample: who is not any more has ended, or runs something else. */
static void deliver_cpu_sample(struct pump *p, const void *one)
{
	const struct wire_cpu_sample *sample = one;
	const struct decode_process *process =
		procs_known(p->procs, (pid_t)sample->pid, sample->time_ns);
	struct stack_sample named;

	if (!process || !p->sink->sample)
		return;
	cpu_names_decode(p->cpu_names, process, sample, cpu_sampler_period_ns(p->cpu), &named);
	p->sink->sample(p->sink->ctx, &named);
}

static void deliver_held(struct pump *p, struct held *h, uint64_t until_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < h->n; i++) {
		const char *sample = h->list + i * h->size;
		uint64_t time_ns;

		memcpy(&time_ns, sample + h->time_at, sizeof(time_ns));
		if (time_ns < until_ns)
			h->deliver(p, sample);
		else if (kept++ != i)
			memcpy(h->list + (kept - 1) * h->size, sample, h->size);
	}
	h->n = kept;
}

/* Those before that time, when all records before it were delivered. */
static void deliver_samples(struct pump *p, uint64_t until_ns)
{
	deliver_held(p, &p->held, until_ns);
	deliver_held(p, &p->cpu_held, until_ns);
}

/* false: there are too many. */
static bool hold(struct held *h, const void *sample)
{
	size_t more = h->cap ? h->cap * 2 : 64;
	char *grown;

	if (h->n == h->cap) {
		grown = more <= HELD_MAX ? reallocarray(h->list, more, h->size) : NULL;
		if (!grown)
			return false;
		h->list = grown;
		h->cap = more;
	}
	memcpy(h->list + h->n++ * h->size, sample, h->size);
	return true;
}

/* They come in a ring of their own: held until it is their turn. */
static int on_sample(void *ctx, void *data, size_t size)
{
	struct pump *p = ctx;
	const struct wire_sample *sample = data;

	if (size < sizeof(*sample) || sample->kind >= WIRE_SAMPLE_KINDS) {
		add_to(&p->senseless, 1);
		return 0;
	}
	if (hold(&p->held, sample))
		return 0;
	if (procs_known(p->procs, (pid_t)sample->pid, sample->time_ns))
		deliver_sample(p, sample);
	else if (p->sink->samples_lost)
		p->sink->samples_lost(p->sink->ctx, (enum sample_kind)sample->kind, 1,
				      sample->weight);
	return 0;
}

static int on_cpu_sample(void *ctx, void *data, size_t size)
{
	struct pump *p = ctx;
	const struct wire_cpu_sample *sample = data;

	if (size < sizeof(*sample)) {
		add_to(&p->senseless, 1);
		return 0;
	}
	if (hold(&p->cpu_held, sample))
		return 0;
	if (procs_known(p->procs, (pid_t)sample->pid, sample->time_ns))
		deliver_cpu_sample(p, sample);
	else if (p->sink->samples_lost)
		p->sink->samples_lost(p->sink->ctx, SAMPLE_CPU, 1, cpu_sampler_period_ns(p->cpu));
	return 0;
}

static void deliver_record(struct pump *p, const union wire_record *record)
{
	pid_t pid = (pid_t)wire_pid(&record->h);
	const struct decode_process *process = procs_known(p->procs, pid, record->h.time_ns);
	unsigned n;

	if (record->h.type == WIRE_EXEC) {
		flush(p);
		deliver_samples(p, record->h.time_ns); /* of what it was before */
		procs_executed(p->procs, pid, record->h.time_ns, record->h.flags & WIRE_BY_LEADER);
		return;
	}
	if (!process) {
		flush(p); /* the sink hears of processes and events in one order */
		process = procs_find(p->procs, pid, record->h.time_ns);
		if (!process) {
			add_to(&p->ignored, 1);
			return;
		}
	}
	if (p->n + DECODE_EVENTS_MAX > BATCH)
		flush(p);
	n = decode_record(p->decode, process, record, p->batch + p->n);
	if (!n && !decode_was_inner(p->decode))
		add_to(&p->senseless, 1);
	p->n += n;
}

static void deliver_lost_samples(struct pump *p, enum sample_kind kind,
				 const struct program_counters *now)
{
	uint64_t n = now->samples_lost[kind] - p->samples_lost[kind];
	uint64_t weight = now->samples_lost_weight[kind] - p->samples_lost_weight[kind];

	p->samples_lost[kind] += n;
	p->samples_lost_weight[kind] += weight;
	if (n && p->sink->samples_lost)
		p->sink->samples_lost(p->sink->ctx, kind, n, weight);
}

static void deliver_cpu_lost(struct pump *p)
{
	struct wire_cpu_counts counts;
	uint64_t lost;

	cpu_sampler_counts(p->cpu, &counts);
	lost = counts.lost - p->cpu_lost;
	p->cpu_lost = counts.lost;
	if (lost && p->sink->samples_lost)
		p->sink->samples_lost(p->sink->ctx, SAMPLE_CPU, lost,
				      lost * cpu_sampler_period_ns(p->cpu));
}

/* All that was counted before this moment: told before anything is said to be delivered until it.
 */
static void deliver_lost(struct pump *p, const struct program_counters *counters)
{
	struct capture_lost more = {0};
	uint64_t any, now_ns = monotonic_ns();

	any = more.hidden = counters->hidden - p->lost.hidden;
	p->lost.hidden = counters->hidden;
	for (unsigned t = 0; t < EVENT_TYPES; t++) {
		more.events[t] = counters->lost[t] - p->lost.events[t];
		p->lost.events[t] = counters->lost[t];
		any |= more.events[t];
	}
	if (any)
		p->sink->lost(p->sink->ctx, &more, now_ns);
	for (unsigned kind = 0; kind < WIRE_SAMPLE_KINDS; kind++)
		deliver_lost_samples(p, (enum sample_kind)kind, counters);
	deliver_cpu_lost(p);
}

/* Nobody tells of them. */
static bool looks_for_execs(struct pump *p)
{
	uint64_t now_ns = monotonic_ns();

	if (!p->program->own || now_ns - p->execs_ns < EXECS_INTERVAL_NS)
		return false;
	p->execs_ns = now_ns;
	return true;
}

/* Who runs what by now, and who has ended, once all that is older was delivered. */
static void settle_procs(struct pump *p, const struct program_counters *counters)
{
	if (counters->lost_execs != p->lost_execs || looks_for_execs(p))
		procs_doubt(p->procs);
	p->lost_execs = counters->lost_execs;
	procs_settle(p->procs);
	procs_deliver_exits(p->procs, merge_watermark(p->merge));
}

static void publish(struct pump *p)
{
	__atomic_store_n(&p->read, merge_read(p->merge), __ATOMIC_RELAXED);
	__atomic_store_n(&p->waiting, merge_waiting(p->merge), __ATOMIC_RELAXED);
	__atomic_store_n(&p->undecodable, merge_undecodable(p->merge) + p->senseless,
			 __ATOMIC_RELAXED);
}

/* Reads the rings and delivers what is in order, so much at a time that the rings are looked at
 * again soon; p->more says that there is more to deliver. Returns how many records were read. */
static size_t pass(struct pump *p)
{
	uint64_t started_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	const union wire_record *record = NULL;
	struct program_counters counters;
	uint64_t now_ns = monotonic_ns();
	size_t read = merge_drain(p->merge, now_ns);
	size_t room = PASS_RECORDS;

	p->apart_ns = now_ns - p->drained_ns;
	p->drained_ns = now_ns;
	/* After that: all samples before the watermark are among them. */
	if (p->program->samples || cpu_sampler_fd(p->cpu) >= 0)
		(void)ring_buffer__consume(p->program->wakeups);
	while (room && (record = merge_next(p->merge))) {
		deliver_record(p, record);
		room--;
	}
	flush(p);
	p->more = record != NULL;
	/* After the rings: what was lost before the watermark is in it. */
	program_counters(p->program, &counters);
	deliver_lost(p, &counters);
	if (!p->more) {
		deliver_samples(p, merge_watermark(p->merge));
		settle_procs(p, &counters);
		__atomic_store_n(&p->delivered_until_ns, merge_watermark(p->merge),
				 __ATOMIC_RELEASE);
	}
	publish(p);
	add_to(&p->deliver_ns_sum, clock_ns(CLOCK_THREAD_CPUTIME_ID) - started_ns);
	return read;
}

static void deliver_all(struct pump *p, uint64_t until_ns)
{
	do
		(void)pass(p);
	while (p->more && monotonic_ns() < until_ns);
}

/* The probes are gone: what is in the rings is all there will be. */
static void finish(struct pump *p)
{
	uint64_t until_ns = monotonic_ns() + FINISH_NS;

	procs_poll(p->procs);
	for (int i = 0; i < FINISH_TRIES; i++) {
		deliver_all(p, until_ns);
		if (!merge_backlog(p->merge))
			break;
		(void)poll(NULL, 0, 1);
	}
	merge_finish(p->merge);
	deliver_all(p, until_ns);
	add_to(&p->stranded, merge_unread(p->merge) + merge_waiting(p->merge));
	publish(p);
	__atomic_store_n(&p->delivered_until_ns, UINT64_MAX, __ATOMIC_RELEASE);
}

/* --- the thread ----------------------------------------------------------------------------- */

static void nudge(struct pump *p)
{
	(void)eventfd_write(p->stop_fd, 1);
}

static bool wait_for(int fd, int64_t timeout_ns)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	struct timespec ts = {.tv_sec = timeout_ns / (int64_t)NS_PER_SEC,
			      .tv_nsec = timeout_ns % (int64_t)NS_PER_SEC};

	return ppoll(&poll_fd, 1, &ts, NULL) > 0;
}

/* Asks for a wake-up, and sleeps unless something came meanwhile. */
static void sleep_until_woken(struct pump *p)
{
	__atomic_store_n(&p->program->control->want_wakeup, 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!merge_backlog(p->merge))
		(void)wait_for(p->sleep_fd, IDLE_TICK_NS);
	__atomic_store_n(&p->program->control->want_wakeup, 0, __ATOMIC_RELAXED);
	if (p->program->wakeups)
		(void)ring_buffer__consume(p->program->wakeups);
}

/* How long to leave the rings alone. */
static int64_t busy_interval(struct pump *p)
{
	/* A ring a quarter full does not wait. */
	if (p->more || merge_backlog(p->merge) > p->program->rings[0].n_slots / 4)
		return 0;
	p->interval_ns = pump_interval(p->interval_ns, p->apart_ns, merge_most(p->merge));
	return __atomic_load_n(&p->low_latency, __ATOMIC_RELAXED) ? QUICK_INTERVAL_NS
								  : p->interval_ns;
}

static void *pump_main(void *arg)
{
	struct pump *p = arg;
	bool nudged = true;

	(void)pthread_setname_np(pthread_self(), "xgotop-pump");
	/* A busy target must not keep us from emptying its rings. Only this thread (Linux). */
	(void)setpriority(PRIO_PROCESS, 0, CAPTURE_NICE);
	while (!__atomic_load_n(&p->stopping, __ATOMIC_ACQUIRE)) {
		eventfd_t nudges;
		size_t read;

		if (nudged)
			(void)eventfd_read(p->stop_fd, &nudges);
		/* Who nudged before the one above wants what the next pass finds. */
		read = pass(p);
		if (read || p->more || p->held.n || p->cpu_held.n || merge_waiting(p->merge) ||
		    merge_busy(p->merge)) {
			int64_t interval = busy_interval(p);

			if (!read)
				interval = MIN(interval, STRAGGLER_INTERVAL_NS);
			nudged = interval && wait_for(p->event_fd, interval);
			if (nudged)
				procs_poll(p->procs);
			continue;
		}
		sleep_until_woken(p);
		nudged = true;
		procs_poll(p->procs);
	}
	finish(p);
	return NULL;
}

int pump_start(struct pump *p)
{
	int err = thread_start(&p->thread, pump_main, p);

	p->started = !err;
	return err;
}

void pump_stop(struct pump *p)
{
	__atomic_store_n(&p->stopping, true, __ATOMIC_RELEASE);
	if (!p->started) {
		finish(p);
		return;
	}
	nudge(p);
	(void)pthread_join(p->thread, NULL);
	p->started = false;
}

uint64_t pump_delivered(struct pump *p, uint64_t wanted_ns)
{
	uint64_t until_ns = __atomic_load_n(&p->delivered_until_ns, __ATOMIC_ACQUIRE);

	if (until_ns < wanted_ns)
		nudge(p);
	return until_ns;
}

void pump_low_latency(struct pump *p, bool on)
{
	if (on)
		__atomic_fetch_add(&p->low_latency, 1, __ATOMIC_RELAXED);
	else
		__atomic_fetch_sub(&p->low_latency, 1, __ATOMIC_RELAXED);
}

void pump_stats(const struct pump *p, struct capture_stats *ret)
{
	ret->read = __atomic_load_n(&p->read, __ATOMIC_RELAXED);
	ret->delivered = __atomic_load_n(&p->delivered, __ATOMIC_RELAXED);
	ret->waiting = __atomic_load_n(&p->waiting, __ATOMIC_RELAXED);
	ret->undecodable = __atomic_load_n(&p->undecodable, __ATOMIC_RELAXED);
	ret->ignored = __atomic_load_n(&p->ignored, __ATOMIC_RELAXED);
	ret->stranded = __atomic_load_n(&p->stranded, __ATOMIC_RELAXED);
	ret->deliver_ns_sum = __atomic_load_n(&p->deliver_ns_sum, __ATOMIC_RELAXED);
}
