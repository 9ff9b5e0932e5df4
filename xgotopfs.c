/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The composition root: reads what is asked for and starts the run that does it. Decides nothing.
 */
#include <errno.h>
#include <unistd.h>

#include "app/background.h"
#include "app/config.h"
#include "app/doctor.h"
#include "app/exit_status.h"
#include "app/leaks_once.h"
#include "app/limits.h"
#include "app/print.h"
#include "app/run.h"
#include "app/sessions.h"
#include "app/version.h"
#include "core/base/log.h"
#include "core/base/privilege.h"

static int print(void (*fn)(struct buf *out))
{
	cleanup_buf_ struct buf out = BUF_INIT;

	fn(&out);
	return exit_status(print_buf(&out));
}

static int print_help_for(const char *form)
{
	cleanup_buf_ struct buf out = BUF_INIT;
	int err = config_help_for(form, &out);

	return exit_status(err ? err : print_buf(&out));
}

static int run(const struct config *config)
{
	struct run r = {.config = config, .background_fd = -1, .program = {.fd = -1}};
	int status, err = limits_prepare(&r.old_limits);

	if (err)
		return exit_status(err);
	loop_block_signals(&r.old_mask);
	notify_open(&r.notify);
	if (config->daemon)
		err = background_start(&r.background_fd);
	if (!err)
		err = loop_new(&r.loop);
	if (err)
		status = exit_status(err);
	else
		status = config->mode == MODE_REPLAY ? run_replay(&r) : run_live(&r);
	/* What runs at exit(3) is not for a process that has threads still. */
	if (r.left)
		_exit(status);
	loop_free(r.loop);
	notify_close(&r.notify);
	return status;
}

static int dispatch(const struct config *config)
{
	log_set_level(config->log_level);
	switch (config->mode) {
	case MODE_DOCTOR:
		return doctor(config);
	case MODE_SESSIONS:
		/* Files of others are all that takes a privilege from here on. */
		(void)privilege_keep(CAP_BIT(CAP_DAC_READ_SEARCH));
		return sessions_list(config);
	case MODE_CONVERT:
		(void)privilege_keep(CAP_BIT(CAP_DAC_READ_SEARCH) | CAP_BIT(CAP_DAC_OVERRIDE));
		return sessions_convert(config);
	default:
		return config->mode == MODE_PID && config_leaks_once(config) ? leaks_once(config)
									     : run(config);
	}
}

int main(int argc, char **argv)
{
	struct config config;
	int err, status;

	(void)argc;
	/* Before the first thread: one that has given its capabilities up could be entered by a
	 * debugger of the same user, and through it the memory of those that still have theirs. */
	if (privilege_have_any())
		privilege_hide_memory();
	print_prepare();
	err = config_read(&config, argv);
	if (err)
		status = exit_status(err);
	else if (config.help)
		status = print(config_help);
	else if (config.help_for)
		status = print_help_for(config.help_for);
	else if (config.version)
		status = print(version_print);
	else
		status = dispatch(&config);
	config_free(&config);
	return status;
}
