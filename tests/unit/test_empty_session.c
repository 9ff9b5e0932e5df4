/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A recording without one whole event, empty or torn in its first record: every view of it and its
 * export answer, of an empty range that begins where metadata says. */
#include <jansson.h>
#include <unistd.h>

#include "core/pyramid/pyramid.h"
#include "core/session/export.h"
#include "core/session/replay.h"
#include "core/view/process/overview.h"
#include "core/view/query.h"
#include "core/view/view.h"
#include "tests/unit/session_fixture.h"

#define DEADLINE (60 * NS_PER_SEC)

static const struct live no_live;
static const struct control no_control;

struct empty {
	struct fixture f;
	struct names *names;
	struct model *model;
	struct replay *replay;
	struct view v;
	uint64_t first_ns;
	const char *from; /* an argument of all that is asked */
};

/* A recording of which `left` bytes of events are left. */
static void open_empty(struct empty *e, enum session_format format, off_t left)
{
	struct model_config model = {.retain = 1 << 10, .retain_exited = 100, .workers = 1};
	struct replay_config config = {.storage_dir = e->f.dir};
	char path[160];

	fixture_open(&e->f, 1000);
	fixture_record(&e->f, format, 100, 1000);
	snprintf(path, sizeof(path), "%s/%s/%s", e->f.dir, e->f.id, session_format_file(format));
	assert_int_equal(truncate(path, left), 0);
	config.session = e->f.id;
	assert_int_equal(names_new(1 << 16, &e->names), 0);
	config.names = model.names = e->names;
	assert_int_equal(replay_open(&config, &e->replay), 0);
	assert_int_equal(model_new(&model, &e->model), 0);
	assert_int_equal(replay_start(e->replay, e->model), 0);
	assert_true(replay_wait(e->replay, DEADLINE));
	e->first_ns = replay_meta(e->replay)->first_event_ns;
	assert_true(e->first_ns > 0);
	e->v = (struct view){
		.model = e->model, .live = &no_live, .control = &no_control, .replay = true};
	assert_int_equal(pyramid_new(1 << 20, &e->v.pyramid), 0);
}

static void close_empty(struct empty *e)
{
	replay_free(e->replay);
	pyramid_free(e->v.pyramid);
	model_free(e->model);
	names_free(e->names);
	fixture_close(&e->f);
}

/* A level there is, and of what the row takes else only "from". */
static const char *argument(void *ctx, const char *name)
{
	const struct empty *e = ctx;

	if (!strcmp(name, "level"))
		return "24";
	return strcmp(name, "from") ? NULL : e->from;
}

static void ask_row(struct empty *e, const struct view_row *row, enum view_form form)
{
	struct view_query q = {.form = form, .arg = argument, .arg_ctx = e};
	struct buf out = BUF_INIT;
	int err = view_render(row, &e->v, &q, &out);

	/* What is not here, or is no more, is no matter of time. */
	if (err && err != -ENOSYS && err != -ESRCH && err != -ENODATA && err != -ENOENT)
		fail_msg("%s: %s: %s", row->name, strerror(-err), q.why);
	buf_free(&out);
}

static void ask_all(struct empty *e, bool in_path)
{
	for (unsigned i = 0; i < n_views; i++) {
		for (unsigned form = 0; form <= VIEW_BINARY; form++)
			if (views[i].scope == VIEW_PROCESS && views[i].forms & VIEW_HAS(form) &&
			    (!views[i].here || views[i].here(&e->v)) &&
			    !views[i].in_path[0] == !in_path)
				ask_row(e, &views[i], (enum view_form)form);
	}
}

static void check_times(struct empty *e)
{
	struct buf out = BUF_INIT;
	json_t *v;

	assert_true(view_now(&e->v, 0) == e->first_ns);
	assert_true(view_now(&e->v, VIEW_ALL_PROCS) == e->first_ns);
	buf_addc(&out, '{');
	view_overview(&e->v, VIEW_ALL_PROCS, &out);
	buf_addc(&out, '}');
	v = json_loadb(out.data, out.len, 0, NULL);
	assert_non_null(v);
	assert_true((uint64_t)json_integer_value(json_object_get(v, "first_ns")) == e->first_ns);
	assert_true((uint64_t)json_integer_value(json_object_get(v, "now_ns")) == e->first_ns);
	json_decref(v);
	buf_free(&out);
}

static void check_export(struct empty *e)
{
	struct export_range range = {.to_ns = UINT64_MAX};
	struct buf out = BUF_INIT;

	assert_int_equal(session_export(e->model, &range, &out), 0);
	range.from_ns = e->first_ns;
	assert_int_equal(session_export(e->model, &range, &out), 0);
	range.from_ns++;
	assert_int_equal(session_export(e->model, &range, &out), -EINVAL);
	buf_free(&out);
}

static void test_empty(void **state)
{
	static const off_t lefts[] = {0, 4, 50};

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(lefts); i++) {
		struct empty e = {0};
		char from[24];

		open_empty(&e, (enum session_format)(i % 2), lefts[i / 2]);
		check_times(&e);
		ask_all(&e, false);
		snprintf(from, sizeof(from), "%llu", (unsigned long long)e.first_ns);
		e.from = from;
		ask_all(&e, false);
		e.from = "0";
		ask_all(&e, false);
		ask_all(&e, true);
		check_export(&e);
		close_empty(&e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
