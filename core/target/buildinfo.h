/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which Go built this file? From .go.buildinfo, or from the version string the runtime keeps. */
#ifndef XGOTOPFS_TARGET_BUILDINFO_H
#define XGOTOPFS_TARGET_BUILDINFO_H

#include "core/target/image.h"

struct buildinfo {
	char version[160]; /* as in the file: "go1.24.1 X:noswissmap"; "" when not found */
	unsigned minor;    /* of go1.N; 0 when the version names none */
	bool development;  /* between two releases: a field may have moved already */
	bool from_section; /* .go.buildinfo, not a guess from the data */
	bool race;         /* built with -race, as far as the module info says */
	int labels;        /* godebug_labels() of DefaultGODEBUG */
	char compiler[16]; /* "gc", "gccgo"; "" when the module info does not say */
};

/* 0, or -ENOENT: no trace of a Go version anywhere. */
int buildinfo_read(const struct image *img, struct buildinfo *ret);

/* What "a=1,tracebacklabels=1,…" says of tracebacklabels: 1 on, -1 off, 0 nothing. The last counts.
 */
int godebug_labels(const char *list, size_t n);

/* Reads "go1.N…", "devel go1.N-…". False when there is no go1.N in it. */
bool buildinfo_parse_version(const char *version, unsigned *ret_minor, bool *ret_development);

#endif
