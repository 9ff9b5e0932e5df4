/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What ours is compared with, for costs.py: `empty`: programs that do nothing, at the sites that
 * ours uses: what no tool can be cheaper than. `naive`: at the first instructions of the same
 * functions, with a record and a wake-up an event. Says "ready", ends with its standard input and
 * then says how many events it read.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "core/base/parse.h"
#include "core/base/util.h"
#include "core/capture/empty.h"
#include "core/capture/uprobe_multi.h"
#include "core/target/target.h"
#include "tests/bench/naive.skel.h"

#define SITES_MAX 128

static uint64_t events;

static int on_event(void *ctx, void *data, size_t size)
{
	events++;
	return 0;
}

static bool input_ended(int timeout_ms)
{
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&fd, 1, timeout_ms) > 0;
}

static void ready(void)
{
	puts("ready");
	fflush(stdout);
}

static int run_empty(const char *path, pid_t pid, const struct probe_site *sites, size_t n)
{
	int fd;

	for (size_t i = 0; i < n; i++) {
		int err = empty_probe_attach(path, sites[i].file_offset, pid, &fd);

		if (err)
			return err;
	}
	ready();
	while (!input_ended(-1))
		;
	return 0;
}

/* Each function once, at its first instruction. */
static size_t entries(const struct probe_site *sites, size_t n, uint64_t ret[SITES_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t at = sites[i].file_offset - (sites[i].addr - sites[i].func_entry);
		size_t k = 0;

		while (k < count && ret[k] != at)
			k++;
		if (k == count)
			ret[count++] = at;
	}
	return count;
}

static int attach_naive(struct naive_bpf *s, const char *path, pid_t pid,
			const struct probe_site *sites, size_t n)
{
	static const uint64_t cookies[SITES_MAX];
	uint64_t offsets[SITES_MAX];
	size_t count = entries(sites, n, offsets);
	int fd;

	return uprobe_multi_attach(bpf_program__fd(s->progs.on_entry), path, pid, offsets, cookies,
				   count, &fd);
}

static int run_naive(const struct target *t, const char *path, pid_t pid,
		     const struct probe_site *sites, size_t n)
{
	struct naive_bpf *s = naive_bpf__open();
	struct ring_buffer *ring = NULL;
	int err;

	if (!s)
		return -errno;
	s->rodata->goid_offset = (uint32_t)target_layout(t)->g_goid;
	bpf_program__set_expected_attach_type(s->progs.on_entry,
					      (enum bpf_attach_type)UPROBE_MULTI_ATTACH_TYPE);
	err = naive_bpf__load(s);
	if (!err) {
		ring = ring_buffer__new(bpf_map__fd(s->maps.events), on_event, NULL, NULL);
		err = ring ? attach_naive(s, path, pid, sites, n) : -errno;
	}
	if (!err) {
		ready();
		while (!input_ended(0))
			(void)ring_buffer__poll(ring, 100);
	}
	ring_buffer__free(ring);
	naive_bpf__destroy(s);
	return err;
}

int main(int argc, char **argv)
{
	cleanup_free_ struct probe_site *sites = NULL;
	struct target *target = NULL;
	uint64_t pid;
	char path[64];
	size_t n = 0;
	int err;

	if (argc != 3 || (strcmp(argv[1], "empty") && strcmp(argv[1], "naive")) ||
	    parse_u64_in(argv[2], 1, INT32_MAX, &pid)) {
		fprintf(stderr, "usage: other_probes empty|naive PID\n");
		return 2;
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	err = target_open(path, &target);
	if (!err)
		err = target_sites(target, WANT_ALL, &sites, &n);
	if (!err && n > SITES_MAX)
		err = -E2BIG;
	if (!err)
		err = argv[1][0] == 'e' ? run_empty(path, (pid_t)pid, sites, n)
					: run_naive(target, path, (pid_t)pid, sites, n);
	target_free(target);
	if (err)
		fprintf(stderr, "other_probes: %s\n", strerror(-err));
	else
		printf("%llu\n", (unsigned long long)events);
	return err ? 1 : 0;
}
