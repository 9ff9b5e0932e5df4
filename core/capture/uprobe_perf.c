/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* perf_event_open(2) and the BPF link on it; see uprobe_perf.h. */
#include "core/capture/uprobe_perf.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/util.h"

int uprobe_perf_type(uint32_t *ret)
{
	FILE *file = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
	int n;

	if (!file)
		return -errno;
	n = fscanf(file, "%u", ret);
	fclose(file);
	return n == 1 ? 0 : -EINVAL;
}

int uprobe_perf_attach(uint32_t perf_type, int prog_fd, const char *path, pid_t pid,
		       uint64_t offset, uint64_t cookie, int *ret_fd)
{
	/* Never attr.inherit: it breaks clone() in the traced process. */
	struct perf_event_attr event = {
		.size = sizeof(event),
		.type = perf_type,
		.config1 = (uintptr_t)path,
		.config2 = offset,
	};
	union bpf_attr link = {.link_create = {.attach_type = BPF_PERF_EVENT}};
	int event_fd, link_fd, err = 0;

	event_fd = (int)syscall(SYS_perf_event_open, &event, pid ? pid : -1, pid ? -1 : 0, -1,
				PERF_FLAG_FD_CLOEXEC);
	if (event_fd < 0)
		return -errno;
	link.link_create.prog_fd = (uint32_t)prog_fd;
	link.link_create.target_fd = (uint32_t)event_fd;
	link.link_create.perf_event.bpf_cookie = cookie;
	link_fd = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &link, sizeof(link));
	if (link_fd < 0 || ioctl(event_fd, PERF_EVENT_IOC_ENABLE, 0) < 0)
		err = -errno;
	close(event_fd); /* the link holds it */
	if (err && link_fd >= 0)
		close(link_fd);
	if (!err)
		*ret_fd = link_fd;
	return err;
}
