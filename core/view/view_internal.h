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

/* "function:line" of a call site; "" when unknown. */
void view_site(const struct view *v, uint32_t site_id, struct buf *out);
/* Its exit status or signal; -1: not that, or not known. */
int view_exit_status(const struct proc_info *info);
int view_exit_signal(const struct proc_info *info);
/* "main.worker (/src/main.go:12)"; "" when unknown. */
void view_site_file(const struct names *names, uint32_t site_id, struct buf *out);

/* "key": "value", null for "" and NULL: not known, or there is none. */
void view_json_text(const char *key, const char *value, struct buf *out);
/* "key": {"casgstatus": …, …} */
void view_json_by_type(const char *key, const uint64_t counts[EVENT_TYPES], struct buf *out);

/* After a table: so many exited goroutines are no longer kept, and what that is for it. Nothing
 * when there are none. */
void view_note_dropped(uint64_t dropped, const char *what, struct buf *out);

/* False when everything is counted: nothing is sampled, or nobody can say. */
bool view_rates(const struct view *v, uint32_t ret[RATES]);
/* sample_<event> for each type that is not counted in full: the counts are then samples. */
void view_emit_rates(struct emit *e, const struct view *v);
/* "?" unless it is known. */
void view_emit_known(struct emit *e, const char *key, bool known, uint64_t value);
/* What a hit costs; 0: not known. */
void view_emit_price(struct emit *e, const char *key, uint64_t ns);
/* The mean of `count` values, "-" of none. */
void view_emit_mean(struct emit *e, const char *key, uint64_t sum, uint64_t count);

/* What allocates and is no event. */
#define VIEW_NO_EVENTS "append, strings, conversions, maps: see alloc_sites"

#endif
