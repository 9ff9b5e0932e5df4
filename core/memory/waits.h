/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads the wait graph (wait_graph.h) of a live process without stopping it. A wait is told only
 * when the same park held over the whole reading of it: the goroutine was parked before, at the
 * same place and on the same queue entry afterwards. Any thread.
 *
 * What each fact rests on (all in runtime/ unless another package is named):
 * - channels and select: chan.go chansend, chanrecv, select.go selectgo: g.waiting leads to the
 *   sudogs, along sudog.waitlink; sudog.c is the channel, whose queues (recvq, sendq) tell the
 *   direction of a select's case. hchan.timer, or a timer's argument (time.go), says that it is a
 *   timer's.
 * - Mutex, RWMutex, WaitGroup, other semaphores: sema.go semacquire1, semaRoot.queue. From 1.26 on
 *   g.waiting is the sudog; before, runtime.semtable is walked. sudog.elem is the word slept on,
 * and the functions on the stack say in what it lies (sync/mutex.go, rwmutex.go, waitgroup.go).
 * - Cond: sema.go notifyListWait; up to 1.25 the list is found in the frames of the call and proven
 *   by holding the goroutine.
 * - descriptors: netpoll.go netpollblock: pollDesc.rg or wg is the g; the pollDesc is found in the
 *   frames of the call and proven by that.
 */
#ifndef XGOTOPFS_MEMORY_WAITS_H
#define XGOTOPFS_MEMORY_WAITS_H

#include "core/memory/wait_graph.h"
#include "core/target/target.h"

#define WAIT_SUDOGS_MAX (1u << 22) /* of one reading */

/*
 * `bias` as from target_load_bias(). wait_graph_put() it. Errors as of memory_goroutines();
 * -ENOSYS also when this release's structs are not known.
 */
int memory_waits(const struct target *t, pid_t pid, uint64_t bias, struct wait_graph **ret);
/* Shared by counting: one more, one less (NULL is fine; the last one frees it). Any thread. */
struct wait_graph *wait_graph_get(struct wait_graph *g);
void wait_graph_put(struct wait_graph *g);

#endif
