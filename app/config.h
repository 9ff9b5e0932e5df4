/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the user asked for: the option table's configuration and the command line's words, checked.
 * Immutable once config_read() has returned; any thread may read it then.
 */
#ifndef XGOTOPFS_APP_CONFIG_H
#define XGOTOPFS_APP_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/log.h"
#include "core/model/control.h"

/* The first three trace a live program. */
enum config_mode {
	MODE_PID,
	MODE_BINARY,
	MODE_COMMAND,
	MODE_REPLAY,
	MODE_DOCTOR,
	MODE_SESSIONS,
	MODE_CONVERT,
};

struct config {
	enum config_mode mode;
	const char *mount_point; /* NULL: none */
	char **command;          /* MODE_COMMAND: argv of the program to start; never empty */
	uint32_t rates[RATES];
	enum probe_level level; /* of `probes` */
	bool records;           /* -web, -record, or where or how to store, on the command line */
	enum log_level log_level;

	/* From the table, in its order. */
	uint64_t pid; /* 0: not given */
	char *binary, *replay;
	double speed;
	bool doctor;
	char *sample;
	uint64_t readers, ring_size, processors;
	char *leaks; /* config_leaks_every_ns() */
	double max_overhead;
	char *probes;
	bool raisable;
	uint64_t cpu_hz;
	bool silent;
	uint64_t retain, retain_exited;
	char *fuse_options;
	bool daemon;
	bool web;
	uint64_t web_port;
	char *web_listen;
	char **web_allow_origins; /* ended by NULL; NULL: none */
	bool record;
	char *storage_format, *storage_dir;
	uint64_t batch_size, batch_flush_ns;
	uint64_t storage_max_size, storage_max_age_ns; /* 0: no bound */
	bool sessions;
	char *convert, *to, *out;
	char *metrics_prefix;
	bool metrics_untimed;
	char *config_file;
	char *log_level_name;
	bool version, help;
	char *help_for;
};

/*
 * Reads defaults, file and command line, and checks that they make sense together. argv[0] is the
 * program. 0, -EINVAL (usage: one line was logged), -ENOMEM, or what reading the file gave. After
 * -help, -help-for or -version nothing else is checked. config_free() in any case.
 */
int config_read(struct config *c, char **argv);
void config_free(struct config *c);

/* Nothing will ever be attached: no BPF program is loaded, and the rights for it are given up. */
bool config_without_bpf(const struct config *c);

void config_help(struct buf *out);
int config_help_for(const char *form, struct buf *out); /* option_set_help_for() */

/* -leaks once: looks, says what there is, and ends. */
bool config_leaks_once(const struct config *c);
/* Look for leaks so often; 0: when asked to. */
uint64_t config_leaks_every_ns(const struct config *c);
/* Prints each event on stdout: no mount point, no web UI, and not told to be silent. */
bool config_prints_events(const struct config *c);
/* Writes the metrics file at the end. */
bool config_writes_metrics(const struct config *c);

#endif
