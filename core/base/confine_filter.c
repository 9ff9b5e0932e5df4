/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The system calls of a confined thread, compiled with libseccomp. See confine.h. */
#include "core/base/confine_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/base/util.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41 /* libc and sanitizers name their memory with it */
#endif

#define WRITING (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)

/* Without a look at their arguments. Those an architecture does not have are passed over. */
static const char *const harmless[] = {
	/* open descriptors */
	"read",
	"write",
	"readv",
	"writev",
	"pread64",
	"pwrite64",
	"preadv",
	"pwritev",
	"preadv2",
	"pwritev2",
	"lseek",
	"close",
	"close_range",
	"dup",
	"dup2",
	"dup3",
	"flock",
	"fsync",
	"fdatasync",
	"ftruncate",
	"getdents64",
	"splice",
	"vmsplice",
	"tee",
	"sendfile",
	"copy_file_range",
	"fadvise64",
	"poll",
	"ppoll",
	"select",
	"pselect6",
	"epoll_wait",
	"epoll_pwait",
	"epoll_pwait2",
	"epoll_ctl",
	"epoll_create1",
	"eventfd2",
	"pipe2",
	/* looking at files */
	"stat",
	"lstat",
	"fstat",
	"newfstatat",
	"statx",
	"statfs",
	"fstatfs",
	"access",
	"faccessat",
	"faccessat2",
	"readlink",
	"readlinkat",
	"getcwd",
	/* sockets that are open */
	"accept",
	"accept4",
	"recvfrom",
	"recvmsg",
	"recvmmsg",
	"sendto",
	"sendmsg",
	"sendmmsg",
	"shutdown",
	"setsockopt",
	"getsockopt",
	"getsockname",
	"getpeername",
	/* memory */
	"munmap",
	"mremap",
	"madvise",
	"mincore",
	"brk",
	"membarrier",
	/* threads and signals of this process */
	"futex",
	"futex_waitv",
	"futex_wait",
	"futex_wake",
	"set_robust_list",
	"get_robust_list",
	"rseq",
	"set_tid_address",
	"sched_yield",
	"sched_getaffinity",
	"sched_getparam",
	"sched_getscheduler",
	"getpriority",
	"rt_sigprocmask",
	"rt_sigaction",
	"rt_sigreturn",
	"rt_sigpending",
	"rt_sigtimedwait",
	"sigaltstack",
	"restart_syscall",
	"exit",
	"exit_group",
	"arch_prctl",
	/* time */
	"clock_gettime",
	"clock_getres",
	"clock_nanosleep",
	"nanosleep",
	"gettimeofday",
	"time",
	/* what this is */
	"getpid",
	"gettid",
	"getppid",
	"getuid",
	"geteuid",
	"getgid",
	"getegid",
	"getresuid",
	"getresgid",
	"getgroups",
	"getpgrp",
	"uname",
	"sysinfo",
	"getrusage",
	"times",
	"getcpu",
	"getrandom",
	"getrlimit",
};

/* In the storage folder: Landlock sees to it that it is there. */
static const char *const changing[] = {"rename",   "renameat", "renameat2", "unlink",
				       "unlinkat", "rmdir",    "fchmod"};

static int allow(scmp_filter_ctx ctx, const char *name, unsigned n, struct scmp_arg_cmp arg)
{
	int nr = seccomp_syscall_resolve_name(name);

	if (nr < 0)
		return 0;
	return n ? seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1, arg)
		 : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
}

static int allow_all(scmp_filter_ctx ctx, const char *const *names, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		err = allow(ctx, names[i], 0, (struct scmp_arg_cmp){0});
	return err;
}

/* Not who gets the signals of a descriptor, and which: that would be kill(2) by another name; and
 * no leases. */
static int allow_fcntl(scmp_filter_ctx ctx)
{
	static const unsigned commands[] = {
		F_DUPFD,     F_DUPFD_CLOEXEC, F_GETFD,      F_SETFD,      F_GETFL,
		F_SETFL,     F_GETLK,         F_SETLK,      F_SETLKW,     F_OFD_GETLK,
		F_OFD_SETLK, F_OFD_SETLKW,    F_GETPIPE_SZ, F_SETPIPE_SZ,
	};
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(commands) && !err; i++)
		err = allow(ctx, "fcntl", 1, SCMP_CMP32(1, SCMP_CMP_EQ, commands[i], 0));
	return err;
}

static int allow_some(scmp_filter_ctx ctx, bool writes)
{
	const struct {
		const char *name;
		struct scmp_arg_cmp arg;
	} some[] = {
		/* Threads, not processes. */
		{"clone", SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)},
		{"mmap", SCMP_CMP64(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
		{"mprotect", SCMP_CMP64(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
		{"prctl", SCMP_CMP32(0, SCMP_CMP_EQ, PR_SET_NAME, 0)},
		{"prctl", SCMP_CMP32(0, SCMP_CMP_EQ, PR_GET_NAME, 0)},
		{"prctl", SCMP_CMP32(0, SCMP_CMP_EQ, PR_SET_VMA, 0)},
		{"ioctl", SCMP_CMP32(1, SCMP_CMP_EQ, FIONBIO, 0)},
		{"ioctl", SCMP_CMP32(1, SCMP_CMP_EQ, FIONREAD, 0)},
		/* The listener's own. */
		{"ioctl", SCMP_CMP32(1, SCMP_CMP_EQ, SECCOMP_IOCTL_NOTIF_RECV, 0)},
		{"ioctl", SCMP_CMP32(1, SCMP_CMP_EQ, SECCOMP_IOCTL_NOTIF_SEND, 0)},
		/* raise(3). */
		{"tgkill", SCMP_CMP32(0, SCMP_CMP_EQ, (uint32_t)getpid(), 0)},
		/* Only asking. */
		{"prlimit64", SCMP_CMP64(2, SCMP_CMP_EQ, 0, 0)},
		{"open", SCMP_CMP64(1, SCMP_CMP_MASKED_EQ, writes ? 0 : WRITING, 0)},
		{"openat", SCMP_CMP64(2, SCMP_CMP_MASKED_EQ, writes ? 0 : WRITING, 0)},
	};
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(some) && !err; i++)
		err = allow(ctx, some[i].name, 1, some[i].arg);
	return err;
}

/* libc tries these first and knows what to do without: the flags of clone3() and openat2() are in
 * memory, where a filter cannot look. */
static int hide(scmp_filter_ctx ctx, const char *name)
{
	int nr = seccomp_syscall_resolve_name(name);

	return nr < 0 ? 0 : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), nr, 0);
}

/* libseccomp writes it to a descriptor. That of a pipe: a file's size is limited (`ulimit -f`). */
static int export(scmp_filter_ctx ctx, struct sock_fprog *ret)
{
	cleanup_close_ int from = -1, to = -1;
	cleanup_free_ struct sock_filter *filter = NULL;
	int fds[2], bytes, room, err;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	from = fds[0];
	to = fds[1];
	err = seccomp_export_bpf(ctx, to);
	if (err)
		return err;
	room = fcntl(to, F_GETPIPE_SZ);
	if (room < 0 || ioctl(from, FIONREAD, &bytes))
		return -errno;
	/* What finds no room is cut off, and nobody says so. */
	if (bytes >= room)
		return -E2BIG;
	filter = malloc((size_t)bytes);
	if (!filter)
		return -ENOMEM;
	if (read(from, filter, (size_t)bytes) != bytes)
		return -EIO;
	ret->len = (unsigned short)((size_t)bytes / sizeof(*filter));
	ret->filter = move_ptr(filter);
	return 0;
}

int confine_filter(bool tell, bool writes, struct sock_fprog *ret)
{
	scmp_filter_ctx ctx = seccomp_init(tell ? SCMP_ACT_NOTIFY : SCMP_ACT_ERRNO(EPERM));
	int err;

	if (!ctx)
		return -ENOMEM;
	/* Another architecture's numbers mean other calls. */
	err = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!err)
		err = allow_all(ctx, harmless, ARRAY_SIZE(harmless));
	if (!err && writes)
		err = allow_all(ctx, changing, ARRAY_SIZE(changing));
	if (!err)
		err = allow_some(ctx, writes);
	if (!err)
		err = allow_fcntl(ctx);
	if (!err)
		err = hide(ctx, "clone3");
	if (!err)
		err = hide(ctx, "openat2");
	if (!err)
		err = export(ctx, ret);
	seccomp_release(ctx);
	return err;
}
