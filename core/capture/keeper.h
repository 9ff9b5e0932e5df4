/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A process of ours that attaches and detaches, so that no signal to the tracer can disturb it.
 *
 * The kernel puts breakpoints into the target and takes them out on behalf of whoever attaches, and
 * of whoever closes a link's last file descriptor; while that thread has a fatal signal pending it
 * cannot ("failed to unregister, leaking uprobe", kernel/events/uprobes.c), and the breakpoints
 * stay until somebody attaches there again or the target ends. So a tracer that is killed must not
 * be the one to do it. The keeper shares our table of file descriptors (CLONE_FILES): a link that
 * it makes is ours, one that it closes is closed. When we end, however that comes about, it ends
 * too, with no signal pending, and what we left open is closed by it. One that is stopped is made
 * to go on, by whoever waits for it and, when we die, by the kernel (PR_SET_PDEATHSIG).
 *
 * Not thread-safe: probes.c calls it. When a keeper cannot be had, was killed itself, or does not
 * even take a request (a debugger has it, it is frozen), the same is done by the calling process.
 * What it has taken is waited for only so long: the kernel can be held up by the target, whose
 * memory map is locked while it is dumped or starts a thread on a disk that hangs. It then stays
 * busy, and ends what it began when the kernel lets it.
 *
 * It also stands in where the tracer is stopped (a terminal's Ctrl-Z, a debugger) while somebody
 * wants to write to the traced file: keeper_guard().
 */
#ifndef XGOTOPFS_CAPTURE_KEEPER_H
#define XGOTOPFS_CAPTURE_KEEPER_H

#include <linux/types.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KEEPER_SITES_MAX 128
/* Links it knows; more are closed like any other descriptor when we end. */
#define KEEPER_LINKS_MAX 1024

struct keeper;

/*
 * 0 or -errno. Call it before much memory is in use: that is copied on write. `asked`, which may be
 * NULL, says that somebody wants us to end: then no attaching is waited for.
 */
int keeper_new(const atomic_bool *asked, struct keeper **ret);
/* Ends it; our descriptors stay open. A busy one is left to itself, and so is what it needs. NULL
 * is fine. */
void keeper_free(struct keeper *k);
/* How long to wait for the kernel; 10 s. */
void keeper_set_patience(struct keeper *k, uint64_t ns);

/* What to attach: one program at some sites of a file. */
struct keeper_sites {
	uint32_t perf_type; /* 0: one uprobe_multi link; else uprobe_perf_attach(), and n is 1 */
	int prog_fd;
	pid_t pid; /* 0: all processes */
	const char *path;
	const uint64_t *offsets, *cookies;
	size_t n; /* at most KEEPER_SITES_MAX */
};
/*
 * Makes a link. `k` may be NULL. -errno of the kernel, or -ETIMEDOUT, -EINTR (asked to end
 * meanwhile), -EBUSY (with an earlier request), -ESTALE (the lease of keeper_guard() is not held).
 */
int keeper_attach(struct keeper *k, const struct keeper_sites *sites, int *ret_fd);
/*
 * Closes links, at most KEEPER_SITES_MAX, all at the same time: each close waits, tens of
 * milliseconds, until nobody runs the link's program any more. `k` may be NULL. 0, or -ETIMEDOUT or
 * -EBUSY: they are still open, or some of them; what was begun is ended when the kernel lets it,
 * the rest when we end.
 */
int keeper_close(struct keeper *k, const int *fds, size_t n);
/* CPU time that it has taken so far, ns. */
uint64_t keeper_cpu_ns(const struct keeper *k);
/* Is it done with everything it was asked? */
bool keeper_settled(struct keeper *k);
/*
 * From now on there are links only while the read lease on `fd` (-1: none) is held (guard.h): when
 * somebody wants to write to that file, and for half a second the tracer does nothing about it, the
 * keeper closes all links and lets the lease go. Their descriptors stay in use, for nothing, until
 * keeper_close(). The descriptor of the lease is the last that it closes when the tracer has died.
 * `cleared` (NULL: nothing), which was mapped and shared when the keeper was made, it sets to 0
 * before. 0 or -errno.
 */
int keeper_guard(struct keeper *k, int fd, volatile __u64 *cleared);
/* Has it let the lease go, in time and with all links closed, since this was asked last? */
bool keeper_has_let_go(struct keeper *k);

#endif
