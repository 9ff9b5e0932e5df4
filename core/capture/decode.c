/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Wire records to events; see decode.h. The fast path of each field is one idmap_get(). */
#include "core/capture/decode.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "core/capture/idmap.h"
#include "core/target/parts.h"

#define REASONS_MAX 256
#define FRAMES_MAX  32 /* calls inlined into one another */

/* Where a process has a part of the program. */
struct home {
	pid_t pid;
	unsigned k;
	uint64_t bias;
};

struct decode {
	const struct target *target;
	bool without_cpus;
	struct names *names;
	capture_type_fn *made;
	struct idmap types; /* static address, salt 0, or runtime address, salt proc + 1 */
	struct idmap sites; /* return addresses */
	struct idmap funcs; /* start functions */
	/* The calls at a return address, inlined ones too: where in `calls` their number is, and
	 * behind it their sites. */
	struct idmap stack_pcs;
	uint32_t *calls;
	size_t n_calls, calls_cap;
	uint32_t reasons[REASONS_MAX];
	unsigned generation; /* of the target's parts, when the maps above were begun */
	bool inner;
	pthread_mutex_t lock;
	struct home *homes; /* protected by lock */
	size_t n_homes;
};

int decode_new(const struct target *target, struct names *names, capture_type_fn *made,
	       struct decode **ret)
{
	struct decode *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->target = target;
	d->names = names;
	d->made = made;
	d->generation = target_parts_generation(target);
	pthread_mutex_init(&d->lock, NULL);
	for (unsigned i = 0; i < REASONS_MAX; i++) {
		const char *reason = target_wait_reason(target, i);

		if (reason && *reason)
			d->reasons[i] = names_intern(names, reason, strlen(reason));
	}
	*ret = d;
	return 0;
}

static void forget(struct decode *d)
{
	idmap_free(&d->types);
	idmap_free(&d->sites);
	idmap_free(&d->funcs);
	idmap_free(&d->stack_pcs);
	free(d->calls);
	d->calls = NULL;
	d->n_calls = d->calls_cap = 0;
}

void decode_without_cpus(struct decode *d)
{
	d->without_cpus = true;
}

void decode_free(struct decode *d)
{
	if (!d)
		return;
	forget(d);
	pthread_mutex_destroy(&d->lock);
	free(d->homes);
	free(d);
}

/* --- plugins -------------------------------------------------------------------------------- */

int decode_part(struct decode *d, pid_t pid, unsigned k, uint64_t part_bias)
{
	struct home *homes, *home = NULL;
	int err = 0;

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < d->n_homes && !home; i++)
		if (d->homes[i].pid == pid && d->homes[i].k == k)
			home = &d->homes[i];
	if (!home) {
		homes = reallocarray(d->homes, d->n_homes + 1, sizeof(*homes));
		err = homes ? 0 : -ENOMEM;
		if (homes) {
			d->homes = homes;
			home = &homes[d->n_homes++];
		}
	}
	if (home)
		*home = (struct home){.pid = pid, .k = k, .bias = part_bias};
	pthread_mutex_unlock(&d->lock);
	return err;
}

static uint64_t part_bias(struct decode *d, pid_t pid, unsigned k)
{
	uint64_t bias = 0;

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < d->n_homes; i++)
		if (d->homes[i].pid == pid && d->homes[i].k == k)
			bias = d->homes[i].bias;
	pthread_mutex_unlock(&d->lock);
	return bias;
}

/* An address that a hit in a plugin told of, when it is not the plugin's: as if told by a hit in
 * the program, which knows by windows whose it is. */
static uint64_t settle_part(struct decode *d, const struct decode_process *p, uint64_t addr)
{
	unsigned k = target_part_of(addr);

	if (target_part_has(d->target, addr))
		return addr;
	return addr - ((uint64_t)k << TARGET_PART_SHIFT) + part_bias(d, p->pid, k) - p->bias;
}

static inline uint64_t settle(struct decode *d, const struct decode_process *p, uint64_t addr)
{
	return target_part_of(addr) ? settle_part(d, p, addr) : addr;
}

/* New parts: what was not known, or was taken for something else, may be known now. */
static void follow_parts(struct decode *d)
{
	unsigned now = target_parts_generation(d->target);

	if (now == d->generation)
		return;
	forget(d);
	d->generation = now;
}

static uint32_t add_type(struct decode *d, const struct target_type *t)
{
	struct go_type type = {.name = t->name,
			       .size = t->size,
			       .key_size = t->key_size,
			       .elem_size = t->elem_size,
			       .kind = t->kind,
			       .key_kind = t->key_kind,
			       .elem_kind = t->elem_kind};

	return names_add_type(d->names, &type);
}

/* Not a part of who has the answer already: they take a large stack. */
#define COLD __attribute__((noinline, cold))

/* The misses: looked up in the target, kept whatever the answer is. When a cache is full the answer
 * stays "unknown": a lookup for each event would cost more than the name is worth. */

static COLD uint32_t type_miss(struct decode *d, const struct decode_process *p, uint64_t addr)
{
	struct target_type t;
	uint64_t runtime = addr + p->bias;
	uint32_t salt = p->proc + 1u, id = 0;

	if (idmap_get(&d->types, runtime, salt, &id) || idmap_full(&d->types))
		return id;
	if (target_type(d->target, addr, &t) == 0) {
		id = add_type(d, &t);
		idmap_put(&d->types, addr, 0, id);
		return id;
	}
	if (d->made && d->made(d->target, p->pid, runtime, &t) == 0)
		id = add_type(d, &t);
	idmap_put(&d->types, runtime, salt, id);
	return id;
}

static COLD uint32_t func_miss(struct decode *d, uint64_t pc)
{
	struct go_func f;
	uint32_t id = 0;

	if (idmap_full(&d->funcs))
		return 0;
	if (target_start_func(d->target, pc, &f) == 0)
		id = names_intern(d->names, f.name, strlen(f.name));
	idmap_put(&d->funcs, pc, 0, id);
	return id;
}

/* The innermost call there, as Go's own tracebacks name it: what was inlined counts. */
static COLD uint32_t site_miss(struct decode *d, uint64_t return_pc)
{
	struct target_frame frames[FRAMES_MAX];
	struct site site = {0};
	uint32_t id = 0;

	if (idmap_full(&d->sites))
		return 0;
	/* return_pc - 1 lies inside the call instruction */
	if (target_frames_by_pc(d->target, return_pc - 1, frames, FRAMES_MAX) > 0) {
		const struct target_frame *f = &frames[0];

		site.func_id = names_intern(d->names, f->function, strlen(f->function));
		site.file_id = names_intern(d->names, f->file, strlen(f->file));
		site.line = f->line;
		id = names_add_site(d->names, site);
	}
	idmap_put(&d->sites, return_pc, 0, id);
	return id;
}

static uint32_t type_id(struct decode *d, const struct decode_process *p, uint64_t addr)
{
	uint32_t id;

	if (!addr)
		return 0;
	addr = settle(d, p, addr);
	return idmap_get(&d->types, addr, 0, &id) ? id : type_miss(d, p, addr);
}

static uint32_t func_id(struct decode *d, const struct decode_process *p, uint64_t pc)
{
	uint32_t id;

	if (!pc)
		return 0;
	pc = settle(d, p, pc);
	return idmap_get(&d->funcs, pc, 0, &id) ? id : func_miss(d, pc);
}

static uint32_t site_id(struct decode *d, const struct decode_process *p, uint64_t return_pc)
{
	uint32_t id;

	if (!return_pc)
		return 0;
	return_pc = settle(d, p, return_pc);
	return idmap_get(&d->sites, return_pc, 0, &id) ? id : site_miss(d, return_pc);
}

/* In place: a copy of what was just written in parts would wait for the parts. */
static inline void begin_event(struct event *ev, const struct wire_header *h,
			       const struct decode_process *p, enum event_type type)
{
	uint64_t time_ns = h->time_ns, goid = h->goid;
	uint16_t proc = p->proc;

	*ev = (struct event){.time_ns = time_ns, .goid = goid, .proc = proc, .type = (uint8_t)type};
}

static uint8_t state_flags(const struct wire_header *h)
{
	uint8_t flags = h->flags & WIRE_EMIT_STATE ? 0 : EVENT_HIDDEN;

	if (h->flags & WIRE_SYSCALL_SITE)
		flags |= EVENT_SYSCALL_SITE;
	return flags;
}

static void exit_event(const struct wire_state *r, const struct decode_process *p, struct event *ev)
{
	begin_event(ev, &r->h, p, EVENT_GOEXIT);
	ev->target = r->target;
	ev->exit_time = r->h.time_ns;
	ev->flags = r->h.flags & WIRE_EMIT_EXIT ? 0 : EVENT_HIDDEN;
	if (r->h.from == GSTATE_SYSCALL)
		ev->flags |= EVENT_CGO_THREAD;
}

static unsigned decode_state(struct decode *d, const struct decode_process *p,
			     const struct wire_state *r, struct event *out)
{
	if (r->h.from >= GSTATES || r->h.to >= GSTATES)
		return 0;
	begin_event(&out[0], &r->h, p, EVENT_CASGSTATUS);
	out[0].target = r->target;
	out[0].from = r->h.from;
	out[0].to = r->h.to;
	out[0].flags = state_flags(&r->h);
	if (r->h.to == GSTATE_WAITING && r->reason < REASONS_MAX)
		out[0].string_id = d->reasons[r->reason];
	if (!gstate_is_exit(r->h.from, r->h.to))
		return 1;
	exit_event(r, p, &out[1]);
	return 2;
}

static unsigned decode_create(struct decode *d, const struct decode_process *p,
			      const struct wire_create *r, struct event *out)
{
	unsigned n = 0;
	struct event *ev;

	if (r->h.from >= GSTATES || r->h.to >= GSTATES)
		return 0;
	if (r->h.flags & WIRE_STATE_SEEN) {
		ev = &out[n++];
		begin_event(ev, &r->h, p, EVENT_CASGSTATUS);
		ev->target = r->target;
		ev->from = r->h.from;
		ev->to = r->h.to;
		ev->flags = state_flags(&r->h);
	}
	ev = &out[n++];
	begin_event(ev, &r->h, p, EVENT_NEWGOROUTINE);
	ev->goid = r->parent; /* attribute 0: who created it */
	ev->target = r->target;
	ev->from = r->h.from;
	ev->to = r->h.to;
	ev->flags = r->h.flags & WIRE_EMIT_CREATE ? 0 : EVENT_HIDDEN;
	if (r->h.to == GSTATE_SYSCALL)
		ev->flags |= EVENT_CGO_THREAD;
	ev->string_id = func_id(d, p, r->start_pc);
	ev->site_id = site_id(d, p, r->go_pc);
	return n;
}

static unsigned decode_alloc(struct decode *d, const struct decode_process *p,
			     const struct wire_alloc *r, struct event *ev)
{
	d->inner = d->generation && r->h.type != WIRE_MAKEMAP &&
		   target_excludes(d->target, settle(d, p, r->caller));
	if (d->inner)
		return 0;
	begin_event(ev, &r->h, p, (enum event_type)r->h.type);
	ev->type_id = type_id(d, p, r->type);
	ev->site_id = site_id(d, p, r->caller);
	switch (r->h.type) {
	case WIRE_NEWOBJECT:
		ev->size = r->a ? r->a : names_type(d->names, ev->type_id)->size;
		if (r->h.flags & WIRE_MERGED)
			ev->flags |= EVENT_MERGED;
		break;
	case WIRE_MAKESLICE:
		ev->len = r->a;
		ev->cap = r->b;
		break;
	case WIRE_MAKEMAP:
		ev->hint = r->h.flags & WIRE_SMALL_MAP ? 0 : r->a;
		break;
	}
	return 1;
}

static unsigned decode_kind(struct decode *d, const struct decode_process *process,
			    const union wire_record *record, struct event out[DECODE_EVENTS_MAX])
{
	switch (record->h.type) {
	case WIRE_CASGSTATUS:
		return decode_state(d, process, &record->state, out);
	case WIRE_NEWGOROUTINE:
		return decode_create(d, process, &record->create, out);
	case WIRE_GOEXIT:
		exit_event(&record->state, process, &out[0]);
		return 1;
	case WIRE_MAKESLICE:
	case WIRE_MAKEMAP:
	case WIRE_NEWOBJECT:
		return decode_alloc(d, process, &record->alloc, out);
	default:
		return 0;
	}
}

unsigned decode_record(struct decode *d, const struct decode_process *process,
		       const union wire_record *record, struct event out[DECODE_EVENTS_MAX])
{
	unsigned n;

	d->inner = false;
	follow_parts(d);
	n = decode_kind(d, process, record, out);
	for (unsigned i = 0; i < n && !d->without_cpus; i++)
		out[i].cpu = (uint16_t)(wire_cpu_number(&record->h) + 1);
	return n;
}

/* --- stacks ----------------------------------------------------------------------------------- */

/* Frames as Go's own profiles have them: without wrappers and the goroutine's very end. */
static bool is_shown(const struct target_frame *f)
{
	return !f->wrapper && strcmp(f->function, "runtime.goexit") != 0;
}

/* Where in d->calls the calls at a return address are: -1, they are not kept. */
static int64_t calls_miss(struct decode *d, uint64_t return_pc)
{
	struct target_frame frames[FRAMES_MAX];
	int n = target_frames_by_pc(d->target, return_pc - 1, frames, FRAMES_MAX);
	size_t at = d->n_calls, shown = 0;

	if (idmap_full(&d->stack_pcs))
		return -1;
	if (at + 1 + FRAMES_MAX > d->calls_cap) {
		size_t cap = d->calls_cap ? 2 * d->calls_cap : 4096;
		uint32_t *grown = reallocarray(d->calls, cap, sizeof(*grown));

		if (!grown)
			return -1;
		d->calls = grown;
		d->calls_cap = cap;
	}
	for (int i = 0; i < n; i++) {
		const struct target_frame *f = &frames[i];
		struct site site = {.line = f->line};

		if (!is_shown(f))
			continue;
		site.func_id = names_intern(d->names, f->function, strlen(f->function));
		site.file_id = names_intern(d->names, f->file, strlen(f->file));
		d->calls[at + 1 + shown++] = names_add_site(d->names, site);
	}
	if (n <= 0) /* C, or not of this program */
		d->calls[at + 1 + shown++] = 0;
	d->calls[at] = (uint32_t)shown;
	d->n_calls += 1 + shown;
	idmap_put(&d->stack_pcs, return_pc, 0, (uint32_t)at);
	return (int64_t)at;
}

uint32_t decode_calls(struct decode *d, const struct decode_process *process, uint64_t return_pc,
		      const uint32_t **ret_sites)
{
	uint64_t pc = settle(d, process, return_pc - process->bias);
	uint32_t known;
	int64_t at;

	follow_parts(d);
	at = idmap_get(&d->stack_pcs, pc, 0, &known) ? (int64_t)known : calls_miss(d, pc);
	if (at < 0)
		return 0;
	*ret_sites = &d->calls[at + 1];
	return d->calls[at];
}

/* The first frame that is told: behind those of the runtime that made the goroutine. */
static uint32_t first_frame(const struct wire_sample *sample, uint32_t n)
{
	uint32_t first = 0;

	while (sample->kind == WIRE_SAMPLE_CREATED && first < n &&
	       sample->pcs[first] != sample->size)
		first++;
	return first;
}

bool decode_sample(struct decode *d, const struct decode_process *process,
		   const struct wire_sample *sample, struct stack_sample *ret)
{
	uint32_t n = MIN((uint32_t)sample->n, (uint32_t)WIRE_STACK_MAX);
	uint32_t first = first_frame(sample, n);

	if (sample->kind >= WIRE_SAMPLE_KINDS || (n && first == n))
		return false;
	*ret = (struct stack_sample){.time_ns = sample->time_ns,
				     .goid = sample->goid,
				     .weight = sample->weight,
				     .proc = process->proc,
				     .kind = sample->kind,
				     .cut = sample->flags & WIRE_SAMPLE_CUT};
	if (sample->kind == WIRE_SAMPLE_ALLOC) {
		ret->size = sample->size;
		ret->window = WIRE_SAMPLE_WINDOW(sample->flags);
	}
	if (sample->kind == WIRE_SAMPLE_OFF_CPU) {
		ret->size = WIRE_WAS_NS(sample->size);
		ret->state = WIRE_WAS_STATE(sample->size);
		if (ret->state == GSTATE_WAITING)
			ret->reason_id = d->reasons[WIRE_WAS_REASON(sample->size)];
	}
	for (uint32_t i = first; i < n; i++) {
		const uint32_t *sites = NULL;
		uint32_t calls = decode_calls(d, process, sample->pcs[i], &sites);

		if (!stack_sample_add(ret, sites, calls)) {
			ret->cut = true;
			break;
		}
	}
	return true;
}

uint64_t decode_static(struct decode *d, const struct decode_process *process, uint64_t addr)
{
	return settle(d, process, addr - process->bias);
}

bool decode_was_inner(const struct decode *d)
{
	return d->inner;
}
