/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Perfetto's TrackEvent format (proto/perfetto.proto). A trace is a sequence of packets; packets
 * are packed one at a time, which makes the same bytes. Names are interned: sent once, then by
 * number. What an event means is core/model/walk.h's word.
 */
#include "core/session/perfetto.h"

#include <errno.h>
#include <string.h>

#include "core/model/walk.h"
#include "proto/perfetto.pb-c.h"

#define SEQUENCE         1
#define CLOCK_REAL       1 /* perfetto's builtin clocks */
#define CLOCK_MONO       3
#define STATE_CLEARED    1 /* sequence_flags */
#define STATE_NEEDED     2
#define UNIT_BYTES       3
#define COUNTER_STEP_NS  1000000 /* the counter is written at most this often */
#define PROC_TRACK(proc) (((uint64_t)(proc) + 1) << 48)
#define COUNTER_TRACK(p) (PROC_TRACK(p) | 1ull << 47)
/* Of the goroutines that began with the same function. */
#define GROUP_TRACK(p, func_id) (PROC_TRACK(p) | 1ull << 46 | (func_id))
#define GOIDS_MAX               ((1ull << 46) - 1)
#define CHRONOLOGICAL           2 /* child_ordering */

enum type { SLICE_BEGIN = 1, SLICE_END = 2, INSTANT = 3, COUNTER = 4 };
enum category { CATEGORY_STATE = 1, CATEGORY_ALLOCATION, CATEGORY_GOROUTINE, CATEGORY_LOST };
enum annotation {
	NOTE_SIZE = 1,
	NOTE_LEN,
	NOTE_CAP,
	NOTE_HINT,
	NOTE_CALLER,
	NOTE_GOROUTINE,
	NOTE_COUNT,
	NOTES
};

static const char *const categories[] = {"state", "allocation", "goroutine", "lost"};
static const char *const notes[] = {"size", "len", "cap", "hint", "caller", "goroutine", "count"};

struct track {
	uint64_t goid;    /* 0: a free slot, unless `used` */
	uint64_t flow;    /* to end at the next slice; 0 none */
	struct life life; /* while it is there, a slice of its state is open */
	uint32_t proc;
	bool used;
	uint32_t func_id; /* its name has; 0 not known */
};

/* What has been interned: (kind, id) -> iid. */
struct name_slot {
	uint64_t key; /* 0: free */
	uint64_t iid;
};

enum name_kind {
	NAME_STATE = 1,
	NAME_REASON,
	NAME_ALLOCATION,
	NAME_EVENT,
	NAME_FUNC,
	NAME_SITE,
	NAME_GROUP /* no name, but a track that has been described; by process */
};

struct counter {
	uint64_t bytes, written_ns;
	bool described;
};

struct perfetto {
	const struct names *names;
	int64_t wall_offset_ns;
	struct track *tracks;
	size_t mask, n_tracks;
	struct name_slot *slots;
	size_t name_mask, n_names;
	struct counter counters[MODEL_PROCS_MAX];
	uint64_t ended_ns[MODEL_PROCS_MAX]; /* of the process; 0 while it runs */
	uint64_t next_flow;
	uint64_t start_ns, last_ns; /* of the trace; of the newest event, 0 none yet */
	bool started;
	/* At the end of what came, and what comes next may belong to it. */
	struct event held;
	bool holds;
	int err;
};

int perfetto_new(const struct names *names, int64_t wall_offset_ns, struct perfetto **ret)
{
	struct perfetto *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->names = names;
	p->wall_offset_ns = wall_offset_ns;
	p->mask = p->name_mask = 1023;
	p->tracks = calloc(p->mask + 1, sizeof(*p->tracks));
	p->slots = calloc(p->name_mask + 1, sizeof(*p->slots));
	if (!p->tracks || !p->slots) {
		perfetto_free(p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
}

void perfetto_free(struct perfetto *p)
{
	if (!p)
		return;
	free(p->tracks);
	free(p->slots);
	free(p);
}

/* --- packets ---------------------------------------------------------------------------------- */

static void put(struct perfetto *p, Perfetto__TracePacket *packet, struct buf *out)
{
	Perfetto__Trace trace = PERFETTO__TRACE__INIT;

	packet->trusted_packet_sequence_id = SEQUENCE;
	if (!packet->sequence_flags)
		packet->sequence_flags = STATE_NEEDED;
	trace.n_packet = 1;
	trace.packet = &packet;
	if (buf_reserve(out, perfetto__trace__get_packed_size(&trace))) {
		p->err = -ENOMEM;
		return;
	}
	out->len += perfetto__trace__pack(&trace, (uint8_t *)out->data + out->len);
}

/* The clocks, and names that are always needed. */
static void start(struct perfetto *p, uint64_t time_ns, struct buf *out)
{
	Perfetto__TracePacket packet = PERFETTO__TRACE_PACKET__INIT;
	Perfetto__TracePacketDefaults defaults = PERFETTO__TRACE_PACKET_DEFAULTS__INIT;
	Perfetto__ClockSnapshot snapshot = PERFETTO__CLOCK_SNAPSHOT__INIT;
	Perfetto__ClockSnapshot__Clock clock[2] = {PERFETTO__CLOCK_SNAPSHOT__CLOCK__INIT,
						   PERFETTO__CLOCK_SNAPSHOT__CLOCK__INIT};
	Perfetto__ClockSnapshot__Clock *clocks[2] = {&clock[0], &clock[1]};
	Perfetto__InternedData data = PERFETTO__INTERNED_DATA__INIT;
	Perfetto__InternedString strings[ARRAY_SIZE(categories) + ARRAY_SIZE(notes)];
	Perfetto__InternedString *pointers[ARRAY_SIZE(strings)];

	if (p->started)
		return;
	p->started = true;
	p->start_ns = time_ns;
	clock[0].clock_id = CLOCK_MONO;
	clock[0].timestamp = time_ns;
	clock[1].clock_id = CLOCK_REAL;
	clock[1].timestamp = time_ns + (uint64_t)p->wall_offset_ns;
	snapshot.n_clocks = 2;
	snapshot.clocks = clocks;
	snapshot.primary_trace_clock = CLOCK_MONO;
	packet.clock_snapshot = &snapshot;
	for (unsigned i = 0; i < ARRAY_SIZE(strings); i++) {
		bool category = i < ARRAY_SIZE(categories);

		perfetto__interned_string__init(&strings[i]);
		strings[i].iid = category ? i + 1 : i + 1 - ARRAY_SIZE(categories);
		strings[i].name =
			(char *)(category ? categories[i] : notes[i - ARRAY_SIZE(categories)]);
		pointers[i] = &strings[i];
	}
	data.n_event_categories = ARRAY_SIZE(categories);
	data.event_categories = pointers;
	data.n_debug_annotation_names = ARRAY_SIZE(notes);
	data.debug_annotation_names = pointers + ARRAY_SIZE(categories);
	defaults.timestamp_clock_id = CLOCK_MONO;
	packet.trace_packet_defaults = &defaults;
	packet.interned_data = &data;
	packet.sequence_flags = STATE_CLEARED;
	put(p, &packet, out);
}

static void put_track(struct perfetto *p, Perfetto__TrackDescriptor *track, struct buf *out)
{
	Perfetto__TracePacket packet = PERFETTO__TRACE_PACKET__INIT;

	packet.track_descriptor = track;
	put(p, &packet, out);
}

static void put_event(struct perfetto *p, uint64_t time_ns, Perfetto__TrackEvent *event,
		      enum category category, struct buf *out)
{
	Perfetto__TracePacket packet = PERFETTO__TRACE_PACKET__INIT;
	uint64_t iid = category;

	if (event->type == SLICE_BEGIN || event->type == INSTANT) {
		event->n_category_iids = 1;
		event->category_iids = &iid;
	}
	packet.timestamp = time_ns;
	packet.track_event = event;
	put(p, &packet, out);
}

/* --- names ------------------------------------------------------------------------------------ */

static struct name_slot *name_find(struct name_slot *slots, size_t mask, uint64_t key)
{
	size_t at = (key * 0x9e3779b97f4a7c15ull) >> 32 & mask;

	while (slots[at].key && slots[at].key != key)
		at = (at + 1) & mask;
	return &slots[at];
}

static int names_grow(struct perfetto *p)
{
	size_t mask = p->name_mask * 2 + 1;
	struct name_slot *slots = calloc(mask + 1, sizeof(*slots));

	if (!slots)
		return p->err = -ENOMEM;
	for (size_t i = 0; i <= p->name_mask; i++) {
		if (p->slots[i].key)
			*name_find(slots, mask, p->slots[i].key) = p->slots[i];
	}
	free(p->slots);
	p->slots = slots;
	p->name_mask = mask;
	return 0;
}

static uint64_t name_key(enum name_kind kind, unsigned what, uint32_t id)
{
	return (uint64_t)kind << 48 | (uint64_t)what << 32 | id;
}

/* Where a name is, or the free slot where it belongs. NULL: no memory. */
static struct name_slot *name_slot(struct perfetto *p, enum name_kind kind, unsigned what,
				   uint32_t id)
{
	if ((p->n_names + 1) * 2 > p->name_mask && names_grow(p))
		return NULL;
	return name_find(p->slots, p->name_mask, name_key(kind, what, id));
}

static void render_name(const struct perfetto *p, enum name_kind kind, unsigned what, uint32_t id,
			struct buf *text)
{
	const struct site *site;

	switch (kind) {
	case NAME_STATE:
		buf_adds(text, what == GSTATES ? STATE_UNKNOWN_WORD : gstate_name(what));
		break;
	case NAME_REASON:
		buf_addf(text, "waiting: %s", names_string(p->names, id));
		break;
	case NAME_ALLOCATION:
		buf_addf(text, "%s %s", event_type_name(what),
			 names_type(p->names, id)->name[0]
				 ? names_type(p->names, id)->name
				 : go_kind_name(names_type(p->names, id)->kind));
		break;
	case NAME_EVENT:
		buf_adds(text, event_type_name(what));
		break;
	case NAME_FUNC:
		buf_addf(text, "go %s", names_string(p->names, id));
		break;
	case NAME_SITE:
		site = names_site(p->names, id);
		buf_adds(text, names_string(p->names, site->func_id));
		if (site->line)
			buf_addf(text, " (%s:%u)", names_string(p->names, site->file_id),
				 site->line);
		break;
	case NAME_GROUP:
		break;
	}
}

static uint64_t put_interned(struct perfetto *p, Perfetto__InternedData *data, struct buf *out)
{
	Perfetto__TracePacket packet = PERFETTO__TRACE_PACKET__INIT;

	packet.interned_data = data;
	put(p, &packet, out);
	return p->n_names;
}

/* Sends an event's name; its number. */
static uint64_t put_name(struct perfetto *p, const char *text, struct buf *out)
{
	Perfetto__InternedData data = PERFETTO__INTERNED_DATA__INIT;
	Perfetto__InternedString name = PERFETTO__INTERNED_STRING__INIT, *name_p = &name;

	name.iid = ++p->n_names;
	name.name = (char *)text;
	data.n_event_names = 1;
	data.event_names = &name_p;
	return put_interned(p, &data, out);
}

/* The same for an annotation's value. */
static uint64_t put_value(struct perfetto *p, const struct buf *text, struct buf *out)
{
	Perfetto__InternedData data = PERFETTO__INTERNED_DATA__INIT;
	Perfetto__InternedBytes bytes = PERFETTO__INTERNED_BYTES__INIT, *bytes_p = &bytes;

	bytes.iid = ++p->n_names;
	bytes.str.data = (uint8_t *)text->data;
	bytes.str.len = text->len;
	data.n_debug_annotation_string_values = 1;
	data.debug_annotation_string_values = &bytes_p;
	return put_interned(p, &data, out);
}

/* The number of a name, which is sent first when it is new. 0 without memory. */
static uint64_t name_iid(struct perfetto *p, enum name_kind kind, unsigned what, uint32_t id,
			 struct buf *out)
{
	struct name_slot *slot = name_slot(p, kind, what, id);
	cleanup_buf_ struct buf text = BUF_INIT;

	if (!slot)
		return 0;
	if (slot->key)
		return slot->iid;
	render_name(p, kind, what, id, &text);
	if (buf_error(&text) || !text.data) {
		p->err = buf_error(&text);
		return 0;
	}
	slot->key = name_key(kind, what, id);
	slot->iid = kind == NAME_SITE ? put_value(p, &text, out) : put_name(p, text.data, out);
	return slot->iid;
}

/* --- tracks ----------------------------------------------------------------------------------- */

static uint64_t track_uuid(unsigned proc, uint64_t goid)
{
	/* Goids are counted up from 1; one past 2^46 is garbage, and may share a track. */
	return PROC_TRACK(proc) | ((goid + 1) & GOIDS_MAX);
}

static struct track *track_find(struct track *tracks, size_t mask, unsigned proc, uint64_t goid)
{
	size_t at = ((goid ^ (uint64_t)proc << 48) * 0x9e3779b97f4a7c15ull) >> 20 & mask;

	while (tracks[at].used && (tracks[at].goid != goid || tracks[at].proc != proc))
		at = (at + 1) & mask;
	return &tracks[at];
}

static int tracks_grow(struct perfetto *p)
{
	size_t mask = p->mask * 2 + 1;
	struct track *tracks = calloc(mask + 1, sizeof(*tracks));

	if (!tracks)
		return p->err = -ENOMEM;
	for (size_t i = 0; i <= p->mask; i++) {
		if (p->tracks[i].used)
			*track_find(tracks, mask, p->tracks[i].proc, p->tracks[i].goid) =
				p->tracks[i];
	}
	free(p->tracks);
	p->tracks = tracks;
	p->mask = mask;
	return 0;
}

/* The track above those of a function's goroutines (0: it is not known which), described first when
 * it is new. */
static uint64_t group_of(struct perfetto *p, unsigned proc, uint32_t func_id, struct buf *out)
{
	struct name_slot *slot = name_slot(p, NAME_GROUP, proc, func_id);
	Perfetto__TrackDescriptor track = PERFETTO__TRACK_DESCRIPTOR__INIT;

	track.uuid = GROUP_TRACK(proc, func_id);
	if (!slot || slot->key)
		return track.uuid;
	slot->key = name_key(NAME_GROUP, proc, func_id);
	p->n_names++;
	track.parent_uuid = PROC_TRACK(proc);
	track.name =
		(char *)(func_id ? names_string(p->names, func_id) : "start function not known");
	track.child_ordering = CHRONOLOGICAL;
	put_track(p, &track, out);
	return track.uuid;
}

/* A track that has been described stays where it is. */
static void describe(struct perfetto *p, struct track *t, bool again, struct buf *out)
{
	Perfetto__TrackDescriptor track = PERFETTO__TRACK_DESCRIPTOR__INIT;
	cleanup_buf_ struct buf name = BUF_INIT;

	if (!t->goid)
		buf_adds(&name, "no goroutine");
	else if (t->func_id)
		buf_addf(&name, "%s %llu", names_string(p->names, t->func_id),
			 (unsigned long long)t->goid);
	else
		buf_addf(&name, "G%llu", (unsigned long long)t->goid);
	if (buf_error(&name)) {
		p->err = -ENOMEM;
		return;
	}
	track.uuid = track_uuid(t->proc, t->goid);
	track.parent_uuid =
		t->goid ? group_of(p, t->proc, again ? 0 : t->func_id, out) : PROC_TRACK(t->proc);
	track.name = name.data;
	put_track(p, &track, out);
}

/* The track of a goroutine, described first when it is new; func_id names it. NULL: no memory. */
static struct track *track_of(struct perfetto *p, unsigned proc, uint64_t goid, uint32_t func_id,
			      struct buf *out)
{
	struct track *t = track_find(p->tracks, p->mask, proc, goid);
	bool again = t->used;

	if (again && (!func_id || t->func_id))
		return t;
	if (!again && (p->n_tracks + 1) * 2 > p->mask) {
		if (tracks_grow(p))
			return NULL;
		t = track_find(p->tracks, p->mask, proc, goid);
	}
	if (!again) {
		*t = (struct track){.goid = goid, .proc = proc, .used = true};
		p->n_tracks++;
	}
	t->func_id = goid ? func_id : 0;
	describe(p, t, again, out);
	return p->err ? NULL : t;
}

/* Forgets a goroutine that has ended, closing the gap it leaves in the table. */
static void track_remove(struct perfetto *p, struct track *t)
{
	size_t hole = (size_t)(t - p->tracks), at = hole;

	for (;;) {
		struct track *next;
		size_t home;

		at = (at + 1) & p->mask;
		next = &p->tracks[at];
		if (!next->used)
			break;
		home = ((next->goid ^ (uint64_t)next->proc << 48) * 0x9e3779b97f4a7c15ull) >> 20 &
		       p->mask;
		if (((at - home) & p->mask) >= ((at - hole) & p->mask)) {
			p->tracks[hole] = *next;
			hole = at;
		}
	}
	p->tracks[hole] = (struct track){0};
	p->n_tracks--;
}

int perfetto_process(struct perfetto *p, unsigned index, const struct proc_info *info,
		     struct buf *out)
{
	Perfetto__TrackDescriptor track = PERFETTO__TRACK_DESCRIPTOR__INIT;
	Perfetto__ProcessDescriptor process = PERFETTO__PROCESS_DESCRIPTOR__INIT;
	const char *name = strrchr(info->binary_path, '/');

	if (index >= MODEL_PROCS_MAX)
		return p->err;
	start(p, info->attached_ns, out);
	p->ended_ns[index] = info->state == PROC_EXITED ? info->exited_ns : 0;
	process.pid = info->pid;
	process.process_name = (char *)(name ? name + 1 : info->binary_path);
	track.uuid = PROC_TRACK(index);
	track.process = &process;
	put_track(p, &track, out);
	return p->err;
}

/* --- events ----------------------------------------------------------------------------------- */

static void end_slice(struct perfetto *p, const struct track *t, uint64_t time_ns, struct buf *out)
{
	Perfetto__TrackEvent event = PERFETTO__TRACK_EVENT__INIT;

	event.type = SLICE_END;
	event.track_uuid = track_uuid(t->proc, t->goid);
	put_event(p, time_ns, &event, 0, out);
}

static void begin_slice(struct perfetto *p, struct track *t, unsigned state, uint32_t reason_id,
			uint64_t time_ns, struct buf *out)
{
	Perfetto__TrackEvent event = PERFETTO__TRACK_EVENT__INIT;
	bool reason = state == GSTATE_WAITING && reason_id;

	event.name_iid = reason ? name_iid(p, NAME_REASON, 0, reason_id, out)
				: name_iid(p, NAME_STATE, state, 0, out);
	event.type = SLICE_BEGIN;
	event.track_uuid = track_uuid(t->proc, t->goid);
	if (t->flow) {
		event.n_terminating_flow_ids = 1;
		event.terminating_flow_ids = &t->flow;
	}
	put_event(p, time_ns, &event, CATEGORY_STATE, out);
	t->flow = 0;
}

/*
 * The slices of what an event, or a reading of memory, means for the track's goroutine. That a
 * state was not known for a time is learned at the end of it: packets are in the order of time but
 * for these, and whoever reads a trace sorts it. `keep`: there is more to come when it has exited.
 */
static void follow(struct perfetto *p, struct track *t, const struct meaning *m, bool keep,
		   struct buf *out)
{
	uint64_t at = m->life.since_ns, unknown = meaning_unknown_from(&t->life, m);

	if (m->means & (MEANS_APPEARED | MEANS_STATE | MEANS_EXITED)) {
		if (life_there(&t->life))
			end_slice(p, t, MIN(unknown, at), out);
		if (unknown < at) {
			/* The arrow ends at what comes after it. */
			uint64_t flow = t->flow;

			t->flow = 0;
			begin_slice(p, t, GSTATES, 0, unknown, out);
			end_slice(p, t, at, out);
			t->flow = flow;
		}
		if (life_there(&m->life))
			begin_slice(p, t, life_state(&m->life), m->life.reason_id, at, out);
	}
	t->life = m->life;
	if (m->means & MEANS_EXITED && !keep)
		track_remove(p, t);
}

/* An event's part for who did it. */
static void follow_actor(struct perfetto *p, const struct event *ev, struct buf *out)
{
	struct track *t = ev->goid ? track_of(p, ev->proc, ev->goid, 0, out) : NULL;
	struct meaning m;

	if (!t)
		return;
	walk_actor(&t->life, ev, &m);
	follow(p, t, &m, false, out);
}

/* An instant on the track of the goroutine that acted. `flow`: an arrow begins here; 0 none. */
static void instant(struct perfetto *p, const struct event *ev, uint64_t name,
		    enum category category, uint64_t flow, Perfetto__DebugAnnotation **list,
		    size_t n, struct buf *out)
{
	Perfetto__TrackEvent event = PERFETTO__TRACK_EVENT__INIT;
	unsigned proc = ev->proc == EVENT_PROC_NONE ? 0 : ev->proc;

	if (!track_of(p, proc, ev->goid, 0, out))
		return;
	event.type = INSTANT;
	event.name_iid = name;
	event.track_uuid = track_uuid(proc, ev->goid);
	event.n_debug_annotations = n;
	event.debug_annotations = list;
	if (flow) {
		event.n_flow_ids = 1;
		event.flow_ids = &flow;
	}
	put_event(p, ev->time_ns, &event, category, out);
}

static void note(Perfetto__DebugAnnotation *a, Perfetto__DebugAnnotation **list, size_t *n,
		 enum annotation name, uint64_t value)
{
	perfetto__debug_annotation__init(a);
	a->name_iid = name;
	if (name == NOTE_CALLER) {
		a->value_case = PERFETTO__DEBUG_ANNOTATION__VALUE_STRING_VALUE_IID;
		a->string_value_iid = value;
	} else {
		a->value_case = PERFETTO__DEBUG_ANNOTATION__VALUE_UINT_VALUE;
		a->uint_value = value;
	}
	list[(*n)++] = a;
}

static void put_status(struct perfetto *p, const struct event *ev, bool twin, struct buf *out)
{
	struct meaning m;
	struct track *t;

	if (ev->from == ev->to && !ev->target)
		return; /* the original's garbage: tables.h */
	if (ev->goid != ev->target)
		follow_actor(p, ev, out);
	t = track_of(p, ev->proc, ev->target, 0, out);
	if (!t)
		return;
	walk_subject(&t->life, ev, &m);
	if (m.means & MEANS_WOKEN && m.woken_by) {
		Perfetto__DebugAnnotation a, *list[1];
		uint64_t flow = ++p->next_flow;
		size_t n = 0;

		t->flow = flow;
		note(&a, list, &n, NOTE_GOROUTINE, ev->target);
		instant(p, ev, name_iid(p, NAME_EVENT, EVENT_CASGSTATUS, 0, out),
			CATEGORY_GOROUTINE, flow, list, n, out);
		t = track_of(p, ev->proc, ev->target, 0, out); /* the table may have grown */
		if (!t)
			return;
	}
	follow(p, t, &m, twin, out);
}

static void put_creation(struct perfetto *p, const struct event *ev, struct buf *out)
{
	struct track *t = track_of(p, ev->proc, ev->target, ev->string_id, out);
	Perfetto__DebugAnnotation a[2], *list[2];
	uint64_t flow = ++p->next_flow;
	struct meaning m;
	size_t n = 0;

	if (!t)
		return;
	walk_subject(&t->life, ev, &m);
	follow(p, t, &m, false, out);
	t->flow = flow;
	if (ev->goid != ev->target)
		follow_actor(p, ev, out);
	note(&a[n], list, &n, NOTE_GOROUTINE, ev->target);
	if (ev->site_id)
		note(&a[n], list, &n, NOTE_CALLER, name_iid(p, NAME_SITE, 0, ev->site_id, out));
	instant(p, ev,
		ev->string_id ? name_iid(p, NAME_FUNC, 0, ev->string_id, out)
			      : name_iid(p, NAME_EVENT, EVENT_NEWGOROUTINE, 0, out),
		CATEGORY_GOROUTINE, flow, list, n, out);
}

static void put_counter(struct perfetto *p, unsigned proc, uint64_t time_ns, bool now,
			struct buf *out)
{
	struct counter *c = &p->counters[proc];
	Perfetto__TrackEvent event = PERFETTO__TRACK_EVENT__INIT;

	if (!c->described) {
		Perfetto__TrackDescriptor track = PERFETTO__TRACK_DESCRIPTOR__INIT;
		Perfetto__CounterDescriptor counter = PERFETTO__COUNTER_DESCRIPTOR__INIT;

		counter.unit = UNIT_BYTES;
		track.uuid = COUNTER_TRACK(proc);
		track.parent_uuid = PROC_TRACK(proc);
		track.name = (char *)"allocated bytes";
		track.counter = &counter;
		put_track(p, &track, out);
		c->described = true;
	}
	if (!now && time_ns < c->written_ns + COUNTER_STEP_NS)
		return;
	c->written_ns = time_ns;
	event.type = COUNTER;
	event.track_uuid = COUNTER_TRACK(proc);
	event.counter_value = (int64_t)c->bytes;
	put_event(p, time_ns, &event, 0, out);
}

static void put_allocation(struct perfetto *p, const struct event *ev, struct buf *out)
{
	Perfetto__DebugAnnotation a[3], *list[3];
	size_t n = 0;

	follow_actor(p, ev, out);
	switch (ev->type) {
	case EVENT_NEWOBJECT:
		note(&a[n], list, &n, NOTE_SIZE, ev->size);
		break;
	case EVENT_MAKESLICE:
		note(&a[n], list, &n, NOTE_LEN, ev->len);
		note(&a[n], list, &n, NOTE_CAP, ev->cap);
		break;
	default:
		note(&a[n], list, &n, NOTE_HINT, ev->hint);
	}
	if (ev->site_id)
		note(&a[n], list, &n, NOTE_CALLER, name_iid(p, NAME_SITE, 0, ev->site_id, out));
	instant(p, ev,
		ev->type_id ? name_iid(p, NAME_ALLOCATION, ev->type, ev->type_id, out)
			    : name_iid(p, NAME_EVENT, ev->type, 0, out),
		CATEGORY_ALLOCATION, 0, list, n, out);
	p->counters[ev->proc].bytes += names_allocated(p->names, ev);
	put_counter(p, ev->proc, ev->time_ns, false, out);
}

/* `twin`: its own is next. */
static void put_one(struct perfetto *p, const struct event *ev, bool twin, struct buf *out)
{
	Perfetto__DebugAnnotation a, *list[1];
	struct meaning m;
	struct track *t;
	size_t n = 0;

	switch (ev->type) {
	case EVENT_CASGSTATUS:
		put_status(p, ev, twin, out);
		break;
	case EVENT_NEWGOROUTINE:
		put_creation(p, ev, out);
		break;
	case EVENT_GOEXIT:
		if (ev->goid != ev->target)
			follow_actor(p, ev, out);
		instant(p, ev, name_iid(p, NAME_EVENT, EVENT_GOEXIT, 0, out), CATEGORY_GOROUTINE, 0,
			NULL, 0, out);
		/* When its last change of state is not there (sampled, lost), this is its end. */
		t = track_find(p->tracks, p->mask, ev->proc, ev->target);
		if (t->used && life_there(&t->life)) {
			walk_subject(&t->life, ev, &m);
			follow(p, t, &m, false, out);
		} else if (t->used) {
			track_remove(p, t);
		}
		break;
	case EVENT_LOST:
		note(&a, list, &n, NOTE_COUNT, ev->count);
		instant(p, ev, name_iid(p, NAME_EVENT, EVENT_LOST, 0, out), CATEGORY_LOST, 0, list,
			n, out);
		break;
	default:
		put_allocation(p, ev, out);
	}
}

/* A change of state that an event of its own is told with: newgoroutine, or goexit. */
static bool has_twin(const struct event *ev)
{
	return ev->type == EVENT_CASGSTATUS &&
	       (gstate_is_creation(ev->from, ev->to) || gstate_is_exit(ev->from, ev->to));
}

static bool is_twin(const struct event *ev, const struct event *next)
{
	return next && has_twin(ev) && next->proc == ev->proc && next->target == ev->target &&
	       next->type == (gstate_is_exit(ev->from, ev->to) ? EVENT_GOEXIT : EVENT_NEWGOROUTINE);
}

/* A creation's twin knows the function, which names the track; an exit's is the track's last. */
static void put_with_next(struct perfetto *p, const struct event *ev, const struct event *next,
			  struct buf *out)
{
	/* Only what was lost can be of no process. */
	if (ev->type > EVENT_LOST || (ev->proc >= MODEL_PROCS_MAX && ev->type != EVENT_LOST))
		return;
	start(p, ev->time_ns, out);
	p->last_ns = MAX(p->last_ns, ev->time_ns);
	if (is_twin(ev, next) && next->type == EVENT_NEWGOROUTINE &&
	    !track_of(p, ev->proc, ev->target, next->string_id, out))
		return;
	put_one(p, ev, is_twin(ev, next), out);
}

static void put_held(struct perfetto *p, const struct event *next, struct buf *out)
{
	struct event held = p->held;

	if (p->holds)
		put_with_next(p, &held, next, out);
	p->holds = false;
}

int perfetto_events(struct perfetto *p, const struct event *events, size_t n, struct buf *out)
{
	if (n)
		put_held(p, &events[0], out);
	for (size_t i = 0; i < n && !p->err; i++) {
		if (i + 1 == n && has_twin(&events[i])) {
			p->held = events[i];
			p->holds = true;
		} else {
			put_with_next(p, &events[i], i + 1 < n ? &events[i + 1] : NULL, out);
		}
	}
	return p->err;
}

int perfetto_goroutines(struct perfetto *p, unsigned proc, const struct goroutine_seen *seen,
			size_t n, uint64_t time_ns, struct buf *out)
{
	uint64_t first;

	put_held(p, NULL, out);
	if (proc >= MODEL_PROCS_MAX)
		return p->err;
	start(p, time_ns, out);
	/* Events recorded after it may have happened before it: it must not begin after their ends.
	 */
	first = p->last_ns ? p->last_ns : MIN(time_ns, p->start_ns);
	for (size_t i = 0; i < n && !p->err; i++) {
		struct track *t = track_of(p, proc, seen[i].goid, seen[i].start_func_id, out);
		struct meaning m;

		if (!t)
			break;
		walk_read(&t->life, &seen[i], t->life.flags & LIFE_SEEN ? time_ns : first, &m);
		follow(p, t, &m, false, out);
	}
	return p->err;
}

int perfetto_goroutine(struct perfetto *p, const struct goroutine *g, uint64_t until_ns,
		       struct buf *out)
{
	bool silent = g->flags & GOROUTINE_STATE_READ && g->last_event_ns < until_ns;
	struct meaning m;
	struct track *t;

	start(p, g->state_since_ns, out);
	t = track_of(p, g->proc, g->goid, g->start_func_id, out);
	if (!t || g->flags & (GOROUTINE_EXITED | GOROUTINE_STATE_UNKNOWN) ||
	    (!silent && g->state_since_ns > until_ns))
		return p->err;
	walk_told(&t->life, g, &m);
	follow(p, t, &m, false, out);
	return p->err;
}

int perfetto_cut(struct perfetto *p, const char *why, struct buf *out)
{
	Perfetto__TrackEvent event = PERFETTO__TRACK_EVENT__INIT;

	event.type = INSTANT;
	event.name_iid = put_name(p, why, out);
	event.track_uuid = PROC_TRACK(0);
	put_event(p, p->last_ns, &event, CATEGORY_LOST, out);
	return p->err;
}

/* A process that ended stays as it was: what is open ends with it, else with the trace. */
static uint64_t end_of(const struct perfetto *p, const struct track *t)
{
	uint64_t ended = p->ended_ns[t->proc];

	return MAX(t->life.since_ns, ended ? MIN(ended, p->last_ns) : p->last_ns);
}

int perfetto_finish(struct perfetto *p, struct buf *out)
{
	put_held(p, NULL, out);
	for (size_t i = 0; i <= p->mask && !p->err; i++) {
		const struct track *t = &p->tracks[i];

		if (t->used && life_there(&t->life))
			end_slice(p, t, end_of(p, t), out);
	}
	for (unsigned proc = 0; proc < MODEL_PROCS_MAX && !p->err; proc++) {
		if (p->counters[proc].described)
			put_counter(p, proc, p->last_ns, true, out);
	}
	return p->err;
}
