/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One reading: all goroutines, then what the parked ones wait on, then those goroutines and their
 * queue entries once more. Who is not as he was is left out, and counted: what is told of the
 * others held all the while. See waits.h.
 */
#include "core/memory/waits.h"

#include <errno.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/text.h"
#include "core/memory/goroutines_read.h"
#include "core/memory/memory.h"
#include "core/memory/type.h"
#include "core/memory/wait_reading.h"
#include "core/target/allgs.h"

#define GWAITING 4 /* runtime2.go */
#define GLEAKED  10

#define TYPES_MAX    4096       /* of elements, of one reading */
#define QUEUE_BUDGET (1u << 17) /* sudogs of others that are looked at in channels' queues */
#define CHECK_BATCH  512
#define TEXTS_MAX    (64u << 20)

/* --- the graph under way ---------------------------------------------------------------------- */

int reading_text(struct wait_reading *r, const char *text, wait_text *ret)
{
	char name[TEXT_NAME_SIZE];
	size_t len = text_name(name, sizeof(name), text, strlen(text));
	uint64_t hash;
	uint32_t at;
	int err;

	*ret = 0;
	if (!len || r->texts.len > TEXTS_MAX)
		return 0;
	/* Two that share a hash are both kept, one of them not found again. */
	hash = hash_bytes(name, len, 0);
	at = address_map_get(&r->by_text, hash + 1);
	if (at != ADDRESS_NONE && !strcmp(r->texts.data + at, name)) {
		*ret = at;
		return 0;
	}
	*ret = (wait_text)r->texts.len;
	buf_add(&r->texts, name, len + 1);
	err = buf_error(&r->texts);
	return err ? err : MIN(address_map_put(&r->by_text, hash + 1, *ret), 0);
}

int reading_object(struct wait_reading *r, uint64_t address, enum wait_kind kind, uint32_t *ret)
{
	uint32_t at = address_map_get(&r->by_object[kind], address);

	if (at != ADDRESS_NONE) {
		*ret = at;
		return 0;
	}
	if (r->n_objects == r->objects_cap) {
		size_t cap = r->objects_cap ? r->objects_cap * 2 : 64;
		struct wait_object *list = reallocarray(r->objects, cap, sizeof(*list));

		if (!list)
			return -ENOMEM;
		r->objects = list;
		r->objects_cap = cap;
	}
	*ret = (uint32_t)r->n_objects;
	r->objects[r->n_objects++] = (struct wait_object){.address = address, .kind = kind};
	return MIN(address_map_put(&r->by_object[kind], address, *ret), 0);
}

int reading_edge(struct wait_reading *r, uint32_t g, uint64_t address, enum wait_kind kind,
		 enum wait_how how)
{
	uint32_t object = 0;
	int err = reading_object(r, address, kind, &object);

	if (err)
		return err;
	if (r->n_edges == r->edges_cap) {
		size_t cap = r->edges_cap ? r->edges_cap * 2 : 64;
		struct wait_edge *list = reallocarray(r->edges, cap, sizeof(*list));

		if (!list)
			return -ENOMEM;
		r->edges = list;
		r->edges_cap = cap;
	}
	r->edges[r->n_edges++] = (struct wait_edge){g, object, how};
	return 0;
}

/* --- why they are parked ---------------------------------------------------------------------- */

/* runtime2.go waitReasonStrings; those of synctest's bubbles add what kind of wait it is. */
static enum park park_of_reason(const char *reason)
{
	static const struct {
		const char *reason;
		enum park park;
	} table[] = {
		{"chan receive (nil chan)", PARK_NIL_RECEIVE},
		{"chan send (nil chan)", PARK_NIL_SEND},
		{"select (no cases)", PARK_NO_CASES},
		{"chan receive", PARK_RECEIVE},
		{"chan send", PARK_SEND},
		{"select", PARK_SELECT},
		{"semacquire", PARK_SEMAPHORE},
		{"sync.Mutex.Lock", PARK_MUTEX},
		{"sync.RWMutex.RLock", PARK_RLOCK},
		{"sync.RWMutex.Lock", PARK_WLOCK},
		{"sync.WaitGroup.Wait", PARK_GROUP},
		{"sync.Cond.Wait", PARK_COND},
		{"IO wait", PARK_IO},
		{"coroutine", PARK_CORO},
	};

	for (size_t i = 0; reason && i < ARRAY_SIZE(table); i++) {
		size_t len = strlen(table[i].reason);

		if (strncmp(reason, table[i].reason, len))
			continue;
		if (!reason[len] || !strcmp(reason + len, " (synctest)") ||
		    !strcmp(reason + len, " (durable)"))
			return table[i].park;
	}
	return PARK_OTHER;
}

static int by_goid(const void *a, const void *b)
{
	uint64_t x = ((const struct memory_goroutine *)a)->goid;
	uint64_t y = ((const struct memory_goroutine *)b)->goid;

	return (x > y) - (x < y);
}

static int read_goroutines(struct wait_reading *r)
{
	bool cut = false;
	int err = memory_goroutines(r->t, r->pid, r->bias, &r->gs, &r->n, &cut);

	if (err)
		return err;
	r->graph->cut |= cut;
	qsort(r->gs, r->n, sizeof(*r->gs), by_goid);
	r->park = calloc(r->n + 1, 1);
	r->broken = calloc(r->n + 1, sizeof(*r->broken));
	r->sudog_of = malloc((r->n + 1) * sizeof(*r->sudog_of));
	if (!r->park || !r->broken || !r->sudog_of)
		return -ENOMEM;
	for (size_t i = 0; i < r->n && err >= 0; i++) {
		const struct memory_goroutine *g = &r->gs[i];

		r->sudog_of[i] = ADDRESS_NONE;
		if (g->status == GWAITING || g->status == GLEAKED)
			r->park[i] =
				(uint8_t)park_of_reason(target_wait_reason(r->t, g->wait_reason));
		err = address_map_put(&r->by_g, g->address, (uint32_t)i);
	}
	return MIN(err, 0);
}

/* --- their sudogs ----------------------------------------------------------------------------- */

static bool is_on_channels(enum park park)
{
	return park == PARK_RECEIVE || park == PARK_SEND || park == PARK_SELECT;
}

static bool has_sudog(const struct wait_reading *r, enum park park)
{
	return is_on_channels(park) ||
	       (r->l->semaphores_in_g_waiting && (park_is_semaphore(park) || park == PARK_COND));
}

static int read_sudogs(struct wait_reading *r)
{
	cleanup_free_ struct sudog_head *heads = malloc((r->n + 1) * sizeof(*heads));
	size_t n = 0;
	int err;

	if (!heads)
		return -ENOMEM;
	for (size_t i = 0; i < r->n; i++) {
		if (has_sudog(r, r->park[i]))
			heads[n++] = (struct sudog_head){
				.address = r->gs[i].waiting,
				.g = r->gs[i].address,
				.owner = (uint32_t)i,
				.chain = is_on_channels(r->park[i]),
			};
	}
	err = sudogs_read(r->l, r->pid, heads, n, r->broken, &r->sudogs);
	r->graph->cut |= r->sudogs.cut;
	return err;
}

/* Up to 1.25 only the table of semaphores leads to them. */
static int read_semaphores(struct wait_reading *r)
{
	size_t from = r->sudogs.n;
	uint64_t table;
	int err;

	if (!r->l->semaphores_in_g_waiting) {
		err = semtable_find(r->t, &table);
		if (!err)
			err = sudogs_read_semaphores(r->l, r->pid, table + r->bias, &r->sudogs);
		if (err && err != -ENOSYS && err != -EFAULT)
			return err;
		r->graph->cut |= r->sudogs.cut;
	} else {
		from = 0;
	}
	for (size_t i = from; i < r->sudogs.n; i++) {
		struct sudog *s = &r->sudogs.list[i];
		uint32_t g = address_map_get(&r->by_g, s->g);

		if (g == ADDRESS_NONE ||
		    !(park_is_semaphore(r->park[g]) || r->park[g] == PARK_COND))
			continue;
		s->owner = g;
		r->sudog_of[g] = (uint32_t)i;
	}
	return 0;
}

/* --- channels --------------------------------------------------------------------------------- */

static int name_type(struct wait_reading *r, struct address_map *known, uint64_t address,
		     wait_text *ret)
{
	cleanup_free_ struct target_type *type = NULL;
	uint32_t at = address_map_get(known, address);
	int err;

	*ret = 0;
	if (at != ADDRESS_NONE) {
		*ret = at;
		return 0;
	}
	if (known->n > TYPES_MAX || !address)
		return 0;
	type = malloc(sizeof(*type));
	if (!type)
		return -ENOMEM;
	err = target_type(r->t, address - r->bias, type);
	if (err)
		err = memory_type(r->t, r->pid, address, type);
	if (err == -ENOMEM)
		return err;
	err = err ? 0 : reading_text(r, type->name, ret);
	return err ? err : MIN(address_map_put(known, address, *ret), 0);
}

static int fill_channels(struct wait_reading *r, const struct channel *list, size_t n)
{
	struct address_map types = {0};
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		uint32_t at = address_map_get(&r->by_object[WAIT_CHAN], list[i].address);
		struct wait_object *o = &r->objects[at];

		if (!list[i].ok)
			continue;
		o->state_known = true;
		o->chan.len = list[i].len;
		o->chan.cap = list[i].cap;
		o->chan.elem_bytes = list[i].elem_bytes;
		o->chan.closed = list[i].closed;
		o->chan.timer = list[i].timer;
		o->chan.stopped = list[i].timer_at && timer_is_stopped(r, list[i].timer_at);
		err = name_type(r, &types, list[i].elem_type, &o->chan.elem);
	}
	address_map_free(&types);
	return err;
}

static enum wait_how direction(enum park park, const struct sudog *s)
{
	if (park != PARK_SELECT)
		return park == PARK_RECEIVE ? WAIT_RECEIVE : WAIT_SEND;
	/* In both at once it cannot be: it was read torn. */
	return s->in_recvq == s->in_sendq ? WAIT_HOW_UNKNOWN
	       : s->in_recvq              ? WAIT_RECEIVE
					  : WAIT_SEND;
}

static int read_channels(struct wait_reading *r)
{
	cleanup_free_ struct channel *list = NULL;
	size_t n = 0, budget = QUEUE_BUDGET;
	uint32_t object;
	int err = 0;

	for (size_t i = 0; i < r->sudogs.n && !err; i++) {
		const struct sudog *s = &r->sudogs.list[i];

		if (s->c && s->owner != ADDRESS_NONE && is_on_channels(r->park[s->owner]))
			err = reading_object(r, s->c, WAIT_CHAN, &object);
	}
	if (err)
		return err;
	n = r->n_objects;
	list = calloc(n + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		list[i].address = r->objects[i].address;
	err = channels_read(r->l, r->pid, list, n);
	for (size_t i = 0; i < n && !err; i++) {
		if (list[i].ok)
			err = channel_mark_queues(r->l, r->pid, &list[i], &r->sudogs, &budget);
	}
	for (size_t i = 0; i < r->sudogs.n && !err; i++) {
		const struct sudog *s = &r->sudogs.list[i];

		if (s->owner == ADDRESS_NONE || !is_on_channels(r->park[s->owner]))
			continue;
		if (!s->c)
			r->broken[s->owner] = true;
		else
			err = reading_edge(r, s->owner, s->c, WAIT_CHAN,
					   direction(r->park[s->owner], s));
	}
	return err ? err : fill_channels(r, list, n);
}

/* --- did it hold? ----------------------------------------------------------------------------- */

static bool same_park(const struct memory_goroutine *a, const struct memory_goroutine *b)
{
	return stack_is_unmoved(a, b) && a->waiting == b->waiting &&
	       a->wait_reason == b->wait_reason &&
	       (!a->wait_since_ns || a->wait_since_ns == b->wait_since_ns);
}

static int check_goroutines(struct wait_reading *r)
{
	const size_t size = goroutine_bytes(r->t);
	struct memory_piece pieces[CHECK_BATCH];
	cleanup_free_ uint8_t *bytes = malloc(CHECK_BATCH * size);
	uint32_t index[CHECK_BATCH];
	struct memory_goroutine now;
	size_t at = 0;

	if (!bytes)
		return -ENOMEM;
	while (at < r->n) {
		size_t n = 0;
		int err;

		for (; at < r->n && n < CHECK_BATCH; at++) {
			if (r->park[at] == PARK_NOT || r->broken[at])
				continue;
			pieces[n] = (struct memory_piece){r->gs[at].address, bytes + n * size, size,
							  false};
			index[n++] = (uint32_t)at;
		}
		err = memory_read_pieces(r->pid, pieces, n);
		if (err < 0)
			return err;
		for (size_t i = 0; i < n; i++) {
			struct memory_goroutine *g = &r->gs[index[i]];

			if (!pieces[i].ok ||
			    !goroutine_from_bytes(r->t, pieces[i].buf, g->address, r->bias, &now) ||
			    !same_park(g, &now)) {
				r->park[index[i]] = PARK_NOT;
				r->graph->moved++;
			} else if (!g->wait_since_ns) {
				g->wait_since_ns = now.wait_since_ns;
			}
		}
	}
	return 0;
}

/* --- the graph as it is handed out ------------------------------------------------------------ */

static enum wait_why why_of(const struct wait_reading *r, size_t i, size_t n_edges)
{
	switch ((enum park)r->park[i]) {
	case PARK_NIL_RECEIVE:
		return WAIT_NIL_RECEIVE;
	case PARK_NIL_SEND:
		return WAIT_NIL_SEND;
	case PARK_NO_CASES:
		return WAIT_NO_CASES;
	case PARK_NOT:
	case PARK_OTHER:
	case PARK_CORO:
		return WAIT_NO_OBJECT;
	default:
		return n_edges && !r->broken[i] ? WAIT_ON_OBJECTS : WAIT_UNREADABLE;
	}
}

static int by_goroutine(const void *a, const void *b)
{
	const struct wait_edge *x = a, *y = b;

	if (x->goroutine != y->goroutine)
		return x->goroutine < y->goroutine ? -1 : 1;
	return (x->object > y->object) - (x->object < y->object);
}

/* Those of goroutines that held still, by goroutine. */
static void keep_edges(struct wait_reading *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->n_edges; i++) {
		uint32_t g = r->edges[i].goroutine;

		if (r->park[g] != PARK_NOT && !r->broken[g])
			r->edges[kept++] = r->edges[i];
	}
	r->n_edges = kept;
	if (kept)
		qsort(r->edges, kept, sizeof(*r->edges), by_goroutine);
}

struct numbered {
	struct wait_object o;
	uint32_t number;
};

static int by_address(const void *a, const void *b)
{
	const struct wait_object *x = &((const struct numbered *)a)->o;
	const struct wait_object *y = &((const struct numbered *)b)->o;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return (x->kind > y->kind) - (x->kind < y->kind);
}

/* Objects that somebody still waits on, in order, each with room for its waits. The edges get their
 * new numbers. */
static int keep_objects(struct wait_reading *r, struct wait_graph *g)
{
	cleanup_free_ struct numbered *list = calloc(r->n_objects + 1, sizeof(*list));
	cleanup_free_ uint32_t *renumbered = calloc(r->n_objects + 1, sizeof(*renumbered));
	uint32_t at = 0;

	g->objects = calloc(r->n_objects + 1, sizeof(*g->objects));
	if (!list || !renumbered || !g->objects)
		return -ENOMEM;
	for (size_t i = 0; i < r->n_edges; i++)
		r->objects[r->edges[i].object].n_waits++;
	for (size_t i = 0; i < r->n_objects; i++)
		list[i] = (struct numbered){r->objects[i], (uint32_t)i};
	qsort(list, r->n_objects, sizeof(*list), by_address);
	for (size_t i = 0; i < r->n_objects; i++) {
		if (!list[i].o.n_waits)
			continue;
		renumbered[list[i].number] = (uint32_t)g->n_objects;
		g->objects[g->n_objects] = list[i].o;
		g->objects[g->n_objects++].waits = at;
		at += list[i].o.n_waits;
	}
	for (size_t i = 0; i < r->n_edges; i++)
		r->edges[i].object = renumbered[r->edges[i].object];
	return 0;
}

static int keep_goroutines(const struct wait_reading *r, struct wait_graph *g)
{
	size_t edge = 0;

	g->goroutines = calloc(r->n + 1, sizeof(*g->goroutines));
	if (!g->goroutines)
		return -ENOMEM;
	for (size_t i = 0; i < r->n; i++) {
		const struct memory_goroutine *from = &r->gs[i];
		struct wait_goroutine *to = &g->goroutines[g->n_goroutines];
		size_t first = edge;

		while (edge < r->n_edges && r->edges[edge].goroutine == i)
			r->edges[edge++].goroutine = (uint32_t)g->n_goroutines;
		if (r->park[i] == PARK_NOT)
			continue;
		*to = (struct wait_goroutine){
			.goid = from->goid,
			.why = why_of(r, i, edge - first),
			.select = r->park[i] == PARK_SELECT,
			.marked = from->status == GLEAKED,
			.since_ns = from->wait_since_ns,
			.sched_pc = from->sched_pc,
			.sched_sp = from->sched_sp,
			.runs = r->runs ? r->runs[i] : 0,
			.waits = (uint32_t)first,
			.n_waits = (uint32_t)(edge - first),
		};
		g->unreadable += to->why == WAIT_UNREADABLE;
		g->n_goroutines++;
	}
	return 0;
}

static int finish(struct wait_reading *r, struct wait_graph *g)
{
	cleanup_free_ uint32_t *filled = NULL;
	int err;

	keep_edges(r);
	err = keep_objects(r, g);
	if (!err)
		err = keep_goroutines(r, g);
	if (err)
		return err;
	g->waits = r->edges;
	g->n_waits = r->n_edges;
	r->edges = NULL;
	g->by_object = calloc(g->n_waits + 1, sizeof(*g->by_object));
	filled = calloc(g->n_objects + 1, sizeof(*filled));
	if (!g->by_object || !filled)
		return -ENOMEM;
	for (size_t i = 0; i < g->n_waits; i++) {
		uint32_t o = g->waits[i].object;

		g->by_object[g->objects[o].waits + filled[o]++] = (uint32_t)i;
	}
	return 0;
}

static int keep_sudogs(const struct wait_reading *r, struct wait_graph *g)
{
	g->sudogs = calloc(r->sudogs.n + 1, sizeof(*g->sudogs));
	if (!g->sudogs)
		return -ENOMEM;
	for (size_t i = 0; i < r->sudogs.n; i++)
		g->sudogs[g->n_sudogs++] = r->sudogs.list[i].address;
	return 0;
}

static void reading_free(struct wait_reading *r)
{
	free(r->gs);
	free(r->park);
	free(r->runs);
	free(r->broken);
	free(r->sudog_of);
	free(r->objects);
	free(r->edges);
	sudogs_free(&r->sudogs);
	address_map_free(&r->by_g);
	address_map_free(&r->by_text);
	for (unsigned kind = 0; kind < WAIT_KINDS; kind++)
		address_map_free(&r->by_object[kind]);
	buf_free(&r->texts);
}

static int read_graph(struct wait_reading *r, struct wait_graph *g)
{
	int err;

	buf_addc(&r->texts, '\0'); /* text 0 */
	err = buf_error(&r->texts);
	if (!err)
		err = read_goroutines(r);
	if (!err)
		err = read_sudogs(r);
	if (!err)
		err = read_channels(r);
	if (!err)
		err = reading_timers(r);
	if (!err)
		err = read_semaphores(r);
	if (!err)
		err = reading_locks(r);
	if (!err)
		err = reading_lock_states(r);
	if (!err)
		err = reading_descriptors(r);
	if (!err)
		err = reading_coroutines(r);
	if (!err)
		err = sudogs_check(r->l, r->pid, &r->sudogs, r->broken);
	if (!err)
		err = reading_coroutines_hold(r);
	if (!err)
		err = check_goroutines(r);
	if (!err)
		err = finish(r, g);
	if (!err)
		err = keep_sudogs(r, g);
	if (!err)
		err = graph_find_holders(r, g);
	if (err)
		return err;
	g->texts = buf_take(&r->texts, &g->texts_bytes);
	return 0;
}

int memory_waits(const struct target *t, pid_t pid, uint64_t bias, struct wait_graph **ret)
{
	struct wait_graph *g = calloc(1, sizeof(*g));
	struct wait_reading r = {
		.t = t, .l = target_layout(t), .pid = pid, .bias = bias, .graph = g};
	int err = g ? 0 : -ENOMEM;

	if (!err && !r.l->sudog_size)
		err = -ENOSYS;
	if (g)
		g->refs = 1;
	if (!err) {
		g->begin_ns = monotonic_ns();
		err = read_graph(&r, g);
		g->end_ns = monotonic_ns();
	}
	reading_free(&r);
	if (err) {
		wait_graph_put(g);
		return err;
	}
	*ret = g;
	return 0;
}

struct wait_graph *wait_graph_get(struct wait_graph *g)
{
	__atomic_fetch_add(&g->refs, 1, __ATOMIC_RELAXED);
	return g;
}

void wait_graph_put(struct wait_graph *g)
{
	if (!g || __atomic_sub_fetch(&g->refs, 1, __ATOMIC_ACQ_REL))
		return;
	free(g->objects);
	free(g->goroutines);
	free(g->waits);
	free(g->by_object);
	free(g->holders);
	free(g->sudogs);
	free(g->texts);
	free(g);
}
