/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The files of a confined thread: Landlock, by system calls (libc has no functions for it). */
#include "core/base/confine_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/util.h"

/* What newer kernels know and these headers may not (Documentation/userspace-api/landlock.rst). */
#define TRUNCATE_ABI3  (1ull << 14)
#define IOCTL_DEV_ABI5 (1ull << 15)
#define NET_TCP_ABI4   3ull /* bind and connect */

#define READING (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define CHANGING                                                                                   \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |                             \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | TRUNCATE_ABI3)
#define FOR_FILES (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | TRUNCATE_ABI3)

struct attr {
	uint64_t fs, net;
};

int confine_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi > 0 ? (int)abi : 0;
}

/* All rights to files that this version knows: what is not granted is refused. */
static uint64_t known_rights(int abi)
{
	uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

	if (abi >= 2)
		rights |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		rights |= TRUNCATE_ABI3;
	if (abi >= 5)
		rights |= IOCTL_DEV_ABI5;
	return rights;
}

/* What is not there cannot be granted, nor needs to be. */
static void grant(int ruleset, const char *path, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = rights};
	cleanup_close_ int fd = path ? open(path, O_PATH | O_CLOEXEC) : -1;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= FOR_FILES;
	rule.parent_fd = fd;
	(void)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

int confine_ruleset(const struct confine_config *config)
{
	int abi = confine_landlock_abi(), ruleset;
	struct attr attr = {.fs = known_rights(abi), .net = NET_TCP_ABI4};

	if (!abi)
		return -ENOSYS;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr,
			       abi >= 4 ? sizeof(attr) : sizeof(attr.fs), 0);
	if (ruleset < 0)
		return -errno;
	grant(ruleset, config->write_below, (READING | CHANGING) & attr.fs);
	/* The time zone, and how many CPUs there are. */
	grant(ruleset, "/etc/localtime", READING);
	grant(ruleset, "/usr/share/zoneinfo", READING);
	grant(ruleset, "/sys/devices/system/cpu", READING);
	return ruleset;
}
