/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sessions without a target, for test scripts: records the typical mix, paced or not, and converts.
 *
 *   session_tool record DIR protobuf|jsonl EVENTS BATCH [EVENTS_A_SECOND [GOROUTINES]]   prints the
 * id session_tool convert DIR SESSION jsonl|protobuf|perfetto                 to stdout
 *   session_tool replay DIR SESSION [SPEED]                                  prints what was
 * applied session_tool list DIR
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/session/convert.h"
#include "core/session/recorder.h"
#include "core/session/replay.h"
#include "core/session/store.h"
#include "tests/unit/session_mix.h"

#define PART 100

static struct model *new_model(struct names *names, int64_t wall_offset_ns)
{
	struct model_config config = {.retain = 1000000,
				      .retain_exited = 10000,
				      .workers = 1,
				      .wall_offset_ns = wall_offset_ns,
				      .names = names};
	struct model *model;

	return model_new(&config, &model) == 0 ? model : NULL;
}

/* Goroutines that were there before: two that wait. */
static void found(struct model *model, const struct mix *mix)
{
	struct goroutine_seen seen[2] = {
		{.goid = 1, .state = GSTATE_WAITING, .reason_id = mix->reasons[2]},
		{.goid = 2,
		 .parent = 1,
		 .state = GSTATE_WAITING,
		 .reason_id = mix->reasons[0],
		 .start_func_id = mix->funcs[0],
		 .created_site_id = mix->sites[0]},
	};

	model_heal(model, 0, seen, ARRAY_SIZE(seen), mix->time_ns, true);
}

static int record(const char *dir, const char *format, size_t n, size_t batch, double rate,
		  size_t goroutines)
{
	struct recorder_config config = {
		.storage_dir = dir,
		.batch_size = batch,
		.flush_interval_ns = NS_PER_SEC / 10,
		.pid = 4242,
	};
	struct proc_info info = {
		.pid = 4242, .binary_path = "/srv/demo/httpd", .go_version = "go1.26.8"};
	char id[SESSION_ID_LEN + 1];
	struct event events[PART];
	struct recorder *recorder;
	struct recorder_stats stats;
	struct names *names;
	struct mix mix;
	uint64_t begun = monotonic_ns();
	int err = session_format_parse(format, &config.format);

	if (err || names_new(1 << 20, &names))
		return err ? err : -ENOMEM;
	mix_init(&mix, names, 1);
	if (goroutines)
		mix.births = (unsigned)MIN(MAX(1000 * goroutines / n, 1u), 50u);
	config.model = new_model(names, 1795410000000000000 - (int64_t)mix.time_ns);
	config.version = "test";
	if (!config.model || model_proc_add(config.model, &info) < 0)
		return -ENOMEM;
	found(config.model, &mix);
	err = recorder_new(&config, &recorder);
	if (err)
		return err;
	recorder_id(recorder, id);
	printf("%s\n", id);
	fflush(stdout);
	for (size_t i = 0; i < n; i += PART) {
		while (rate > 0 && (double)(monotonic_ns() - begun) * rate < (double)i * 1e9)
			usleep(1000);
		for (size_t k = 0; k < PART; k++)
			mix_next(&mix, &events[k]);
		model_apply(config.model, events, MIN(n - i, (size_t)PART));
	}
	recorder_stop(recorder);
	recorder_stats(recorder, &stats);
	recorder_free(recorder);
	model_free(config.model);
	names_free(names);
	return stats.error;
}

static int replay(const char *dir, const char *session, double speed)
{
	struct replay_config config = {.storage_dir = dir, .session = session, .speed = speed};
	struct model_totals totals;
	struct replay *r;
	struct model *model;
	int err = names_new(1 << 20, &config.names);

	if (!err)
		err = replay_open(&config, &r);
	if (err)
		return err;
	model = new_model(config.names, replay_wall_offset(r, NULL));
	err = model ? replay_start(r, model) : -ENOMEM;
	if (!err && replay_wait(r, UINT64_MAX)) {
		struct buf text = BUF_INIT;

		replay_get(r, &text);
		model_totals(model, -1, &totals);
		fputs(text.data, stdout);
		printf("goroutines %llu\n", (unsigned long long)totals.live_total);
		buf_free(&text);
	}
	replay_free(r);
	model_free(model);
	names_free(config.names);
	return err;
}

static int convert(const char *dir, const char *session, const char *to)
{
	struct convert_config config = {.storage_dir = dir,
					.session = session,
					.out_fd = STDOUT_FILENO,
					.progress_fd = isatty(STDERR_FILENO) ? STDERR_FILENO : -1};
	int err = convert_parse(to, &config.to);

	return err ? err : convert_run(&config);
}

static int list(const char *dir)
{
	struct buf text = BUF_INIT;
	struct store *store;
	int err = store_new(dir, &store);

	if (err)
		return err;
	err = store_table(store, &text);
	if (!err)
		fputs(text.data, stdout);
	buf_free(&text);
	store_free(store);
	return err;
}

int main(int argc, char **argv)
{
	int err = -EINVAL;

	if (argc >= 6 && strcmp(argv[1], "record") == 0)
		err = record(argv[2], argv[3], strtoull(argv[4], NULL, 10),
			     strtoull(argv[5], NULL, 10), argc > 6 ? strtod(argv[6], NULL) : 0,
			     argc > 7 ? strtoull(argv[7], NULL, 10) : 0);
	else if (argc == 5 && strcmp(argv[1], "convert") == 0)
		err = convert(argv[2], argv[3], argv[4]);
	else if (argc >= 4 && strcmp(argv[1], "replay") == 0)
		err = replay(argv[2], argv[3], argc > 4 ? strtod(argv[4], NULL) : 0);
	else if (argc == 3 && strcmp(argv[1], "list") == 0)
		err = list(argv[2]);
	if (err)
		fprintf(stderr, "session_tool: %s\n", strerror(-err));
	return err ? 1 : 0;
}
