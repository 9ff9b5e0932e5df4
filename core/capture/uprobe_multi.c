/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The bpf(2) calls behind uprobe_multi.h. */
#include "core/capture/uprobe_multi.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/capture/empty.h"

/* union bpf_attr.link_create with its uprobe_multi part, as Linux 6.6 laid it down: the headers
 * here may be older. */
struct link_create {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t cnt, multi_flags, pid, pad;
};

static int link_create(struct link_create *attr)
{
	int fd;

	attr->attach_type = UPROBE_MULTI_ATTACH_TYPE;
	fd = (int)syscall(SYS_bpf, BPF_LINK_CREATE, attr, sizeof(*attr));
	return fd < 0 ? -errno : fd;
}

bool uprobe_multi_works(void)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = UPROBE_MULTI_ATTACH_TYPE);
	cleanup_close_ int prog = empty_program_load(&opts);
	const uint64_t offset = 0;
	struct link_create attr = {
		.path = (uintptr_t) "/", .offsets = (uintptr_t)&offset, .cnt = 1};

	if (prog < 0)
		return false;
	attr.prog_fd = (uint32_t)prog;
	/* "/" is no file to probe, EBADF: the kernel understood the rest. Then a pid that cannot
	 * be: kernels that filter by process look at it first. */
	if (link_create(&attr) != -EBADF)
		return false;
	attr.pid = UINT32_MAX;
	return link_create(&attr) == -EINVAL;
}

int uprobe_multi_attach(int prog_fd, const char *path, pid_t pid, const uint64_t *offsets,
			const uint64_t *cookies, size_t n, int *ret_fd)
{
	struct link_create attr = {.prog_fd = (uint32_t)prog_fd,
				   .path = (uintptr_t)path,
				   .offsets = (uintptr_t)offsets,
				   .cookies = (uintptr_t)cookies,
				   .cnt = (uint32_t)n,
				   .pid = (uint32_t)pid};
	int fd = link_create(&attr);

	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}
