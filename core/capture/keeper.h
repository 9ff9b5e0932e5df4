/*
 * A process of ours that attaches and detaches, so that no signal to the tracer can disturb it.
 *
 * The kernel puts breakpoints into the target and takes them out on behalf of whoever attaches, and
 * of whoever closes a link's last file descriptor; while that thread has a fatal signal pending it
 * cannot ("failed to unregister, leaking uprobe", kernel/events/uprobes.c), and the breakpoints
 * stay until somebody attaches there again or the target ends. So a tracer that is killed must not
 * be the one to do it. The keeper shares our table of file descriptors (CLONE_FILES): a link that
 * it makes is ours, one that it closes is closed. When we end, however that comes about, it ends
 * too, with no signal pending, and what we left open is closed by it.
 *
 * Not thread-safe: probes.c calls it. When a keeper cannot be had, or was killed itself, the same
 * is done by the calling process.
 */
#ifndef XGOTOPFS_CAPTURE_KEEPER_H
#define XGOTOPFS_CAPTURE_KEEPER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KEEPER_SITES_MAX 128

struct keeper;

/* 0 or -errno. Call it before much memory is in use: that is copied on write. */
int keeper_new(struct keeper **ret);
/* Ends it; our descriptors stay open. NULL is fine. */
void keeper_free(struct keeper *k);

/* uprobe_multi_attach(), of at most KEEPER_SITES_MAX sites. `k` may be NULL. */
int keeper_attach(struct keeper *k, int prog_fd, const char *path, pid_t pid,
		  const uint64_t *offsets, const uint64_t *cookies, size_t n, int *ret_fd);
/*
 * Closes links, at most KEEPER_SITES_MAX, all at the same time: each close waits, tens of
 * milliseconds, until nobody runs the link's program any more. `k` may be NULL.
 */
void keeper_close(struct keeper *k, const int *fds, size_t n);

#endif
