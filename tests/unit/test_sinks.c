/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Recording and printing, begun and ended as the composition root does it; or neither. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/engine/sinks.h"

struct world {
	struct names *names;
	struct model *model;
	char folder[64];
	atomic_bool asked;
	_Atomic int ended;
};

static void make(struct world *w)
{
	const struct proc_info info = {.pid = 77, .state = PROC_RUNNING, .attached_ns = 1};
	struct model_config mc = {.retain = 1000, .retain_exited = 10, .workers = 1};

	*w = (struct world){.folder = "/tmp/test_sinks_XXXXXX"};
	assert_non_null(mkdtemp(w->folder));
	assert_int_equal(names_new(100, &w->names), 0);
	mc.names = w->names;
	assert_int_equal(model_new(&mc, &w->model), 0);
	assert_int_equal(model_proc_add(w->model, &info), 0);
}

static void end(struct world *w)
{
	char command[128];

	model_free(w->model);
	names_free(w->names);
	snprintf(command, sizeof(command), "rm -rf %s", w->folder);
	assert_int_equal(system(command), 0);
}

static void apply(struct world *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct event ev = {.type = EVENT_NEWOBJECT, .goid = 1, .time_ns = monotonic_ns()};

		model_apply(w->model, &ev, 1);
	}
}

static struct recorder_config recorder_of(const struct world *w)
{
	return (struct recorder_config){.storage_dir = w->folder,
					.batch_size = 10,
					.flush_interval_ns = NS_PER_SEC / 100,
					.model = w->model,
					.version = "test",
					.pid = 77};
}

static void test_nothing_is_asked_for(void **state)
{
	const struct sinks_config config = {0};
	struct recording rec = {.events = 5};
	struct recorder_stats stats;
	char id[SESSION_ID_LEN + 1];
	bool left = false;
	struct sinks *s;

	assert_int_equal(sinks_new(&config, &s), 0);
	assert_int_equal(sinks_record(s), 0);
	assert_int_equal(sinks_print(s), 0);
	assert_null(sinks_recorded(s, &stats));
	sinks_recording(s, &rec);
	assert_int_equal(rec.events, 5);
	assert_false(sinks_session(s, id));
	assert_int_equal(sinks_behind(s), 0);
	assert_int_equal(sinks_stop_printing(s), 0);
	assert_int_equal(sinks_stop_recording(s, &left), 0);
	assert_false(left);
	sinks_free(s);
	sinks_free(NULL);
}

static void test_recording(void **state)
{
	struct sinks_config config = {0};
	struct recording rec = {0};
	struct recorder_stats stats;
	char id[SESSION_ID_LEN + 1];
	bool left = false;
	struct sinks *s;
	struct world w;

	make(&w);
	config.recorder = recorder_of(&w);
	assert_int_equal(sinks_new(&config, &s), 0);
	assert_int_equal(sinks_record(s), 0);
	assert_true(sinks_session(s, id));
	assert_int_equal(strlen(id), SESSION_ID_LEN);
	apply(&w, 35);
	feed_close(model_feed(w.model));
	assert_int_equal(sinks_stop_recording(s, &left), 0);
	assert_false(left);
	/* How it was is told still. */
	assert_ptr_equal(sinks_recorded(s, &stats), &stats);
	assert_int_equal(stats.events, 35);
	sinks_recording(s, &rec);
	assert_int_equal(rec.events, 35);
	assert_int_equal(rec.state, RECORDING_DONE);
	assert_int_equal(rec.missed, 0);
	sinks_free(s);
	end(&w);
}

static void test_no_place_for_it(void **state)
{
	struct sinks_config config = {0};
	char file[80];
	bool left = false;
	struct sinks *s;
	struct world w;
	int fd;

	make(&w);
	snprintf(file, sizeof(file), "%s/file", w.folder);
	fd = open(file, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	config.recorder = recorder_of(&w);
	config.recorder.storage_dir = file;
	assert_int_equal(sinks_new(&config, &s), 0);
	assert_true(sinks_record(s) < 0);
	assert_int_equal(sinks_stop_recording(s, &left), 0);
	sinks_free(s);
	end(&w);
}

static void note_end(void *ctx)
{
	((struct world *)ctx)->ended++;
}

/* Prints into `to` instead of stdout, which the test's own words go to; false: it could not. */
static int print_into(struct world *w, int to, unsigned n)
{
	struct sinks_config config = {
		.stdout_log = {.model = w->model, .asked = &w->asked, .ended = note_end, .ctx = w}};
	int kept, err;
	struct sinks *s;

	fflush(stdout);
	kept = dup(STDOUT_FILENO);
	assert_true(kept >= 0 && dup2(to, STDOUT_FILENO) >= 0);
	assert_int_equal(sinks_new(&config, &s), 0);
	apply(w, n);
	assert_int_equal(sinks_behind(s), 0);
	err = sinks_print(s);
	feed_close(model_feed(w->model));
	if (!err)
		err = sinks_stop_printing(s);
	assert_true(dup2(kept, STDOUT_FILENO) >= 0);
	close(kept);
	sinks_free(s);
	return err;
}

static void test_printing(void **state)
{
	char text[4096];
	struct world w;
	ssize_t n;
	int fds[2], lines = 0;

	make(&w);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(print_into(&w, fds[1], 7), 0);
	n = read(fds[0], text, sizeof(text));
	for (ssize_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	assert_int_equal(lines, 7);
	assert_int_equal(w.ended, 0);
	close(fds[0]);
	close(fds[1]);
	end(&w);
}

/* A full disk is said, and told at once. */
static void test_stdout_takes_no_more(void **state)
{
	struct world w;
	int full = open("/dev/full", O_WRONLY);

	if (full < 0)
		skip();
	make(&w);
	assert_int_equal(print_into(&w, full, 7), -ENOSPC);
	assert_int_equal(w.ended, 1);
	close(full);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_asked_for), cmocka_unit_test(test_recording),
		cmocka_unit_test(test_no_place_for_it),      cmocka_unit_test(test_printing),
		cmocka_unit_test(test_stdout_takes_no_more),
	};

	return cmocka_run_group_tests_name("sinks", tests, NULL, NULL);
}
