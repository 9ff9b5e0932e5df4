/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* app/config and core/base/options: the command line, the file, precedence, contradictions, help.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/config.h"
#include "core/base/util.h"

/* Words as the shell would split them; "''" is an empty one. */
static int read_line(struct config *c, char *storage, size_t size, const char *line)
{
	char *argv[32];
	size_t n = 0;
	char *save = NULL;

	snprintf(storage, size, "xgotopfs %s", line);
	for (char *w = strtok_r(storage, " ", &save); w && n < ARRAY_SIZE(argv) - 1;
	     w = strtok_r(NULL, " ", &save)) {
		if (strcmp(w, "''") == 0)
			*w = '\0';
		argv[n++] = w;
	}
	argv[n] = NULL;
	/* `command` points into argv, which ends here: keep what the tests look at. */
	int err = config_read(c, argv);
	c->command = NULL;
	return err;
}

static void expect_ok(struct config *c, char *storage, size_t size, const char *line)
{
	if (read_line(c, storage, size, line))
		fail_msg("refused: %s", line);
}

static void defaults_are_the_originals(void **state)
{
	char storage[512];
	struct config c;

	expect_ok(&c, storage, sizeof(storage), "-pid 48");
	assert_int_equal(c.mode, MODE_PID);
	assert_int_equal(c.pid, 48);
	assert_int_equal(c.readers, 3);
	assert_int_equal(c.processors, 5);
	assert_int_equal(c.web_port, 8080);
	assert_string_equal(c.storage_format, "protobuf");
	assert_string_equal(c.storage_dir, "./sessions");
	assert_int_equal(c.batch_size, 1000);
	assert_int_equal(c.batch_flush_ns, 100000000);
	assert_string_equal(c.web_listen, "127.0.0.1");
	assert_int_equal(c.retain, 1000000);
	assert_int_equal(c.retain_exited, 10000);
	assert_false(c.silent);
	assert_null(c.mount_point);
	assert_true(config_prints_events(&c));
	assert_false(config_writes_metrics(&c));
	for (size_t i = 0; i < RATES; i++)
		assert_int_equal(c.rates[i], RATE_ONE);
	config_free(&c);
}

static void dashes_values_and_words_mix(void **state)
{
	char storage[512];
	struct config c;

	expect_ok(&c, storage, sizeof(storage),
		  "--pid=7 /mnt/x -rw 2 --pw=9 -s -web=true -batch-flush-interval 1.5s "
		  "-sample newobject:0.1,casgstatus:1");
	assert_int_equal(c.pid, 7);
	assert_string_equal(c.mount_point, "/mnt/x");
	assert_int_equal(c.readers, 2);
	assert_int_equal(c.processors, 9);
	assert_true(c.silent);
	assert_true(c.web);
	assert_int_equal(c.batch_flush_ns, 1500000000);
	assert_int_equal(c.rates[EVENT_NEWOBJECT], RATE_ONE / 10);
	assert_int_equal(c.rates[EVENT_CASGSTATUS], RATE_ONE);
	assert_int_equal(c.rates[EVENT_MAKEMAP], 0);
	config_free(&c);

	expect_ok(&c, storage, sizeof(storage), "-pid 1 -storage-max-size 5M -storage-max-age 2h");
	assert_int_equal(c.storage_max_size, 5 << 20);
	assert_int_equal(c.storage_max_age_ns, 7200 * NS_PER_SEC);
	assert_true(c.records);
	config_free(&c);

	expect_ok(&c, storage, sizeof(storage), "-pid 1 -web");
	assert_true(c.records);
	config_free(&c);

	expect_ok(&c, storage, sizeof(storage),
		  "-pid 1 -web -record=false -storage-dir /x -storage-format jsonl");
	assert_false(c.records);
	config_free(&c);

	/* Who says no asks for nothing. */
	expect_ok(&c, storage, sizeof(storage), "-replay x -record=false -mft=false");
	assert_int_equal(c.mode, MODE_REPLAY);
	assert_false(c.records);
	config_free(&c);
	expect_ok(&c, storage, sizeof(storage), "-sessions -web=false -daemon=false");
	config_free(&c);
	expect_ok(&c, storage, sizeof(storage), "-pid 1 -leaks once -record=false");
	config_free(&c);

	expect_ok(&c, storage, sizeof(storage), "-pid 1 -batch-size 1048576 -s");
	assert_int_equal(c.batch_size, 1 << 20);
	assert_false(c.records);
	config_free(&c);

	expect_ok(&c, storage, sizeof(storage), "-convert x -to perfetto -out y -storage-dir z");
	assert_int_equal(c.mode, MODE_CONVERT);
	assert_string_equal(c.out, "y");
	assert_false(c.records);
	config_free(&c);

	expect_ok(&c, storage, sizeof(storage), "-pid 1 -storage-max-size 2GiB -storage-dir /x");
	assert_int_equal(c.storage_max_size, 2ull << 30);
	assert_true(c.records);
	config_free(&c);

	expect_ok(&c, storage, sizeof(storage), "-pid 1 -pid 2 -s=false");
	assert_int_equal(c.pid, 2);
	assert_false(c.silent);
	config_free(&c);

	expect_ok(&c, storage, sizeof(storage), "-s /mnt/x -- ls -l -pid");
	assert_int_equal(c.mode, MODE_COMMAND);
	assert_int_equal(c.pid, 0);
	assert_string_equal(c.mount_point, "/mnt/x");
	config_free(&c);
}

static void bad_usage_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"/mnt/x",
		"-pid",
		"-pid x",
		"-pid -1",
		"-pid 0",
		"-pid 99999999999999999999",
		"-pid 4194305",
		"-pid=",
		"-nosuch",
		"-pid 1 -nosuch=3",
		"---pid 1",
		"-=1",
		"-pid 1 -b /bin/ls",
		"-pid 1 -replay x",
		"-pid 1 -- ls",
		"-b /bin/ls -- ls",
		"--",
		"-b ''",
		"-pid 1 /a /b",
		"-pid 1 ''",
		"-pid 1 -rw 0",
		"-pid 1 -pw 0",
		"-pid 1 -rw 2x",
		"-pid 1 -web-port 65536",
		"-pid 1 -web -web-allow-origin *",
		"-pid 1 -web -web-allow-origin http://a -web-allow-origin http://b/",
		"-pid 1 -storage-format xml",
		"-pid 1 -storage-format proto",
		"-pid 1 -batch-flush-interval 100",
		"-pid 1 -batch-flush-interval 0",
		"-pid 1 -batch-size 0",
		"-pid 1 -batch-size 1048577",
		"-pid 1 -out x",
		"-sessions -convert x",
		"-sessions -record",
		"-sessions -web",
		"-sessions /mnt",
		"-sessions -- true",
		"-convert x -to xml",
		"-convert x -storage-max-size 1G",
		"-convert x -pid 1",
		"-convert x /mnt",
		"-convert",
		"-convert x -speed 2",
		"-replay x -record",
		"-replay x -storage-format jsonl",
		"-replay x -storage-max-age 1d",
		"-replay x -speed -1",
		"-pid 1 -storage-max-size 5X",
		"-pid 1 -storage-max-age 5",
		"-pid 1 -storage-max-size 5X",
		"-pid 1 -storage-max-size 5MBx",
		"-pid 1 -storage-max-size 99999999999T",
		"-pid 1 -storage-max-size -5",
		"-pid 1 -retain 0",
		"-pid 1 -retain 18446744073709551616",
		"-pid 1 -retain 1e400",
		"-pid 18446744073709551617",
		"-pid 1 -storage-max-size 18446744073709551616",
		"-pid 1 -storage-max-size 16777216T",
		"-pid 1 -storage-max-age 18446744073.709551616s",
		"-pid 1 -storage-max-age 9223372036854775808ns",
		"-pid 1 -max-overhead 1e400",
		"-pid 1 -max-overhead 0x10",
		"-replay x -speed nan",
		"-replay x -speed 1e400",
		"-replay x -speed 1000001",
		"-pid 1 -sample nosuch:1",
		"-pid 1 -sample newobject:1.5",
		"-pid 1 -sample newobject:-0.5",
		"-pid 1 -sample newobject",
		"-pid 1 -sample newobject:",
		"-pid 1 -sample newobject:0.00001",
		"-pid 1 -sample newobject:0.1,newobject:0.2",
		"-pid 1 -sample ''",
		"-pid 1 -speed 2",
		"-pid 1 -s=maybe",
		"-pid 1 -max-overhead -1",
		"-pid 1 -max-overhead nan",
		"-pid 1 -max-overhead inf",
		"-pid 1 -mfp a/b",
		"-pid 1 -log-level loud",
		"-pid 1 -o allow_other",
		"-pid 1 -daemon",
		"-daemon /mnt/x -- ls",
		"-replay x -sample newobject:1",
		"-replay x -record",
		"-replay x -speed -1",
		"-doctor /mnt/x",
		"-doctor -replay x",
		"-doctor -- ls",
		"-sessions /mnt/x",
		"-sessions -convert x",
		"-sessions -pid 1",
		"-convert",
		"-convert x -to xml",
		"-pid 1 -to jsonl",
		"-convert x -record",
		"-doctor -pid 1 -b /bin/ls",
	};
	char storage[512];
	struct config c;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (read_line(&c, storage, sizeof(storage), bad[i]) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
		config_free(&c);
	}
}

static void asking_for_help_needs_no_target(void **state)
{
	static const char *const good[] = {"-help",   "--help",         "-version",
					   "-doctor", "-doctor -pid 1", "-help -pid 1 -b x"};
	char storage[512];
	struct config c;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		expect_ok(&c, storage, sizeof(storage), good[i]);
		config_free(&c);
	}
}

/* --- the file --------------------------------------------------------------------------- */

static void write_file(char *path, const char *text)
{
	int fd;

	strcpy(path, "/tmp/xgotopfs-test-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static int read_with_file(struct config *c, char *storage, size_t size, const char *text,
			  const char *line)
{
	char path[64], full[256];
	int err;

	write_file(path, text);
	snprintf(full, sizeof(full), "%s -config %s", line, path);
	err = read_line(c, storage, size, full);
	unlink(path);
	return err;
}

static void command_line_beats_file_beats_default(void **state)
{
	static const char text[] = "; a comment\n"
				   "s = true\n"
				   "[capture]\n"
				   "rw = 7\n"
				   "pw = 8\n"
				   "sample = newobject:0.5\n"
				   "[storage]\n"
				   "batch-flush-interval = 2s\n";
	char storage[512];
	struct config c;

	assert_int_equal(read_with_file(&c, storage, sizeof(storage), text, "-rw 2 -pid 1"), 0);
	assert_int_equal(c.readers, 2);
	assert_int_equal(c.processors, 8);
	assert_int_equal(c.batch_size, 1000);
	assert_int_equal(c.batch_flush_ns, 2 * NS_PER_SEC);
	assert_true(c.silent);
	assert_int_equal(c.rates[EVENT_NEWOBJECT], RATE_ONE / 2);
	assert_int_equal(c.rates[EVENT_GOEXIT], 0);
	config_free(&c);

	/* A file's defaults do not contradict a mode that has no use for them. */
	assert_int_equal(read_with_file(&c, storage, sizeof(storage), text, "-replay x"), 0);
	config_free(&c);
}

static void an_option_may_be_given_several_times(void **state)
{
	static const char text[] = "[web]\n"
				   "web-allow-origin = http://a:1\n"
				   "web-allow-origin = http://b:2\n";
	char storage[512];
	struct config c;

	expect_ok(&c, storage, sizeof(storage), "-pid 1");
	assert_null(c.web_allow_origins);
	config_free(&c);
	expect_ok(&c, storage, sizeof(storage),
		  "-pid 1 -web-allow-origin http://c -web-allow-origin=http://d:4");
	assert_string_equal(c.web_allow_origins[0], "http://c");
	assert_string_equal(c.web_allow_origins[1], "http://d:4");
	assert_null(c.web_allow_origins[2]);
	config_free(&c);
	assert_int_equal(read_with_file(&c, storage, sizeof(storage), text, "-pid 1"), 0);
	assert_string_equal(c.web_allow_origins[0], "http://a:1");
	assert_string_equal(c.web_allow_origins[1], "http://b:2");
	assert_null(c.web_allow_origins[2]);
	config_free(&c);
	/* The command line's instead of the file's, not besides. */
	assert_int_equal(read_with_file(&c, storage, sizeof(storage), text,
					"-pid 1 -web-allow-origin http://c"),
			 0);
	assert_string_equal(c.web_allow_origins[0], "http://c");
	assert_null(c.web_allow_origins[1]);
	config_free(&c);
}

static void bad_files_are_refused(void **state)
{
	static const char *const bad[] = {
		"nosuch = 1\n",
		"[nosuch]\nrw = 1\n",
		"[web]\nrw = 1\n",
		"rw = 0\n",
		"rw\n",
		"rw =\n",
		"pid = 1\n",
		"[capture\nrw = 1\n",
		"s = maybe\n",
		"sample = x:1\n",
		"config = x\n",
		"web-allow-origin = null\n",
		"[web]\nweb-allow-origin = http://a\nweb-allow-origin =\n",
	};
	char storage[512];
	struct config c;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (read_with_file(&c, storage, sizeof(storage), bad[i], "-pid 1") != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
		config_free(&c);
	}
	assert_int_equal(read_line(&c, storage, sizeof(storage), "-pid 1 -config /nonexistent"),
			 -ENOENT);
	config_free(&c);
	/* What the command line overrides must be sound all the same. */
	assert_int_equal(read_with_file(&c, storage, sizeof(storage), "rw = x\n", "-pid 1 -rw 3"),
			 -EINVAL);
	config_free(&c);
}

static void help_names_every_option_and_default(void **state)
{
	static const char *const expected[] = {
		"-pid N",
		"-b PATH",
		"-rw N",
		"(3)",
		"-batch-flush-interval DURATION",
		"(100ms)",
		"-storage-dir PATH",
		"(./sessions)",
		"Exit status",
		"-max-overhead PCT",
		"[capture]",
	};
	struct buf help = BUF_INIT, man = BUF_INIT;

	config_help(&help);
	assert_int_equal(config_help_for("man", &man), 0);
	assert_int_equal(buf_error(&help), 0);
	assert_int_equal(buf_error(&man), 0);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		if (!strstr(help.data, expected[i]))
			fail_msg("-help lacks '%s'", expected[i]);
	}
	assert_non_null(strstr(man.data, ".B \\-batch\\-flush\\-interval"));
	for (char *line = strtok(help.data, "\n"); line; line = strtok(NULL, "\n")) {
		if (strlen(line) > 100)
			fail_msg("-help has a line of %zu columns: %s", strlen(line), line);
	}
	buf_free(&help);
	buf_free(&man);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_the_originals),
		cmocka_unit_test(dashes_values_and_words_mix),
		cmocka_unit_test(bad_usage_is_refused),
		cmocka_unit_test(asking_for_help_needs_no_target),
		cmocka_unit_test(command_line_beats_file_beats_default),
		cmocka_unit_test(an_option_may_be_given_several_times),
		cmocka_unit_test(bad_files_are_refused),
		cmocka_unit_test(help_names_every_option_and_default),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
