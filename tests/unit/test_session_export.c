/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A range of a session as one file: it replays to what was then. */
#include "tests/unit/session_player.h"

#include "core/session/export.h"
#include "tests/all_goroutines.h"

static void write_text(const char *path, const char *data, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	fclose(f);
}

/* What was exported replays to the same goroutines, as of its end, and has the range's events. */
static void test_export(void **state)
{
	struct export_range range = {.view = "t=0-100&filter=state%3Awaiting"};
	struct buf out = BUF_INIT;
	struct model_totals all, part;
	struct goroutine *x, *y;
	struct fixture f;
	struct player p;
	char path[512];
	size_t n, m, at = 0;

	fixture_open(&f, 100000);
	fixture_record(&f, SESSION_PROTOBUF, 1000, 30000);
	model_totals(f.model, -1, &all);
	snprintf(path, sizeof(path), "%s/range.tar", f.dir);

	/* The second half. */
	range.to_ns = all.last_event_ns + 1;
	range.from_ns = all.last_event_ns - 1000000;
	assert_int_equal(session_export(f.model, &range, &out), 0);
	write_text(path, out.data, out.len);
	player_open(&p, f.dir, path, 0);
	assert_string_equal(replay_meta(p.replay)->view, range.view);
	assert_true(replay_wait(p.replay, DEADLINE));
	model_totals(p.model, -1, &part);
	assert_int_equal(part.last_event_ns, all.last_event_ns);
	assert_true(part.events[EVENT_CASGSTATUS] > 0);
	assert_true(part.events[EVENT_CASGSTATUS] < all.events[EVENT_CASGSTATUS]);
	assert_int_equal(replay_meta(p.replay)->event_count,
			 part.events[0] + part.events[1] + part.events[2] + part.events[3] +
				 part.events[4] + part.events[5]);
	assert_int_equal(all_goroutines(f.model, 0, false, &x, &n), 0);
	assert_int_equal(all_goroutines(p.model, 0, false, &y, &m), 0);
	assert_int_equal(n, m);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(x[i].goid, y[i].goid);
		assert_int_equal(x[i].flags & GOROUTINE_STATE_UNKNOWN,
				 y[i].flags & GOROUTINE_STATE_UNKNOWN);
		if (!(x[i].flags & GOROUTINE_STATE_UNKNOWN))
			assert_int_equal(x[i].state, y[i].state);
		assert_string_equal(names_string(model_names(f.model), x[i].start_func_id),
				    names_string(model_names(p.model), y[i].start_func_id));
	}
	free(x);
	free(y);
	player_close(&p);

	/* tar(1) makes a session's folder of it. */
	assert_memory_equal(out.data + 257, "ustar", 5);
	assert_string_equal(out.data, "metadata.json");

	/* Hostile ones are refused: each byte of the headers changed, cut short, something else in
	 * it. */
	for (at = 0; at < 512; at += 3) {
		struct replay_config config = {
			.storage_dir = f.dir, .session = path, .names = p.names};
		struct replay *r = NULL;
		char was = out.data[at];

		out.data[at] ^= 0x15;
		write_text(path, out.data, out.len);
		out.data[at] = was;
		assert_int_equal(replay_open(&config, &r), -EBADMSG);
		assert_null(r);
	}
	write_text(path, out.data, out.len / 2);
	assert_int_equal(replay_open(&(struct replay_config){.storage_dir = f.dir, .session = path},
				     &p.replay),
			 -EBADMSG);
	write_text(path, "no archive", 10);
	assert_int_equal(replay_open(&(struct replay_config){.storage_dir = f.dir, .session = path},
				     &p.replay),
			 -EBADMSG);

	range.from_ns = range.to_ns;
	assert_int_equal(session_export(f.model, &range, &out), -EINVAL);
	assert_true(session_view_valid("t=1-2&mark=5%3Ax"));
	assert_false(session_view_valid("t=1 2"));
	assert_false(session_view_valid("\x1b[2J"));
	assert_false(session_view_valid("<script>"));
	buf_free(&out);
	unlink(path);
	fixture_close(&f);
}

/* Exports, and replays that to its end. */
static void play_range(struct fixture *f, struct export_range *range, struct player *p)
{
	struct buf out = BUF_INIT;
	char path[512];

	snprintf(path, sizeof(path), "%s/range.tar", f->dir);
	assert_int_equal(session_export(f->model, range, &out), 0);
	write_text(path, out.data, out.len);
	player_open(p, f->dir, path, 0);
	assert_true(replay_wait(p->replay, DEADLINE));
	unlink(path);
	buf_free(&out);
}

static void refused(struct fixture *f, uint64_t from, uint64_t to, uint64_t now, int err)
{
	struct export_range range = {.from_ns = from, .to_ns = to, .now_ns = now};
	struct buf out = BUF_INIT;

	assert_int_equal(session_export(f->model, &range, &out), err);
	assert_true(range.why[0]);
	assert_int_equal(out.len, 0);
	buf_free(&out);
}

/* What is not kept any more, and what is to come, is not told of. */
static void test_export_bounds(void **state)
{
	struct recording_noted noted = {
		.probes = "full", .sample = "goroutines:0.1", .audit.state = AUDIT_NONE};
	struct export_range range = {.noted = &noted};
	struct recording recording;
	struct model_totals all, part;
	struct event first;
	struct fixture f;
	struct player p;
	uint64_t cursor, now;

	fixture_open(&f, 2000);
	fixture_apply(&f, 30000);
	model_totals(f.model, -1, &all);
	cursor = feed_tail(model_feed(f.model));
	assert_true(cursor > 0);
	assert_int_equal(feed_read(model_feed(f.model), &cursor, &first, 1, NULL), 1);
	now = all.last_event_ns + NS_PER_SEC;

	refused(&f, 0, first.time_ns, now, -ENOENT);
	refused(&f, now, now + 5, now, -EINVAL);
	refused(&f, now - 5, now - 5, now, -EINVAL);

	/* It begins where what is kept does, and is as long as was asked for, though quiet. */
	range.to_ns = UINT64_MAX;
	range.now_ns = now;
	play_range(&f, &range, &p);
	assert_int_equal(replay_meta(p.replay)->first_event_ns, first.time_ns);
	assert_int_equal(replay_meta(p.replay)->end_time_ns, (int64_t)now + 1234567);
	assert_int_equal(number_of(p.replay, "duration_ns"), now - 1 - first.time_ns);
	assert_int_equal(number_of(p.replay, "position_ns"), now - 1 - first.time_ns);
	model_totals(p.model, -1, &part);
	assert_int_equal(part.last_event_ns, now - 1);
	assert_int_equal(event_counts_sum(part.lost), 0);
	assert_int_equal(number_of(p.replay, "missed_by_recorder"), 0);
	/* What was not chosen is said. */
	session_meta_recording(replay_meta(p.replay), &recording);
	assert_string_equal(recording.sample, "goroutines:0.1");
	assert_string_equal(replay_meta(p.replay)->probes, "full");
	player_close(&p);

	/* Nothing happened in it. */
	range.from_ns = all.last_event_ns + 1000;
	range.to_ns = range.from_ns + 1000;
	play_range(&f, &range, &p);
	assert_int_equal(replay_meta(p.replay)->event_count, 0);
	assert_int_equal(number_of(p.replay, "duration_ns"), 999);
	model_totals(p.model, -1, &part);
	assert_int_equal(part.live_total, all.live_total);
	player_close(&p);
	fixture_close(&f);
}

static void change(struct fixture *f, uint64_t ns, uint64_t goid, uint8_t from, uint8_t to)
{
	struct event ev = {.time_ns = ns, .goid = goid, .target = goid, .from = from, .to = to};

	model_apply(f->model, &ev, 1);
}

static void seen_at(struct fixture *f, uint64_t ns, uint64_t goid, uint8_t state)
{
	struct goroutine_seen seen = {
		.goid = goid, .state = state, .start_func_id = f->mix.funcs[1]};

	model_heal(f->model, 0, &seen, 1, ns, false);
}

static unsigned state_of(struct model *m, uint64_t goid)
{
	struct goroutine g;

	if (model_goroutine(m, 0, goid, &g))
		return 99;
	return g.flags & GOROUTINE_STATE_UNKNOWN ? GSTATES : g.state;
}

/* Without probes what is now is not what was. */
static void test_export_without_probes(void **state)
{
	struct export_range range = {.now_ns = 10000};
	struct recording recording;
	struct goroutine g;
	struct fixture f;
	struct player p;

	fixture_open(&f, 1000);
	seen_at(&f, 1000, 1, GSTATE_WAITING); /* stays so until probes are off */
	change(&f, 1000, 2, GSTATE_RUNNABLE, GSTATE_RUNNING);
	change(&f, 1500, 3, GSTATE_RUNNABLE, GSTATE_RUNNING);
	model_unwatch(f.model, 2000, false);
	seen_at(&f, 2500, 2, GSTATE_WAITING);
	seen_at(&f, 2600, 4, GSTATE_WAITING);
	seen_at(&f, 2700, 5, GSTATE_WAITING);
	model_heal_missing(f.model, 0, (uint64_t[]){3}, 1, 2800);
	model_watch(f.model, 3000, false);
	change(&f, 3500, 2, GSTATE_WAITING, GSTATE_RUNNABLE);
	change(&f, 3600, 1, GSTATE_RUNNABLE, GSTATE_RUNNING);
	change(&f, 3700, 5, GSTATE_RUNNING, GSTATE_SYSCALL);
	model_unwatch(f.model, 5000, false);

	/* No probe was in. */
	refused(&f, 2000, 3000, 10000, -ENODATA);
	refused(&f, 2100, 2900, 10000, -ENODATA);
	refused(&f, 5000, 6000, 10000, -ENODATA);

	/* Before they went: what memory said since is not of that time. */
	range.from_ns = 1200;
	range.to_ns = 1900;
	play_range(&f, &range, &p);
	assert_int_equal(state_of(p.model, 1), GSTATES);
	assert_int_equal(state_of(p.model, 2), GSTATES);
	assert_int_equal(state_of(p.model, 3), GSTATE_RUNNING); /* it ended with no event */
	assert_int_equal(state_of(p.model, 4), 99);             /* not known yet */
	assert_int_equal(model_goroutine(p.model, 0, 2, &g), 0);
	assert_int_equal(replay_meta(p.replay)->probes_off_ns, 0);
	player_close(&p);

	/* While they go and come. */
	range.from_ns = 2200;
	range.to_ns = 4000;
	play_range(&f, &range, &p);
	assert_int_equal(replay_meta(p.replay)->probes_off_ns, 800);
	session_meta_recording(replay_meta(p.replay), &recording);
	assert_int_equal(recording.probes_off_ns, 800);
	assert_int_equal(state_of(p.model, 2), GSTATE_RUNNABLE);
	assert_int_equal(state_of(p.model, 1), GSTATE_RUNNING);
	assert_int_equal(state_of(p.model, 4), GSTATE_WAITING); /* when it was read */
	assert_int_equal(model_goroutine(p.model, 0, 4, &g), 0);
	assert_int_equal(g.created_ns, 2600);
	assert_string_equal(names_string(p.names, g.start_func_id),
			    "net/http.(*Server).Serve.gowrap1");
	assert_int_equal(state_of(p.model, 5), GSTATE_SYSCALL);
	assert_int_equal(model_goroutine(p.model, 0, 5, &g), 0);
	assert_int_equal(g.created_ns, 2700);
	player_close(&p);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_export),
		cmocka_unit_test(test_export_bounds),
		cmocka_unit_test(test_export_without_probes),
	};

	return cmocka_run_group_tests_name("session_export", tests, NULL, NULL);
}
