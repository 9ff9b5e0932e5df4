/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The numbers of a session, measured: recording (through the feed, by the recorder's thread, and
 * the encoder alone), replay (into a model, and the reader alone), bytes an event, memory over
 * length.
 *
 *   session_bench [events] [folder]      2,000,000 events, a folder below /tmp that is removed
 * again
 *
 * One line a figure: name, value, unit, and the goal where there is one. CPU figures are the CPU
 * time of the thread that does the work, so that they hold on a busy machine, too.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "core/session/encoder.h"
#include "core/session/recorder.h"
#include "core/session/replay.h"
#include "core/session/store.h"
#include "tests/unit/session_mix.h"

#define PART 1000

static __attribute__((noreturn)) void fail(const char *what, int err)
{
	fprintf(stderr, "%s: %s\n", what, strerror(-err));
	exit(1);
}

static void figure(const char *name, double value, const char *unit, const char *goal)
{
	printf("%-44s %14.2f %-12s %s\n", name, value, unit, goal);
	fflush(stdout);
}

static uint64_t thread_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static uint64_t process_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static double resident_mib(void)
{
	long pages = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f && fscanf(f, "%ld %ld", &pages, &resident) != 2)
		resident = 0;
	if (f)
		fclose(f);
	return (double)resident * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static struct event *make_events(struct names *names, size_t n)
{
	struct event *events = malloc(n * sizeof(*events));
	struct mix mix;

	if (!events)
		fail("events", -ENOMEM);
	mix_init(&mix, names, 1);
	for (size_t i = 0; i < n; i++)
		mix_next(&mix, &events[i]);
	return events;
}

static void bench_encoder(struct names *names, const struct event *events, size_t n,
			  const char *goal)
{
	char name[64];
	struct encoder *encoder;
	struct buf out = BUF_INIT;
	uint64_t begun, bytes = 0, used, most = 0;

	if (encoder_new(names, &encoder))
		fail("encoder", -ENOMEM);
	begun = thread_ns();
	for (size_t i = 0; i < n; i += PART) {
		buf_reset(&out);
		if (encoder_batch(encoder, events + i, MIN(n - i, (size_t)PART), NULL, &out))
			fail("encoder", -ENOMEM);
		bytes += out.len + 8;
	}
	used = thread_ns() - begun;
	for (size_t i = 0; i < n; i++)
		most = MAX(most, events[i].goid);
	figure("encode protobuf", (double)n * 1e3 / (double)used, "M events/s", "");
	snprintf(name, sizeof(name), "bytes an event, goids up to %llu", (unsigned long long)most);
	figure(name, (double)bytes / (double)n, "bytes", goal);
	buf_free(&out);
	encoder_free(encoder);
}

static struct model *new_model(struct names *names, size_t retain)
{
	struct model_config config = {
		.retain = retain, .retain_exited = 10000, .workers = 1, .names = names};
	struct model *model;
	int err = model_new(&config, &model);

	if (err)
		fail("model", err);
	if (model_proc_add(model, &(struct proc_info){.pid = 1, .binary_path = "/bin/x"}) < 0)
		fail("model", -ENOSPC);
	return model;
}

/* All CPU time of applying and recording, less the applying alone, is the recorder's. */
static uint64_t apply_all(struct model *model, struct event *events, size_t n, double pace)
{
	uint64_t begun = monotonic_ns(), cpu = thread_ns();

	for (size_t i = 0; i < n; i += PART) {
		uint64_t due = pace > 0 ? begun + (uint64_t)((double)i / pace * 1e9) : 0;

		while (due && monotonic_ns() < due)
			usleep(200);
		model_apply(model, events + i, MIN(n - i, (size_t)PART));
	}
	return thread_ns() - cpu;
}

static void bench_recorder(struct names *names, struct event *events, size_t n, const char *dir,
			   enum session_format format, char id[SESSION_ID_LEN + 1])
{
	struct model *model = new_model(names, 1000000);
	struct recorder_config config = {
		.storage_dir = dir,
		.format = format,
		.batch_size = 1000,
		.flush_interval_ns = NS_PER_SEC / 10,
		.pid = 1,
		.model = model,
		.version = "bench",
	};
	double pace = format == SESSION_PROTOBUF ? 1.5e6 : 3e5;
	struct recorder_stats stats;
	struct recorder *recorder;
	uint64_t cpu, apply;
	char name[64];
	int err = recorder_new(&config, &recorder);

	if (err)
		fail(dir, err);
	cpu = process_ns();
	apply = apply_all(model, events, n, pace);
	recorder_stop(recorder);
	cpu = process_ns() - cpu;
	recorder_stats(recorder, &stats);
	recorder_id(recorder, id);
	snprintf(name, sizeof(name), "record %s, CPU of the recorder", session_format_name(format));
	figure(name, (double)stats.events * 1e3 / (double)(cpu - apply), "M events/s",
	       format == SESSION_PROTOBUF ? "goal: 1.5 on one core" : "");
	snprintf(name, sizeof(name), "record %s at %.1f M/s, missed", session_format_name(format),
		 pace / 1e6);
	figure(name, (double)stats.missed, "events", "goal: 0");
	snprintf(name, sizeof(name), "record %s, mean flush", session_format_name(format));
	figure(name, (double)stats.flush_ns / (double)stats.batches / 1e3, "us a batch", "");
	recorder_free(recorder);
	model_free(model);
}

static void bench_reader(const char *dir, const char *id, const char *what)
{
	cleanup_close_ int fd = session_resolve(dir, id);
	struct session_chunk chunk;
	struct session_reader *reader;
	struct names *names;
	uint64_t begun = thread_ns(), n = 0;
	char name[64];

	if (fd < 0 || names_new(1 << 20, &names) || session_reader_open(fd, names, NULL, &reader))
		fail(id, -EIO);
	while (session_reader_next(reader, &chunk) > 0)
		n += chunk.n;
	snprintf(name, sizeof(name), "read %s", what);
	figure(name, (double)n * 1e3 / (double)(thread_ns() - begun), "M events/s", "");
	session_reader_close(reader);
	names_free(names);
}

static void bench_replay(const char *dir, const char *id, size_t n, const char *what,
			 const char *goal)
{
	struct replay_config config = {.storage_dir = dir, .session = id, .speed = 0};
	struct replay_stats stats;
	struct replay *replay;
	struct model *model;
	struct names *names;
	uint64_t begun, cpu;
	char name[64];

	if (names_new(1 << 20, &names))
		fail("names", -ENOMEM);
	config.names = names;
	if (replay_open(&config, &replay))
		exit(1);
	if (model_new(&(struct model_config){.retain = 1000000,
					     .retain_exited = 10000,
					     .workers = 1,
					     .names = names},
		      &model))
		fail("model", -ENOMEM);
	begun = monotonic_ns();
	cpu = process_ns();
	if (replay_start(replay, model) || !replay_wait(replay, 600 * NS_PER_SEC))
		fail("replay", -EIO);
	cpu = process_ns() - cpu;
	begun = monotonic_ns() - begun;
	replay_stats(replay, &stats);
	if (stats.events != n)
		fprintf(stderr, "replayed %llu of %zu\n", (unsigned long long)stats.events, n);
	snprintf(name, sizeof(name), "replay %s into the model", what);
	figure(name, (double)n * 1e3 / (double)begun, "M events/s", "");
	snprintf(name, sizeof(name), "replay %s, CPU", what);
	figure(name, (double)n * 1e3 / (double)cpu, "M events/s", goal);
	replay_free(replay);
	model_free(model);
	names_free(names);
}

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000;
	char made[] = "/tmp/session_bench.XXXXXX";
	const char *dir = argc > 2 ? argv[2] : mkdtemp(made);
	char pb[SESSION_ID_LEN + 1], jsonl[SESSION_ID_LEN + 1];
	struct names *names;
	struct event *events;
	struct store *store;
	double before;

	if (!dir || names_new(1 << 20, &names) || store_new(dir, &store))
		fail("setup", -ENOMEM);
	events = make_events(names, n);
	bench_encoder(names, events, MIN(n, (size_t)250000), "goal: at most 24");
	bench_encoder(names, events, n, "");
	bench_recorder(names, events, n, dir, SESSION_PROTOBUF, pb);
	bench_recorder(names, events, n / 5, dir, SESSION_JSONL, jsonl);
	free(events);
	bench_reader(dir, pb, "protobuf");
	before = resident_mib();
	bench_reader(dir, pb, "protobuf again");
	figure("memory kept after reading it again", resident_mib() - before, "MiB", "goal: 0");
	bench_reader(dir, jsonl, "jsonl");
	bench_replay(dir, pb, n, "protobuf", "goal: 4 on one core");
	bench_replay(dir, jsonl, n / 5, "jsonl", "");
	(void)store_delete(store, pb);
	(void)store_delete(store, jsonl);
	(void)rmdir(dir);
	store_free(store);
	names_free(names);
	return 0;
}
