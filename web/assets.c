/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Serves the embedded UI. Everything is stored gzipped, and unpacked for who does not take that:
 * curl, a health check. */
#include "web/assets.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "web/rest.h"

static int no_ui(struct response *rs)
{
	rs->content_type = "text/plain; charset=utf-8";
	buf_adds(&rs->body, "xgotopfs was built without its web UI (-Dui=disabled). "
			    "The API is at /api/info, /api/live/goroutines, /metrics …\n");
	return 0;
}

static int unpack(const struct asset *a, struct buf *out)
{
	z_stream z = {.next_in = (z_const Bytef *)a->gzip, .avail_in = (uInt)a->gzip_len};
	int err;

	buf_reserve(out, a->len);
	if (buf_error(out) || inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		return -ENOMEM;
	z.next_out = (Bytef *)out->data;
	z.avail_out = (uInt)a->len;
	err = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	if (err != Z_STREAM_END || z.total_out != a->len)
		return -EIO;
	out->len = a->len;
	return 0;
}

int rest_asset(const struct request *rq, struct response *rs)
{
	if (!n_assets && !strcmp(rq->path, "/"))
		return no_ui(rs);
	for (size_t i = 0; i < n_assets; i++) {
		const struct asset *a = &assets[i];

		if (strcmp(a->path, rq->path))
			continue;
		/* Two bodies, two tags. */
		snprintf(rs->etag, sizeof(rs->etag), "%.*s%s\"", (int)strlen(a->etag) - 1, a->etag,
			 rq->gzip ? "" : "-plain");
		rs->cache = "no-cache";
		rs->content_type = a->type;
		rs->vary = true;
		if (!strcmp(rq->etag, rs->etag)) {
			rs->status = 304;
			return 0;
		}
		if (!rq->gzip)
			return unpack(a, &rs->body);
		rs->encoding = "gzip";
		rs->fixed = a->gzip;
		rs->fixed_len = a->gzip_len;
		return 0;
	}
	return http_error(rs, 404, "%s: there is nothing here", rq->path);
}
