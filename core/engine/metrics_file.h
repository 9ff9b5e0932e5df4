/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The metrics file at exit, as the original writes it: metrics_<local time>__<prefix>.json in the
 * working directory, JSON arrays with one entry a second, and event_counts by type.
 */
#ifndef XGOTOPFS_ENGINE_METRICS_FILE_H
#define XGOTOPFS_ENGINE_METRICS_FILE_H

#include <stdbool.h>

#include "core/model/meter.h"

/*
 * prefix may be NULL; untimed: without the time in the name. Written whole or not at all. 0, or
 * -errno with one line logged.
 */
int metrics_file_write(struct meter *meter, const uint64_t counts[EVENT_TYPES], const char *prefix,
		       bool untimed);

#endif
