/* The storage folder behind sessions/<id>/, -sessions and -convert. See sessions.h. */
#include "app/sessions.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/exit_status.h"
#include "core/base/log.h"
#include "core/session/convert.h"
#include "core/session/files.h"
#include "core/session/store.h"

struct sessions {
	struct store *store;
	struct session_files *files;
	struct fs_sessions fs;
};

static enum session_file file_of(enum fs_session_file file)
{
	return file == FS_SESSION_METADATA ? SESSION_FILE_METADATA : SESSION_FILE_JSONL;
}

static int list(void *ctx, void (*each)(void *arg, const char *id), void *arg)
{
	struct sessions *s = ctx;

	return session_files_list(s->files, each, arg);
}

static int stat_file(void *ctx, const char *id, enum fs_session_file file, uint64_t *ret_size,
		     uint64_t *ret_mtime_ns)
{
	struct sessions *s = ctx;

	return session_files_stat(s->files, id, file_of(file), ret_size, ret_mtime_ns);
}

static int open_file(void *ctx, const char *id, enum fs_session_file file, void **ret_handle)
{
	struct sessions *s = ctx;

	return session_files_open(s->files, id, file_of(file), ret_handle);
}

static int read_file(void *ctx, void *handle, uint64_t offset, size_t size, struct buf *out)
{
	struct sessions *s = ctx;

	return session_files_read(s->files, handle, offset, size, out);
}

static void close_file(void *ctx, void *handle)
{
	struct sessions *s = ctx;

	session_files_close(s->files, handle);
}

int sessions_new(const char *storage_dir, struct sessions **ret)
{
	struct sessions *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	err = store_new(storage_dir, &s->store);
	if (!err)
		err = session_files_new(s->store, &s->files);
	if (err) {
		sessions_free(s);
		return err;
	}
	s->fs = (struct fs_sessions){
		.ctx = s,
		.list = list,
		.stat = stat_file,
		.open = open_file,
		.read = read_file,
		.close = close_file,
	};
	*ret = s;
	return 0;
}

void sessions_free(struct sessions *s)
{
	if (!s)
		return;
	session_files_free(s->files);
	store_free(s->store);
	free(s);
}

const struct fs_sessions *sessions_fs(struct sessions *s)
{
	return &s->fs;
}

/* --- the command line ------------------------------------------------------------------- */

int sessions_list(const struct config *config)
{
	cleanup_buf_ struct buf table = BUF_INIT;
	struct store *store;
	int err = store_new(config->storage_dir, &store);

	if (err)
		return exit_status(log_error(err, "%s: %s", config->storage_dir, strerror(-err)));
	err = store_table(store, &table);
	store_free(store);
	if (!err)
		err = buf_error(&table);
	if (err)
		return exit_status(log_error(err, "%s: %s", config->storage_dir, strerror(-err)));
	if (fwrite(table.data, 1, table.len, stdout) != table.len || fflush(stdout) == EOF)
		return EXIT_ERROR;
	return EXIT_FINE;
}

int sessions_convert(const struct config *config)
{
	struct convert_config cc = {
		.storage_dir = config->storage_dir,
		.session = config->convert,
		.out_fd = STDOUT_FILENO,
		.progress_fd = isatty(STDERR_FILENO) ? STDERR_FILENO : -1,
	};
	int err = convert_parse(config->to, &cc.to);

	if (!err)
		err = convert_run(&cc);
	return exit_status(err);
}
