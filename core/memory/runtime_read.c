/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The heap's figures as readmemstats_m() and heapGoalInternal() work them out, the scheduler's as
 * schedtrace() does (runtime/mstats.go, mgcpacer.go, proc.go). Each struct is read with one call.
 */
#include "core/memory/runtime_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/memory/memory.h"

#define STRUCT_MAX      16384 /* any of those that are read whole */
#define SANE_BYTES      (1ULL << 48)
#define SANE_ALLOCATED  (1ULL << 60)
#define RUNTIME_CLASSES 68

struct reading {
	pid_t pid;
	uint64_t bias;
	const struct target *target;
	const struct runtime_at *at;
	struct runtime_layout l;
	uint8_t bytes[STRUCT_MAX];
};

static uint64_t u64(const uint8_t *bytes, uint32_t at)
{
	uint64_t value;

	memcpy(&value, bytes + at, sizeof(value));
	return value;
}

static uint32_t u32(const uint8_t *bytes, uint32_t at)
{
	uint32_t value;

	memcpy(&value, bytes + at, sizeof(value));
	return value;
}

static int64_t i32(const uint8_t *bytes, uint32_t at)
{
	return (int32_t)u32(bytes, at);
}

/* --- the heap --------------------------------------------------------------------------------- */

/* What is known of one of memstats' consistent statistics: the sum of three. A sum that was read
 * while it moves from one to the other may be off; below 0, or absurd, it is not told. */
static uint64_t delta(const uint8_t *b, const struct runtime_layout *l, uint32_t field)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < 3; i++)
		sum += u64(b, l->heap_stats + i * l->delta_size + l->delta_stacks + field);
	return sum < SANE_BYTES ? sum : RUNTIME_UNKNOWN;
}

/* RUNTIME_UNKNOWN when one of them is. */
static uint64_t sum2(uint64_t a, uint64_t b)
{
	return a == RUNTIME_UNKNOWN || b == RUNTIME_UNKNOWN ? RUNTIME_UNKNOWN : a + b;
}

/* Go runtime/sizeclasses.go, the same in all releases. */
static const uint16_t class_bytes[RUNTIME_CLASSES] = {
	0,     8,     16,    24,    32,    48,    64,    80,    96,    112,   128,   144,
	160,   176,   192,   208,   224,   240,   256,   288,   320,   352,   384,   416,
	448,   480,   512,   576,   640,   704,   768,   896,   1024,  1152,  1280,  1408,
	1536,  1792,  2048,  2304,  2688,  3072,  3200,  3456,  4096,  4864,  5376,  6144,
	6528,  6784,  6912,  8192,  9472,  9728,  10240, 10880, 12288, 13568, 14336, 16384,
	18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768};

/* Up to 1.18 the pacer does not count it: largeAlloc, and from the second word behind it on how
 * many of each class. */
static uint64_t allocated_of(const uint8_t *b, const struct runtime_layout *l)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < 3; i++) {
		uint32_t at = l->heap_stats + i * l->delta_size + l->delta_stacks + 32;

		sum += u64(b, at);
		for (uint32_t class = 0; class < RUNTIME_CLASSES; class ++)
			sum += class_bytes[class] * u64(b, at + 16 + 8 * class);
	}
	return sum < SANE_ALLOCATED ? sum : RUNTIME_UNKNOWN;
}

static uint64_t longest_pause(const uint8_t *b, const struct runtime_layout *l)
{
	uint64_t longest = 0;

	for (uint32_t i = 0; i < RUNTIME_PAUSES; i++)
		longest = MAX(longest, u64(b, l->pause_total + 8 + 8 * i));
	return longest;
}

static void take_memstats(const struct runtime_layout *l, const uint8_t *b, struct runtime_heap *h)
{
	uint64_t work = delta(b, l, 8), stacks = delta(b, l, 0);

	h->cycles = u32(b, l->numgc);
	h->forced_cycles = u32(b, l->numgc + 4);
	h->last_gc_unix_ns = u64(b, l->last_gc);
	h->pause_total = u64(b, l->pause_total);
	if (h->cycles)
		h->pause_last = u64(b, l->pause_total + 8 +
					       8 * (uint32_t)((h->cycles - 1) % RUNTIME_PAUSES));
	if (h->cycles)
		h->pause_longest = longest_pause(b, l);
	memcpy(&h->cpu_fraction, b + l->gc_cpu_fraction, sizeof(h->cpu_fraction));
	if (!(h->cpu_fraction >= 0 && h->cpu_fraction <= 1))
		h->cpu_fraction = -1;
	if (l->delta_bits)
		work = sum2(work, delta(b, l, 16));
	h->stacks_in_use = stacks;
	h->stacks_sys = sum2(stacks, u64(b, l->stacks_sys));
	h->gc_sys = sum2(work, u64(b, l->misc_sys));
	h->other_sys = u64(b, l->other_sys) + u64(b, l->mspan_sys) + u64(b, l->mcache_sys) +
		       u64(b, l->buckhash_sys);
	if (l->heap_sys) {
		h->sys = u64(b, l->heap_sys);
		h->in_use = u64(b, l->heap_inuse);
		h->released = u64(b, l->heap_released);
		h->idle = h->sys >= h->in_use ? h->sys - h->in_use : RUNTIME_UNKNOWN;
		h->allocated = allocated_of(b, l);
	}
}

/* memoryLimitHeapGoal() */
static uint64_t limit_goal(const struct runtime_layout *l, const uint8_t *b, uint64_t marked)
{
	uint64_t limit = u64(b, l->memory_limit), free_bytes = u64(b, l->in_use + 16);
	uint64_t alloc = u64(b, l->in_use + 24) - u64(b, l->in_use + 32);
	uint64_t ready = u64(b, l->in_use + 40), over, beside, goal, room = 1u << 20;

	if (free_bytes + alloc > ready)
		return RUNTIME_UNKNOWN; /* torn: it tries again */
	beside = ready - free_bytes - alloc;
	over = ready > limit ? ready - limit : 0;
	if (beside + over >= limit)
		return marked;
	goal = limit - (beside + over);
	if (l->headroom_percent)
		room = MAX(room, goal / 100 * 3);
	goal = goal < room || goal - room < room ? room : goal - room;
	return MAX(goal, marked);
}

/* heapGoalInternal() */
static uint64_t goal_of(const struct runtime_layout *l, const uint8_t *b, uint64_t marked)
{
	uint64_t goal = u64(b, l->percent_goal), by_limit = limit_goal(l, b, marked);
	uint64_t swept = u64(b, l->percent_goal + 8), triggered = u64(b, l->percent_goal + 16);

	if (by_limit < goal)
		return by_limit;
	goal = MAX(goal, swept);
	if (triggered != UINT64_MAX && goal < triggered + (64u << 10))
		goal = triggered + (64u << 10);
	return goal;
}

static void take_controller(const struct runtime_layout *l, const uint8_t *b,
			    struct runtime_heap *h)
{
	h->gc_percent = u32(b, 0);
	h->live = u64(b, l->heap_live);
	h->marked = u64(b, l->heap_marked);
	h->assist = u64(b, l->assist);
	h->mark =
		h->assist + u64(b, l->assist + 8) + u64(b, l->assist + 16) + u64(b, l->assist + 24);
	if (!l->in_use) {
		h->goal = u64(b, l->heap_goal);
		return;
	}
	h->memory_limit = u64(b, l->memory_limit);
	h->goal = goal_of(l, b, h->marked);
	h->in_use = u64(b, l->in_use);
	h->released = u64(b, l->in_use + 8);
	h->idle = u64(b, l->in_use + 16) + h->released;
	h->sys = h->in_use + h->idle;
	h->allocated = u64(b, l->in_use + 24);
}

/* The one way into `bytes`: offsets may come from the program's own DWARF. A runtime address. */
static int read_whole(struct reading *r, uint64_t addr, uint32_t size)
{
	return size > sizeof(r->bytes) ? -ENOSYS : memory_read(r->pid, addr, r->bytes, size);
}

/* The same for a static address. */
static int read_at(struct reading *r, uint64_t addr, uint32_t size)
{
	return read_whole(r, addr + r->bias, size);
}

static int read_heap(struct reading *r, struct runtime_seen *s)
{
	const struct runtime_layout *l = &r->l;
	uint64_t spans[2]; /* size of one; bytes of those in use */
	int err = 0;

	s->heap = runtime_heap_unknown();
	if (r->at->memstats) {
		err = read_at(r, r->at->memstats,
			      MAX(l->memstats_size, l->heap_stats + 3 * l->delta_size));
		if (err)
			return err;
		take_memstats(l, r->bytes, &s->heap);
		s->has_heap = true;
	}
	if (r->at->controller) {
		err = read_at(r, r->at->controller, l->controller_size);
		if (err)
			return err;
		take_controller(l, r->bytes, &s->heap);
		s->has_heap = true;
	}
	if (r->at->mheap) {
		uint64_t at = r->at->mheap + r->bias;

		err = memory_read(r->pid, at + l->spanalloc, &spans[0], 8);
		if (!err)
			err = memory_read(r->pid, at + l->spanalloc_inuse, &spans[1], 8);
		/* What is no size of a span is not where that is kept. */
		if (!err && spans[0] >= 64 && spans[0] <= 1024 && spans[1] % spans[0] == 0) {
			s->heap.spans = spans[1] / spans[0];
			s->heap.spans_bytes = spans[1];
		}
	}
	s->heap.all_sys = sum2(sum2(s->heap.sys, s->heap.stacks_sys),
			       sum2(s->heap.gc_sys, s->heap.other_sys));
	return err;
}

/* --- the scheduler ---------------------------------------------------------------------------- */

static bool flag(const struct reading *r, uint32_t at)
{
	return r->l.byte_flags ? r->bytes[at] : u32(r->bytes, at);
}

static int read_sched(struct reading *r, struct runtime_seen *s)
{
	const struct runtime_layout *l = &r->l;
	const uint8_t *b = r->bytes;
	int err = read_at(r, r->at->sched, l->sched_size);

	if (err)
		return err;
	s->idle_threads = i32(b, l->nmidle);
	s->idle_locked = i32(b, l->nmidle + 4);
	s->threads = (int64_t)(u64(b, l->nmidle + 8) - u64(b, l->nmfreed)); /* mcount() */
	s->idle_ps = i32(b, l->npidle);
	s->spinning = i32(b, l->npidle + 4);
	s->need_spinning = l->needspinning ? i32(b, l->npidle + 8) : -1;
	s->run_queue = i32(b, l->runqsize);
	s->gc_waiting = flag(r, l->gcwaiting);
	s->stop_wait = i32(b, l->gcwaiting + 4);
	s->sysmon_waiting = flag(r, l->sysmonwait);
	s->has_sched = true;
	return 0;
}

/* The number in a struct that a pointer leads to. False when it cannot be read. */
static bool pointed(const struct reading *r, uint64_t addr, uint32_t offset, uint64_t *ret)
{
	return !memory_read(r->pid, addr + offset, ret, sizeof(*ret));
}

static int64_t id_of_m(const struct reading *r, uint64_t m)
{
	uint64_t id;

	return m && pointed(r, m, target_layout(r->target)->m_id, &id) ? (int64_t)id : -1;
}

#define P_READINGS 4 /* of a P whose queue moved meanwhile */

static int read_p(struct reading *r, uint64_t addr, struct runtime_p *p)
{
	const struct runtime_layout *l = &r->l;
	const uint8_t *b = r->bytes;
	uint32_t runq = RUNTIME_RUNQ_MAX + 1;

	/* Head and tail may be of slightly different moments. */
	for (unsigned i = 0; i < P_READINGS && runq > RUNTIME_RUNQ_MAX; i++) {
		int err = read_whole(r, addr, l->p_size);

		if (err)
			return err;
		runq = runtime_runq(u32(b, l->p_runqhead), u32(b, l->p_runqhead + 4));
	}
	*p = (struct runtime_p){
		.id = (int32_t)u32(b, 0),
		.status = u32(b, l->p_status),
		.schedtick = u32(b, l->p_schedtick),
		.syscalltick = u32(b, l->p_syscalltick),
		.runq = runq,
		.next = u64(b, l->p_runnext) != 0,
	};
	p->m = id_of_m(r, u64(b, l->p_m));
	return 0;
}

/* So much of an m that all that is looked at is in it. */
static uint32_t m_size(const struct go_layout *go, const struct runtime_layout *l)
{
	uint32_t last = MAX(MAX(go->m_id, go->m_procid), MAX(go->m_p, go->m_curg));

	return MAX(l->m_size, last + 8);
}

static int read_m(struct reading *r, uint64_t addr, struct runtime_m *m, uint64_t *ret_next)
{
	const struct go_layout *go = target_layout(r->target);
	const struct runtime_layout *l = &r->l;
	const uint8_t *b = r->bytes;
	uint64_t p, goid[2] = {0, 0}, g[2];
	int err = read_whole(r, addr, m_size(go, l));

	if (err)
		return err;
	*m = (struct runtime_m){
		.id = (int64_t)u64(b, go->m_id),
		.tid = u64(b, go->m_procid),
		.p = -1,
		.locks = (int32_t)u32(b, l->m_locks),
		.spinning = b[l->m_spinning],
		.blocked = b[l->m_spinning + 1],
	};
	p = u64(b, go->m_p);
	g[0] = u64(b, go->m_curg);
	g[1] = u64(b, l->m_lockedg);
	*ret_next = u64(b, l->m_alllink);
	if (p) {
		uint32_t id;

		if (!memory_read(r->pid, p, &id, sizeof(id)))
			m->p = (int32_t)id;
	}
	for (unsigned i = 0; i < 2; i++)
		if (g[i] && !pointed(r, g[i], go->g_goid, &goid[i]))
			goid[i] = RUNTIME_UNKNOWN;
	m->goid = goid[0];
	m->locked_goid = goid[1];
	return 0;
}

/* --- all of it -------------------------------------------------------------------------------- */

static int read_ps(struct reading *r, struct runtime_seen **s)
{
	uint64_t slice[3], *ps;
	struct runtime_seen *more;
	int err = memory_read(r->pid, r->at->allp + r->bias, slice, sizeof(slice));

	if (err)
		return err;
	if (!slice[0] || slice[0] % 8 || !slice[1] || slice[1] > RUNTIME_PS_MAX)
		return -EFAULT;
	ps = calloc(slice[1], sizeof(*ps));
	more = realloc(*s, sizeof(**s) + slice[1] * sizeof((*s)->ps[0]));
	if (more)
		*s = more;
	err = ps && more ? memory_read(r->pid, slice[0], ps, slice[1] * sizeof(*ps)) : -ENOMEM;
	for (uint64_t i = 0; !err && i < slice[1]; i++) {
		err = ps[i] ? read_p(r, ps[i], &(*s)->ps[(*s)->n_ps]) : -EFAULT;
		(*s)->n_ps += !err;
	}
	free(ps);
	return err;
}

/* New ones are put in front of the list; one that has ended is taken out, which may cut it. */
static int read_ms(struct reading *r, struct runtime_seen **s)
{
	uint64_t at;
	uint32_t room = 0;
	int err = memory_read(r->pid, r->at->allm + r->bias, &at, sizeof(at));

	while (!err && at && !(*s)->cut) {
		struct runtime_m m;
		uint64_t next;

		(*s)->many = (*s)->n_ms == RUNTIME_MS_MAX;
		if ((*s)->many || read_m(r, at, &m, &next)) {
			(*s)->cut = true;
			break;
		}
		if ((*s)->n_ms == room) {
			struct runtime_seen *more;

			room = room ? room * 2 : 64;
			more = realloc(*s, (*s)->ms_at + room * sizeof(m));
			if (!more)
				return -ENOMEM;
			*s = more;
		}
		memcpy((char *)*s + (*s)->ms_at + (*s)->n_ms++ * sizeof(m), &m, sizeof(m));
		at = next;
	}
	(*s)->has_ms = !err;
	return err;
}

static int read_all(struct reading *r, struct runtime_seen **s)
{
	int err = read_heap(r, *s);

	if (!err && r->at->sched && r->at->allp)
		err = read_sched(r, *s);
	if (!err && (*s)->has_sched)
		err = read_ps(r, s);
	(*s)->ms_at = (uint32_t)(sizeof(**s) + (*s)->n_ps * sizeof((*s)->ps[0]));
	if (!err && (*s)->has_sched && r->at->allm)
		err = read_ms(r, s);
	return err;
}

int memory_runtime(const struct target *t, const struct runtime_at *at, pid_t pid, uint64_t bias,
		   struct runtime_seen **ret)
{
	struct reading *r = calloc(1, sizeof(*r));
	struct runtime_seen *s = calloc(1, sizeof(*s));
	int err = r && s ? 0 : -ENOMEM;

	if (!err) {
		*r = (struct reading){.pid = pid, .bias = bias, .target = t, .at = at};
		err = runtime_layout(t, &r->l);
	}
	if (!err) {
		s->read_ns = monotonic_ns();
		s->wall_offset_ns = wall_offset_ns();
		err = read_all(r, &s);
	}
	free(r);
	if (err) {
		free(s);
		return err;
	}
	*ret = s;
	return 0;
}
