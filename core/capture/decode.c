/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Wire records to events; see decode.h. The fast path of each field is one idmap_get(). */
#include "core/capture/decode.h"

#include <errno.h>
#include <string.h>

#include "core/capture/idmap.h"

#define REASONS_MAX 256
#define FRAMES_MAX  32 /* calls inlined into one another */

struct decode {
	const struct target *target;
	struct names *names;
	capture_type_fn *made;
	struct idmap types; /* static address, salt 0, or runtime address, salt proc + 1 */
	struct idmap sites; /* return addresses */
	struct idmap funcs; /* start functions */
	uint32_t reasons[REASONS_MAX];
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
	for (unsigned i = 0; i < REASONS_MAX; i++) {
		const char *reason = target_wait_reason(target, i);

		if (reason && *reason)
			d->reasons[i] = names_intern(names, reason, strlen(reason));
	}
	*ret = d;
	return 0;
}

void decode_free(struct decode *d)
{
	if (!d)
		return;
	idmap_free(&d->types);
	idmap_free(&d->sites);
	idmap_free(&d->funcs);
	free(d);
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

/* The misses: looked up in the target, kept whatever the answer is. When a cache is full the answer
 * stays "unknown": a lookup for each event would cost more than the name is worth. */

static uint32_t type_miss(struct decode *d, const struct decode_process *p, uint64_t addr)
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

static uint32_t func_miss(struct decode *d, uint64_t pc)
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
static uint32_t site_miss(struct decode *d, uint64_t return_pc)
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
	return idmap_get(&d->types, addr, 0, &id) ? id : type_miss(d, p, addr);
}

static uint32_t func_id(struct decode *d, uint64_t pc)
{
	uint32_t id;

	if (!pc)
		return 0;
	return idmap_get(&d->funcs, pc, 0, &id) ? id : func_miss(d, pc);
}

static uint32_t site_id(struct decode *d, uint64_t return_pc)
{
	uint32_t id;

	if (!return_pc)
		return 0;
	return idmap_get(&d->sites, return_pc, 0, &id) ? id : site_miss(d, return_pc);
}

static struct event event_of(const struct wire_header *h, const struct decode_process *p,
			     enum event_type type)
{
	return (struct event){
		.time_ns = h->time_ns, .goid = h->goid, .proc = p->proc, .type = (uint8_t)type};
}

static uint8_t state_flags(const struct wire_header *h)
{
	uint8_t flags = h->flags & WIRE_EMIT_STATE ? 0 : EVENT_HIDDEN;

	if (h->flags & WIRE_SYSCALL_SITE)
		flags |= EVENT_SYSCALL_SITE;
	return flags;
}

static struct event exit_event(const struct wire_state *r, const struct decode_process *p)
{
	struct event ev = event_of(&r->h, p, EVENT_GOEXIT);

	ev.target = r->target;
	ev.exit_time = r->h.time_ns;
	ev.flags = r->h.flags & WIRE_EMIT_EXIT ? 0 : EVENT_HIDDEN;
	if (r->h.from == GSTATE_SYSCALL)
		ev.flags |= EVENT_CGO_THREAD;
	return ev;
}

static unsigned decode_state(struct decode *d, const struct decode_process *p,
			     const struct wire_state *r, struct event *out)
{
	if (r->h.from >= GSTATES || r->h.to >= GSTATES)
		return 0;
	out[0] = event_of(&r->h, p, EVENT_CASGSTATUS);
	out[0].target = r->target;
	out[0].from = r->h.from;
	out[0].to = r->h.to;
	out[0].flags = state_flags(&r->h);
	if (r->h.to == GSTATE_WAITING && r->reason < REASONS_MAX)
		out[0].string_id = d->reasons[r->reason];
	if (!gstate_is_exit(r->h.from, r->h.to))
		return 1;
	out[1] = exit_event(r, p);
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
		*ev = event_of(&r->h, p, EVENT_CASGSTATUS);
		ev->target = r->target;
		ev->from = r->h.from;
		ev->to = r->h.to;
		ev->flags = state_flags(&r->h);
	}
	ev = &out[n++];
	*ev = event_of(&r->h, p, EVENT_NEWGOROUTINE);
	ev->goid = r->parent; /* attribute 0: who created it */
	ev->target = r->target;
	ev->from = r->h.from;
	ev->to = r->h.to;
	ev->flags = r->h.flags & WIRE_EMIT_CREATE ? 0 : EVENT_HIDDEN;
	if (r->h.to == GSTATE_SYSCALL)
		ev->flags |= EVENT_CGO_THREAD;
	ev->string_id = func_id(d, r->start_pc);
	ev->site_id = site_id(d, r->go_pc);
	return n;
}

static unsigned decode_alloc(struct decode *d, const struct decode_process *p,
			     const struct wire_alloc *r, struct event *ev)
{
	*ev = event_of(&r->h, p, (enum event_type)r->h.type);
	ev->type_id = type_id(d, p, r->type);
	ev->site_id = site_id(d, r->caller);
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

unsigned decode_record(struct decode *d, const struct decode_process *process,
		       const union wire_record *record, struct event out[DECODE_EVENTS_MAX])
{
	switch (record->h.type) {
	case WIRE_CASGSTATUS:
		return decode_state(d, process, &record->state, out);
	case WIRE_NEWGOROUTINE:
		return decode_create(d, process, &record->create, out);
	case WIRE_GOEXIT:
		out[0] = exit_event(&record->state, process);
		return 1;
	case WIRE_MAKESLICE:
	case WIRE_MAKEMAP:
	case WIRE_NEWOBJECT:
		return decode_alloc(d, process, &record->alloc, out);
	default:
		return 0;
	}
}
