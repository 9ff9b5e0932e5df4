/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The option table, and what of it contradicts what. The one place that knows an option's name,
 * default and help; -help, the man page and the INI file follow from it.
 */
#include "app/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/duration.h"
#include "core/base/options.h"
#include "core/base/origin.h"
#include "core/base/parse.h"

static int check_overhead(const char *value, char *why, size_t size)
{
	double percent;

	return control_parse_max_overhead(value, &percent, why, size);
}

static int check_probes(const char *value, char *why, size_t size)
{
	enum probe_level level;

	return probe_level_parse(value, &level, why, size);
}

#define LEAKS_EVERY_MIN NS_PER_SEC

static int parse_leaks(const char *value, uint64_t *ret_ns)
{
	if (!strcmp(value, "off") || !strcmp(value, "once") || !strcmp(value, "watch")) {
		*ret_ns = *value == 'w' ? 60 * NS_PER_SEC : 0;
		return 0;
	}
	return duration_parse(value, ret_ns) || *ret_ns < LEAKS_EVERY_MIN ? -EINVAL : 0;
}

static int check_leaks(const char *value, char *why, size_t size)
{
	uint64_t ns;
	int err = parse_leaks(value, &ns);

	if (err)
		snprintf(why, size,
			 "it is off, once, watch, or a duration of a second or more: 30s, 5m");
	return err;
}

bool config_leaks_once(const struct config *c)
{
	return !strcmp(c->leaks, "once");
}

uint64_t config_leaks_every_ns(const struct config *c)
{
	uint64_t ns;

	return parse_leaks(c->leaks, &ns) ? 0 : ns;
}

static int check_rates(const char *value, char *why, size_t size)
{
	uint32_t rates[RATES];

	return control_parse_rates(value, rates, why, size);
}

/* A file name is made of it: metrics_<time>__<prefix>.json in the working directory. */
static int check_prefix(const char *value, char *why, size_t size)
{
	if (!strchr(value, '/'))
		return 0;
	snprintf(why, size, "'%s' is part of a file name, so it may not hold a '/'", value);
	return -EINVAL;
}

#define FIELD(f) .offset = offsetof(struct config, f)

static const struct option table[] = {
	{"pid", OPTION_NUMBER, "target", "N", NULL, FIELD(pid), 1, 4194304,
	 .command_line_only = true, .completes = COMPLETES_PID,
	 .help = "attach to the running process N"},
	{"b", OPTION_TEXT, "target", "PATH", NULL, FIELD(binary), .command_line_only = true,
	 .completes = COMPLETES_FILE,
	 .help = "attach to every process that runs this binary, now or later"},
	{"replay", OPTION_TEXT, "target", "SESSION", NULL, FIELD(replay), .command_line_only = true,
	 .completes = COMPLETES_SESSION,
	 .help = "show a recorded session: its id in -storage-dir, or its folder\n(or one file: "
		 "what the web UI exported)"},
	{"speed", OPTION_REAL, "target", "X", "1", FIELD(speed), 0, 1000000,
	 .command_line_only = true,
	 .help = "replay X times as fast as it happened; 0 = all at once"},
	{"doctor", OPTION_FLAG, "target", NULL, NULL, FIELD(doctor), .command_line_only = true,
	 .help = "say whether this machine, and the -pid or -b given, can be traced,\n"
		 "and why not; attaches nothing"},

	{"sample", OPTION_TEXT, "capture", "EVENT:RATE,...", NULL, FIELD(sample),
	 .check = check_rates, .completes = COMPLETES_RATES,
	 .words = "casgstatus|makeslice|makemap|newobject|newgoroutine|goexit|goroutines",
	 .help = "only these events, each at its rate (0.0001 to 1): casgstatus,\n"
		 "makeslice, makemap, newobject, newgoroutine, goexit; else all of each;\n"
		 "goroutines:RATE: all events of so many goroutines, none of others"},
	{"rw", OPTION_NUMBER, "capture", "N", "3", FIELD(readers), 1, 1024,
	 .help = "ring buffers, each with its reader; no more than there are CPUs"},
	{"ring-size", OPTION_SIZE, "capture", "SIZE", "32M", FIELD(ring_size), 4096, 1 << 30,
	 .help = "memory of each ring buffer, 64 bytes an event: a power of two, or\n"
		 "rounded up to one; larger where events are lost"},
	{"pw", OPTION_NUMBER, "capture", "N", "5", FIELD(processors), 1, 1024,
	 .help = "workers that apply events to the model; no more than there are CPUs"},
	{"max-overhead", OPTION_REAL, "capture", "PCT", "0", FIELD(max_overhead), 0, 100,
	 .check = check_overhead,
	 .help = "spend at most PCT percent of the program's own CPU time: above it,\n"
		 "trace in windows and estimate what is between; 0 = no bound"},
	{"probes", OPTION_TEXT, "capture", "LEVEL", "full", FIELD(probes), .check = check_probes,
	 .words = "full|light|demand|none",
	 .help = "what is attached: full, demand (as full while somebody reads events),\n"
		 "none (nothing: goroutines are told by memory alone, without BPF) or\n"
		 "light (sampled allocations)"},
	{"raisable", OPTION_FLAG, "capture", NULL, NULL, FIELD(raisable),
	 .help = "with -probes none: keep the rights and load the BPF program all the\n"
		 "same, so that control/probes can attach later (any other level can)"},

	{"sample-cpu", OPTION_NUMBER, "capture", "HZ", "99", FIELD(cpu_hz), 0, 1000,
	 .help = "look so many times a second at each CPU, for pprof/cpu; 0 = never"},
	{"leaks", OPTION_TEXT, "capture", "off|once|watch|DURATION", "off", FIELD(leaks),
	 .check = check_leaks, .words = "off|once|watch",
	 .help = "look for leaked goroutines: when somebody reads leaks, every minute\n"
		 "(watch), or every DURATION (10s, 5m); once: with -pid, print what there\n"
		 "is and end, attaching nothing: 0 none, 1 leaked, 2 any other error"},

	{"s", OPTION_FLAG, "output", NULL, NULL, FIELD(silent),
	 .help = "silent: print no events on stdout"},
	{"retain", OPTION_NUMBER, "output", "N", "1000000", FIELD(retain), 1, 1000000000,
	 .help = "events kept in memory"},
	{"retain-exited", OPTION_NUMBER, "output", "N", "10000", FIELD(retain_exited), 0, 100000000,
	 .help = "exited goroutines kept in memory"},
	{"o", OPTION_TEXT, "output", "FUSE_OPTIONS", NULL, FIELD(fuse_options),
	 .help = "mount options, comma-separated, for instance allow_other"},
	{"daemon", OPTION_FLAG, "output", NULL, NULL, FIELD(daemon),
	 .help = "go to the background once everything is ready"},
	{"mfp", OPTION_TEXT, "output", "PREFIX", NULL, FIELD(metrics_prefix), .check = check_prefix,
	 .help = "write metrics_<local time>__PREFIX.json to the working directory at exit"},
	{"mft", OPTION_FLAG, "output", NULL, NULL, FIELD(metrics_untimed),
	 .help = "without the time in its name: metrics.json or metrics__PREFIX.json"},

	{"web", OPTION_FLAG, "web", NULL, NULL, FIELD(web),
	 .help = "serve the web UI and the API, and record a session"},
	{"web-port", OPTION_NUMBER, "web", "PORT", "8080", FIELD(web_port), 0, 65535,
	 .help = "port of the web server; 0 = any that is free"},
	{"web-listen", OPTION_TEXT, "web", "ADDR", "127.0.0.1", FIELD(web_listen),
	 .help = "address of the web server; on a loopback one root and the user who\n"
		 "started it need no token, on any other everybody needs it"},
	{"web-allow-origin", OPTION_TEXTS, "web", "ORIGIN", NULL, FIELD(web_allow_origins),
	 .check = origin_check,
	 .help = "let the web pages of this origin (http://localhost:5173) use the API;\n"
		 "may be given several times"},

	{"record", OPTION_FLAG, "storage", NULL, NULL, FIELD(record),
	 .help = "record a session without the web UI; -record=false: none with it"},
	{"storage-format", OPTION_TEXT, "storage", "FORMAT", "protobuf", FIELD(storage_format),
	 .choices = "protobuf|jsonl", .help = "format of a recorded session: protobuf or jsonl"},
	{"storage-dir", OPTION_TEXT, "storage", "PATH", "./sessions", FIELD(storage_dir),
	 .completes = COMPLETES_FOLDER, .help = "folder of the recorded sessions"},
	{"batch-size", OPTION_NUMBER, "storage", "N", "1000", FIELD(batch_size), 1, 1048576,
	 .help = "events gathered before they are written"},
	{"batch-flush-interval", OPTION_DURATION, "storage", "DURATION", "100ms",
	 FIELD(batch_flush_ns), 1000000, 3600 * NS_PER_SEC,
	 .help = "longest time an event waits for its batch to fill"},
	{"storage-max-size", OPTION_SIZE, "storage", "SIZE", "0", FIELD(storage_max_size),
	 .help = "delete the oldest sessions while all take more than SIZE (500M, 2G);\n"
		 "0 = never"},
	{"storage-max-age", OPTION_DURATION, "storage", "DURATION", "0", FIELD(storage_max_age_ns),
	 .help = "delete sessions that ended longer ago (12h, 7d); 0 = never"},

	{"sessions", OPTION_FLAG, "storage", NULL, NULL, FIELD(sessions), .command_line_only = true,
	 .help = "list the recorded sessions as a table"},
	{"convert", OPTION_TEXT, "storage", "SESSION", NULL, FIELD(convert),
	 .command_line_only = true, .completes = COMPLETES_SESSION,
	 .help = "write a recorded session (its id in -storage-dir, or its folder) in the\n"
		 "form of -to"},
	{"to", OPTION_TEXT, "storage", "FORM", "jsonl", FIELD(to), .command_line_only = true,
	 .choices = "jsonl|protobuf|perfetto", .help = "jsonl, protobuf or perfetto"},
	{"out", OPTION_TEXT, "storage", "FILE", "-", FIELD(out), .command_line_only = true,
	 .completes = COMPLETES_FILE, .help = "where -convert writes; '-' is stdout"},

	{"config", OPTION_TEXT, "general", "FILE", NULL, FIELD(config_file),
	 .command_line_only = true, .completes = COMPLETES_FILE,
	 .help = "read options from this INI file; the headings here are its sections"},
	{"log-level", OPTION_TEXT, "general", "LEVEL", "info", FIELD(log_level_name),
	 .choices = "error|warn|info|debug",
	 .help = "messages on stderr: error, warn, info or debug"},
	{"version", OPTION_FLAG, "general", NULL, NULL, FIELD(version), .command_line_only = true,
	 .help = "print the versions of xgotopfs and its libraries"},
	{"help", OPTION_FLAG, "general", NULL, NULL, FIELD(help), .command_line_only = true,
	 .help = "print this"},
	{"help-for", OPTION_TEXT, "general", "FORM", NULL, FIELD(help_for),
	 .command_line_only = true, .choices = "man|bash|zsh|fish",
	 .help = "print this list as the man page, or the completions of a shell, are\n"
		 "made from it: man, bash, zsh or fish"},
};

/* --- what goes together ----------------------------------------------------------------- */

struct reading {
	struct config *c;
	struct option_set set;
	uint8_t sources[ARRAY_SIZE(table)];
	struct option_rest rest;
};

static bool on_command_line(const struct reading *r, const char *name)
{
	return option_set_source(&r->set, name) == OPTION_COMMAND_LINE;
}

/* Who says no to a switch asks for nothing: that makes sense wherever it stands. */
static bool asked_for(const struct reading *r, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const void *field = (const char *)r->c + table[i].offset;

		if (!strcmp(table[i].name, name) && table[i].kind == OPTION_FLAG &&
		    !*(const bool *)field)
			return false;
	}
	return on_command_line(r, name);
}

static int choose_mode(struct reading *r)
{
	struct config *c = r->c;
	const struct {
		const char *name;
		bool given;
		enum config_mode mode;
	} all[] = {
		{"-pid", c->pid, MODE_PID},
		{"-b", c->binary, MODE_BINARY},
		{"-- COMMAND", r->rest.command, MODE_COMMAND},
		{"-replay", c->replay, MODE_REPLAY},
		{"-sessions", c->sessions, MODE_SESSIONS},
		{"-convert", c->convert, MODE_CONVERT},
	};
	const char *first = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (!all[i].given)
			continue;
		if (first)
			return log_error(-EINVAL, "%s and %s exclude each other", first,
					 all[i].name);
		first = all[i].name;
		c->mode = all[i].mode;
	}
	if (c->doctor) {
		if (first && c->mode != MODE_PID && c->mode != MODE_BINARY)
			return log_error(-EINVAL, "-doctor and %s exclude each other", first);
		c->mode = MODE_DOCTOR;
		return 0;
	}
	if (!first)
		return log_error(-EINVAL, "nothing to trace: give -pid N, -b PATH, -- COMMAND, or "
					  "-replay SESSION; see xgotopfs -help");
	if (r->rest.command && !r->rest.command[0])
		return log_error(-EINVAL, "after '--' a command is missing");
	c->command = r->rest.command;
	return 0;
}

/* Options given on the command line that the mode has no use for: a slip, or a wrong idea of what
 * will happen. In a file they are defaults for other runs. */
static int check_mode(const struct reading *r)
{
	enum {
		LIVE = 1 << MODE_PID | 1 << MODE_BINARY | 1 << MODE_COMMAND,
		SHOWN = LIVE | 1 << MODE_REPLAY,
	};
	static const struct {
		const char *option;
		unsigned modes; /* where it makes sense */
	} only[] = {
		{"speed", 1 << MODE_REPLAY},
		{"to", 1 << MODE_CONVERT},
		{"out", 1 << MODE_CONVERT},
		{"sample", LIVE},
		{"max-overhead", LIVE},
		{"rw", LIVE},
		{"ring-size", LIVE},
		{"leaks", LIVE},
		{"probes", LIVE},
		{"raisable", LIVE},
		{"sample-cpu", LIVE},
		{"record", LIVE},
		{"mfp", LIVE},
		{"mft", LIVE},
		{"storage-format", LIVE},
		{"storage-max-size", LIVE},
		{"storage-max-age", LIVE},
		{"batch-size", LIVE},
		{"batch-flush-interval", LIVE},
		{"web", SHOWN},
		{"daemon", SHOWN & ~(1 << MODE_COMMAND)},
		{"o", SHOWN},
	};
	static const char *const mode_names[] = {
		[MODE_PID] = "-pid",           [MODE_BINARY] = "-b",
		[MODE_COMMAND] = "-- COMMAND", [MODE_REPLAY] = "-replay",
		[MODE_DOCTOR] = "-doctor",     [MODE_SESSIONS] = "-sessions",
		[MODE_CONVERT] = "-convert",
	};

	for (size_t i = 0; i < ARRAY_SIZE(only); i++) {
		if (!asked_for(r, only[i].option) || only[i].modes & 1u << r->c->mode)
			continue;
		if (strcmp(only[i].option, "speed") == 0)
			return log_error(-EINVAL, "-speed needs -replay");
		if (only[i].modes == 1 << MODE_CONVERT)
			return log_error(-EINVAL, "-%s needs -convert", only[i].option);
		return log_error(-EINVAL, "-%s makes no sense with %s", only[i].option,
				 mode_names[r->c->mode]);
	}
	return 0;
}

/* -leaks once does nothing else, so what it is told to do besides is a slip. */
static int check_once(const struct reading *r)
{
	static const char *const others[] = {
		"sample",
		"rw",
		"ring-size",
		"pw",
		"max-overhead",
		"probes",
		"raisable",
		"sample-cpu",
		"s",
		"retain",
		"retain-exited",
		"o",
		"daemon",
		"mfp",
		"mft",
		"web",
		"record",
		"storage-format",
		"storage-dir",
		"storage-max-size",
		"storage-max-age",
	};
	const struct config *c = r->c;

	if (!config_leaks_once(c))
		return 0;
	if (!on_command_line(r, "leaks"))
		return log_error(-EINVAL, "-leaks once is for the command line only");
	if (c->mode != MODE_PID)
		return log_error(-EINVAL, "-leaks once needs -pid");
	if (r->rest.n_words)
		return log_error(-EINVAL, "-leaks once mounts nothing: '%s' is too much",
				 r->rest.words[0]);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (asked_for(r, others[i]))
			return log_error(-EINVAL, "-%s makes no sense with -leaks once", others[i]);
	return 0;
}

static int check_output(struct reading *r)
{
	struct config *c = r->c;
	uint64_t number;

	if (r->rest.n_words > 1)
		return log_error(-EINVAL, "one mount point at most: '%s' and '%s'%s",
				 r->rest.words[0], r->rest.words[1],
				 c->mode == MODE_PID && !parse_u64(r->rest.words[0], &number)
					 ? "; -pid takes one process: take one of them, or all "
					   "with -b PATH"
					 : "");
	if (r->rest.n_words) {
		c->mount_point = r->rest.words[0];
		if (!*c->mount_point)
			return log_error(-EINVAL, "the mount point is empty");
	}
	if (c->mode == MODE_DOCTOR || c->mode == MODE_SESSIONS || c->mode == MODE_CONVERT) {
		if (c->mount_point)
			return log_error(-EINVAL, "nothing is mounted here: '%s' is too much",
					 c->mount_point);
		return 0;
	}
	if (on_command_line(r, "o") && !c->mount_point)
		return log_error(-EINVAL, "-o needs a mount point");
	if (!c->daemon || c->mount_point || c->web || c->record)
		return 0;
	return log_error(-EINVAL, "-daemon needs a mount point, -web or -record: nobody would see "
				  "what a background process prints");
}

/* As the original: with the web UI it is recorded, and whoever says how to store wants it. But who
 * says no is heard: on the command line whatever else is there, in the file where the command line
 * does not say how to store. */
static bool asks_for_recording(const struct reading *r)
{
	bool stores = on_command_line(r, "storage-format") || on_command_line(r, "storage-dir") ||
		      on_command_line(r, "storage-max-size") ||
		      on_command_line(r, "storage-max-age");

	switch (option_set_source(&r->set, "record")) {
	case OPTION_COMMAND_LINE:
		return r->c->record;
	case OPTION_FILE:
		return r->c->record || stores;
	default:
		return r->c->web || stores;
	}
}

static int config_check(struct reading *r)
{
	struct config *c = r->c;
	char why[256];
	int err;

	err = log_level_parse(c->log_level_name, &c->log_level);
	if (!err)
		err = choose_mode(r);
	if (!err)
		err = check_mode(r);
	if (!err)
		err = check_once(r);
	if (!err)
		err = check_output(r);
	if (err)
		return err;
	c->records = c->mode <= MODE_COMMAND && asks_for_recording(r);
	for (size_t i = 0; i < RATES; i++)
		c->rates[i] = RATE_ONE;
	/* Both were checked when they were set. */
	(void)probe_level_parse(c->probes, &c->level, why, sizeof(why));
	return c->sample ? control_parse_rates(c->sample, c->rates, why, sizeof(why)) : 0;
}

bool config_without_bpf(const struct config *c)
{
	return probe_levels[c->level].without_bpf && !c->raisable;
}

int config_read(struct config *c, char **argv)
{
	struct reading r = {.c = c};
	int err;

	*c = (struct config){0};
	r.set = (struct option_set){table, ARRAY_SIZE(table), c, r.sources};
	err = option_set_defaults(&r.set);
	if (!err)
		err = option_set_args(&r.set, *argv ? argv + 1 : argv, &r.rest);
	if (err)
		return err;
	if (!c->help && !c->help_for && !c->version) {
		err = c->config_file ? option_set_file(&r.set, c->config_file) : 0;
		if (!err)
			err = config_check(&r);
	}
	free(r.rest.words);
	return err;
}

void config_free(struct config *c)
{
	option_set_free(&(struct option_set){table, ARRAY_SIZE(table), c, NULL});
}

bool config_prints_events(const struct config *c)
{
	return !c->mount_point && !c->web && !c->silent;
}

bool config_writes_metrics(const struct config *c)
{
	return c->metrics_prefix || c->metrics_untimed;
}

/* --- help ------------------------------------------------------------------------------- */

static const char usage[] =
	"A Go program's runtime, live, as a file system.\n"
	"\n"
	"  xgotopfs -pid N [options] [MOUNTPOINT]            attach to a running process\n"
	"  xgotopfs -b PATH [options] [MOUNTPOINT]           attach to all processes of a binary\n"
	"  xgotopfs [options] [MOUNTPOINT] -- COMMAND ARG... start COMMAND traced, exit as it "
	"does\n"
	"  xgotopfs -replay SESSION [options] [MOUNTPOINT]   show a recorded session\n"
	"  xgotopfs -leaks once -pid N                       say who is leaked: status 0 none, 1 "
	"found\n"
	"  xgotopfs -doctor [-pid N | -b PATH]               say what works here, and why not\n"
	"  xgotopfs -sessions [-storage-dir PATH]            list the recorded sessions\n"
	"  xgotopfs -convert SESSION [-to FORM] [-out FILE]  turn one into another form\n"
	"\n"
	"Without a mount point (and -web) each event is printed on stdout. With one, look there:\n"
	"  cat MOUNTPOINT/problems; cat MOUNTPOINT/README; tail -f MOUNTPOINT/events\n"
	"\n"
	"Options (one dash or two; -name VALUE or -name=VALUE; defaults in brackets):\n";

static const char epilogue[] =
	"\n"
	"Exit status: 0 fine, 1 error, 2 usage, 3 not a Go program or not supported, 4 "
	"permission,\n"
	"5 no such process or gone before the start. With -- COMMAND: COMMAND's own.\n";

void config_help(struct buf *out)
{
	struct option_set set = {table, ARRAY_SIZE(table), NULL, NULL};

	buf_adds(out, usage);
	option_set_help(&set, out);
	buf_adds(out, epilogue);
}

int config_help_for(const char *form, struct buf *out)
{
	struct option_set set = {table, ARRAY_SIZE(table), NULL, NULL};

	return option_set_help_for(&set, form, out);
}
