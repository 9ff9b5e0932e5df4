/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Recording: what is recorded is what was applied, in both formats, also cut off, damaged, too fast
 * or on a full disk; rotation and deleting. */
#include "tests/unit/session_fixture.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

static void assert_same_names(const struct names *a, const struct names *b, const struct event *x,
			      const struct event *y)
{
	const struct site *s = names_site(a, x->site_id), *t = names_site(b, y->site_id);

	assert_string_equal(names_type(a, x->type_id)->name, names_type(b, y->type_id)->name);
	assert_int_equal(names_type(a, x->type_id)->kind, names_type(b, y->type_id)->kind);
	assert_string_equal(names_string(a, x->string_id), names_string(b, y->string_id));
	assert_string_equal(names_string(a, s->func_id), names_string(b, t->func_id));
	assert_string_equal(names_string(a, s->file_id), names_string(b, t->file_id));
	assert_int_equal(s->line, t->line);
}

/* Reads a session and holds each event against what the model's feed has. */
static void check_recording(struct fixture *f, size_t n)
{
	int dir = fixture_folder(f);
	struct session_reader *reader;
	struct session_chunk chunk;
	struct session_meta meta;
	struct session_end end;
	struct names *names;
	uint64_t cursor = feed_tail(model_feed(f->model)), seen = 0;

	assert_int_equal(names_new(1 << 16, &names), 0);
	assert_int_equal(session_reader_open(dir, names, &meta, &reader), 0);
	close(dir);
	while (session_reader_next(reader, &chunk) > 0) {
		for (size_t i = 0; i < chunk.n; i++) {
			struct event want;

			assert_int_equal(feed_read(model_feed(f->model), &cursor, &want, 1, NULL),
					 1);
			assert_same_names(f->names, names, &want, &chunk.events[i]);
			want.type_id = chunk.events[i].type_id;
			want.string_id = chunk.events[i].string_id;
			want.site_id = chunk.events[i].site_id;
			assert_memory_equal(&want, &chunk.events[i], sizeof(want));
			seen++;
		}
	}
	session_reader_end(reader, &end);
	assert_string_equal(end.reason, "");
	assert_int_equal(end.missing_bytes, 0);
	assert_int_equal(seen, n);
	assert_int_equal(meta.event_count, n);
	assert_int_equal(meta.wall_offset_ns, 1234567);
	assert_int_equal(meta.pid, 4242);
	assert_string_equal(meta.go_version, "go1.26.8");
	assert_true(meta.end_time_ns >= meta.start_time_ns);
	session_reader_close(reader);
	names_free(names);
}

static void test_round_trip(void **state)
{
	static const size_t batches[] = {1, 7, 1000, 64000};

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(batches); i++) {
		struct fixture f;

		fixture_open(&f, 100000);
		fixture_record(&f, i % 2 ? SESSION_JSONL : SESSION_PROTOBUF, batches[i / 2], 5003);
		check_recording(&f, 5003);
		fixture_close(&f);
	}
}

/* A batch is written when it is full, however long the interval; and when its time has come,
 * however few it holds. */
static void test_batches(void **state)
{
	struct fixture f;
	struct recorder_config config;
	struct recorder_stats stats;
	struct recorder *recorder;
	uint64_t deadline, begun;

	fixture_open(&f, 100000);
	config = fixture_config(&f, SESSION_JSONL, 700);
	config.flush_interval_ns = 3600 * NS_PER_SEC;
	assert_int_equal(recorder_new(&config, &recorder), 0);
	fixture_apply(&f, 5000);
	deadline = monotonic_ns() + 120 * NS_PER_SEC;
	do {
		usleep(1000);
		recorder_stats(recorder, &stats);
	} while (stats.batches < 7 && monotonic_ns() < deadline);
	assert_int_equal(stats.batches, 7);
	assert_int_equal(stats.events, 4900);
	recorder_stop(recorder); /* the rest, at the end */
	recorder_stats(recorder, &stats);
	assert_int_equal(stats.batches, 8);
	assert_int_equal(stats.events, 5000);
	recorder_free(recorder);

	config = fixture_config(&f, SESSION_JSONL, 1000000);
	config.flush_interval_ns = NS_PER_SEC / 20;
	assert_int_equal(recorder_new(&config, &recorder), 0);
	do { /* what the feed has kept of the first part */
		usleep(1000);
		recorder_stats(recorder, &stats);
	} while (stats.events < 5000 && monotonic_ns() < deadline);
	begun = monotonic_ns();
	fixture_apply(&f, 3);
	do {
		usleep(1000);
		recorder_stats(recorder, &stats);
	} while (stats.events < 5003 && monotonic_ns() < deadline);
	assert_int_equal(stats.events, 5003);
	assert_true(monotonic_ns() - begun >= config.flush_interval_ns);
	recorder_free(recorder);
	fixture_close(&f);
}

static void test_modes(void **state)
{
	struct fixture f;
	struct stat st;
	char path[200];

	fixture_open(&f, 1000);
	fixture_record(&f, SESSION_PROTOBUF, 1000, 10);
	snprintf(path, sizeof(path), "%s/%s", f.dir, f.id);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	snprintf(path, sizeof(path), "%s/%s/events.pb", f.dir, f.id);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	fixture_close(&f);
}

/* --- loss, full disk, rotation ---------------------------------------------------------------- */

/* A feed of 64 events that runs away from the recorder: what is missing is counted, exactly. */
static void test_missed(void **state)
{
	struct fixture f;
	struct recorder_config config;
	struct recorder *recorder;
	struct session_reader *reader;
	struct session_chunk chunk;
	struct session_meta meta;
	uint64_t events = 0, missed = 0;
	uint64_t lost[EVENT_TYPES] = {[EVENT_NEWOBJECT] = 3, [EVENT_GOEXIT] = 4},
		 known[EVENT_TYPES] = {0};
	int dir;

	fixture_open(&f, 64);
	config = fixture_config(&f, SESSION_PROTOBUF, 1000);
	assert_int_equal(recorder_new(&config, &recorder), 0);
	fixture_apply(&f, 200000);
	model_lost(f.model, 0, lost, 77);
	recorder_stop(recorder);
	recorder_id(recorder, f.id);
	recorder_free(recorder);
	dir = fixture_folder(&f);
	assert_int_equal(session_reader_open(dir, f.names, &meta, &reader), 0);
	close(dir);
	while (session_reader_next(reader, &chunk) > 0) {
		size_t gap = 0;

		for (size_t i = 0; i < chunk.n; i++) {
			if (chunk.events[i].type != EVENT_LOST) {
				events++;
				continue;
			}
			if (chunk.gaps[gap].recorder)
				missed += chunk.events[i].count;
			for (unsigned t = 0; t < EVENT_TYPES; t++)
				known[t] += chunk.gaps[gap].lost[t];
			gap++;
		}
	}
	assert_int_equal(events + missed, 200000);
	assert_int_equal(meta.event_count, events);
	assert_int_equal(meta.missed, missed);
	assert_int_equal(meta.lost, 7);
	assert_memory_equal(known, lost, sizeof(lost));
	session_reader_close(reader);
	fixture_close(&f);
}

/* When probes went and came is in the recording of either format; nothing was lost by that. */
static void test_switches(void **state)
{
	for (enum session_format format = 0; format < 2; format++) {
		enum event_switch seen[4] = {0};
		struct fixture f;
		struct recorder_config config;
		struct recorder *recorder;
		struct session_reader *reader;
		struct session_chunk chunk;
		struct session_meta meta;
		size_t events = 0, n = 0;
		int dir;

		fixture_open(&f, 10000);
		config = fixture_config(&f, format, 100);
		assert_int_equal(recorder_new(&config, &recorder), 0);
		fixture_apply(&f, 500);
		model_unwatch(f.model, 1ull << 40, true);
		model_watch(f.model, (1ull << 40) + 7, true);
		fixture_apply(&f, 500);
		recorder_stop(recorder);
		recorder_id(recorder, f.id);
		recorder_free(recorder);
		dir = fixture_folder(&f);
		assert_int_equal(session_reader_open(dir, f.names, &meta, &reader), 0);
		close(dir);
		while (session_reader_next(reader, &chunk) > 0) {
			for (size_t i = 0; i < chunk.n; i++) {
				if (chunk.events[i].type != EVENT_LOST)
					events++;
				else if (n < ARRAY_SIZE(seen))
					seen[n++] = event_switch(&chunk.events[i]);
			}
		}
		assert_int_equal(events, 1000);
		assert_int_equal(n, 2);
		assert_int_equal(seen[0], EVENT_SWITCH_OFF);
		assert_int_equal(seen[1], EVENT_SWITCH_ON);
		assert_int_equal(meta.event_count, 1000);
		assert_int_equal(meta.lost + meta.missed, 0);
		session_reader_close(reader);
		fixture_close(&f);
	}
}

/* Memory says that n goroutines are there; what of that is new is in the recording sooner than what
 * is told at intervals of ten seconds. */
static void find_goroutines(struct fixture *f, struct recorder *recorder, unsigned proc, size_t n)
{
	uint64_t deadline = monotonic_ns() + 8 * NS_PER_SEC, before;
	struct goroutine_seen seen[100];
	struct recorder_stats stats;

	assert_true(n <= ARRAY_SIZE(seen));
	for (size_t i = 0; i < n; i++)
		seen[i] = (struct goroutine_seen){.goid = i + 1, .state = GSTATE_WAITING};
	recorder_stats(recorder, &stats);
	before = stats.batches;
	(void)model_heal(f->model, proc, seen, n, monotonic_ns(), true);
	do {
		usleep(5000);
		recorder_stats(recorder, &stats);
	} while (stats.batches == before && monotonic_ns() < deadline);
	assert_true(stats.batches > before);
}

/* Who was there before us is told as soon as memory says so: not only who was known when the
 * recording, or another process in it (one that executed itself again), began. */
static void test_found_at_once(void **state)
{
	struct proc_info again = {.pid = 4242, .binary_path = "/srv/demo"};
	struct fixture f;
	struct recorder_config config;
	struct recorder *recorder;

	fixture_open(&f, 1000);
	config = fixture_config(&f, SESSION_PROTOBUF, 100);
	assert_int_equal(recorder_new(&config, &recorder), 0);
	find_goroutines(&f, recorder, 0, 1);
	find_goroutines(&f, recorder, 0, 100);
	assert_int_equal(model_proc_add(f.model, &again), 1);
	find_goroutines(&f, recorder, 1, 3);
	find_goroutines(&f, recorder, 1, 50);
	recorder_stop(recorder);
	recorder_free(recorder);
	fixture_close(&f);
}

/* The file may not grow past a limit: the recording ends, says so, and stays readable. */
static void test_full_disk(void **state)
{
	struct rlimit before, limit;
	struct fixture f;
	struct recorder_config config;
	struct recorder_stats stats;
	struct recording rec;
	struct recorder *recorder;
	struct session_reader *reader;
	struct session_meta meta;
	struct session_end end;
	size_t events, len;
	int64_t begun_ns = (int64_t)clock_ns(CLOCK_REALTIME);
	int dir;

	fixture_open(&f, 100000);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	limit = before;
	limit.rlim_cur = 30000;
	setrlimit(RLIMIT_FSIZE, &limit);
	config = fixture_config(&f, SESSION_PROTOBUF, 100);
	assert_int_equal(recorder_new(&config, &recorder), 0);
	fixture_apply(&f, 20000);
	recorder_stop(recorder);
	recorder_stats(recorder, &stats);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(stats.error, -EFBIG);
	assert_true(stats.events > 0 && stats.events < 20000);
	assert_int_equal(stats.events + stats.not_recorded, 20000);
	recorder_recording(recorder, &rec);
	assert_int_equal(rec.state, RECORDING_STOPPED);
	assert_string_equal(rec.why, strerror(EFBIG));
	assert_int_equal(rec.events, stats.events);
	assert_int_equal(rec.not_recorded, stats.not_recorded);
	assert_true(rec.stopped_ns >= begun_ns &&
		    rec.stopped_ns <= (int64_t)clock_ns(CLOCK_REALTIME));
	recorder_id(recorder, f.id);
	assert_string_equal(rec.id, f.id);
	recorder_free(recorder);
	dir = fixture_folder(&f);
	free(read_whole(dir, "events.pb", &len));
	assert_int_equal(session_reader_open(dir, f.names, &meta, &reader), 0);
	close(dir);
	read_all(reader, &events, &end);
	assert_int_equal(events, stats.events);
	assert_int_equal(end.missing_bytes, 0);
	assert_string_equal(meta.stopped, strerror(EFBIG));
	assert_int_equal(meta.not_recorded, stats.not_recorded);
	assert_int_equal(meta.stopped_ns, rec.stopped_ns);
	assert_int_equal(meta.end_time_ns, rec.stopped_ns);
	session_reader_close(reader);
	fixture_close(&f);
}

/* Who else deletes, cuts or adds to the file that is written ends the recording: what it counted is
 * not there. */
static void spoil(int dir, const char *file, unsigned how)
{
	int fd;

	if (how == 0) {
		assert_int_equal(unlinkat(dir, file, 0), 0);
		return;
	}
	fd = openat(dir, file, O_WRONLY | O_APPEND);
	assert_true(fd >= 0);
	assert_int_equal(how == 1 ? ftruncate(fd, 1) : write(fd, "x", 1), how == 1 ? 0 : 1);
	close(fd);
}

static void test_file_of_others(void **state)
{
	static const char *const why[] = {"its events file was deleted",
					  "its events file was changed by somebody else",
					  "its events file was changed by somebody else"};

	for (unsigned i = 0; i < 6; i++) {
		bool quiet = i >= 3; /* nothing more is to be written: it is noticed, too */
		struct recorder_config config;
		struct recorder *recorder;
		struct recording rec;
		struct fixture f;
		uint64_t deadline = monotonic_ns() + 120 * NS_PER_SEC;
		char path[200];
		int dir;

		fixture_open(&f, 100000);
		config = fixture_config(&f, i % 2 ? SESSION_JSONL : SESSION_PROTOBUF, 100);
		assert_int_equal(recorder_new(&config, &recorder), 0);
		recorder_id(recorder, f.id);
		dir = fixture_folder(&f);
		fixture_apply(&f, 500);
		do {
			usleep(1000);
			recorder_recording(recorder, &rec);
		} while (rec.events < 500 && monotonic_ns() < deadline);
		spoil(dir, session_format_file(config.format), i % 3);
		if (!quiet)
			fixture_apply(&f, 300);
		do {
			usleep(1000);
			recorder_recording(recorder, &rec);
		} while (rec.state != RECORDING_STOPPED && monotonic_ns() < deadline);
		assert_int_equal(rec.state, RECORDING_STOPPED);
		assert_string_equal(rec.why, why[i % 3]);
		assert_int_equal(rec.events, 500);
		recorder_stop(recorder);
		recorder_recording(recorder, &rec);
		assert_int_equal(rec.not_recorded, quiet ? 0 : 300);
		recorder_free(recorder);
		(void)unlinkat(dir, session_format_file(config.format), 0);
		(void)unlinkat(dir, "metadata.json", 0);
		close(dir);
		snprintf(path, sizeof(path), "%s/%s", f.dir, f.id);
		assert_int_equal(rmdir(path), 0);
		fixture_close(&f);
	}
}

/* While it stands still the stop is known at once, to everybody: the lock is gone, and a
 * metadata.json that cannot be written is tried again. */
static void test_stopped_at_once(void **state)
{
	struct rlimit before, limit;
	struct fixture f;
	struct recorder_config config;
	struct recorder *recorder;
	struct recording rec;
	struct session_info info;
	struct store *store;
	uint64_t deadline = monotonic_ns() + 120 * NS_PER_SEC;

	fixture_open(&f, 100000);
	signal(SIGXFSZ, SIG_IGN);
	config = fixture_config(&f, SESSION_PROTOBUF, 100);
	assert_int_equal(recorder_new(&config, &recorder), 0);
	recorder_id(recorder, f.id);
	recorder_recording(recorder, &rec);
	assert_int_equal(rec.state, RECORDING_RUNNING);
	getrlimit(RLIMIT_FSIZE, &before);
	limit = before;
	limit.rlim_cur = 0; /* metadata.json, too */
	setrlimit(RLIMIT_FSIZE, &limit);
	assert_int_equal(store_new(f.dir, &store), 0);
	fixture_apply(&f, 500);
	do {
		usleep(1000);
		recorder_recording(recorder, &rec);
		assert_int_equal(store_get(store, f.id, &info), 0);
		assert_true(monotonic_ns() < deadline);
	} while (rec.state != RECORDING_STOPPED || info.state == SESSION_RUNNING);
	assert_int_equal(rec.not_recorded, 500);
	assert_string_equal(info.meta.stopped, "");
	setrlimit(RLIMIT_FSIZE, &before);
	do {
		usleep(1000);
		assert_int_equal(store_get(store, f.id, &info), 0);
		assert_true(monotonic_ns() < deadline);
	} while (!info.meta.stopped[0]);
	assert_int_equal(info.state, SESSION_STOPPED);
	assert_int_equal(info.meta.stopped_ns, rec.stopped_ns);
	assert_string_equal(session_state_name(info.state), "stopped");
	recorder_stop(recorder);
	recorder_recording(recorder, &rec);
	assert_int_equal(rec.state, RECORDING_STOPPED);
	recorder_free(recorder);
	store_free(store);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_batches),
		cmocka_unit_test(test_modes),          cmocka_unit_test(test_missed),
		cmocka_unit_test(test_full_disk),      cmocka_unit_test(test_stopped_at_once),
		cmocka_unit_test(test_switches),       cmocka_unit_test(test_found_at_once),
		cmocka_unit_test(test_file_of_others),
	};

	return cmocka_run_group_tests_name("session_record", tests, NULL, NULL);
}
