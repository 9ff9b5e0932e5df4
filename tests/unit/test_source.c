/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The web server's recorded sessions: what it has loaded is what -replay -speed 0 makes of them. */
#include "tests/unit/session_fixture.h"

#include "core/session/encoder.h"
#include "core/session/replay.h"
#include "tests/all_goroutines.h"
#include "web/recorded.h"

#define DEADLINE      (120 * NS_PER_SEC)
#define RETAIN        65536 /* as the server has it for a small session … */
#define RETAIN_EXITED 200000
#define PYRAMID_BYTES (8u << 20)

/* --- one session, twice ----------------------------------------------------------------------- */

struct twice {
	struct names *names;
	struct model *model; /* -replay's */
	struct replay *replay;
	struct store *store;
	struct sources *sources;
	struct source *source; /* the server's */
};

static const struct live no_live;
static const struct control no_control;

static void wait_loaded(struct source *s)
{
	uint64_t deadline = monotonic_ns() + DEADLINE;

	while (atomic_load(&s->state) == SOURCE_LOADING) {
		assert_true(monotonic_ns() < deadline);
		usleep(1000);
	}
}

static void twice_open(struct twice *t, const char *dir, const char *id)
{
	struct replay_config replay = {.storage_dir = dir, .session = id};
	struct model_config model = {
		.retain = RETAIN, .retain_exited = RETAIN_EXITED, .workers = 1};
	struct view view = {.live = &no_live, .control = &no_control, .replay = true};
	struct web_config web = {.view = &view, .pyramid_bytes = PYRAMID_BYTES};

	assert_int_equal(names_new(1 << 16, &t->names), 0);
	replay.names = model.names = t->names;
	assert_int_equal(replay_open(&replay, &t->replay), 0);
	model.wall_offset_ns = replay_wall_offset(t->replay, NULL);
	assert_int_equal(model_new(&model, &t->model), 0);
	assert_int_equal(replay_start(t->replay, t->model), 0);
	assert_true(replay_wait(t->replay, DEADLINE));

	view.model = t->model;
	assert_int_equal(store_new(dir, &t->store), 0);
	assert_int_equal(sources_new(&web, t->store, &t->sources), 0);
	assert_int_equal(sources_open(t->sources, id, &t->source), 0);
	wait_loaded(t->source);
	assert_int_equal(atomic_load(&t->source->state), SOURCE_READY);
}

static void twice_close(struct twice *t)
{
	source_put(t->sources, t->source);
	sources_free(t->sources);
	store_free(t->store);
	replay_free(t->replay);
	model_free(t->model);
	names_free(t->names);
}

static void assert_same_totals(struct model *a, struct model *b, int proc)
{
	struct model_totals s, t;

	model_totals(a, proc, &s);
	model_totals(b, proc, &t);
	s.memory_bytes = t.memory_bytes = 0;
	assert_memory_equal(s.events, t.events, sizeof(s.events));
	assert_memory_equal(s.lost, t.lost, sizeof(s.lost));
	assert_memory_equal(&s, &t, sizeof(s));
}

static void assert_same_proc(struct model *a, struct model *b, unsigned proc)
{
	struct proc_info x, y;

	assert_int_equal(model_proc(a, proc, &x), 0);
	assert_int_equal(model_proc(b, proc, &y), 0);
	assert_int_equal(x.pid, y.pid);
	assert_string_equal(x.binary_path, y.binary_path);
	assert_string_equal(x.go_version, y.go_version);
	assert_int_equal(x.state, y.state);
	assert_int_equal(x.attached_ns, y.attached_ns);
	assert_int_equal(x.exited_ns, y.exited_ns);
}

static void assert_same_goroutines(struct model *a, struct model *b, unsigned proc)
{
	cleanup_free_ struct goroutine *x = NULL, *y = NULL;
	size_t n, m;

	assert_int_equal(all_goroutines(a, proc, true, &x, &n), 0);
	assert_int_equal(all_goroutines(b, proc, true, &y, &m), 0);
	assert_int_equal(n, m);
	for (size_t i = 0; i < n; i++) {
		const struct names *na = model_names(a), *nb = model_names(b);

		assert_string_equal(names_string(na, x[i].start_func_id),
				    names_string(nb, y[i].start_func_id));
		assert_string_equal(names_string(na, x[i].reason_id),
				    names_string(nb, y[i].reason_id));
		assert_int_equal(names_site(na, x[i].created_site_id)->line,
				 names_site(nb, y[i].created_site_id)->line);
		y[i].start_func_id = x[i].start_func_id;
		y[i].reason_id = x[i].reason_id;
		y[i].created_site_id = x[i].created_site_id;
		assert_memory_equal(&x[i], &y[i], sizeof(x[i]));
	}
}

static void assert_same_types(struct model *a, struct model *b, unsigned proc)
{
	cleanup_free_ struct allocation *x = NULL, *y = NULL;
	size_t n, m;

	assert_int_equal(model_type_totals(a, proc, &x, &n), 0);
	assert_int_equal(model_type_totals(b, proc, &y, &m), 0);
	assert_int_equal(n, m);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(names_type(model_names(a), x[i].type_id)->name,
				    names_type(model_names(b), y[i].type_id)->name);
		assert_int_equal(x[i].count, y[i].count);
		assert_int_equal(x[i].bytes, y[i].bytes);
	}
}

static void assert_same_events(struct model *a, struct model *b)
{
	struct feed *x = model_feed(a), *y = model_feed(b);
	uint64_t at = feed_tail(x), also = feed_tail(y);
	struct event e, f;

	assert_int_equal(at, also);
	assert_int_equal(feed_head(x), feed_head(y));
	while (feed_read(x, &at, &e, 1, NULL)) {
		assert_int_equal(feed_read(y, &also, &f, 1, NULL), 1);
		assert_int_equal(e.time_ns, f.time_ns);
		assert_int_equal(e.type, f.type);
		assert_int_equal(e.proc, f.proc);
		assert_int_equal(e.goid, f.goid);
		assert_int_equal(e.count, f.count);
	}
}

static void assert_same(struct twice *t)
{
	struct model *a = t->model, *b = t->source->view.model;

	assert_int_equal(model_wall_offset(a), model_wall_offset(b));
	assert_int_equal(model_procs(a), model_procs(b));
	for (unsigned i = 0; i < model_procs(a); i++) {
		assert_same_proc(a, b, i);
		assert_same_totals(a, b, (int)i);
		assert_same_goroutines(a, b, i);
		assert_same_types(a, b, i);
	}
	assert_same_totals(a, b, -1);
	assert_same_events(a, b);
}

static void check(const char *dir, const char *id)
{
	struct twice t;

	twice_open(&t, dir, id);
	assert_same(&t);
	twice_close(&t);
}

/* --- sessions --------------------------------------------------------------------------------- */

static void test_original(void **state)
{
	check(SOURCE_ROOT "/tests/data/original", "ad662111-7874-4aa4-b982-cac648075fbf");
	check(SOURCE_ROOT "/tests/data/original", "ec8df6e8-0216-4599-a243-4ab9b5faedb8");
}

static void test_recorded(void **state)
{
	struct fixture f;

	for (int format = 0; format < 2; format++) {
		fixture_open(&f, 100000);
		fixture_record(&f, (enum session_format)format, 1000, 30000);
		check(f.dir, f.id);
		fixture_close(&f);
	}
}

/* A session's folder with that text in its events file. */
static void make(struct fixture *f, const char *name, const void *data, size_t len)
{
	static const char meta[] = "{\"id\":\"11111111-2222-4333-8444-555555555555\",\"pid\":4242,"
				   "\"start_time\":\"2026-11-23T05:07:30Z\","
				   "\"binary_path\":\"/srv/demo\",\"go_version\":\"go1.26.8\"}";
	char path[200];
	int dir, fd;

	strcpy(f->id, "11111111-2222-4333-8444-555555555555");
	snprintf(path, sizeof(path), "%s/%s", f->dir, f->id);
	(void)mkdir(path, 0700);
	dir = fixture_folder(f);
	fd = openat(dir, "metadata.json", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, meta, strlen(meta)), strlen(meta));
	close(fd);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
	close(dir);
}

/* The second process is named before the first, which no line names. */
static void test_lines_of_two(void **state)
{
	static const char lines[] =
		"{\"timestamp\":1000,\"event_type\":4,\"goroutine\":1,\"parent_goroutine\":0,"
		"\"attributes\":[1,7,0,0,0],\"pid\":77}\n"
		"{\"timestamp\":1001,\"event_type\":4,\"goroutine\":1,\"parent_goroutine\":0,"
		"\"attributes\":[1,8,0,0,0]}\n"
		"{\"timestamp\":1002,\"event_type\":5,\"goroutine\":8,\"parent_goroutine\":0,"
		"\"attributes\":[8,1002,0,0,0]}\n";
	struct fixture f;
	struct twice t;
	struct proc_info info;
	struct goroutine g;

	fixture_open(&f, 1000);
	make(&f, "events.jsonl", lines, strlen(lines));
	twice_open(&t, f.dir, f.id);
	assert_int_equal(model_procs(t.model), 2);
	assert_int_equal(model_proc(t.model, 0, &info), 0);
	assert_int_equal(info.pid, 4242);
	assert_int_equal(model_goroutine(t.model, 1, 7, &g), 0);
	assert_same(&t);
	twice_close(&t);
	fixture_close(&f);
}

/* Everything a batch may hold: two processes of which one ends, goroutines that were there before,
 * losses of each kind between the events. */
static void add_batch(struct fixture *f, struct encoder *encoder, struct buf *out, unsigned part)
{
	uint64_t by_type[EVENT_TYPES] = {[EVENT_MAKESLICE] = 3, [EVENT_NEWOBJECT] = 4};
	uint32_t marker = UINT32_MAX, len;
	struct event events[300];
	struct buf batch = BUF_INIT;

	for (unsigned i = 0; i < ARRAY_SIZE(events); i++) {
		mix_next(&f->mix, &events[i]);
		events[i].proc = (uint16_t)(i % 5 == 0);
	}
	for (unsigned i = 50; i < ARRAY_SIZE(events); i += 100) {
		events[i] =
			(struct event){.type = EVENT_LOST,
				       .time_ns = events[i].time_ns,
				       .count = 7,
				       .lost_by_type = 1 << EVENT_MAKESLICE | 1 << EVENT_NEWOBJECT,
				       .proc = i == 50    ? 1
					       : i == 150 ? EVENT_PROC_NONE
							  : 0};
		if (i == 250)
			events[i].flags = ENCODER_BY_RECORDER;
	}
	if (part == 0)
		by_type[0] = by_type[EVENT_GOEXIT] = 2;
	assert_int_equal(encoder_batch(encoder, events, ARRAY_SIZE(events), by_type, &batch), 0);
	len = (uint32_t)batch.len;
	buf_add(out, (const char *)&marker, 4);
	buf_add(out, (const char *)&len, 4);
	buf_add(out, batch.data, batch.len);
	buf_free(&batch);
}

static void craft(struct fixture *f, struct buf *out, unsigned parts)
{
	struct proc_info first = {.pid = 4242, .binary_path = "/srv/demo", .attached_ns = 7};
	struct proc_info second = {.pid = 4243, .binary_path = "/srv/other", .attached_ns = 8};
	struct goroutine before[50] = {0};
	struct encoder *encoder;

	assert_int_equal(encoder_new(f->names, &encoder), 0);
	assert_int_equal(encoder_process(encoder, 0, &first), 0);
	assert_int_equal(encoder_process(encoder, 1, &second), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(before); i++) {
		before[i] = (struct goroutine){.goid = 100000 + i,
					       .proc = i / 20 % 2,
					       .state = i % 3 ? GSTATE_WAITING : GSTATE_SYSCALL,
					       .reason_id = f->mix.reasons[i % MIX_REASONS],
					       .start_func_id = f->mix.funcs[i % 4]};
	}
	for (unsigned part = 0; part < parts; part++) {
		assert_int_equal(encoder_snapshot(encoder, f->mix.time_ns, before,
						  ARRAY_SIZE(before) - part),
				 0);
		if (part == parts - 2) {
			second.state = PROC_EXITED;
			second.exited_ns = f->mix.time_ns + 1;
			assert_int_equal(encoder_process(encoder, 1, &second), 0);
		}
		add_batch(f, encoder, out, part);
	}
	encoder_free(encoder);
}

static void test_gaps_of_two(void **state)
{
	struct fixture f;
	struct twice t;
	struct model_totals first, all;
	struct proc_info info;
	struct buf text = BUF_INIT;

	fixture_open(&f, 1000);
	craft(&f, &text, 8);
	make(&f, "events.pb", text.data, text.len);
	twice_open(&t, f.dir, f.id);
	assert_same(&t);
	/* One process's loss is not the other's. */
	model_totals(t.source->view.model, 0, &first);
	model_totals(t.source->view.model, -1, &all);
	assert_true(all.lost[EVENT_NEWOBJECT] > first.lost[EVENT_NEWOBJECT]);
	assert_int_equal(model_proc(t.source->view.model, 1, &info), 0);
	assert_int_equal(info.state, PROC_EXITED);
	assert_int_equal(model_proc(t.source->view.model, 0, &info), 0);
	assert_int_equal(info.state, PROC_RUNNING); /* it outlived the recording */
	twice_close(&t);
	/* Torn anywhere. */
	for (size_t cut = 1; cut < text.len; cut = cut * 3 / 2 + 1) {
		make(&f, "events.pb", text.data, text.len - cut);
		check(f.dir, f.id);
	}
	buf_free(&text);
	fixture_close(&f);
}

/* --- files that change ------------------------------------------------------------------------ */

/* A request: what it gets within a second. */
static void ask(struct twice *t, const char *id)
{
	source_put(t->sources, t->source);
	assert_int_equal(sources_open(t->sources, id, &t->source), 0);
	wait_loaded(t->source);
}

static void append(struct fixture *f, const char *name, const void *data, size_t len)
{
	int dir = fixture_folder(f), fd = openat(dir, name, O_WRONLY | O_APPEND);

	assert_int_equal(write(fd, data, len), len);
	close(fd);
	close(dir);
}

/* Where each record of events.pb begins; returns how many there are. */
static size_t records(const struct buf *text, size_t *ret, size_t max)
{
	size_t at = 0, n = 0;
	uint32_t len;

	while (at < text->len && n < max) {
		ret[n++] = at;
		memcpy(&len, text->data + at + 4, 4);
		at += 8 + len;
	}
	return n;
}

/* The next request shows what was written since, and has read no more than that. */
static void test_grows(void **state)
{
	struct fixture f;
	struct twice t, whole;
	struct buf text = BUF_INIT;
	struct session_end end;
	struct source *first;
	size_t at[8];
	uint64_t loaded;

	fixture_open(&f, 1000);
	craft(&f, &text, 8);
	assert_int_equal(records(&text, at, 8), 8);
	make(&f, "events.pb", text.data, at[2]);
	twice_open(&t, f.dir, f.id);
	first = t.source;
	loaded = atomic_load(&first->loaded);
	assert_true(loaded > 0);
	ask(&t, f.id);
	assert_ptr_equal(t.source, first);
	assert_int_equal(atomic_load(&first->loaded), loaded);

	/* Half a record, as when the recorder is in the middle of it, and then the other half. */
	append(&f, "events.pb", text.data + at[2], at[3] - at[2] + 100);
	ask(&t, f.id);
	assert_ptr_equal(t.source, first);
	assert_int_equal(atomic_load(&first->loaded), loaded / 2 * 3);
	recorded_end(t.source, &end);
	assert_int_equal(end.missing_bytes, 100);
	append(&f, "events.pb", text.data + at[3] + 100, text.len - at[3] - 100);
	ask(&t, f.id);
	assert_ptr_equal(t.source, first);
	assert_int_equal(atomic_load(&first->loaded), loaded / 2 * 8);
	recorded_end(t.source, &end);
	assert_int_equal(end.missing_bytes, 0);
	/* As if it had been read at once. */
	twice_open(&whole, f.dir, f.id);
	source_put(whole.sources, whole.source);
	whole.source = first;
	assert_same(&whole);
	whole.source = NULL;
	twice_close(&whole);
	twice_close(&t);
	buf_free(&text);
	fixture_close(&f);
}

/* Until what is loaded has so many events. */
static void ask_until(struct twice *t, const char *id, int wanted, uint64_t events)
{
	uint64_t deadline = monotonic_ns() + DEADLINE;

	do {
		assert_true(monotonic_ns() < deadline);
		usleep(1000);
		ask(t, id);
	} while (atomic_load(&t->source->state) != wanted ||
		 atomic_load(&t->source->loaded) != events);
}

/* Of a session that could not be read, or not further, and is mended; and one that is deleted. */
static void test_mended(void **state)
{
	struct fixture f;
	struct twice t;
	struct buf text = BUF_INIT;
	struct source *former, *again;
	struct session_end end;
	size_t at[8];

	fixture_open(&f, 1000);
	craft(&f, &text, 8);
	records(&text, at, 8);
	text.data[at[3] + 50] ^= 1;
	make(&f, "events.pb", text.data, text.len);
	twice_open(&t, f.dir, f.id);
	former = t.source;
	assert_int_equal(atomic_load(&former->loaded), 3 * 300);
	recorded_end(former, &end);
	assert_true(end.malformed);
	/* Somebody still has it when it is loaded anew. */
	assert_int_equal(sources_open(t.sources, f.id, &former), 0);
	text.data[at[3] + 50] ^= 1;
	make(&f, "events.pb", text.data, text.len);
	ask_until(&t, f.id, SOURCE_READY, 8 * 300);
	assert_ptr_not_equal(t.source, former);
	assert_int_equal(atomic_load(&former->loaded), 3 * 300);
	source_put(t.sources, former);
	/* It becomes shorter; the file is gone; it is there again. */
	make(&f, "events.pb", text.data, at[2]);
	ask_until(&t, f.id, SOURCE_READY, 2 * 300);
	{
		int dir = fixture_folder(&f);

		assert_int_equal(unlinkat(dir, "events.pb", 0), 0);
		close(dir);
	}
	ask_until(&t, f.id, SOURCE_FAILED, 0);
	make(&f, "events.pb", text.data, text.len);
	ask_until(&t, f.id, SOURCE_READY, 8 * 300);
	assert_int_equal(store_delete(t.store, f.id), 0);
	assert_int_equal(sources_open(t.sources, f.id, &again), -ENOENT);
	twice_close(&t);
	buf_free(&text);
	fixture_close(&f);
}

/* --- memory ----------------------------------------------------------------------------------- */

static size_t resident_bytes(void)
{
	unsigned long size, resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
	fclose(file);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* A session nobody has asked for a while is dropped, and the system has its memory back. */
static void test_idle(void **state)
{
	struct view view = {.live = &no_live, .control = &no_control, .replay = true};
	struct web_config web = {.view = &view, .pyramid_bytes = PYRAMID_BYTES};
	struct sources_stats stats;
	struct sources *ss;
	struct source *s;
	struct store *store;
	struct fixture f;
	size_t before, loaded, after;

	fixture_open(&f, 500000);
	fixture_record(&f, SESSION_PROTOBUF, 1000, 400000);
	view.model = f.model;
	assert_int_equal(store_new(f.dir, &store), 0);
	assert_int_equal(sources_new(&web, store, &ss), 0);
	for (unsigned i = 0; i < 3; i++) { /* it does not add up, either */
		before = resident_bytes();
		assert_int_equal(sources_open(ss, f.id, &s), 0);
		wait_loaded(s);
		loaded = resident_bytes();
		sources_stats(ss, &stats);
		assert_int_equal(stats.sessions, 1);
		assert_true(stats.sessions_bytes > 400000 * sizeof(struct event));
		sources_sweep(ss, monotonic_ns() + SOURCE_IDLE_NS); /* somebody has it */
		source_put(ss, s);
		sources_sweep(ss, monotonic_ns() + SOURCE_IDLE_NS / 2); /* not long enough */
		sources_stats(ss, &stats);
		assert_int_equal(stats.sessions, 1);
		sources_sweep(ss, monotonic_ns() + SOURCE_IDLE_NS);
		sources_stats(ss, &stats);
		assert_int_equal(stats.sessions, 0);
		assert_int_equal(stats.sessions_bytes, 0);
		after = resident_bytes();
		print_message("MiB resident: %zu before, %zu loaded, %zu dropped\n", before >> 20,
			      loaded >> 20, after >> 20);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
		assert_true(loaded > before + (20u << 20));
		assert_true(after < before + (loaded - before) / 10);
#endif
	}
	sources_free(ss);
	store_free(store);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_original),     cmocka_unit_test(test_recorded),
		cmocka_unit_test(test_lines_of_two), cmocka_unit_test(test_gaps_of_two),
		cmocka_unit_test(test_grows),        cmocka_unit_test(test_mended),
		cmocka_unit_test(test_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
