/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a model keeps of a range of time as a session in one file (archive.h), which -replay opens:
 * the goroutines that were known by its end, and all events until then, at which an end mark
 * stands. It begins where what is kept begins, if that is later. What a goroutine is in when it
 * begins is what the first event from then on tells, or what it is in still; else it is not known.
 * Where no probe was in, the session has a gap (event_switch()). Any thread.
 */
#ifndef XGOTOPFS_SESSION_EXPORT_H
#define XGOTOPFS_SESSION_EXPORT_H

#include "core/base/buf.h"
#include "core/model/model.h"

#define EXPORT_BYTES_MAX (64u << 20)

struct export_range {
	uint64_t from_ns, to_ns; /* [from, to) */
	uint64_t now_ns;         /* nothing is known from then on; 0: the last event is the end */
	const char *view;        /* what is looked at (session_meta.view); may be NULL */
	const char *version;     /* of xgotopfs */
	const struct recording_noted *noted; /* of the source; may be NULL */
	char why[160];                       /* set: a refusal in words, or "" */
};

/* Appends the archive to `out`. -EINVAL: an empty range, or one that is to come; -ENOENT: it is not
 * kept any more; -ENODATA: no probe was in; -EFBIG: more than EXPORT_BYTES_MAX. */
int session_export(struct model *m, struct export_range *range, struct buf *out);

#endif
