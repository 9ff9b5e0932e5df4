/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What this process may do, and when it stops being able to. Root starts it; once everything is
 * mounted and attached, the main thread and those it makes keep what the engine still needs, and
 * the threads that serve (mount, web, replay) never have anything. Main thread.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "app/run.h"
#include "core/base/confine.h"
#include "core/base/log.h"
#include "core/base/privilege.h"
#include "core/base/safe_file.h"
#include "core/session/store.h"

/* Landlock grants a folder, not a name: the one of the recordings must be there. */
static int make_storage(const struct config *config)
{
	struct store *store;
	int err;

	if (!config->records || config->mode == MODE_REPLAY)
		return 0;
	err = store_new(config->storage_dir, &store);
	if (err)
		return log_error(err, "out of memory");
	err = store_make(store);
	store_free(store);
	if (err)
		return log_error(err, "cannot record into %s: %s", config->storage_dir,
				 file_strerror(err));
	return 0;
}

int run_confine(struct run *r)
{
	const struct confine_config cc = {.write_below = r->config->storage_dir};
	int err;

	if (!r->config->mount_point && !r->config->web && r->config->mode != MODE_REPLAY)
		return 0;
	err = make_storage(r->config);
	return err ? err : confine_new(&cc, &r->confine);
}

/* May we write there as the owner of what is root's, without overriding anything? A folder that is
 * not there yet is made by us. */
static bool ours_to_write(const char *path)
{
	cleanup_close_ int fd = folder_open(path);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return true;
	return st.st_uid == geteuid() ? st.st_mode & S_IWUSR && st.st_mode & S_IXUSR
				      : st.st_mode & S_IWOTH && !(st.st_mode & S_ISVTX);
}

/*
 * The thread that empties the rings goes before others, also one that starts later (for a file that
 * was replaced): allowed by a limit (getrlimit(2), RLIMIT_NICE: 20 less the nice value), or for
 * want of the right to raise it by CAP_SYS_NICE, which is what this answers. Without either it runs
 * as it was started.
 */
static uint64_t allow_priority(void)
{
	struct rlimit nice;

	if (!getrlimit(RLIMIT_NICE, &nice) && nice.rlim_cur >= 20 - CAPTURE_NICE)
		return 0;
	nice = (struct rlimit){20 - CAPTURE_NICE, 20 - CAPTURE_NICE};
	return setrlimit(RLIMIT_NICE, &nice) ? CAP_BIT(CAP_SYS_NICE) : 0;
}

/* What is still to come after the start:
 * pausing and -sample attach again; new processes of a binary, stacks and types are read from
 * memory; executables that only root may read, and paths through /proc/PID/root; a lease on the
 * executable of somebody else. */
static uint64_t still_needed(const struct run *r)
{
	uint64_t caps = CAP_BIT(CAP_BPF) | CAP_BIT(CAP_PERFMON) | CAP_BIT(CAP_SYS_PTRACE) |
			CAP_BIT(CAP_DAC_READ_SEARCH) | CAP_BIT(CAP_LEASE) | allow_priority();

	if (config_without_bpf(r->config))
		caps &= ~(CAP_BIT(CAP_BPF) | CAP_BIT(CAP_PERFMON) | CAP_BIT(CAP_LEASE));
	/* Uprobes by perf events, before Linux 6.10. */
	if (traced_needs_admin(r->traced))
		caps |= CAP_BIT(CAP_SYS_ADMIN);
	/* Signals are handed on to a command that may have become another user. */
	if (r->config->mode == MODE_COMMAND)
		caps |= CAP_BIT(CAP_KILL);
	if ((r->config->records && !ours_to_write(r->config->storage_dir)) ||
	    (config_writes_metrics(r->config) && !ours_to_write(".")))
		caps |= CAP_BIT(CAP_DAC_OVERRIDE);
	return caps;
}

int run_give_up(struct run *r)
{
	int err = privilege_keep(r->traced ? still_needed(r) : 0);

	if (err)
		return log_error(err, "cannot give up capabilities: %s", strerror(-err));
	return 0;
}
