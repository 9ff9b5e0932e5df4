/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A trace is a sequence of packets; packets are packed one at a time, which makes the same bytes.
 * Names are interned: sent once, then by number. Tracks are described before their first event.
 */
#include <errno.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/session/perfetto_internal.h"

#define SEQUENCE      1
#define CLOCK_REAL    1 /* perfetto's builtin clocks */
#define CLOCK_MONO    3
#define STATE_CLEARED 1 /* sequence_flags */
#define STATE_NEEDED  2
/* Of the goroutines that began with the same function. */
#define GROUP_TRACK(p, func_id) (PROC_TRACK(p) | 1ull << 46 | (func_id))
#define GOIDS_MAX               ((1ull << 46) - 1)
#define CHRONOLOGICAL           2 /* child_ordering */

static const char *const categories[] = {"state", "allocation", "goroutine", "lost"};
static const char *const notes[] = {"size", "len", "cap", "hint", "caller", "goroutine", "count"};

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

void trace_start(struct perfetto *p, uint64_t time_ns, struct buf *out)
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
	clock[1].timestamp = unix_ns(time_ns, p->wall_offset_ns);
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

void trace_put_track(struct perfetto *p, Perfetto__TrackDescriptor *track, struct buf *out)
{
	Perfetto__TracePacket packet = PERFETTO__TRACE_PACKET__INIT;

	packet.track_descriptor = track;
	put(p, &packet, out);
}

void trace_put_event(struct perfetto *p, uint64_t time_ns, Perfetto__TrackEvent *event,
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
	size_t at = hash_u64(key) & mask;

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

uint64_t trace_put_name(struct perfetto *p, const char *text, struct buf *out)
{
	Perfetto__InternedData data = PERFETTO__INTERNED_DATA__INIT;
	Perfetto__InternedString name = PERFETTO__INTERNED_STRING__INIT, *name_p = &name;

	name.iid = ++p->n_names;
	name.name = (char *)text;
	data.n_event_names = 1;
	data.event_names = &name_p;
	return put_interned(p, &data, out);
}

/* An annotation's value; its number. */
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

uint64_t trace_name(struct perfetto *p, enum name_kind kind, unsigned what, uint32_t id,
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
	slot->iid =
		kind == NAME_SITE ? put_value(p, &text, out) : trace_put_name(p, text.data, out);
	return slot->iid;
}

/* --- tracks ----------------------------------------------------------------------------------- */

uint64_t trace_track_uuid(unsigned proc, uint64_t goid)
{
	/* Goids are counted up from 1; one past 2^46 is garbage, and may share a track. */
	return PROC_TRACK(proc) | ((goid + 1) & GOIDS_MAX);
}

static struct track *track_find(struct track *tracks, size_t mask, unsigned proc, uint64_t goid)
{
	size_t at = hash_goroutine(proc, goid) & mask;

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
	trace_put_track(p, &track, out);
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
	track.uuid = trace_track_uuid(t->proc, t->goid);
	track.parent_uuid =
		t->goid ? group_of(p, t->proc, again ? 0 : t->func_id, out) : PROC_TRACK(t->proc);
	track.name = name.data;
	trace_put_track(p, &track, out);
}

struct track *trace_track(struct perfetto *p, unsigned proc, uint64_t goid, uint32_t func_id,
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

struct track *trace_find(struct perfetto *p, unsigned proc, uint64_t goid)
{
	struct track *t = track_find(p->tracks, p->mask, proc, goid);

	return t->used ? t : NULL;
}

void trace_forget(struct perfetto *p, struct track *t)
{
	size_t hole = (size_t)(t - p->tracks), at = hole;

	for (;;) {
		struct track *next;
		size_t home;

		at = (at + 1) & p->mask;
		next = &p->tracks[at];
		if (!next->used)
			break;
		home = hash_goroutine(next->proc, next->goid) & p->mask;
		if (((at - home) & p->mask) >= ((at - hole) & p->mask)) {
			p->tracks[hole] = *next;
			hole = at;
		}
	}
	p->tracks[hole] = (struct track){0};
	p->n_tracks--;
}
