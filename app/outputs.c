/* Starting and ending what shows the model, in the right order. See outputs.h. */
#include "app/outputs.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "app/stdout_log.h"
#include "core/base/log.h"
#include "core/base/safe_file.h"
#include "core/base/thread.h"
#include "core/session/files.h"
#include "core/session/recorder.h"
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
	char token[33];
	struct buf settings_path;
	struct recorder *recorder;
	struct stdout_log *stdout_log;
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
	return fs_mount(o->fs);
}

static bool is_loopback(const char *address)
{
	return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

/* Off the loopback addresses everybody who asks must know it. */
static int make_token(char ret[33])
{
	uint8_t bytes[16];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return -EIO;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
	return 0;
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
	};
	int err;

	if (!config->web)
		return 0;
	if (!is_loopback(config->web_listen)) {
		err = make_token(o->token);
		if (err)
			return log_error(err, "no random numbers for the web server's token");
		wc.token = o->token;
	}
	buf_addf(&o->settings_path, "%s/settings.json", config->storage_dir);
	if (buf_error(&o->settings_path))
		return -ENOMEM;
	wc.settings_path = o->settings_path.data;
	return web_new(&wc, &o->web);
}

int outputs_open(const struct outputs_config *config, struct outputs **ret)
{
	struct outputs *o = calloc(1, sizeof(*o));
	int err;

	if (!o)
		return -ENOMEM;
	o->c = *config;
	err = open_fs(o);
	if (!err)
		err = open_web(o);
	if (err) {
		outputs_close(o);
		return err;
	}
	*ret = o;
	return 0;
}

int outputs_record(struct outputs *o)
{
	const struct config *config = o->c.config;
	struct recorder_config rc = {
		.storage_dir = config->storage_dir,
		.batch_size = config->batch_size,
		.flush_interval_ns = config->batch_flush_ns,
		.max_size = config->storage_max_size,
		.max_age_ns = config->storage_max_age_ns,
		.model = o->c.view->model,
		.version = XGOTOPFS_VERSION,
		.pid = o->c.pid,
		.binary_path = o->c.binary_path,
	};
	int err;

	if (!o->c.record)
		return 0;
	err = session_format_parse(config->storage_format, &rc.format);
	if (!err)
		err = recorder_new(&rc, &o->recorder);
	if (err)
		return log_error(err, "cannot record into %s: %s", config->storage_dir,
				 file_strerror(err));
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
	if (!err && config_prints_events(o->c.config))
		err = stdout_log_start(o->c.view->model, o->c.many, o->c.loop, &o->stdout_log);
	return err;
}

void outputs_meter(struct outputs *o, struct meter_sample *sample)
{
	if (o->recorder)
		recorder_meter(o->recorder, sample);
}

void outputs_recording(const struct outputs *o, struct recording *ret)
{
	if (o->recorder)
		recorder_recording(o->recorder, ret);
}

uint64_t outputs_behind(const struct outputs *o)
{
	return o->stdout_log ? stdout_log_behind(o->stdout_log) : 0;
}

void outputs_announce(const struct outputs *o, const char *subject)
{
	cleanup_buf_ struct buf url = BUF_INIT;
	char id[SESSION_ID_LEN + 1];

	if (o->fs)
		log_info("%s is at %s; Ctrl-C ends", subject, o->c.config->mount_point);
	if (o->recorder) {
		recorder_id(o->recorder, id);
		log_info("recording session %s in %s", id, o->c.config->storage_dir);
	}
	if (o->web) {
		web_url(o->web, &url);
		if (!buf_error(&url))
			log_info("web UI: %s", url.data);
	}
}

/* --- ending ----------------------------------------------------------------------------- */

/* It is freed later: the mount may still ask how the recording is. */
static int stop_recorder(struct outputs *o)
{
	cleanup_buf_ struct buf stop = BUF_INIT;
	struct recording rec;

	if (!o->recorder)
		return 0;
	recorder_stop(o->recorder);
	recorder_recording(o->recorder, &rec);
	view_recording_stop(&rec, &stop);
	if (stop.len)
		log_error(0, "%s; %llu events are missing from it", stop.data,
			  (unsigned long long)(rec.missed + rec.not_recorded));
	else if (rec.missed)
		log_warn("%llu events are missing from the recording",
			 (unsigned long long)rec.missed);
	/* Whatever the write said, it is neither what the user wrote nor a lack of privilege. */
	return rec.state == RECORDING_STOPPED ? -EIO : 0;
}

int outputs_close(struct outputs *o)
{
	int err, recorder_err;

	if (!o)
		return 0;
	err = stdout_log_stop(o->stdout_log);
	/* The web server may ask for the running session: it goes first. */
	if (o->web)
		web_stop(o->web);
	recorder_err = stop_recorder(o);
	if (o->fs_running) {
		fs_stop(o->fs);
		pthread_join(o->fs_thread, NULL);
		err = err ? err : o->fs_err;
	}
	fs_free(o->fs);
	web_free(o->web);
	recorder_free(o->recorder);
	session_files_free(o->session_files);
	store_free(o->store);
	buf_free(&o->settings_path);
	free(o);
	return err ? err : recorder_err;
}
