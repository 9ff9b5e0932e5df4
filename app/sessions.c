/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The storage folder on the command line. See sessions.h. */
#include "app/sessions.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/exit_status.h"
#include "app/print.h"
#include "core/base/log.h"
#include "core/base/safe_file.h"
#include "core/session/convert.h"
#include "core/session/store.h"

int sessions_list(const struct config *config)
{
	cleanup_buf_ struct buf table = BUF_INIT;
	cleanup_close_ int folder = -1;
	struct store *store;
	int err = store_new(config->storage_dir, &store);

	if (err)
		return exit_status(log_error(err, "%s: %s", config->storage_dir, strerror(-err)));
	/* A store need not have a folder yet: who asks what is in one, and slips, wants to know. */
	folder = folder_open(config->storage_dir);
	err = MIN(folder, 0);
	if (!err)
		err = store_table(store, &table);
	store_free(store);
	if (err)
		return exit_status(
			log_error(err, "%s: %s%s", config->storage_dir, file_strerror(err),
				  err == -ENOENT ? "; nothing was recorded there yet: -web and "
						   "-record make it, -storage-dir names another"
						 : ""));
	return exit_status(print_buf(&table));
}

/* The output of a conversion: a file is there whole or not at all. */
struct output {
	int fd;               /* to write to */
	bool opened;          /* it is not just stdout */
	int folder;           /* -1: `fd` is no file that is being made */
	struct new_file file; /* otherwise */
};

static int output_open(const char *path, struct output *ret)
{
	char name[NAME_MAX + 1];
	int err = 0;

	*ret = (struct output){.fd = STDOUT_FILENO, .folder = -1, .file = NEW_FILE_NONE};
	if (strcmp(path, "-") == 0)
		return 0;
	ret->opened = true;
	ret->folder = folder_open_parent(path, name);
	if (ret->folder < 0)
		return ret->folder;
	/* What is there and no file (a device, a pipe) is written to, not replaced. */
	ret->fd = file_open_sink(ret->folder, name);
	if (ret->fd == -ENOENT) {
		err = new_file_open(ret->folder, name, 0666, &ret->file);
		ret->fd = ret->file.fd;
	} else {
		err = MIN(ret->fd, 0);
		close(ret->folder);
		ret->folder = -1;
	}
	if (err)
		close_fd(&ret->folder);
	return err;
}

static int output_close(struct output *o, int err)
{
	if (o->folder < 0)
		return o->opened && close(o->fd) && !err ? -errno : err;
	if (!err)
		err = new_file_commit(&o->file, false);
	new_file_abort(&o->file);
	close(o->folder);
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
		return exit_status(log_error(err, "%s: %s", config->out, file_strerror(err)));
	cc.out_fd = out.fd;
	converted = convert_run(&cc);
	err = output_close(&out, converted);
	if (err && !converted)
		log_error(err, "%s: %s", config->out, file_strerror(err));
	return exit_status(err);
}
