/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the views share; for this room only. */
#ifndef XGOTOPFS_VIEW_VIEW_INTERNAL_H
#define XGOTOPFS_VIEW_VIEW_INTERNAL_H

#include "core/base/util.h"
#include "core/view/emit.h"

/* An event's time as UNIX time in ns. */
uint64_t view_unix(const struct view *v, uint64_t monotonic);
static inline uint64_t view_since(uint64_t now, uint64_t then)
{
	return sub_u64(now, then);
}

/* "running", "dead" for one that ended, "unknown" when its state is not known. */
static inline const char *view_state_word(const struct goroutine *g)
{
	return view_state_name(view_state(g));
}
/* Why it waits; 0 for one that does not: what it waited for last is of no use to a reader. */
static inline uint32_t view_reason_id(const struct goroutine *g)
{
	return gstate_waits(view_state(g)) ? g->reason_id : 0;
}
/* All the time it was in an enum gstate, with the stay under way, as of `now`. */
uint64_t view_state_ns(const struct goroutine *g, unsigned state, uint64_t now);
/* From when it began, or was found, to its end, or `now`. */
uint64_t view_age_ns(const struct goroutine *g, uint64_t now);
uint64_t view_events_of(const struct goroutine *g);

/* States a goroutine that lives can be seen in, in the order in which they are shown. */
extern const uint8_t view_states[];
extern const unsigned view_n_states;

/* Of one process: as it is, or what the recording kept of all of them together. */
void view_audit_of(const struct view *v, unsigned proc, struct audit *ret);
/* "agrees: events and memory tell the same", for health and the statistics line. */
void view_audit_line(const struct audit *a, struct buf *out);

/* An estimate, of counts in powers of two (model.h); of no count max_ns. */
uint64_t view_latency_percentile(const uint64_t counts[LATENCY_BUCKETS], uint64_t max_ns,
				 unsigned percent);

/* "function:line" of a call site; "" when unknown. */
void view_site(const struct view *v, uint32_t site_id, struct buf *out);
/* "2026-11-29T06:42:54.123Z" */
void view_add_utc(uint64_t unix_ns, struct buf *out);
/* ended.c: who it was, when it ended and how, as a dump that has no frames. */
void view_ended_text(const struct view *v, const struct goroutine *g, struct buf *out);
/* "main.worker (/src/main.go:12)"; "" when unknown. */
void view_site_file(const struct names *names, uint32_t site_id, struct buf *out);

/* "key": "value", null for "" and NULL: not known, or there is none. */
void view_json_text(const char *key, const char *value, struct buf *out);
/* "key": {"casgstatus": …, …} */
void view_json_by_type(const char *key, const uint64_t counts[EVENT_TYPES], struct buf *out);

/* Have the probes of the events been in all the while, so that what is counted of goroutines is all
 * there was? Of a recording: yes. */
bool view_probes_always(const struct view *v, unsigned proc);
/* What is attached; false: nobody can say (a recording). As a line: how fine what is told of
 * goroutines is. And its keys. */
bool view_probes(const struct view *v, unsigned proc, struct live_probes *ret);
/* Why there may be no events of that time: no probe was in; nothing where they were. */
void view_no_probe(const struct view *v, unsigned proc, uint64_t at, struct buf *out);
/* Of those that were there before us not all are known: who counts or looks through goroutines has
 * not seen all. One that lives. */
#define VIEW_UNREAD "not all goroutines have been read yet"
bool view_unread(const struct view *v, unsigned proc);
/* How many live, by state: keys; "?" while some are unread. */
void view_emit_live(struct emit *e, const struct view *v, unsigned proc,
		    const struct model_totals *t);
void view_probes_line(const struct view *v, unsigned proc, const struct live_probes *p,
		      struct buf *out);
void view_emit_probes(struct emit *e, const struct view *v, unsigned proc);

/* What the hits cost by event type; what -max-overhead does, where there is such a bound. */
void view_emit_costs(struct emit *e, const struct meter_sample *s);
void view_emit_budget(struct emit *e, const struct view *v);
/* false: there can be none, and *ret is all zero. */
bool view_budget(const struct view *v, struct live_budget *ret);
/* Counts are those of windows. */
bool view_in_windows(const struct view *v);

/* recording, recording_session, … */
void view_emit_recording(struct emit *e, const struct view *v);

/* After a table: so many exited goroutines are no longer kept, and what that is for it. Nothing
 * when there are none. */
void view_note_dropped(uint64_t dropped, const char *what, struct buf *out);

/* What its own runtime counts, as of the last reading: cpu_ns, heap_live_bytes, … */
void view_emit_runtime(struct emit *e, const struct view *v, unsigned proc);

/* What is proven to be leaked, in short: groups that look alike together, the largest first. */
struct leak_brief {
	uint64_t goroutines, joined, watched_ns; /* joined: within watched_ns; 0 0 not known yet */
	uint64_t oldest_ns, goid;                /* one of them; its age as of then */
	uint64_t as_of_ns;                       /* the look: CLOCK_MONOTONIC */
	uint32_t func_id, site_id, reason_id;
	const char *meaning; /* static */
};
/* As of the last look, and asks for another one soon; the first is waited for, two seconds at most.
 * -EAGAIN: there was none yet, of as many passes as a proof takes; -ENOSYS. */
int view_leak_briefs(const struct view *v, unsigned proc, struct leak_brief *ret, size_t max,
		     size_t *ret_n);

/* The allocation samples of a process: alloc_sampled_bytes, … */
void view_emit_sampled(struct emit *e, const struct view *v, unsigned proc);
/* Who of the program's own asked for most of what was sampled. */
struct alloc_most {
	uint64_t bytes, samples, from_ns; /* all in all, since then: CLOCK_MONOTONIC */
	uint64_t site_bytes;
	uint32_t site_id; /* names_site(); 0: none of the program's own */
};
/* Of the last `ns`, or of less where that is all that is known one by one; 0: of all. */
int view_alloc_most(const struct view *v, unsigned proc, uint64_t ns, struct alloc_most *ret);
/* Frames of the runtime's own, which allocate for whom called them. */
bool view_is_runtime(const struct view *v, uint32_t site_id);

/* False when everything is counted: nothing is sampled, or nobody can say. */
bool view_rates(const struct view *v, uint32_t ret[RATES]);
/* sample_<event> for each type that is not counted in full: the counts are then samples. */
void view_emit_rates(struct emit *e, const struct view *v);
/* What -sample did not choose, and what all there was is estimated to be. */
void view_emit_choice(struct emit *e, const struct view *v, const struct model_totals *t);
/* Is this goroutine one of the chosen? Nothing where all are. */
void view_emit_chosen(struct emit *e, const struct view *v, unsigned proc, uint64_t goid);
/* "?" unless it is known. */
void view_emit_known(struct emit *e, const char *key, bool known, uint64_t value);
/* What a hit costs; 0: not known. */
void view_emit_price(struct emit *e, const char *key, uint64_t ns);
/* The mean of `count` values, "-" of none. */
void view_emit_mean(struct emit *e, const char *key, uint64_t sum, uint64_t count);

/* Of the bytes that a process's runtime counts since it was attached to, as of the last reading. */
struct alloc_share {
	uint64_t allocated, by_events, sampled;
};
/* False: not known, as in a replay. */
bool view_alloc_share(const struct view *v, unsigned proc, struct alloc_share *ret);
double view_share_percent(uint64_t part, const struct alloc_share *share);
/* alloc_events_percent, alloc_sampled_percent. */
void view_emit_alloc_share(struct emit *e, const struct view *v, unsigned proc);
/* What a table of a process's allocation events has, and what not: in words, without a line end;
 * VIEW_ALL_PROCS: without their share. */
void view_note_events_only(const struct view *v, unsigned proc, struct buf *out);

/* What allocates and is no event. */
#define VIEW_NO_EVENTS "append, strings, conversions, maps: see alloc_sites"

#endif
