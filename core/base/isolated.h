/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A call in a process of its own: for a library that may crash, exit or eat all memory over what it
 * is given. The child has our memory as it is now (copied on write) and no signal of ours; what it
 * does to its own memory is gone with it. It must start no thread. Any thread may call; but no
 * uprobe of ours may be attached, since the child has the descriptors, too, and keeps open what is
 * closed meanwhile. In a build with the address sanitizer a process with threads does the call
 * itself.
 */
#ifndef XGOTOPFS_BASE_ISOLATED_H
#define XGOTOPFS_BASE_ISOLATED_H

#include <stddef.h>

/*
 * fn(arg, ret) in the child; `size` bytes of what it left in ret are copied into ours when it
 * returns 0. What fn answers; -EIO when it did not come back (a crash, an exit), -ETIMEDOUT when it
 * took longer than `seconds`; -errno when there could be no child. What it writes to stderr is
 * dropped.
 */
int isolated_call(int (*fn)(const void *arg, void *ret), const void *arg, void *ret, size_t size,
		  unsigned seconds);

#endif
