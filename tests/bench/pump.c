/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An event's whole way in user space: the pump's own thread empties rings that one thread here
 * fills as the BPF program of so many CPUs does (records, clocks and all), orders, decodes and
 * applies them to a model that retains a million events. What comes is what an HTTP server does
 * (docs/performance.md, "Fewer hits"): on each CPU, requests of its connections one after another,
 * each with a goroutine of its own in the background.
 *
 * Said is what the pump's thread takes, all of it, in events a second of CPU time; beside it, what
 * a reader of every event takes who builds the pyramid of the web UI by them, on a thread of its
 * own. Everything must have arrived.
 *
 *	pump [EVENTS [RINGS CONNECTIONS]]	default 2,000,000, and a table of both; each figure
 *is the best of three
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/capture/pump.h"
#include "core/model/model.h"
#include "core/pyramid/pyramid.h"
#include "core/target/process.h"
#include "tests/no_parts.h"

#define SLOTS    (1u << 14) /* far ones, a megabyte: as many as by default */
#define CPUS_MAX 64
#define AT_WORK  4 /* requests under way on a CPU */
#define TYPES    60
#define SITES    200
#define WARM     1500000 /* events before the figure: every page of the feed was touched */
#define GOAL     5000000
#define FOLLOWED 2048

/* --- stand-ins for core/target: every address is known -------------------------------------------
 */

int target_type(const struct target *t, uint64_t addr, struct target_type *ret)
{
	(void)t;
	*ret = (struct target_type){.size = 8 + addr % 512, .kind = 25, .elem_size = 1 + addr % 64};
	snprintf(ret->name, sizeof(ret->name), "main.T%llx", (unsigned long long)addr);
	return 0;
}

int target_start_func(const struct target *t, uint64_t pc, struct go_func *ret)
{
	(void)t;
	(void)pc;
	*ret = (struct go_func){.name = "net/http.(*connReader).backgroundRead"};
	return 0;
}

int target_frames_by_pc(const struct target *t, uint64_t pc, struct target_frame *ret, size_t max)
{
	(void)t;
	(void)max;
	ret[0] = (struct target_frame){
		.function = "main.f", .file = "main.go", .line = (uint32_t)(pc & 0xffff)};
	return 1;
}

const char *target_wait_reason(const struct target *t, unsigned reason)
{
	(void)t;
	return reason < 30 ? "IO wait" : NULL;
}

int target_load_bias(const struct target *t, pid_t pid, uint64_t *ret)
{
	(void)t;
	(void)pid;
	*ret = 0;
	return 0;
}

bool target_runs_in(const struct target *t, pid_t pid)
{
	(void)t;
	(void)pid;
	return true;
}

int process_each(process_fn *fn, void *ctx)
{
	(void)fn;
	(void)ctx;
	return 0; /* records tell of those that there are */
}

int process_wait_status(int pidfd, pid_t pid, int *ret)
{
	(void)pidfd;
	(void)pid;
	(void)ret;
	return -EAGAIN;
}

bool target_executed_by(const struct target *t, pid_t pid)
{
	(void)t;
	(void)pid;
	return false;
}

void program_counters(const struct program *p, struct program_counters *ret)
{
	(void)p;
	*ret = (struct program_counters){0}; /* nothing is lost: who fills the rings waits */
}

int program_samples_fd(const struct program *p)
{
	(void)p;
	return -1;
}

int cpu_sampler_fd(const struct cpu_sampler *s)
{
	(void)s;
	return -1;
}

uint64_t cpu_sampler_period_ns(const struct cpu_sampler *s)
{
	(void)s;
	return 0;
}

void cpu_sampler_counts(const struct cpu_sampler *s, struct wire_cpu_counts *ret)
{
	(void)s;
	*ret = (struct wire_cpu_counts){0};
}

void cpu_names_decode(struct cpu_names *n, const struct decode_process *process,
		      const struct wire_cpu_sample *sample, uint64_t period_ns,
		      struct stack_sample *ret)
{
	(void)n;
	(void)process;
	(void)sample;
	(void)period_ns;
	*ret = (struct stack_sample){0};
}

/* --- what happens in a request ------------------------------------------------------------------
 */

enum who { CONNECTION, BACKGROUND };

struct step {
	uint8_t type;
	uint8_t who; /* of a change of state: whose; else who acts */
	uint8_t from, to;
	bool by_runtime; /* no goroutine does it */
};

#define CAS(whose, was, is)                                                                        \
	{                                                                                          \
		.type = WIRE_CASGSTATUS, .who = whose, .from = GSTATE_##was, .to = GSTATE_##is     \
	}
#define WAKE(whose)                                                                                \
	{                                                                                          \
		.type = WIRE_CASGSTATUS, .who = whose, .from = GSTATE_WAITING,                     \
		.to = GSTATE_RUNNABLE, .by_runtime = true                                          \
	}
#define ALLOC(kind)                                                                                \
	{                                                                                          \
		.type = WIRE_##kind, .who = CONNECTION                                             \
	}
#define SYSCALL(whose) CAS(whose, RUNNING, SYSCALL), CAS(whose, SYSCALL, RUNNING)

static const struct step request[] = {
	WAKE(CONNECTION),
	CAS(CONNECTION, RUNNABLE, RUNNING),
	SYSCALL(CONNECTION),
	ALLOC(NEWOBJECT),
	ALLOC(MAKESLICE),
	ALLOC(NEWOBJECT),
	ALLOC(MAKEMAP),
	ALLOC(NEWOBJECT),
	{.type = WIRE_NEWGOROUTINE, .who = CONNECTION, .from = GSTATE_DEAD, .to = GSTATE_RUNNABLE},
	ALLOC(NEWOBJECT),
	ALLOC(MAKESLICE),
	ALLOC(NEWOBJECT),
	ALLOC(NEWOBJECT),
	ALLOC(MAKESLICE),
	SYSCALL(CONNECTION),
	CAS(CONNECTION, RUNNING, WAITING),
	CAS(BACKGROUND, RUNNABLE, RUNNING),
	SYSCALL(BACKGROUND),
	CAS(BACKGROUND, RUNNING, WAITING),
	WAKE(BACKGROUND),
	CAS(BACKGROUND, RUNNABLE, RUNNING),
	CAS(BACKGROUND, RUNNING, DEAD),
};

/* A creation and an end are one record and two events each. */
#define EVENTS_A_REQUEST (ARRAY_SIZE(request) + 2)

/* --- the kernel's side ---------------------------------------------------------------------------
 */

struct cpu_ring {
	struct wire_ring control;
	struct wire_slot slots[WIRE_NEAR + SLOTS];
};

struct under_way {
	uint64_t goid[2]; /* by enum who */
	size_t step;
};

struct server {
	struct cpu_ring *memory;
	unsigned n_cpus, n_connections;
	uint32_t pid;
	uint64_t seed, next_goid;
	struct under_way requests[CPUS_MAX][AT_WORK];
};

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Of some connection that is this CPU's and this place's, so that each has one at a time. */
static void begin_request(struct server *s, unsigned cpu, unsigned place)
{
	unsigned apart = s->n_cpus * AT_WORK;
	uint64_t nth = (next_random(&s->seed) >> 20) % (s->n_connections / apart);

	s->requests[cpu][place] = (struct under_way){
		.goid = {1 + nth * apart + cpu * AT_WORK + place, s->next_goid++}};
}

static void fill_record(struct server *s, const struct under_way *u, union wire_record *r)
{
	const struct step *step = &request[u->step];
	uint64_t r64 = next_random(&s->seed) >> 11;

	r->h.type = step->type;
	r->h.from = step->from;
	r->h.to = step->to;
	r->h.goid = step->by_runtime ? 0 : u->goid[step->who];
	switch (step->type) {
	case WIRE_CASGSTATUS:
		r->h.flags = WIRE_EMIT_STATE | WIRE_STATE_SEEN |
			     (step->to == GSTATE_DEAD ? WIRE_EMIT_EXIT : 0);
		r->state.target = u->goid[step->who];
		r->state.reason = step->to == GSTATE_WAITING ? 2 : 0;
		break;
	case WIRE_NEWGOROUTINE:
		r->h.flags = WIRE_EMIT_STATE | WIRE_STATE_SEEN | WIRE_EMIT_CREATE;
		r->create.target = u->goid[BACKGROUND];
		r->create.parent = u->goid[CONNECTION];
		r->create.start_pc = 0x401000;
		r->create.go_pc = 0x402000;
		break;
	default:
		r->h.flags = 0;
		/* A dozen are common. */
		r->alloc.type = 0x500000 + 64 * (r64 & 7 ? r64 % 12 : r64 % TYPES);
		r->alloc.caller = 0x410000 + 16 * (r64 & 7 ? r64 % 30 : r64 % SITES);
		r->alloc.a = step->type == WIRE_NEWOBJECT ? 0 : 16;
		r->alloc.b = 32;
	}
}

/* false: the ring is full. */
static bool write_one(struct server *s)
{
	uint64_t r = next_random(&s->seed);
	unsigned cpu = (unsigned)((r >> 8) % s->n_cpus), place = (unsigned)(r >> 40) % AT_WORK;
	struct cpu_ring *ring = &s->memory[cpu];
	struct under_way *u = &s->requests[cpu][place];
	uint64_t tail = __atomic_load_n(&ring->control.tail, __ATOMIC_ACQUIRE);
	struct wire_slot *slot;
	uint64_t number;

	if (wire_ring_full(&ring->control, SLOTS - 64))
		return false;
	number = __atomic_fetch_add(&ring->control.head, 1, __ATOMIC_SEQ_CST);
	slot = &ring->slots[wire_slot_index(number, tail, SLOTS)];
	slot->record.h.time_ns = monotonic_ns();
	slot->record.h.pid_cpu = s->pid | cpu << WIRE_PID_BITS;
	fill_record(s, u, &slot->record);
	__atomic_store_n(&slot->seq, number + 1, __ATOMIC_RELEASE);
	if (++u->step == ARRAY_SIZE(request))
		begin_request(s, cpu, place);
	return true;
}

/* Waits where a ring is full: what is measured is the CPU time of the other side. */
static void write_records(struct server *s, size_t n)
{
	while (n) {
		if (write_one(s))
			n--;
		else
			(void)sched_yield();
	}
}

/* --- the other side ------------------------------------------------------------------------------
 */

struct bench {
	struct server server;
	struct ring rings[CPUS_MAX];
	struct wire_control control;
	struct program program;
	struct names *names;
	struct model *model;
	struct decode *decode;
	struct procs *procs;
	struct pump *pump;
	pthread_t reader;
	bool reads;
	_Atomic uint64_t read_until;
	_Atomic uint64_t reader_cpu;
	_Atomic bool over;
};

static int sink_process_new(void *ctx, pid_t pid, uint64_t time_ns)
{
	struct bench *b = ctx;
	struct proc_info info = {.pid = pid, .attached_ns = time_ns};

	return model_proc_add(b->model, &info);
}

static void sink_events(void *ctx, struct event *events, size_t n)
{
	struct bench *b = ctx;

	model_apply(b->model, events, n);
}

static const struct capture_sink sink_calls = {.process_new = sink_process_new,
					       .events = sink_events};

static void *read_feed(void *arg)
{
	static _Thread_local struct event events[FOLLOWED];
	struct bench *b = arg;
	struct feed *feed = model_feed(b->model);
	struct pyramid *pyramid = NULL;
	uint64_t cursor = 0, missed = 0;

	if (pyramid_new(64u << 20, &pyramid))
		return NULL;
	while (!atomic_load(&b->over)) {
		size_t n = feed_read(feed, &cursor, events, FOLLOWED, &missed);

		pyramid_apply(pyramid, b->names, events, n);
		atomic_store(&b->reader_cpu, clock_ns(CLOCK_THREAD_CPUTIME_ID));
		atomic_store(&b->read_until, cursor);
		if (!n)
			feed_wait(feed, cursor, 10000000);
	}
	pyramid_free(pyramid);
	return NULL;
}

static int make_server(struct bench *b, unsigned n_cpus, unsigned n_connections)
{
	struct server *s = &b->server;

	*s = (struct server){.n_cpus = n_cpus,
			     .n_connections = MAX(n_connections, n_cpus * AT_WORK),
			     .pid = (uint32_t)getpid(),
			     .seed = 88172645463325252ull};
	s->next_goid = s->n_connections + 1;
	s->memory = aligned_alloc(4096, n_cpus * sizeof(*s->memory) / 4096 * 4096 + 4096);
	if (!s->memory)
		return -ENOMEM;
	memset((void *)s->memory, 0, n_cpus * sizeof(*s->memory));
	for (unsigned i = 0; i < n_cpus; i++) {
		b->rings[i] = (struct ring){.control = &s->memory[i].control,
					    .slots = s->memory[i].slots,
					    .n_slots = SLOTS};
		for (unsigned k = 0; k < AT_WORK; k++)
			begin_request(s, i, k);
	}
	b->program = (struct program){.control = &b->control,
				      .rings = b->rings,
				      .n_rings = n_cpus,
				      .exec_fd = -1,
				      .tells_cpus = true};
	return 0;
}

static int make_bench(struct bench *b, struct capture_sink *sink)
{
	struct model_config config = {.retain = 1000000, .retain_exited = 10000, .workers = 1};
	int err = names_new(100000, &b->names);

	config.names = b->names;
	*sink = sink_calls;
	sink->ctx = b;
	if (!err)
		err = model_new(&config, &b->model);
	if (!err)
		err = decode_new(NULL, b->names, NULL, &b->decode);
	if (!err)
		err = procs_new(NULL, NULL, NULL, true, sink, &b->procs);
	if (!err)
		err = pump_new(&b->program, b->decode, b->procs, NULL, NULL, sink, &b->pump);
	if (!err)
		err = procs_add(b->procs, getpid(), monotonic_ns());
	return err ? err : pump_start(b->pump);
}

static void free_bench(struct bench *b)
{
	atomic_store(&b->over, true);
	if (b->reads)
		pthread_join(b->reader, NULL);
	pump_free(b->pump);
	procs_free(b->procs);
	decode_free(b->decode);
	model_free(b->model);
	names_free(b->names);
	free(b->server.memory);
	free(b);
}

static uint64_t written(const struct bench *b)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < b->server.n_cpus; i++)
		n += b->rings[i].control->head;
	return n;
}

/* Until all that was written is in the model, and read. Returns how many events there were. */
static uint64_t settle(struct bench *b)
{
	uint64_t wanted_ns = monotonic_ns(), head;

	while (pump_delivered(b->pump, wanted_ns) < wanted_ns)
		(void)usleep(1000);
	head = feed_head(model_feed(b->model));
	while (b->reads && atomic_load(&b->read_until) < head)
		(void)usleep(1000);
	return head;
}

struct figure {
	double pump_ns, reader_ns; /* CPU time an event */
};

static int measure(struct bench *b, size_t events, struct figure *ret)
{
	uint64_t cpu, before, reader, head;
	struct capture_stats stats;

	write_records(&b->server, WARM);
	before = settle(b);
	reader = atomic_load(&b->reader_cpu);
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - clock_ns(CLOCK_THREAD_CPUTIME_ID);
	write_records(&b->server, events / EVENTS_A_REQUEST * ARRAY_SIZE(request));
	head = settle(b);
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	reader = atomic_load(&b->reader_cpu) - reader;
	pump_stats(b->pump, &stats);
	if (stats.read != written(b) || stats.delivered != head || stats.undecodable ||
	    stats.ignored)
		return -EIO;
	ret->pump_ns = (double)(cpu - reader) / (double)(head - before);
	ret->reader_ns = (double)reader / (double)(head - before);
	return 0;
}

static int run_once(unsigned n_cpus, unsigned n_connections, bool reads, size_t events,
		    struct figure *ret)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct capture_sink sink;
	int err = b ? make_server(b, n_cpus, n_connections) : -ENOMEM;

	if (!b)
		return err;
	if (!err)
		err = make_bench(b, &sink);
	if (!err && reads) {
		err = -pthread_create(&b->reader, NULL, read_feed, b);
		b->reads = !err;
	}
	if (!err)
		err = measure(b, events, ret);
	free_bench(b);
	return err;
}

/* The best of three: a machine that does other things only ever makes it slower. */
static int run(unsigned n_cpus, unsigned n_connections, bool reads, size_t events)
{
	struct figure best = {0}, f = {0};

	for (int i = 0; i < 3; i++) {
		int err = run_once(n_cpus, n_connections, reads, events, &f);

		if (err)
			return err;
		if (i == 0 || f.pump_ns < best.pump_ns)
			best = f;
	}
	printf("%4u  %11u  %9.0f  %23.2f  %4s", n_cpus, n_connections, best.pump_ns,
	       1000 / best.pump_ns, 1e9 / best.pump_ns >= GOAL ? "met" : "NOT");
	if (reads)
		printf("  %6.0f", best.reader_ns);
	printf("\n");
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		unsigned cpus, connections;
		bool reads;
	} runs[] = {
		{1, 100, false},  {2, 100, false},   {2, 100, true},     {2, 10000, false},
		{8, 1000, false}, {8, 10000, false}, {64, 10000, false},
	};
	size_t events = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000;
	int err = 0;

	printf("rings  connections  pump, ns an event  million a second of CPU  of 5 million  a "
	       "reader with the pyramid, ns an event\n");
	events = MAX(events, (size_t)1000);
	if (argc > 3) {
		unsigned cpus = (unsigned)atoi(argv[2]), connections = (unsigned)atoi(argv[3]);

		err = cpus && cpus <= CPUS_MAX ? run(cpus, connections, false, events) : -EINVAL;
	}
	for (size_t i = 0; argc <= 3 && i < ARRAY_SIZE(runs) && !err; i++)
		err = run(runs[i].cpus, runs[i].connections, runs[i].reads, events);
	if (err)
		fprintf(stderr, "pump: %s\n", strerror(-err));
	return err ? 1 : 0;
}
