/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records in the rings, in any order of taking slots, writing and publishing them, through the
 * merge, the decoder and the model. With honest clocks what comes out is in order and nothing is
 * missing; with any bytes in the records the model's own books still agree with each other and with
 * the feed.
 */
#include <errno.h>

#include "core/capture/decode.h"
#include "core/capture/merge.h"
#include "core/model/model.h"
#include "tests/all_goroutines.h"
#include "tests/fuzz/fuzz.h"
#include "tests/no_parts.h"

#define RINGS     2
#define SLOTS     2048 /* far ones */
#define PENDING   8    /* taken and not published, a ring */
#define RETAIN    64
#define INPUT_MAX 1500 /* some hundred steps */

/* --- stand-ins for core/target ------------------------------------------------------------------
 */

int target_type(const struct target *t, uint64_t addr, struct target_type *ret)
{
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->name, sizeof(ret->name), "main.T%llx", (unsigned long long)addr & 0xff);
	ret->size = addr;
	ret->kind = (uint8_t)addr;
	return addr & 1 ? -ENOENT : 0;
}

static int made_type(const struct target *t, pid_t pid, uint64_t addr, struct target_type *ret)
{
	return target_type(t, addr >> 1, ret);
}

int target_start_func(const struct target *t, uint64_t pc, struct go_func *ret)
{
	*ret = (struct go_func){.name = "main.\x1b[2J\nworker"};
	return pc & 1 ? -ENOENT : 0;
}

int target_frames_by_pc(const struct target *t, uint64_t pc, struct target_frame *ret, size_t max)
{
	ret[0] = (struct target_frame){.function = "main.f", .file = "", .line = (uint32_t)pc};
	return pc & 1 ? -ENOENT : 1;
}

const char *target_wait_reason(const struct target *t, unsigned reason)
{
	return reason < 30 ? "chan receive" : NULL;
}

/* --- the rings -----------------------------------------------------------------------------------
 */

struct writer {
	struct wire_ring control;
	struct wire_slot *slots;
	struct wire_slot *pending[PENDING];
	uint64_t numbers[PENDING];
	unsigned n_pending;
};

struct run {
	struct writer w[RINGS];
	struct ring rings[RINGS];
	struct merge *merge;
	struct decode *decode;
	struct names *names;
	struct model *model;
	uint64_t clock, last_out, published, nothing, out, undecodable;
	uint64_t shown, head; /* events the feed must have */
	unsigned checks;
	bool honest;
};

static void take_slot(struct writer *w)
{
	struct wire_slot *slot;

	if (w->n_pending == PENDING || wire_ring_full(&w->control, SLOTS))
		return;
	slot = &w->slots[wire_slot_index(w->control.head, w->control.tail, SLOTS)];
	slot->seq = 0;
	w->pending[w->n_pending] = slot;
	w->numbers[w->n_pending++] = w->control.head++;
}

static void publish(struct run *r, struct writer *w, unsigned which, struct fuzz_input *in)
{
	union wire_record *record;
	struct wire_slot *slot;

	if (!w->n_pending)
		return;
	which %= w->n_pending;
	slot = w->pending[which];
	record = &slot->record;
	memset(record, 0, sizeof(*record));
	record->h.type = fuzz_u8(in);
	record->h.flags = fuzz_u8(in);
	record->h.from = fuzz_u8(in) % 14;
	record->h.to = fuzz_u8(in) % 14;
	record->h.goid = fuzz_u8(in) % 8;
	record->alloc.type = fuzz_u8(in) % 8; /* the target, the address of a type */
	record->alloc.caller = fuzz_number(in, 4);
	record->alloc.a = fuzz_number(in, record->h.type & 16 ? 8 : 2);
	record->alloc.b = fuzz_number(in, record->h.type & 16 ? 8 : 2);
	record->h.type = record->h.type == WIRE_NOTHING ? WIRE_NOTHING : record->h.type & 15;
	/* The slot was taken first, then the time is read (merge.h). */
	record->h.time_ns = r->honest ? ++r->clock + MERGE_SLACK_NS : fuzz_number(in, 8) >> 1;
	r->published++;
	r->nothing += record->h.type == WIRE_NOTHING;
	r->undecodable += record->h.type >= WIRE_TYPES && record->h.type != WIRE_NOTHING &&
			  record->h.type != WIRE_EXEC;
	slot->seq = w->numbers[which] + 1;
	w->pending[which] = w->pending[--w->n_pending];
	w->numbers[which] = w->numbers[w->n_pending];
}

static void hand_out(struct run *r)
{
	struct decode_process process = {.pid = 7, .proc = 0, .bias = 0x1000};
	const union wire_record *record;
	struct event events[DECODE_EVENTS_MAX];

	while ((record = merge_next(r->merge))) {
		unsigned n;

		FUZZ_ASSERT(record->h.time_ns >= r->last_out || !r->honest);
		r->last_out = record->h.time_ns;
		r->out++;
		memset(events, 0xff, sizeof(events));
		n = decode_record(r->decode, &process, record, events);
		FUZZ_ASSERT(n <= DECODE_EVENTS_MAX);
		for (unsigned i = 0; i < n; i++) {
			FUZZ_ASSERT(events[i].type < EVENT_TYPES && events[i].proc == 0);
			FUZZ_ASSERT(events[i].from < GSTATES && events[i].to < GSTATES);
			r->shown += !(events[i].flags & EVENT_HIDDEN);
		}
		model_apply(r->model, events, n);
	}
	FUZZ_ASSERT(merge_read(r->merge) == r->out + merge_waiting(r->merge));
}

static void drain(struct run *r)
{
	/* The clock is read before the heads are. */
	merge_drain(r->merge, r->honest ? r->clock + 2 * MERGE_SLACK_NS : r->clock);
	hand_out(r);
}

/* --- the model's books
 * ---------------------------------------------------------------------------- */

static void check_goroutine(struct run *r, const struct goroutine *g)
{
	struct event *events, all[RETAIN];
	uint64_t *seqs, cursor = feed_tail(model_feed(r->model)), first = cursor;
	size_t n, n_all, k;

	n_all = feed_read(model_feed(r->model), &cursor, all, RETAIN, NULL);
	FUZZ_ASSERT(
		!model_goroutine_events(r->model, 0, g->goid, 0, UINT64_MAX, &events, &seqs, &n));
	/* From the newest on. The oldest may be of one with its number that is no longer kept. */
	k = n;
	for (size_t i = n_all; i > 0 && k > 0; i--) {
		const struct event *ev = &all[i - 1];

		if (ev->type == EVENT_LOST || (ev->goid != g->goid && event_subject(ev) != g->goid))
			continue;
		k--;
		FUZZ_ASSERT(seqs[k] == first + i - 1 && !memcmp(&events[k], ev, sizeof(*ev)));
	}
	FUZZ_ASSERT(k == 0);
	free(events);
	free(seqs);
}

static void check_books(struct run *r)
{
	struct model_totals t;
	struct goroutine *list;
	uint64_t live = 0, events = 0;
	size_t n;

	model_totals(r->model, 0, &t);
	for (unsigned i = 0; i < GSTATES; i++)
		live += t.live[i];
	FUZZ_ASSERT(live + t.live_unknown == t.live_total);
	for (unsigned i = 0; i < EVENT_TYPES; i++)
		events += t.events[i];
	FUZZ_ASSERT(events + t.malformed == r->shown || t.malformed);
	FUZZ_ASSERT(!all_goroutines(r->model, 0, true, &list, &n));
	live = 0;
	for (size_t i = 0; i < n; i++) {
		FUZZ_ASSERT(!i || list[i].goid > list[i - 1].goid);
		FUZZ_ASSERT(list[i].goid && list[i].state < GSTATES);
		FUZZ_ASSERT(!(list[i].flags & GOROUTINE_EXITED) == !list[i].exited_ns ||
			    list[i].flags & GOROUTINE_EXITED);
		live += !(list[i].flags & GOROUTINE_EXITED);
		check_goroutine(r, &list[i]);
	}
	FUZZ_ASSERT(live == t.live_total && n == t.live_total + t.exited_retained);
	free(list);
	FUZZ_ASSERT(feed_head(model_feed(r->model)) >= r->head);
	r->head = feed_head(model_feed(r->model));
}

/* --- what an input does
 * --------------------------------------------------------------------------- */

static void heal(struct run *r, struct fuzz_input *in)
{
	struct goroutine_seen seen[4] = {0};
	uint8_t what = fuzz_u8(in);
	unsigned n = what & 3;

	for (unsigned i = 0; i < n; i++)
		seen[i] = (struct goroutine_seen){.goid = fuzz_u8(in) % 9,
						  .parent = fuzz_u8(in) % 9,
						  .state = fuzz_u8(in) % 14,
						  .system = what & 4};
	model_heal(r->model, 0, seen, n, r->last_out + fuzz_u8(in), what & 8);
}

static void step(struct run *r, struct fuzz_input *in)
{
	uint8_t op = fuzz_u8(in);
	struct writer *w = &r->w[op >> 7];
	uint64_t lost[EVENT_TYPES] = {0};

	switch (op & 15) {
	case 0 ... 3:
		take_slot(w);
		break;
	case 4 ... 8:
		publish(r, w, op >> 4, in);
		break;
	case 9 ... 11:
		drain(r);
		break;
	case 12:
		heal(r, in);
		break;
	case 13:
		lost[(op >> 4) % EVENT_TYPES] = fuzz_u8(in);
		model_lost(r->model, op & 64 ? -1 : 0, lost, r->last_out);
		break;
	case 14:
		if (r->checks++ < 4)
			check_books(r);
		break;
	default:
		if (op & 64) {
			FUZZ_ASSERT(!model_reset(r->model));
			r->shown = 0;
		} else {
			model_proc_exited(r->model, 0, r->last_out);
		}
	}
}

static void begin(struct run *r)
{
	static struct wire_slot *slots[RINGS];
	struct model_config config = {.retain = RETAIN, .retain_exited = 4, .workers = 1};
	struct proc_info info = {.pid = 7};

	for (unsigned i = 0; i < RINGS; i++) {
		if (!slots[i])
			slots[i] = calloc(WIRE_NEAR + SLOTS, sizeof(*slots[i]));
		FUZZ_ASSERT(slots[i]);
		r->w[i].slots = slots[i];
		r->rings[i] = (struct ring){&r->w[i].control, slots[i], SLOTS};
	}
	FUZZ_ASSERT(!names_new(1000, &config.names));
	r->names = config.names;
	FUZZ_ASSERT(!model_new(&config, &r->model) && model_proc_add(r->model, &info) == 0);
	FUZZ_ASSERT(!merge_new(r->rings, RINGS, &r->merge) &&
		    !decode_new(NULL, r->names, made_type, &r->decode));
}

static void end(struct run *r)
{
	merge_free(r->merge);
	decode_free(r->decode);
	model_free(r->model);
	names_free(r->names);
	for (unsigned i = 0; i < RINGS; i++) {
		/* An input fills no more than the near slots. */
		for (uint64_t k = 0; k < r->w[i].control.head && k < WIRE_NEAR; k++)
			r->w[i].slots[k].seq = 0;
		for (uint64_t k = 0; k < r->w[i].control.head && k < SLOTS; k++)
			r->w[i].slots[WIRE_NEAR + k].seq = 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = fuzz_input(data, size < INPUT_MAX ? size : INPUT_MAX);
	struct run r = {.clock = 1000, .honest = fuzz_u8(&in) & 1};

	begin(&r);
	while (in.p < in.end)
		step(&r, &in);
	for (unsigned i = 0; i < RINGS; i++) {
		while (r.w[i].n_pending)
			publish(&r, &r.w[i], 0, &in);
	}
	drain(&r);
	merge_finish(r.merge);
	hand_out(&r);
	/* Every record came out, or is counted. */
	FUZZ_ASSERT(r.published == r.out + r.nothing + r.undecodable);
	FUZZ_ASSERT(merge_undecodable(r.merge) == r.undecodable);
	check_books(&r);
	end(&r);
	return 0;
}
