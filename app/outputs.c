/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Starting and ending what shows the model, in the right order. See outputs.h. */
#include "app/outputs.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/parse.h"
#include "core/base/safe_file.h"
#include "core/base/thread.h"
#include "core/engine/sinks.h"
#include "core/session/files.h"
#include "fs/fs.h"
#include "web/web.h"

struct outputs {
	struct outputs_config c;
	struct store *store;
	struct session_files *session_files;
	struct fs_sessions sessions;
	struct fs *fs;
	pthread_t fs_thread;
	bool fs_running;
	int fs_err; /* of the mount's thread, once joined */
	struct web *web;
	struct buf settings_path;
	struct sinks *sinks;
};

/* --- opening ---------------------------------------------------------------------------- */

static int open_sessions(struct outputs *o)
{
	int err = store_new(o->c.config->storage_dir, &o->store);

	if (!err)
		store_hold(o->store);
	if (!err)
		err = session_files_new(o->store, &o->session_files);
	o->sessions = (struct fs_sessions){
		.ctx = o->session_files,
		.list = session_files_list,
		.stat = session_files_stat,
		.open = session_files_open,
		.read = session_files_read,
		.close = session_files_close,
		.unlink = session_files_unlink,
		.rmdir = session_files_rmdir,
	};
	return err;
}

static int open_fs(struct outputs *o)
{
	const struct config *config = o->c.config;
	struct fs_config fc = {
		.mountpoint = config->mount_point,
		.options = config->fuse_options,
		.view = o->c.view,
		.sessions = &o->sessions,
		.many = o->c.many,
		.confine = o->c.confine,
	};
	int err;

	if (!config->mount_point)
		return 0;
	err = open_sessions(o);
	if (err)
		return log_error(err, "out of memory");
	err = fs_new(&fc, &o->fs);
	if (err)
		return log_error(err, "cannot set up the file system: %s", strerror(-err));
	err = fs_mount(o->fs);
	if (!err) {
		char word = 0;
		int line = fs_unmount_line(o->fs, &word);

		loop_last_word(o->c.loop, line, word);
	}
	return err;
}

/* Who became root to start it. Both are set by the program that changes the user, and mean nothing
 * without. */
static void trust_starter(struct web_config *wc)
{
	static const char *const names[] = {"SUDO_UID", "PKEXEC_UID"};

	wc->trusted[wc->n_trusted++] = getuid();
	for (size_t i = 0; i < ARRAY_SIZE(names) && !getuid(); i++) {
		const char *text = getenv(names[i]);
		uint64_t uid;

		if (text && !parse_u64_in(text, 0, UINT32_MAX - 1u, &uid))
			wc->trusted[wc->n_trusted++] = (uid_t)uid;
	}
}

static int open_web(struct outputs *o)
{
	const struct config *config = o->c.config;
	struct web_config wc = {
		.listen = config->web_listen,
		.port = (unsigned)config->web_port,
		.view = o->c.view,
		.storage_dir = config->storage_dir,
		.mount_point = config->mount_point,
		.confine = o->c.confine,
		.allow_origins = (const char *const *)config->web_allow_origins,
	};

	if (!config->web)
		return 0;
	trust_starter(&wc);
	buf_addf(&o->settings_path, "%s/settings.json", config->storage_dir);
	if (buf_error(&o->settings_path))
		return -ENOMEM;
	wc.settings_path = o->settings_path.data;
	return web_new(&wc, &o->web);
}

static void stdout_ended(void *ctx)
{
	loop_post(ctx, LOOP_STDOUT);
}

/* On the recorder's thread; takes no lock that is held for long. */
static void noted(void *ctx, struct recording_noted *ret)
{
	view_noted(ctx, ret);
}

static int open_sinks(struct outputs *o)
{
	const struct config *config = o->c.config;
	struct model *model = o->c.view->model;
	struct sinks_config sc = {
		.recorder = {.storage_dir = o->c.record ? config->storage_dir : NULL,
			     .batch_size = config->batch_size,
			     .flush_interval_ns = config->batch_flush_ns,
			     .max_size = config->storage_max_size,
			     .max_age_ns = config->storage_max_age_ns,
			     .model = model,
			     .version = XGOTOPFS_VERSION,
			     .pid = o->c.pid,
			     .binary_path = o->c.binary_path,
			     .noted = noted,
			     .noted_ctx = (void *)o->c.view},
		.stdout_log = {.model = config_prints_events(config) ? model : NULL,
			       .many = o->c.many,
			       .asked = loop_asked(o->c.loop),
			       .ended = stdout_ended,
			       .ctx = o->c.loop},
	};
	int err = session_format_parse(config->storage_format, &sc.recorder.format);

	return err ? err : sinks_new(&sc, &o->sinks);
}

int outputs_open(const struct outputs_config *config, struct outputs **ret)
{
	struct outputs *o = calloc(1, sizeof(*o));
	int err;

	if (!o)
		return -ENOMEM;
	o->c = *config;
	err = open_sinks(o);
	if (!err)
		err = open_fs(o);
	if (!err)
		err = open_web(o);
	if (err) {
		bool left;

		(void)outputs_close(o, &left); /* nothing served yet */
		return err;
	}
	*ret = o;
	return 0;
}

/* --- serving ---------------------------------------------------------------------------- */

static void *fs_main(void *arg)
{
	struct outputs *o = arg;
	int err;

	pthread_setname_np(pthread_self(), "xgotop-fs");
	err = fs_run(o->fs);
	if (err)
		log_error(err, "the file system ended: %s", strerror(-err));
	o->fs_err = err;
	loop_post(o->c.loop, LOOP_UNMOUNTED);
	return NULL;
}

int outputs_start(struct outputs *o)
{
	int err = 0;

	if (o->fs) {
		err = thread_start(&o->fs_thread, fs_main, o);
		if (err)
			return err;
		o->fs_running = true;
	}
	if (o->web)
		err = web_start(o->web);
	return err ? err : sinks_print(o->sinks);
}

uint64_t outputs_behind(const struct outputs *o)
{
	uint64_t printing = sinks_behind(o->sinks), timeline = o->web ? web_behind(o->web) : 0;

	return MAX(printing, timeline);
}

struct sinks *outputs_sinks(const struct outputs *o)
{
	return o->sinks;
}

/* What to type next, for who types it for the first time. */
static void announce_mount(const struct config *config, const char *subject)
{
	log_info("%s is at %s; %s%s ends", subject, config->mount_point,
		 config->daemon ? "fusermount3 -u " : "Ctrl-C",
		 config->daemon ? config->mount_point : "");
	log_info("what is wrong, and what to look at next: cat %s/problems", config->mount_point);
}

void outputs_announce(const struct outputs *o, const char *subject)
{
	cleanup_buf_ struct buf url = BUF_INIT;
	const char *look = o->c.look ? o->c.look : "";
	char id[SESSION_ID_LEN + 1];

	if (o->fs)
		announce_mount(o->c.config, subject);
	if (sinks_session(o->sinks, id))
		log_info("recording session %s in %s", id, o->c.config->storage_dir);
	if (o->web) {
		web_url(o->web, &url);
		if (!buf_error(&url))
			log_info("web UI: %s%s%s", url.data, look[0] ? "#" : "", look);
	}
}

/* --- ending ----------------------------------------------------------------------------- */

static int close_fs(struct outputs *o, bool *ret_left)
{
	int err = 0, freed;

	loop_ending(o->c.loop, "unmounting");
	if (o->fs_running) {
		fs_stop(o->fs);
		/* Each wait of fs_run() has an end (fs/fs.c). */
		pthread_join(o->fs_thread, NULL);
		err = o->fs_err;
	}
	loop_last_word(o->c.loop, -1, 0); /* what is mounted there from now on is not ours */
	freed = fs_free(o->fs);
	*ret_left |= freed == -ETIMEDOUT;
	return err ? err : freed == -EBUSY ? freed : 0;
}

int outputs_close(struct outputs *o, bool *ret_left)
{
	int err, recorder_err = 0, fs_err;

	*ret_left = false;
	if (!o)
		return 0;
	loop_ending_by_itself(o->c.loop, "writing to stdout");
	err = o->sinks ? sinks_stop_printing(o->sinks) : 0;
	/* The web server may ask for the running session: it goes first. */
	loop_ending(o->c.loop, "ending the web server");
	if (o->web)
		web_stop(o->web);
	if (o->c.record)
		loop_ending_by_itself(o->c.loop, "writing the session");
	if (o->sinks)
		recorder_err = sinks_stop_recording(o->sinks, ret_left);
	fs_err = close_fs(o, ret_left);
	err = err ? err : fs_err ? fs_err : recorder_err;
	if (*ret_left)
		return err;
	loop_ending(o->c.loop, "ending the web server");
	web_free(o->web);
	sinks_free(o->sinks); /* until now the mount may ask how the recording is */
	session_files_free(o->session_files);
	store_free(o->store);
	buf_free(&o->settings_path);
	free(o);
	return err;
}
