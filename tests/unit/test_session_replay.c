/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Replay: the model after a replay is the one that was recorded; pace, pause, seek; the original's
 * sessions; conversion. */
#include "tests/unit/session_fixture.h"

#include "core/session/convert.h"
#include "core/session/export.h"
#include "core/session/replay.h"
#include "core/session/store.h"
#include "tests/all_goroutines.h"

#define DEADLINE (120 * NS_PER_SEC)

struct player {
	struct names *names;
	struct model *model;
	struct replay *replay;
};

static void player_open(struct player *p, const char *dir, const char *session, double speed)
{
	struct replay_config config = {.storage_dir = dir, .session = session, .speed = speed};
	struct model_config model = {.retain = 1 << 20, .retain_exited = 100, .workers = 1};

	assert_int_equal(names_new(1 << 16, &p->names), 0);
	config.names = model.names = p->names;
	assert_int_equal(replay_open(&config, &p->replay), 0);
	model.wall_offset_ns = replay_wall_offset(p->replay, NULL);
	assert_int_equal(model_new(&model, &p->model), 0);
	assert_int_equal(replay_start(p->replay, p->model), 0);
}

static void player_close(struct player *p)
{
	replay_free(p->replay);
	model_free(p->model);
	names_free(p->names);
}

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

/* What was there before the recording began is there in the replay. */
static void convert_saying(struct fixture *f, const char *session, char said[2048]);

static void test_goroutines_from_before(void **state)
{
	char said[2048];
	struct goroutine_seen seen[5000] = {0};
	struct fixture f;
	struct player p;
	struct goroutine g;
	struct recorder_config config;
	struct recorder *recorder;
	uint64_t deadline = monotonic_ns() + DEADLINE;
	struct recorder_stats stats;

	fixture_open(&f, 100000);
	for (unsigned i = 0; i < ARRAY_SIZE(seen); i++) {
		seen[i].goid = 100000 + i;
		seen[i].parent = 1;
		seen[i].state = GSTATE_WAITING;
		seen[i].start_func_id = f.mix.funcs[1];
		seen[i].reason_id = f.mix.reasons[0];
		seen[i].created_site_id = f.mix.sites[3];
	}
	model_heal(f.model, 0, seen, ARRAY_SIZE(seen), monotonic_ns(), true);
	config = fixture_config(&f, SESSION_PROTOBUF, 1000);
	assert_int_equal(recorder_new(&config, &recorder), 0);
	do { /* the list is written with the first tick */
		usleep(1000);
		recorder_stats(recorder, &stats);
		assert_true(monotonic_ns() < deadline);
	} while (stats.batches < 2);
	recorder_stop(recorder);
	recorder_id(recorder, f.id);
	recorder_free(recorder);
	player_open(&p, f.dir, f.id, 0);
	assert_true(replay_wait(p.replay, DEADLINE));
	for (unsigned i = 0; i < ARRAY_SIZE(seen); i += 999) {
		assert_int_equal(model_goroutine(p.model, 0, 100000 + i, &g), 0);
		assert_int_equal(g.state, GSTATE_WAITING);
		assert_string_equal(names_string(p.names, g.start_func_id),
				    names_string(f.names, f.mix.funcs[1]));
		assert_string_equal(names_string(p.names, g.reason_id), "chan receive");
		assert_int_equal(names_site(p.names, g.created_site_id)->line, 13);
	}
	player_close(&p);
	/* JSONL has no place for them. */
	convert_saying(&f, f.id, said);
	assert_non_null(strstr(said, "goroutines that were there before"));
	fixture_close(&f);
}

static uint64_t number_of(struct replay *replay, const char *key)
{
	struct buf text = BUF_INIT;
	unsigned long long value = 0;
	char *at;

	replay_get(replay, &text);
	at = strstr(text.data, key);
	assert_non_null(at);
	assert_int_equal(sscanf(at + strlen(key), " %llu", &value), 1);
	buf_free(&text);
	return value;
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

/* --- the original's --------------------------------------------------------------------------- */

static const char original_lines[] =
	"{\"timestamp\":4991474157770,\"event_type\":0,\"goroutine\":0,\"parent_goroutine\":0,"
	"\"attributes\":[722134660,10352352,0,0,0]}\n"
	"{\"timestamp\":4991474238900,\"event_type\":3,\"goroutine\":1,\"parent_goroutine\":0,"
	"\"attributes\":[47234379792640,0,0,0,0]}\n"
	"{\"timestamp\":4991474484986,\"event_type\":4,\"goroutine\":0,\"parent_goroutine\":0,"
	"\"attributes\":[0,2613366825135831652,0,0,0]}\n"
	"{\"timestamp\":4991474830750,\"event_type\":1,\"goroutine\":21,\"parent_goroutine\":0,"
	"\"attributes\":[10174944,0,47234379440248,1,0]}\n"
	"{\"timestamp\":4991475168633,\"event_type\":2,\"goroutine\":21,\"parent_goroutine\":0,"
	"\"attributes\":[18446744073709551615,255,0,0,18446744073709551615]}\n"
	"{\"timestamp\":4991475168700,\"event_type\":5,\"goroutine\":21,\"parent_goroutine\":1,"
	"\"attributes\":[21,4991475168700,0,0,0]}\n"
	"{\"timestamp\":4991475168701,\"event_type\":0,\"goroutine\":5,\"parent_goroutine\":1,"
	"\"attributes\":[4100,2,5,0,0]}\n";
static const char original_meta[] =
	"{\"id\":\"ad662111-7874-4aa4-b982-cac648075fbf\",\"start_time\":\"2026-11-23T05:07:30Z\","
	"\"pid\":6228,\"binary_path\":\"/srv/demo/httpd\",\"event_count\":0}";

static void make_original(struct fixture *f, const char *name, const void *data, size_t len)
{
	char path[200];
	int fd;

	strcpy(f->id, "ad662111-7874-4aa4-b982-cac648075fbf");
	snprintf(path, sizeof(path), "%s/%s", f->dir, f->id);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/%s/metadata.json", f->dir, f->id);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, original_meta, strlen(original_meta)), strlen(original_meta));
	close(fd);
	snprintf(path, sizeof(path), "%s/%s/%s", f->dir, f->id, name);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static char *convert(struct fixture *f, const char *session, enum convert_to to, size_t *ret_len)
{
	struct convert_config config = {
		.storage_dir = f->dir, .session = session, .to = to, .progress_fd = -1};
	FILE *file = tmpfile();
	char *data;

	assert_non_null(file);
	config.out_fd = fileno(file);
	assert_int_equal(convert_run(&config), 0);
	*ret_len = (size_t)lseek(fileno(file), 0, SEEK_END);
	data = malloc(*ret_len + 1);
	assert_int_equal(pread(fileno(file), data, *ret_len, 0), *ret_len);
	data[*ret_len] = '\0';
	fclose(file);
	return data;
}

/* What -convert says on stderr. */
static void convert_saying(struct fixture *f, const char *session, char said[2048])
{
	int saved = dup(STDERR_FILENO);
	FILE *file = tmpfile();
	size_t len;
	ssize_t n;

	assert_non_null(file);
	assert_int_equal(dup2(fileno(file), STDERR_FILENO), STDERR_FILENO);
	free(convert(f, session, CONVERT_JSONL, &len));
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	close(saved);
	n = pread(fileno(file), said, 2047, 0);
	assert_true(n >= 0);
	said[n] = '\0';
	fclose(file);
}

/* An optional number that cannot be is not there, and that is said, whichever it is. */
static void test_out_of_range(void **state)
{
	static const char *const bad[] = {"\"cpu\":65536",
					  "\"cpu\":-1",
					  "\"cpu\":1024",
					  "\"cpu\":18446744073709551615",
					  "\"pid\":4294967296",
					  "\"nth\":65536",
					  "\"line\":4294967296",
					  "\"cpu\":18446744073709551616",
					  "\"line\":-9223372036854775809",
					  "\"pid\":1000000000000000000000000000000"};
	char lines[4096] = "", said[2048];
	struct fixture f;
	struct player p;
	struct model_totals totals;
	struct replay_stats stats;
	struct recording told;

	fixture_open(&f, 1000);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		snprintf(lines + strlen(lines), sizeof(lines) - strlen(lines),
			 "{\"timestamp\":%u,\"event_type\":3,\"goroutine\":1,"
			 "\"parent_goroutine\":0,\"attributes\":[8,2,0,0,0],%s}\n",
			 1000 + i, bad[i]);
	strcat(lines, "{\"timestamp\":2000,\"event_type\":99,\"goroutine\":1,"
		      "\"parent_goroutine\":0,\"attributes\":[0,0,0,0,0]}\n");
	make_original(&f, "events.jsonl", lines, strlen(lines));
	convert_saying(&f, f.id, said);
	assert_non_null(strstr(said, ": 10 numbers of optional keys"));
	assert_non_null(strstr(said, ": 1 events are of no type that exists"));
	assert_null(strstr(said, "is not kept"));
	player_open(&p, f.dir, f.id, 0);
	assert_true(replay_wait(p.replay, DEADLINE));
	model_totals(p.model, -1, &totals);
	assert_int_equal(totals.events[EVENT_NEWOBJECT], 10);
	replay_stats(p.replay, &stats);
	assert_int_equal(stats.end.out_of_range, 10); /* however often they were read */
	replay_recording(p.replay, &told); /* stats, health and REST have it from there */
	assert_int_equal(told.out_of_range, 10);
	assert_int_equal(told.skipped, 1);
	player_close(&p);
	fixture_close(&f);
}

/* The original's garbage hurts nobody, and no bit of it changes on the way through both formats. */
static void test_original(void **state)
{
	struct fixture f;
	struct player p;
	struct model_totals totals;
	struct store *store;
	size_t len, back_len;
	char *pb, *back;

	fixture_open(&f, 1000);
	make_original(&f, "events.jsonl", original_lines, strlen(original_lines));
	pb = convert(&f, f.id, CONVERT_PROTOBUF, &len);
	assert_int_equal(store_new(f.dir, &store), 0);
	assert_int_equal(store_delete(store, f.id), 0);
	make_original(&f, "events.pb", pb, len);
	back = convert(&f, f.id, CONVERT_JSONL, &back_len);
	assert_string_equal(back, original_lines);
	player_open(&p, f.dir, f.id, 0);
	assert_true(replay_wait(p.replay, DEADLINE));
	model_totals(p.model, -1, &totals);
	assert_int_equal(totals.events[EVENT_CASGSTATUS], 2);
	assert_int_equal(totals.events[EVENT_NEWOBJECT], 1);
	assert_int_equal(totals.events[EVENT_MAKEMAP], 1);
	assert_int_equal(totals.events[EVENT_GOEXIT], 1);
	assert_int_equal(totals.malformed, 0);
	assert_true(totals.alloc_bytes <= 1ull << 48);
	/* Its times of day come from start_time. */
	assert_int_equal(model_wall_offset(p.model) + 4991474157770, 1795410450000000000);
	player_close(&p);
	free(pb);
	free(back);
	store_free(store);
	fixture_close(&f);
}

/* jsonl -> protobuf -> jsonl of ours gives the same lines, and the same model. */
static void test_convert_ours(void **state)
{
	struct fixture f;
	struct store *store;
	size_t len, pb_len, back_len, trace_len;
	char *lines, *pb, *back, *trace;
	char first[SESSION_ID_LEN + 1];
	int dir;

	fixture_open(&f, 100000);
	fixture_record(&f, SESSION_JSONL, 100, 3000);
	memcpy(first, f.id, sizeof(first));
	dir = fixture_folder(&f);
	lines = read_whole(dir, "events.jsonl", &len);
	close(dir);
	pb = convert(&f, f.id, CONVERT_PROTOBUF, &pb_len);
	make_original(&f, "events.pb", pb, pb_len);
	back = convert(&f, f.id, CONVERT_JSONL, &back_len);
	assert_string_equal(lines, back);
	trace = convert(&f, first, CONVERT_PERFETTO, &trace_len);
	assert_true(trace_len > 3000 * 10);
	free(lines);
	free(pb);
	free(back);
	free(trace);
	assert_int_equal(store_new(f.dir, &store), 0);
	store_free(store);
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

/* Numbers of goroutines that JavaScript's numbers would round are read, shown and written as they
 * are. */
static void test_large_goids(void **state)
{
	static const uint64_t goids[] = {(1ull << 53) + 1, (1ull << 53) + 2, (1ull << 63) + 3,
					 UINT64_MAX - 1};
	struct fixture f;
	struct player p;
	struct goroutine g;
	struct store *store;
	size_t pb_len, len;
	char *pb, *back, lines[2048] = "";

	fixture_open(&f, 1000);
	for (unsigned i = 0; i < ARRAY_SIZE(goids); i++)
		snprintf(lines + strlen(lines), sizeof(lines) - strlen(lines),
			 "{\"timestamp\":%u,\"event_type\":4,\"goroutine\":9007199254740995,"
			 "\"parent_goroutine\":0,\"attributes\":[9007199254740995,%llu,0,0,0],"
			 "\"func\":\"main.work\"}\n",
			 1000 + i, (unsigned long long)goids[i]);
	make_original(&f, "events.jsonl", lines, strlen(lines));
	player_open(&p, f.dir, f.id, 0);
	assert_true(replay_wait(p.replay, DEADLINE));
	for (unsigned i = 0; i < ARRAY_SIZE(goids); i++) {
		assert_int_equal(model_goroutine(p.model, 0, goids[i], &g), 0);
		assert_int_equal(g.parent, (1ull << 53) + 3);
	}
	assert_int_equal(model_goroutine(p.model, 0, 1ull << 53, &g), -ENOENT);
	player_close(&p);
	pb = convert(&f, f.id, CONVERT_PROTOBUF, &pb_len);
	assert_int_equal(store_new(f.dir, &store), 0);
	assert_int_equal(store_delete(store, f.id), 0);
	make_original(&f, "events.pb", pb, pb_len);
	back = convert(&f, f.id, CONVERT_JSONL, &len);
	assert_string_equal(back, lines);
	free(pb);
	free(back);
	store_free(store);
	fixture_close(&f);
}

/* --- a range as one file ---------------------------------------------------------------------- */

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
		cmocka_unit_test(test_same_model),
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_goroutines_from_before),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_pace),
		cmocka_unit_test(test_original),
		cmocka_unit_test(test_convert_ours),
		cmocka_unit_test(test_out_of_range),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_torn_state),
		cmocka_unit_test(test_torn_first),
		cmocka_unit_test(test_large_goids),
		cmocka_unit_test(test_export),
		cmocka_unit_test(test_export_bounds),
		cmocka_unit_test(test_export_without_probes),
		cmocka_unit_test(test_known_until),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
