/* Serves the embedded UI. Everything is stored gzipped; a client without gzip is rare and refused.
 */
#include "web/assets.h"

#include <stdio.h>
#include <string.h>

#include "web/rest.h"

static int no_ui(struct response *rs)
{
	rs->content_type = "text/plain; charset=utf-8";
	buf_adds(&rs->body, "xgotopfs was built without its web UI (-Dui=disabled). "
			    "The API is at /api/info, /api/live/goroutines, /metrics …\n");
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
		snprintf(rs->etag, sizeof(rs->etag), "%s", a->etag);
		rs->cache = "no-cache";
		rs->content_type = a->type;
		if (!strcmp(rq->etag, a->etag)) {
			rs->status = 304;
			return 0;
		}
		if (!rq->gzip)
			return http_error(rs, 406, "this is sent with gzip encoding only");
		rs->encoding = "gzip";
		rs->fixed = a->gzip;
		rs->fixed_len = a->gzip_len;
		return 0;
	}
	return http_error(rs, 404, "%s: there is nothing here", rq->path);
}
