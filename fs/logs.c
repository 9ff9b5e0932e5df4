/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The texts of events files, by inode. One is made when somebody first looks, and kept: its size
 * must not shrink. Past a bound, those nobody has open and nobody looked at for longest go; what is
 * retained of them begins anew at the next look.
 */
#include "fs/fs_internal.h"

#include <errno.h>

#include "fs/table.h"

#define LOGS_MAX 32768

struct log {
	uint64_t ino;
	struct follow *text;
	/* Protected by the lock of struct logs: */
	unsigned refs, opens;
	uint64_t used_ns;
};

struct logs {
	pthread_mutex_t lock;
	struct table table; /* protected by lock */
	uint64_t swept_ns;  /* protected by lock */
};

int logs_new(struct logs **ret)
{
	struct logs *logs = calloc(1, sizeof(*logs));

	if (!logs)
		return -ENOMEM;
	pthread_mutex_init(&logs->lock, NULL);
	*ret = logs;
	return 0;
}

/* Drops what nobody holds and nobody looked at since *arg. */
static bool drop_log(void *value, void *arg)
{
	const uint64_t *since = arg;
	struct log *log = value;

	if (log->refs || log->used_ns > *since)
		return false;
	follow_free(log->text);
	free(log);
	return true;
}

void logs_free(struct logs *logs)
{
	uint64_t since = UINT64_MAX;

	if (!logs)
		return;
	table_sweep(&logs->table, drop_log, &since);
	table_free(&logs->table);
	pthread_mutex_destroy(&logs->lock);
	free(logs);
}

static void sweep_old(struct logs *logs, uint64_t now)
{
	if (logs->table.used < LOGS_MAX || now - logs->swept_ns < NS_PER_SEC / 4)
		return;
	logs->swept_ns = now;
	for (uint64_t age = 60 * NS_PER_SEC; age > NS_PER_SEC / 8; age /= 4) {
		uint64_t since = now > age ? now - age : 0;

		table_sweep(&logs->table, drop_log, &since);
		if (logs->table.used < LOGS_MAX / 2)
			break;
	}
}

static const struct event_format *format_of(struct fs *fs, struct node_id id, bool every)
{
	if (fs_node(fs, id)->flags & NODE_WALL)
		return every ? &fs->wall_root : &fs->wall_proc;
	return every ? &fs->format_root : &fs->format_proc;
}

static int log_new(struct fs *fs, struct node_id id, struct log **ret)
{
	unsigned proc = fs_proc(fs, id.tree);
	bool goroutine = fs_node(fs, id)->flags & NODE_GOROUTINE;
	bool every = !goroutine && !id.tree && fs->config.many;
	struct follow_config config = {
		.view = fs->view,
		.format = format_of(fs, id, every),
		/* Alone, the root's process needs no filter: every event is its own. */
		.proc = goroutine || id.tree || fs->config.many ? (every ? -1 : (int)proc) : -1,
		.goid = goroutine ? id.key : 0,
		.json = fs_node(fs, id)->flags & NODE_JSON,
		.cache = fs->cache,
	};
	struct log *log = calloc(1, sizeof(*log));
	int err;

	if (!log)
		return -ENOMEM;
	log->ino = node_ino(id);
	err = follow_new(&config, &log->text);
	if (!err)
		err = table_add(&fs->logs->table, log->ino, log);
	if (err) {
		follow_free(log->text);
		free(log);
		return err;
	}
	*ret = log;
	return 0;
}

int logs_get(struct fs *fs, struct node_id id, struct log **ret)
{
	struct logs *logs = fs->logs;
	uint64_t now = monotonic_ns();
	struct log *log;
	int err = 0;

	pthread_mutex_lock(&logs->lock);
	log = table_get(&logs->table, node_ino(id));
	if (!log) {
		sweep_old(logs, now);
		err = log_new(fs, id, &log);
	}
	if (!err) {
		log->refs++;
		log->used_ns = now;
		*ret = log;
	}
	pthread_mutex_unlock(&logs->lock);
	return err;
}

void logs_put(struct fs *fs, struct log *log)
{
	pthread_mutex_lock(&fs->logs->lock);
	log->refs--;
	pthread_mutex_unlock(&fs->logs->lock);
}

struct follow *log_text(const struct log *log)
{
	return log->text;
}

bool logs_is_open(struct fs *fs, uint64_t ino)
{
	struct log *log;
	bool open;

	pthread_mutex_lock(&fs->logs->lock);
	log = table_get(&fs->logs->table, ino);
	open = log && log->opens;
	pthread_mutex_unlock(&fs->logs->lock);
	return open;
}

void logs_opened(struct fs *fs, struct log *log)
{
	pthread_mutex_lock(&fs->logs->lock);
	log->opens++;
	pthread_mutex_unlock(&fs->logs->lock);
}

void logs_closed(struct fs *fs, struct log *log)
{
	pthread_mutex_lock(&fs->logs->lock);
	log->opens--;
	log->refs--;
	pthread_mutex_unlock(&fs->logs->lock);
}
