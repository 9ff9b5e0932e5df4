/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The INI file and the command line: what is taken lies within the table's bounds and means the
 * same when it is read again. An input is the file's text, a NUL, and words of the command line
 * with a NUL after each.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "app/config.h"
#include "tests/fuzz/fuzz.h"

#define WORDS_MAX 24

static char path[] = "/tmp/fuzz_options.XXXXXX";
static int fd = -1;

static void remove_file(void)
{
	unlink(path);
}

static void write_file(const char *text)
{
	size_t len = strlen(text);

	if (fd < 0) {
		fd = mkstemp(path);
		FUZZ_ASSERT(fd >= 0);
		atexit(remove_file);
		log_set_level(LOG_LEVEL_ERROR);
	}
	FUZZ_ASSERT(!ftruncate(fd, 0) && pwrite(fd, text, len, 0) == (ssize_t)len);
}

static void check(const struct config *c)
{
	uint64_t day = 24 * 3600 * NS_PER_SEC;

	FUZZ_ASSERT(c->pid <= 4194304 && c->web_port <= 65535);
	FUZZ_ASSERT(c->readers >= 1 && c->readers <= 1024 && c->processors >= 1 &&
		    c->processors <= 1024);
	FUZZ_ASSERT(c->retain >= 1 && c->retain <= 1000000000 && c->retain_exited <= 100000000);
	FUZZ_ASSERT(c->batch_size >= 1 && c->batch_size <= 1048576);
	FUZZ_ASSERT(c->batch_flush_ns >= 1000000 && c->batch_flush_ns <= day);
	FUZZ_ASSERT(c->storage_max_age_ns <= INT64_MAX);
	FUZZ_ASSERT(c->speed >= 0 && c->speed <= 1000000);
	FUZZ_ASSERT(c->max_overhead >= 0 && c->max_overhead <= 100);
	for (unsigned i = 0; i < RATES; i++)
		FUZZ_ASSERT(c->rates[i] <= RATE_ONE);
	FUZZ_ASSERT(c->help || c->help_for || c->version || c->mode <= MODE_CONVERT);
	FUZZ_ASSERT(!strcmp(c->storage_format, "protobuf") || !strcmp(c->storage_format, "jsonl"));
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = fuzz_input(data, size);
	char program[] = "xgotopfs", option[] = "-config", *text;
	char *argv[WORDS_MAX + 4] = {program, option, path};
	struct config config, again;
	size_t n = 3;
	int err;

	text = fuzz_text(&in);
	write_file(text);
	free(text);
	while (in.p < in.end && n < WORDS_MAX + 3)
		argv[n++] = fuzz_text(&in);
	/* The file is ours; another's is not opened. */
	for (size_t i = 3; i < n; i++) {
		if (strstr(argv[i], "config"))
			argv[i][0] = '\0';
	}
	err = config_read(&config, argv);
	FUZZ_ASSERT(err <= 0);
	FUZZ_ASSERT(config_read(&again, argv) == err);
	if (!err) {
		check(&config);
		FUZZ_ASSERT(config.mode == again.mode && config.records == again.records &&
			    same_text(config.sample, again.sample) &&
			    same_text(config.storage_dir, again.storage_dir) &&
			    !memcmp(config.rates, again.rates, sizeof(config.rates)));
	}
	config_free(&config);
	config_free(&again);
	for (size_t i = 3; i < n; i++)
		free(argv[i]);
	return 0;
}
