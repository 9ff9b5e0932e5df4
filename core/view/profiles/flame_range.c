/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flame graphs of a time range: CPU samples by stack, and allocations by start function, call site
 * and type. Each says what it does not see.
 */
#include <errno.h>
#include <string.h>

#include "core/base/json.h"
#include "core/view/choose.h"
#include "core/view/profiles/allocs.h"
#include "core/view/profiles/cpu.h"
#include "core/view/profiles/flame.h"
#include "core/view/query.h"
#include "core/view/stays.h"
#include "core/view/view_internal.h"

/* json or folded; and what a folded line's number is, in *ret: of `weights`. */
static int read_form(struct view_query *q, const char *const weights[], unsigned *ret)
{
	static const char *const formats[] = {"json", "folded", "text", NULL};
	unsigned format = 0;
	int err = view_arg_word(q, "format", formats, &format);

	if (!err && view_arg_text(q, "format"))
		q->form = format ? VIEW_TEXT : VIEW_JSON;
	return err ? err : view_arg_word(q, "weight", weights, ret);
}

/* Where there is nothing, why: tools that draw these lines pass over one that does not end in a
 * number, as that one never does. */
static int folded(const struct flame *f, bool weight, const char *what, const struct buf *why,
		  struct buf *out)
{
	size_t len = out->len;

	flame_render_folded(f, weight, out);
	if (out->len == len)
		buf_addf(out, "... no %s (%s)\n", what, why->len ? why->data : "not known why");
	return buf_error(out);
}

static struct flame_step step(enum flame_kind kind, const char *name, const struct buf *at)
{
	return (struct flame_step){.kind = kind,
				   .name = name,
				   .name_len = strlen(name),
				   .at = at ? at->data : NULL,
				   .at_len = at ? at->len : 0};
}

/* "/src/main.go:12" */
static void add_place(const struct names *names, uint32_t site_id, struct buf *out)
{
	const struct site *site = names_site(names, site_id);
	const char *file = names_string(names, site->file_id);

	if (*file)
		buf_addf(out, "%s:%u", file, site->line);
}

/* --- CPU -------------------------------------------------------------------------------------- */

static int add_sample(const struct view *v, const struct sample_row *row, struct flame *f)
{
	const struct names *names = model_names(v->model);
	struct flame_step path[SAMPLE_DEPTH_MAX + 1];
	struct buf places[SAMPLE_DEPTH_MAX];
	size_t n = 0;

	memset(places, 0, row->n * sizeof(places[0]));
	if (!row->n)
		path[n++] = step(FLAME_FUNCTION, "(other stacks)", NULL);
	else if (row->cut)
		path[n++] = step(FLAME_FUNCTION, "(more calls)", NULL);
	for (uint32_t i = row->n; i-- > 0;) {
		const char *name = names_string(names, names_site(names, row->sites[i])->func_id);

		add_place(names, row->sites[i], &places[i]);
		path[n++] = step(FLAME_FUNCTION, *name ? name : "(not known)", &places[i]);
	}
	flame_add(f, path, n, row->goid, row->sum.hits, row->sum.weight);
	for (uint32_t i = 0; i < row->n; i++)
		buf_free(&places[i]);
	return f->err;
}

static uint64_t goroutines_of(const struct cpu_chosen *c)
{
	cleanup_free_ uint64_t *goids = calloc(c->n + 1, sizeof(*goids));
	size_t n = 0;

	for (size_t i = 0; goids && i < c->n; i++) {
		if (c->rows[i].goid)
			goids[n++] = c->rows[i].goid;
	}
	return sort_unique_u64(goids, n);
}

/* Why there is none. */
static void explain(const struct view *v, unsigned proc, const struct cpu_chosen *c,
		    struct buf *out)
{
	cpu_sampling_why(v, proc, out);
	if (out->len || c->n)
		return;
	if (c->covered_ns == UINT64_MAX)
		buf_adds(out, "no CPU has been sampled yet");
	else if (c->covered_ns >= c->to_ns)
		buf_adds(out, "samples of that time are not kept one by one any more");
	else
		buf_adds(out, "no CPU's clock ticked in it");
}

static int cpu_json(const struct view *v, unsigned proc, const struct cpu_chosen *c,
		    const struct flame *f, const struct buf *why, struct buf *out)
{
	struct sample_sum sum = {0};
	struct health *h = calloc(1, sizeof(*h));

	for (size_t i = 0; i < c->n; i++)
		sample_sum_up(&c->rows[i].sum, &sum);
	buf_addc(out, '{');
	json_ks(out, "by", "cpu");
	json_ku(out, "now_ns", c->window.now);
	json_ku(out, "from", c->window.from);
	json_ku(out, "to", c->to_ns);
	json_ku(out, "samples", sum.hits);
	json_ku(out, "ns", sum.weight);
	json_ku(out, "error_ns", sample_error(&sum));
	json_ku(out, "goroutines", goroutines_of(c));
	if (h && v->live->health && !v->live->health(v->live->ctx, proc, h) && h->cpu_hz)
		json_ku(out, "hz", h->cpu_hz);
	if (c->covered_ns != UINT64_MAX)
		json_ku(out, "covered_from_ns", MAX(c->covered_ns, c->window.from));
	if (c->running_known) {
		json_ku(out, "running_ns", c->running_ns);
		json_ku(out, "unknown_ns", c->unknown_ns);
		json_kb(out, "running_exact", window_exact(&c->window));
	}
	json_ku(out, "lost_since_start", c->totals.lost);
	view_json_text("why", why->len ? why->data : "", out);
	json_kb(out, "truncated", f->truncated);
	json_key(out, "root");
	flame_render(f, out);
	buf_adds(out, "}\n");
	free(h);
	return buf_error(out);
}

int view_flame_cpu(const struct view *v, struct view_query *q, struct buf *out)
{
	static const char *const weights[] = {"samples", "ns", NULL};
	struct flame f = {.keys = {"samples", "ns"}};
	cleanup_buf_ struct buf why = BUF_INIT;
	struct cpu_chosen c;
	unsigned weight = 0;
	bool timed = view_arg_text(q, "from") || view_arg_text(q, "goids");
	int err = read_form(q, weights, &weight);

	if (err)
		return err;
	/* The walk through events is for who asks about a time or some goroutines. */
	err = cpu_choose(v, q, SAMPLES_KEPT_NS, timed && q->form == VIEW_JSON, &c);
	if (!err)
		explain(v, q->proc, &c, &why);
	for (size_t i = 0; i < c.n && !err; i++)
		err = add_sample(v, &c.rows[i], &f);
	if (!err)
		err = q->form == VIEW_JSON ? cpu_json(v, q->proc, &c, &f, &why, out)
					   : folded(&f, weight, "samples", &why, out);
	cpu_chosen_free(&c);
	flame_free(&f);
	return err;
}

/* --- allocations ------------------------------------------------------------------------------ */

struct allocs {
	const struct view *v;
	struct window window;
	struct missing missing;
	uint64_t maps; /* whose bytes are not known */
	struct flame flame;
};

static void add_event(struct allocs *a, const struct goroutine *g, const struct event *ev)
{
	struct names *names = model_names(a->v->model);
	const char *function = names_string(names, g->start_func_id);
	const char *type = names_type(names, ev->type_id)->name;
	cleanup_buf_ struct buf site = BUF_INIT, place = BUF_INIT, what = BUF_INIT;
	struct flame_step path[3];

	view_site(a->v, ev->site_id, &site);
	if (!site.len)
		buf_adds(&site, "(caller unknown)");
	buf_addc(&site, '\0');
	add_place(names, ev->site_id, &place);
	buf_addf(&what, "%s%s", ev->type == EVENT_MAKESLICE ? "[]" : "",
		 *type ? type : "(type unknown)");
	buf_addc(&what, '\0');
	if (buf_error(&site) || buf_error(&place) || buf_error(&what)) {
		a->flame.err = -ENOMEM;
		return;
	}
	path[0] = step(FLAME_FUNCTION, *function ? function : "(function unknown)", NULL);
	path[1] = step(FLAME_SITE, site.data, &place);
	path[2] = step(FLAME_TYPE, what.data, NULL);
	a->maps += ev->type == EVENT_MAKEMAP;
	flame_add(&a->flame, path, ARRAY_SIZE(path), g->goid, 1, names_allocated(names, ev));
}

static int add_goroutine(void *ctx, const struct goroutine *g, const struct event *events, size_t n)
{
	struct allocs *a = ctx;
	const struct window *w = &a->window;

	for (size_t i = 0; i < n && !a->flame.err; i++) {
		const struct event *ev = &events[i];

		if (event_is_allocation(ev->type) && ev->goid == g->goid &&
		    ev->time_ns >= w->from && ev->time_ns < w->to)
			add_event(a, g, ev);
	}
	return a->flame.err;
}

static int allocs_json(const struct allocs *a, unsigned proc, struct buf *out)
{
	cleanup_buf_ struct buf seen = BUF_INIT;
	const struct flame *f = &a->flame;
	struct alloc_share share;

	view_note_events_only(a->v, proc, &seen);
	buf_addc(&seen, '\0');
	buf_addc(out, '{');
	json_ks(out, "by", "alloc");
	json_ku(out, "now_ns", a->window.now);
	json_ku(out, "from", a->window.from);
	json_ku(out, "to", window_to(&a->window));
	json_ku(out, "since_ns", a->window.since_ns);
	json_kb(out, "exact", !a->missing.here && window_exact(&a->window));
	json_ku(out, "exited_dropped", a->missing.dropped);
	json_kb(out, "exited_missing", a->missing.here);
	json_ku(out, "allocations", f->n ? f->v[0].goroutines : 0);
	json_ku(out, "bytes", f->n ? f->v[0].ns : 0);
	json_ku(out, "maps", a->maps);
	if (view_alloc_share(a->v, proc, &share))
		json_kd(out, "alloc_events_percent", view_share_percent(share.by_events, &share));
	else
		view_json_text("alloc_events_percent", NULL, out);
	json_ks(out, "seen", buf_error(&seen) ? "" : seen.data);
	json_kb(out, "truncated", f->truncated);
	json_key(out, "root");
	flame_render(f, out);
	buf_adds(out, "}\n");
	return buf_error(out);
}

int view_flame_alloc(const struct view *v, struct view_query *q, struct buf *out)
{
	static const char *const weights[] = {"allocations", "bytes", NULL};
	struct allocs a = {.v = v, .flame = {.keys = {"allocations", "bytes"}}};
	cleanup_buf_ struct buf why = BUF_INIT;
	unsigned weight = 1;
	int err = read_form(q, weights, &weight);

	if (!err)
		err = window_read(v, q, &a.window);
	if (err)
		return err;
	err = window_pass(&a.window, v, q, add_goroutine, &a, &a.missing);
	view_note_events_only(v, q->proc, &why);
	if (!err)
		err = q->form == VIEW_JSON ? allocs_json(&a, q->proc, out)
					   : folded(&a.flame, weight, "allocations", &why, out);
	flame_free(&a.flame);
	return err;
}
