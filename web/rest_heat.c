/* How long goroutines waited for a CPU, over time: counts by power of two, a column a bucket. */
#include <errno.h>

#include "web/rest.h"

#define HEAT_MAX 1024

static void render_counts(const struct pyramid_bucket *b, struct buf *out)
{
	unsigned last = PYRAMID_LATENCIES;

	while (last && !b->latencies[last - 1])
		last--;
	buf_addc(out, '[');
	for (unsigned i = 0; i < last; i++) {
		if (i)
			buf_addc(out, ',');
		buf_addu(out, b->latencies[i]);
	}
	buf_addc(out, ']');
}

int rest_heat(const struct request *rq, struct response *rs)
{
	cleanup_free_ struct pyramid_bucket *buckets = NULL;
	uint64_t level, from, n;
	struct source *s;
	unsigned proc;
	int err = 0;

	if (rest_param_u64(rq, rs, 0, &level) || rest_param_u64(rq, rs, 1, &from) ||
	    http_arg_u64(rq, rs, "n", 1, HEAT_MAX, 240, &n))
		return 0;
	if (level < 20 || level > PYRAMID_LEVEL_MAX)
		return http_error(rs, 400, "levels are 20 to %d", PYRAMID_LEVEL_MAX);
	s = rest_source(rq, rs);
	if (!s)
		return 0;
	buckets = calloc(n, sizeof(*buckets));
	if (!buckets)
		err = -ENOMEM;
	else if (!rest_proc(rq, rs, s, &proc)) {
		err = pyramid_series(s->pyramid, proc, (unsigned)level, from, n, buckets);
		if (err == -ENOENT) /* nothing has happened yet */
			err = 0;
		if (!err) {
			struct buf *out = &rs->body;

			buf_addc(out, '{');
			json_ku(out, "level", level);
			json_ku(out, "width_ns", 1ull << level);
			json_ku(out, "start_ns", from << level);
			json_ku(out, "base", PYRAMID_LATENCY_BASE);
			json_ku(out, "rows", PYRAMID_LATENCIES);
			json_key(out, "counts");
			for (size_t i = 0; i < n; i++) {
				buf_addc(out, i ? ',' : '[');
				render_counts(&buckets[i], out);
			}
			buf_adds(out, "]}\n");
		}
	}
	rest_done(rq, s);
	return err;
}
