/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Replay: the model after a replay is the one that was recorded; pace, pause, seek; what is torn.
 */
#include "tests/unit/session_player.h"

#include "core/session/store.h"
#include "tests/all_goroutines.h"

/* Who is told that it has begun finds a process, however slowly it goes on; one without an event
 * ends. */
static void test_first(void **state)
{
	struct model_totals all;
	struct fixture f;
	struct player p;

	(void)state;
	fixture_open(&f, 1000);
	fixture_record(&f, SESSION_PROTOBUF, 100, 1000);
	player_open(&p, f.dir, f.id, 0.000001);
	assert_true(replay_wait_first(p.replay, 60 * NS_PER_SEC));
	assert_int_equal(model_procs(p.model), 1);
	model_totals(p.model, -1, &all);
	assert_true(event_counts_sum(all.events) > 0);
	assert_false(replay_wait(p.replay, 1));
	player_close(&p);
	fixture_close(&f);
}

static void assert_same_models(struct model *a, struct model *b)
{
	struct goroutine *x, *y;
	struct model_totals s, t;
	size_t n, m;

	model_totals(a, -1, &s);
	model_totals(b, -1, &t);
	assert_memory_equal(s.events, t.events, sizeof(s.events));
	assert_memory_equal(s.lost, t.lost, sizeof(s.lost));
	assert_memory_equal(s.live, t.live, sizeof(s.live));
	assert_int_equal(s.live_total, t.live_total);
	assert_int_equal(s.alloc_bytes, t.alloc_bytes);
	assert_int_equal(s.last_event_ns, t.last_event_ns);
	assert_int_equal(all_goroutines(a, 0, true, &x, &n), 0);
	assert_int_equal(all_goroutines(b, 0, true, &y, &m), 0);
	assert_int_equal(n, m);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(x[i].goid, y[i].goid);
		assert_int_equal(x[i].state, y[i].state);
		assert_int_equal(x[i].parent, y[i].parent);
		assert_int_equal(x[i].state_since_ns, y[i].state_since_ns);
		assert_int_equal(x[i].alloc_bytes, y[i].alloc_bytes);
		assert_memory_equal(x[i].counts, y[i].counts, sizeof(x[i].counts));
		assert_string_equal(names_string(model_names(a), x[i].start_func_id),
				    names_string(model_names(b), y[i].start_func_id));
	}
	free(x);
	free(y);
}

static void test_same_model(void **state)
{
	for (int format = 0; format < 2; format++) {
		struct fixture f;
		struct player p;
		struct proc_info info;

		fixture_open(&f, 100000);
		fixture_record(&f, (enum session_format)format, 1000, 30000);
		player_open(&p, f.dir, f.id, 0);
		assert_true(replay_wait(p.replay, DEADLINE));
		assert_same_models(f.model, p.model);
		assert_int_equal(model_wall_offset(p.model), 1234567);
		assert_int_equal(model_proc(p.model, 0, &info), 0);
		assert_int_equal(info.pid, 4242);
		assert_string_equal(info.binary_path, "/srv/demo");
		/* Not told (0): it was not watched for ever before its first event. */
		assert_in_range(info.attached_ns, MIX_START_NS, MIX_START_NS + 1200);
		assert_true(feed_closed(model_feed(p.model)));
		player_close(&p);
		fixture_close(&f);
	}
}

/* How a process ended is in the recording, where it is known. */
static void test_ended_as(void **state)
{
	static const int ends[] = {-1, 0, 3 << 8, 9};

	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++) {
		struct recorder_config config;
		struct recorder *recorder;
		struct proc_info info;
		struct fixture f;
		struct player p;

		fixture_open(&f, 1000);
		config = fixture_config(&f, SESSION_PROTOBUF, 100);
		assert_int_equal(recorder_new(&config, &recorder), 0);
		fixture_apply(&f, 500);
		if (ends[i] >= 0)
			model_proc_status(f.model, 0, ends[i]);
		model_proc_exited(f.model, 0, monotonic_ns());
		recorder_stop(recorder);
		recorder_id(recorder, f.id);
		recorder_free(recorder);
		player_open(&p, f.dir, f.id, 0);
		assert_true(replay_wait(p.replay, DEADLINE));
		assert_int_equal(model_proc(p.model, 0, &info), 0);
		assert_int_equal(info.state, PROC_EXITED);
		assert_int_equal(info.status_known, ends[i] >= 0);
		assert_int_equal(info.status, MAX(ends[i], 0));
		player_close(&p);
		fixture_close(&f);
	}
}

static void wait_for(struct replay *replay, const char *line)
{
	uint64_t deadline = monotonic_ns() + DEADLINE;
	struct buf text = BUF_INIT;

	for (;;) {
		buf_reset(&text);
		replay_get(replay, &text);
		if (strstr(text.data, line))
			break;
		assert_true(monotonic_ns() < deadline);
		usleep(1000);
	}
	buf_free(&text);
}

/* Waits until a seek has come to rest at an event not before `at` and not long after. */
static void wait_position(struct replay *replay, uint64_t low, uint64_t high)
{
	uint64_t deadline = monotonic_ns() + DEADLINE, at;

	do {
		assert_true(monotonic_ns() < deadline);
		usleep(1000);
		at = number_of(replay, "position_ns");
	} while (at < low || at > high);
}

static void test_commands(void **state)
{
	struct fixture f;
	struct player p;
	struct model_totals totals;
	uint64_t events;
	char slow[300];

	fixture_open(&f, 100000);
	fixture_record(&f, SESSION_PROTOBUF, 1000, 20000); /* some 14 ms */
	player_open(&p, f.dir, f.id, 1e-6);
	assert_int_equal(replay_command(p.replay, "pause"), 0);
	wait_for(p.replay, "state paused");
	assert_int_equal(replay_command(p.replay, "seek 10ms"), 0);
	wait_position(p.replay, 9990000, 10000000);
	events = number_of(p.replay, "\nevents");
	assert_true(events > 10000 && events < 18000);
	assert_int_equal(replay_command(p.replay, "seek 0.005"), 0);
	wait_position(p.replay, 4990000, 5000000);
	model_totals(p.model, -1, &totals);
	assert_int_equal(totals.events[0] + totals.events[1] + totals.events[2] + totals.events[3] +
				 totals.events[4] + totals.events[5],
			 number_of(p.replay, "\nevents"));
	assert_true(number_of(p.replay, "\nevents") < events);
	assert_int_equal(replay_command(p.replay, "speed 0"), 0);
	assert_int_equal(replay_command(p.replay, "resume"), 0);
	assert_true(replay_wait(p.replay, DEADLINE));
	assert_same_models(f.model, p.model);
	assert_true(feed_closed(model_feed(p.model)));
	/* From the end back to the start, and again to the end. */
	assert_int_equal(replay_command(p.replay, "pause"), 0);
	assert_int_equal(replay_command(p.replay, "seek 0"), 0);
	wait_for(p.replay, "\nevents 0\n");
	assert_false(feed_closed(model_feed(p.model)));
	assert_int_equal(replay_command(p.replay, "resume"), 0);
	wait_for(p.replay, "state done");
	assert_same_models(f.model, p.model);

	/* So slow that the wait for the next event is past any number: and commands are taken all
	 * the same. */
	memset(slow, '0', sizeof(slow) - 1);
	memcpy(slow, "speed 0.", 8);
	memcpy(slow + sizeof(slow) - 2, "1", 2);
	assert_int_equal(replay_command(p.replay, slow), 0);
	assert_int_equal(replay_command(p.replay, "seek 0"), 0);
	wait_for(p.replay, "state playing");
	assert_int_equal(replay_command(p.replay, "speed 0"), 0);
	wait_for(p.replay, "state done");

	assert_int_equal(replay_command(p.replay, "speed 1000001"), -EINVAL);
	assert_int_equal(replay_command(p.replay, "speed 1e400"), -EINVAL);
	assert_int_equal(replay_command(p.replay, "speed 1e3"), -EINVAL);
	assert_int_equal(replay_command(p.replay, "speed inf"), -EINVAL);
	assert_int_equal(replay_command(p.replay, "speed 0x10"), -EINVAL);
	assert_int_equal(replay_command(p.replay, "seek nan"), -EINVAL);
	assert_int_equal(replay_command(p.replay, "seek 1e400"), -EINVAL);
	assert_int_equal(replay_command(p.replay, "seek 18446744073.709551616"), -EINVAL);
	assert_int_equal(replay_command(p.replay, "seek 18446744073.709551616s"), -EINVAL);
	assert_int_equal(replay_command(p.replay, "speed -1"), -EINVAL);
	assert_int_equal(replay_command(p.replay, "speed fast"), -EINVAL);
	assert_int_equal(replay_command(p.replay, "speed nan"), -EINVAL);
	assert_int_equal(replay_command(p.replay, "seek"), -EINVAL);
	assert_int_equal(replay_command(p.replay, "seek -3s"), -EINVAL);
	assert_int_equal(replay_command(p.replay, "rewind"), -EINVAL);
	player_close(&p);
	fixture_close(&f);
}

static void test_pace(void **state)
{
	struct fixture f;
	struct player p;
	uint64_t begun, took;

	fixture_open(&f, 100000);
	fixture_record(&f, SESSION_PROTOBUF, 1000, 20000);
	player_open(&p, f.dir, f.id, 0.05); /* 14 ms in 280 ms */
	begun = monotonic_ns();
	assert_true(replay_wait(p.replay, DEADLINE));
	took = monotonic_ns() - begun;
	assert_true(took > 150000000);
	player_close(&p);
	fixture_close(&f);
}

static void test_missing(void **state)
{
	struct replay_config config = {.storage_dir = "/nonexistent"};
	struct replay *replay;
	struct fixture f;

	fixture_open(&f, 1000);
	config.names = f.names;
	config.session = "ad662111-7874-4aa4-b982-cac648075fbf";
	assert_int_equal(replay_open(&config, &replay), -ENOENT);
	config.session = f.dir; /* a folder without events */
	assert_int_equal(replay_open(&config, &replay), -ENOENT);
	fixture_close(&f);
}

static void recording_after(struct fixture *f, struct recording *ret)
{
	struct player p;

	player_open(&p, f->dir, f->id, 0);
	assert_true(replay_wait(p.replay, DEADLINE));
	replay_recording(p.replay, ret);
	player_close(&p);
}

/* What of a session cannot be read is told to views, wherever it is cut: in a record, or between
 * two; of a whole one there is nothing to tell. */
static void test_torn(void **state)
{
	struct recording rec;
	struct fixture f;
	size_t len;
	uint64_t whole;
	char *data;
	int dir, fd;

	fixture_open(&f, 100000);
	fixture_record(&f, SESSION_PROTOBUF, 100, 3000);
	recording_after(&f, &rec);
	assert_int_equal(rec.torn_bytes, 0);
	assert_int_equal(rec.unread_events, 0);
	whole = rec.events;

	dir = fixture_folder(&f);
	data = read_whole(dir, "events.pb", &len);
	fd = openat(dir, "events.pb", O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)len - 10), 0);
	recording_after(&f, &rec);
	assert_true(rec.torn_bytes > 0);
	assert_true(rec.torn_why[0]);
	assert_int_equal(ftruncate(fd, (off_t)(len - 10 - rec.torn_bytes)), 0);
	recording_after(&f, &rec);
	assert_int_equal(rec.torn_bytes, 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	recording_after(&f, &rec);
	assert_int_equal(rec.unread_events, whole);

	assert_int_equal(pwrite(fd, "nonsense, no record", 19, 0), 19);
	recording_after(&f, &rec);
	assert_int_equal(rec.torn_bytes, 19);
	assert_int_equal(rec.unread_events, whole);
	close(fd);
	close(dir);
	free(data);
	fixture_close(&f);
}

/* Nor is one done of whose events there is none. */
static void test_torn_state(void **state)
{
	struct session_info info;
	struct store *store;
	struct fixture f;
	int dir, fd;

	fixture_open(&f, 100000);
	fixture_record(&f, SESSION_JSONL, 20, 300);
	assert_int_equal(store_new(f.dir, &store), 0);
	assert_int_equal(store_get(store, f.id, &info), 0);
	assert_int_equal(info.state, SESSION_DONE);
	dir = fixture_folder(&f);
	fd = openat(dir, "events.jsonl", O_RDWR);
	assert_int_equal(pwrite(fd, "nonsense", 8, 0), 8);
	assert_int_equal(store_get(store, f.id, &info), 0);
	assert_int_equal(info.state, SESSION_CUT_OFF);
	/* Before a line there may be space. */
	assert_int_equal(pwrite(fd, "\n\r\t      ", 8, 0), 8);
	assert_int_equal(store_get(store, f.id, &info), 0);
	assert_int_equal(info.state, SESSION_DONE);
	assert_int_equal(pwrite(fd, "", 1, 0), 1);
	assert_int_equal(store_get(store, f.id, &info), 0);
	assert_int_equal(info.state, SESSION_CUT_OFF);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(store_get(store, f.id, &info), 0);
	assert_int_equal(info.state, SESSION_CUT_OFF);
	close(fd);
	close(dir);
	store_free(store);
	fixture_close(&f);
}

/* Nor is one whose first record is torn, wherever that is. A line is whole without its end. */
static void test_torn_first(void **state)
{
	for (enum session_format format = SESSION_PROTOBUF; format <= SESSION_JSONL; format++) {
		struct session_info info;
		struct store *store;
		struct fixture f;
		size_t len, first;
		char *data;
		int dir, fd;

		fixture_open(&f, 100000);
		fixture_record(&f, format, 20, 30);
		assert_int_equal(store_new(f.dir, &store), 0);
		dir = fixture_folder(&f);
		data = read_whole(dir, session_format_file(format), &len);
		first = format == SESSION_JSONL ? strcspn(data, "\n")
						: 8u + (uint8_t)data[4] + 256u * (uint8_t)data[5];
		assert_true(first > 20 && first < len);
		fd = openat(dir, session_format_file(format), O_RDWR);
		for (size_t n = first + 1; n-- > 0;) {
			assert_int_equal(ftruncate(fd, (off_t)n), 0);
			assert_int_equal(store_get(store, f.id, &info), 0);
			assert_int_equal(info.state, n < first ? SESSION_CUT_OFF : SESSION_DONE);
		}
		free(data);
		close(fd);
		close(dir);
		store_free(store);
		fixture_close(&f);
	}
}

/* Only what is whole is known to its end, and numbers from a file may be anything. */
static void test_known_until(void **state)
{
	struct session_meta meta = {.last_event_ns = 5000, .recorded_until_ns = 9000};
	struct session_end end = {.last_ns = 5000};

	(void)state;
	assert_int_equal(session_known_until(&end, &meta), 9000);
	/* What it says of itself is no measure: both of that far in the future. */
	meta.last_event_ns = meta.recorded_until_ns = INT64_MAX;
	assert_int_equal(session_known_until(&end, &meta), 0);
	meta = (struct session_meta){.last_event_ns = 5000, .recorded_until_ns = 9000};
	end.missing_bytes = 1;
	assert_int_equal(session_known_until(&end, &meta), 0);
	end = (struct session_end){.unread_events = 1};
	assert_int_equal(session_known_until(&end, &meta), 0);
	end = (struct session_end){.changed = true};
	assert_int_equal(session_known_until(&end, &meta), 0);
	end = (struct session_end){0};
	meta.recorded_until_ns = 4999;
	assert_int_equal(session_known_until(&end, &meta), 0);
	meta.recorded_until_ns = INT64_MAX;
	assert_int_equal(session_known_until(&end, &meta), 0);
	meta.recorded_until_ns = 9000;
	strcpy(meta.stopped, "no space");
	assert_int_equal(session_known_until(&end, &meta), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_model), cmocka_unit_test(test_ended_as),
		cmocka_unit_test(test_first),      cmocka_unit_test(test_commands),
		cmocka_unit_test(test_pace),       cmocka_unit_test(test_missing),
		cmocka_unit_test(test_torn),       cmocka_unit_test(test_torn_state),
		cmocka_unit_test(test_torn_first), cmocka_unit_test(test_known_until),
	};

	return cmocka_run_group_tests_name("session_replay", tests, NULL, NULL);
}
