/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How the recording is: the same keys in stats and health, and one line for people. Any thread. */
#include "core/view/process/process.h"
#include "core/view/view_internal.h"

void view_recording(const struct view *v, struct recording *ret)
{
	*ret = (struct recording){.state = RECORDING_NONE};
	if (v->recording)
		v->recording(v->recording_ctx, ret);
}

void view_recording_stop(const struct recording *rec, struct buf *out)
{
	if (rec->state == RECORDING_STOPPED)
		buf_addf(out, "recording stopped: %s", rec->why);
}

void view_emit_recording(struct emit *e, const struct view *v)
{
	struct recording rec;

	view_recording(v, &rec);
	emit_string(e, "recording", recording_state_name(rec.state));
	if (rec.state == RECORDING_NONE)
		return;
	emit_string(e, "recording_session", rec.id);
	emit_u64(e, "recorded_events", rec.events);
	emit_u64(e, "recording_missed_events", rec.missed);
	emit_u64(e, "not_recorded_events", rec.not_recorded);
	if (rec.state != RECORDING_STOPPED)
		return;
	emit_i64(e, "recording_stopped_unix_ns", rec.stopped_ns);
	emit_string(e, "recording_stopped_by", rec.why);
}
