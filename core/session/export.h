/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a model keeps of a range of time as a session in one file (archive.h), which -replay opens:
 * the goroutines that were there when it begins, in the state that the first event from then on
 * tells, and all events until its end. Any thread.
 */
#ifndef XGOTOPFS_SESSION_EXPORT_H
#define XGOTOPFS_SESSION_EXPORT_H

#include "core/base/buf.h"
#include "core/model/model.h"

#define EXPORT_BYTES_MAX (64u << 20)

struct export_range {
	uint64_t from_ns, to_ns; /* [from, to) */
	const char *view;        /* what is looked at (session_meta.view); may be NULL */
	const char *version;     /* of xgotopfs */
};

/* Appends the archive to `out`. -EINVAL: an empty range; -EFBIG: more than EXPORT_BYTES_MAX. */
int session_export(struct model *m, const struct export_range *range, struct buf *out);

#endif
