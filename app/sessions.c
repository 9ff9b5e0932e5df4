/* The storage folder on the command line. See sessions.h. */
#include "app/sessions.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/exit_status.h"
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
