/* The storage folder on the command line. See sessions.h. */
#include "app/sessions.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/exit_status.h"
#include "app/print.h"
#include "core/base/log.h"
#include "core/session/convert.h"
#include "core/session/store.h"

int sessions_list(const struct config *config)
{
	cleanup_buf_ struct buf table = BUF_INIT;
	struct store *store;
	int err = store_new(config->storage_dir, &store);

	if (err)
		return exit_status(log_error(err, "%s: %s", config->storage_dir, strerror(-err)));
	err = store_table(store, &table);
	store_free(store);
	if (err)
		return exit_status(log_error(err, "%s: %s", config->storage_dir, strerror(-err)));
	return exit_status(print_buf(&table));
}

/* The output of a conversion: a file is there whole or not at all. */
struct output {
	const char *path; /* NULL: stdout */
	char partial[PATH_MAX];
	int fd;
};

static int output_open(const char *path, struct output *ret)
{
	struct stat st;
	int err;

	*ret = (struct output){.fd = STDOUT_FILENO};
	if (strcmp(path, "-") == 0)
		return 0;
	/* What is there and no file (a device, a pipe) is written to, not replaced. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		snprintf(ret->partial, sizeof(ret->partial), "%s", path);
	else if (snprintf(ret->partial, sizeof(ret->partial), "%s.partial", path) >=
		 (int)sizeof(ret->partial))
		return -ENAMETOOLONG;
	ret->fd = open(ret->partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	err = ret->fd < 0 ? -errno : 0;
	ret->path = path;
	return err;
}

static int output_close(struct output *o, int err)
{
	if (!o->path)
		return err;
	if (close(o->fd) && !err)
		err = -errno;
	if (strcmp(o->path, o->partial) == 0)
		return err;
	if (!err && rename(o->partial, o->path))
		err = -errno;
	if (err)
		unlink(o->partial);
	return err;
}

int sessions_convert(const struct config *config)
{
	struct convert_config cc = {
		.storage_dir = config->storage_dir,
		.session = config->convert,
		.progress_fd = isatty(STDERR_FILENO) ? STDERR_FILENO : -1,
	};
	struct output out;
	int err = convert_parse(config->to, &cc.to), converted;

	if (!err)
		err = output_open(config->out, &out);
	if (err)
		return exit_status(log_error(err, "%s: %s", config->out, strerror(-err)));
	cc.out_fd = out.fd;
	converted = convert_run(&cc);
	err = output_close(&out, converted);
	if (err && !converted)
		log_error(err, "%s: %s", config->out, strerror(-err));
	return exit_status(err);
}
