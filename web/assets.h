/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The UI's files, bundled, gzipped and compiled in by the build (web/embed.py). */
#ifndef XGOTOPFS_WEB_ASSETS_H
#define XGOTOPFS_WEB_ASSETS_H

#include <stddef.h>

struct asset {
	const char *path; /* "/", "/assets/app.js" */
	const char *type;
	const char *etag; /* of the content, with its quotes */
	const unsigned char *gzip;
	size_t gzip_len, len; /* len: unpacked */
};

extern const struct asset assets[];
extern const size_t n_assets;

#endif
