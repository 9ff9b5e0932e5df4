/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Conversion: the original's sessions and ours, with what the other form has no place for. */
#include "tests/unit/session_player.h"

#include "core/session/convert.h"
#include "core/session/store.h"

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

/* What was there before the recording began is there in the replay. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goroutines_from_before),
		cmocka_unit_test(test_original),
		cmocka_unit_test(test_convert_ours),
		cmocka_unit_test(test_out_of_range),
		cmocka_unit_test(test_large_goids),
	};

	return cmocka_run_group_tests_name("session_convert", tests, NULL, NULL);
}
