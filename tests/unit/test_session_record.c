/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Recording: what is recorded is what was applied, in both formats, also cut off, damaged, too fast
 * or on a full disk; rotation and deleting. */
#include "tests/unit/session_fixture.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "core/session/files.h"
#include "proto/event.pb-c.h"

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

/* --- cut off and damaged ---------------------------------------------------------------------- */

/* Whole records, and how many events they hold, of what is before `len`. */
static size_t whole_records(const char *data, size_t len, size_t *ret_events)
{
	size_t at = 0;

	*ret_events = 0;
	while (len - at >= 8) {
		uint32_t n;
		Pb__RuntimeEventBatch *batch;

		memcpy(&n, data + at + 4, 4);
		if (n > len - at - 8)
			break;
		batch = pb__runtime_event_batch__unpack(NULL, n, (const uint8_t *)data + at + 8);
		assert_non_null(batch);
		*ret_events += batch->n_events;
		pb__runtime_event_batch__free_unpacked(batch, NULL);
		at += 8 + n;
	}
	return at;
}

static void read_all(struct session_reader *reader, size_t *ret_events, struct session_end *ret_end)
{
	struct session_chunk chunk;

	*ret_events = 0;
	while (session_reader_next(reader, &chunk) > 0)
		*ret_events += chunk.n;
	session_reader_end(reader, ret_end);
}

/* A protobuf session cut off at every byte is read up to its last whole record. */
static void test_cut_off_protobuf(void **state)
{
	struct fixture f;
	size_t len, events, want;
	char *data;
	int dir;

	fixture_open(&f, 1000);
	fixture_record(&f, SESSION_PROTOBUF, 20, 60);
	dir = fixture_folder(&f);
	data = read_whole(dir, "events.pb", &len);
	close(dir);
	for (size_t cut = 0; cut <= len; cut++) {
		struct session_reader *reader = reader_of(data, cut, SESSION_PROTOBUF, f.names);
		size_t good = whole_records(data, cut, &want);
		struct session_end end;

		read_all(reader, &events, &end);
		assert_int_equal(events, want);
		assert_int_equal(end.good_bytes, good);
		assert_int_equal(end.missing_bytes, cut - good);
		assert_int_equal(end.reason[0] != '\0', cut != good);
		session_reader_close(reader);
	}
	free(data);
	fixture_close(&f);
}

static void put_at(int fd, const char *data, size_t from, size_t to)
{
	assert_int_equal(pwrite(fd, data + from, to - from, (off_t)from), to - from);
}

/* A session only grows. One that somebody writes over while it is read is no session; what a
 * recorder takes back, since it could not write all of it, is none of that. */
static void test_written_over(void **state)
{
	for (enum session_format format = 0; format < 2; format++) {
		struct fixture f;
		struct session_reader *reader;
		struct session_chunk chunk;
		struct session_end end;
		size_t len, events, half;
		char *data;
		int dir, fd;

		fixture_open(&f, 100000);
		fixture_record(&f, format, 1000, 50000);
		dir = fixture_folder(&f);
		data = read_whole(dir, session_format_file(format), &len);
		close(dir);
		assert_true(len > 600000);
		half = format == SESSION_JSONL
			       ? (size_t)((char *)memchr(data + len / 2, '\n', len / 2) - data) + 1
			       : whole_records(data, len / 2, &events);
		for (unsigned how = 0; how < 4; how++) {
			fd = memfd_create("session", 0);
			put_at(fd, data, 0, half + 7);
			assert_int_equal(session_reader_open_fd(dup(fd), format, f.names, &reader),
					 0);
			if (how == 0) { /* a record is taken back and written anew */
				read_all(reader, &events, &end);
				assert_int_equal(end.good_bytes, half);
				assert_int_equal(ftruncate(fd, (off_t)half), 0);
				read_all(reader, &events, &end);
				put_at(fd, data, half, len);
				read_all(reader, &events, &end);
				assert_int_equal(end.good_bytes, len);
				assert_false(end.changed);
				session_reader_close(reader);
				close(fd);
				continue;
			}
			if (how == 3)
				read_all(reader, &events, &end);
			else
				assert_int_equal(session_reader_next(reader, &chunk), 1);
			if (how == 1) /* the same length */
				put_at(fd, data + 1, 0, half);
			else if (how == 2) /* shorter */
				assert_int_equal(ftruncate(fd, 100), 0);
			else /* the begin is as it was, and it has grown */
				put_at(fd, data + 1, 200000, len - 1);
			while (session_reader_next(reader, &chunk) > 0)
				;
			assert_int_equal(session_reader_next(reader, &chunk), -ESTALE);
			session_reader_end(reader, &end);
			assert_true(end.changed);
			assert_non_null(strstr(end.reason, "changed in place"));
			assert_int_equal(session_reader_seek(reader, 0), 0);
			if (how != 3)
				assert_int_equal(session_reader_next(reader, &chunk), -ESTALE);
			session_reader_close(reader);
			close(fd);
		}
		free(data);
		fixture_close(&f);
	}
}

static void test_cut_off_jsonl(void **state)
{
	struct fixture f;
	size_t len, events;
	char *data;
	int dir;

	fixture_open(&f, 1000);
	fixture_record(&f, SESSION_JSONL, 20, 30);
	dir = fixture_folder(&f);
	data = read_whole(dir, "events.jsonl", &len);
	close(dir);
	for (size_t cut = 0; cut <= len; cut++) {
		struct session_reader *reader = reader_of(data, cut, SESSION_JSONL, f.names);
		struct session_end end;
		size_t want = 0, good = 0;

		for (size_t i = 0; i < cut; i++) {
			if (data[i] == '\n') {
				want++;
				good = i + 1;
			}
		}
		/* All but the newline of the next line is there, too. */
		if (cut < len && data[cut] == '\n') {
			want++;
			good = cut;
		}
		read_all(reader, &events, &end);
		assert_int_equal(events, want);
		assert_int_equal(end.good_bytes, good);
		assert_int_equal(end.missing_bytes, cut - good);
		session_reader_close(reader);
	}
	free(data);
	fixture_close(&f);
}

/* Any changed bit of a batch is noticed; what is before it stays. */
static void test_flipped_bits(void **state)
{
	struct fixture f;
	size_t len, events, whole;
	char *data;
	int dir;

	fixture_open(&f, 1000);
	fixture_record(&f, SESSION_PROTOBUF, 20, 40);
	dir = fixture_folder(&f);
	data = read_whole(dir, "events.pb", &len);
	close(dir);
	(void)whole_records(data, len, &whole);
	for (size_t bit = 0; bit < len * 8; bit++) {
		struct session_reader *reader;
		struct session_end end;

		data[bit / 8] ^= (char)(1 << bit % 8);
		reader = reader_of(data, len, SESSION_PROTOBUF, f.names);
		read_all(reader, &events, &end);
		/* The last batch may hold no events. */
		assert_true(events <= whole);
		assert_true(end.good_bytes <= bit / 8);
		assert_true(end.missing_bytes > 0);
		assert_int_not_equal(end.reason[0], 0);
		session_reader_close(reader);
		data[bit / 8] ^= (char)(1 << bit % 8);
	}
	free(data);
	fixture_close(&f);
}

/* Bytes that claim what they are not: 4 GiB, nested batches, wrong types. */
static void test_hostile(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		size_t events;
	} cases[] = {
		{"\xfe\xff\xff\xff\x08\x01", 6, 0},
		{"\xff\xff\xff\xff\xff\xff\xff\xff\x08", 9, 0},
		{"\x02\0\0\0\x08\x05\xff\xff\xff\xff\xfe\xff\xff\xff", 14, 1},
		/* A batch in a batch: an event whose field 1 is bytes. */
		{"\xff\xff\xff\xff\x04\0\0\0\x0a\x02\x0a\x00", 12, 0},
		/* One good event, then a varint without end. */
		{"\x02\0\0\0\x08\x05\x0b\0\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 21, 1},
		/* A text with an id out of order. */
		{"\xff\xff\xff\xff\x06\0\0\0\x8a\x01\x03\x08\xf0\x01", 14, 0},
		/* A check that is a varint. */
		{"\xff\xff\xff\xff\x03\0\0\0\xf8\x01\x05", 11, 0},
		/* Unknown fields are skipped. */
		{"\xff\xff\xff\xff\x09\0\0\0\x82\x06\x01x\x0a\x03\x08\x05\x78", 17, 0},
		{"\xff\xff\xff\xff\x08\0\0\0\x82\x06\x01x\x0a\x02\x08\x05", 16, 1},
		{"\0\0\0\0", 4, 1}, /* all zero is an event of zeros */
	};
	struct fixture f;
	size_t events;

	fixture_open(&f, 1000);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct session_reader *reader =
			reader_of(cases[i].bytes, cases[i].len, SESSION_PROTOBUF, f.names);
		struct session_end end;

		read_all(reader, &events, &end);
		assert_int_equal(events, cases[i].events);
		session_reader_close(reader);
	}
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

static uint64_t stored_bytes(struct store *store, size_t *ret_n)
{
	struct session_info *list;
	uint64_t sum = 0;

	assert_int_equal(store_list(store, &list, ret_n), 0);
	for (size_t i = 0; i < *ret_n; i++)
		sum += list[i].bytes;
	free(list);
	return sum;
}

static void test_rotation(void **state)
{
	struct fixture f;
	struct recorder_config config;
	struct recorder *recorder;
	struct session_info *list;
	struct store *store;
	char first[SESSION_ID_LEN + 1];
	size_t n;
	uint64_t deadline = monotonic_ns() + 120 * NS_PER_SEC;

	fixture_open(&f, 100000);
	fixture_record(&f, SESSION_PROTOBUF, 1000, 20000);
	memcpy(first, f.id, sizeof(first));
	assert_int_equal(store_new(f.dir, &store), 0);
	config = fixture_config(&f, SESSION_PROTOBUF, 1000);
	config.max_size = 400000;
	assert_int_equal(recorder_new(&config, &recorder), 0);
	recorder_id(recorder, f.id);
	do { /* the recorder looks once a second */
		char now[SESSION_ID_LEN + 1];

		fixture_apply(&f, 12000);
		usleep(50000);
		recorder_id(recorder, now);
		assert_true(monotonic_ns() < deadline);
		if (strcmp(now, f.id) != 0)
			break;
	} while (true);
	recorder_stop(recorder);
	recorder_free(recorder);
	assert_true(store_rotate(store, config.max_size, 0) >= 0);
	assert_true(stored_bytes(store, &n) <= config.max_size);
	assert_int_equal(store_list(store, &list, &n), 0);
	assert_true(n >= 1);
	for (size_t i = 0; i < n; i++)
		assert_string_not_equal(list[i].meta.id, first);
	assert_true(session_id_valid(list[n - 1].meta.continues));
	free(list);
	/* Everything is older than a nanosecond. */
	assert_int_equal(store_rotate(store, 0, 1), n);
	store_free(store);
	fixture_close(&f);
}

/* None has more than its half of the bound, though batches are large. */
static void test_rotation_of_large_batches(void **state)
{
	uint64_t deadline = monotonic_ns() + 120 * NS_PER_SEC;
	struct recorder_config config;
	struct recorder *recorder;
	struct session_info *list;
	unsigned segments = 0;
	struct store *store;
	struct fixture f;
	size_t n;

	fixture_open(&f, 100000);
	assert_int_equal(store_new(f.dir, &store), 0);
	config = fixture_config(&f, SESSION_JSONL, 1000);
	config.max_size = 1 << 20;
	assert_int_equal(recorder_new(&config, &recorder), 0);
	recorder_id(recorder, f.id);
	while (segments < 3) {
		char now[SESSION_ID_LEN + 1];

		fixture_apply(&f, 1000);
		usleep(5000);
		recorder_id(recorder, now);
		assert_true(monotonic_ns() < deadline);
		segments += strcmp(now, f.id) != 0;
		memcpy(f.id, now, sizeof(now));
	}
	recorder_stop(recorder);
	recorder_free(recorder);
	assert_in_range(stored_bytes(store, &n), 0, config.max_size + 8192);
	assert_int_equal(store_list(store, &list, &n), 0);
	for (size_t i = 0; i < n; i++)
		assert_in_range(list[i].bytes, 0, config.max_size / 2 + 4096);
	free(list);
	store_free(store);
	fixture_close(&f);
}

static void test_deleting(void **state)
{
	struct fixture f;
	struct recorder_config config;
	struct recorder *recorder;
	struct session_info info;
	struct store *store;
	char path[200], id[SESSION_ID_LEN + 1];
	FILE *file;

	fixture_open(&f, 1000);
	config = fixture_config(&f, SESSION_JSONL, 10);
	assert_int_equal(recorder_new(&config, &recorder), 0);
	recorder_id(recorder, id);
	assert_int_equal(store_new(f.dir, &store), 0);
	assert_int_equal(store_get(store, id, &info), 0);
	assert_int_equal(info.state, SESSION_RUNNING);
	assert_int_equal(store_delete(store, id), -EBUSY);
	assert_int_equal(store_delete_file(store, id, "metadata.json"), -EBUSY);
	recorder_free(recorder);
	assert_int_equal(store_get(store, id, &info), 0);
	assert_int_equal(info.state, SESSION_DONE);
	assert_int_equal(store_get(store, "../../etc", &info), -EINVAL);
	assert_int_equal(store_delete(store, ".."), -EINVAL);
	/* What is not ours is not deleted, nor anything beside it. */
	snprintf(path, sizeof(path), "%s/%s/notes", f.dir, id);
	file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(store_delete(store, id), -ENOTEMPTY);
	assert_int_equal(store_get(store, id, &info), 0);
	assert_true(info.has_events);
	unlink(path);
	assert_int_equal(store_delete(store, id), 0);
	assert_int_equal(store_get(store, id, &info), -ENOENT);
	store_free(store);
	fixture_close(&f);
}

/* events.jsonl of a protobuf session: the same bytes from any offset, in any order. */
static void test_files(void **state)
{
	struct fixture f;
	struct session_files *files;
	struct store *store;
	struct buf whole = BUF_INIT, part = BUF_INIT;
	uint64_t size, mtime;
	void *handle;

	fixture_open(&f, 100000);
	fixture_record(&f, SESSION_PROTOBUF, 500, 40000);
	assert_int_equal(store_new(f.dir, &store), 0);
	assert_int_equal(session_files_new(store, &files), 0);
	assert_int_equal(session_files_stat(files, f.id, "events.jsonl", true, &size, &mtime), 0);
	assert_true(size > 4000000);
	assert_int_equal(session_files_open(files, f.id, "events.jsonl", &handle), 0);
	while (whole.len < size) {
		size_t before = whole.len;

		assert_int_equal(session_files_read(files, handle, whole.len, 123457, &whole), 0);
		assert_true(whole.len > before);
	}
	assert_int_equal(whole.len, size);
	assert_int_equal(session_files_read(files, handle, size, 10, &part), 0);
	assert_int_equal(part.len, 0);
	for (int i = 0; i < 40; i++) {
		uint64_t at = mix_random(&f.mix, (uint32_t)size);

		buf_reset(&part);
		assert_int_equal(session_files_read(files, handle, at, 5000, &part), 0);
		assert_int_equal(part.len, MIN(size - at, 5000));
		assert_memory_equal(part.data, whole.data + at, part.len);
	}
	session_files_close(files, handle);
	assert_int_equal(session_files_rmdir(files, f.id), -ENOTEMPTY);
	assert_int_equal(session_files_unlink(files, f.id, "events.jsonl"), 0);
	assert_int_equal(session_files_rmdir(files, f.id), -ENOTEMPTY);
	assert_int_equal(session_files_unlink(files, f.id, "metadata.json"), 0);
	assert_int_equal(session_files_stat(files, f.id, "events.jsonl", true, &size, &mtime), 0);
	assert_int_equal(session_files_unlink(files, f.id, "events.pb"), 0);
	assert_int_equal(session_files_unlink(files, f.id, "events.pb"), -ENOENT);
	assert_int_equal(session_files_stat(files, f.id, "events.jsonl", true, &size, &mtime),
			 -ENOENT);
	/* rm -r holds the folder still. */
	assert_int_equal(session_files_stat(files, f.id, NULL, true, &size, &mtime), 0);
	assert_int_equal(session_files_rmdir(files, f.id), 0);
	assert_int_equal(session_files_stat(files, f.id, NULL, true, &size, &mtime), -ENOENT);
	assert_int_equal(session_files_stat(files, "..", NULL, true, &size, &mtime), -ENOENT);
	buf_free(&whole);
	buf_free(&part);
	session_files_free(files);
	store_free(store);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_cut_off_protobuf),
		cmocka_unit_test(test_cut_off_jsonl),
		cmocka_unit_test(test_written_over),
		cmocka_unit_test(test_flipped_bits),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_missed),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_rotation_of_large_batches),
		cmocka_unit_test(test_stopped_at_once),
		cmocka_unit_test(test_deleting),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_switches),
		cmocka_unit_test(test_found_at_once),
		cmocka_unit_test(test_file_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
