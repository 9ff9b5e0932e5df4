/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A call in a process of its own: for a library that may crash, exit or eat all memory over what it
 * is given, and for what must be undone also where we are killed meanwhile. The child has our
 * memory as it is now (copied on write) and no signal of ours; what it does to its own memory is
 * gone with it. It must start no thread. Any thread may call. In a build with the address sanitizer
 * a process with threads does the call itself.
 */
#ifndef XGOTOPFS_BASE_ISOLATED_H
#define XGOTOPFS_BASE_ISOLATED_H

#include <stdbool.h>
#include <stddef.h>

struct isolated {
	int (*fn)(const void *arg, void *ret); /* 0 or -errno */
	size_t size;                           /* of what it leaves in ret */
	unsigned seconds;                      /* it is waited for */
	/* It goes on when we end, and is never killed: it undoes what it did. It has none of our
	 * descriptors. Without this it ends with us, and has all of them: no uprobe of ours may be
	 * attached, since what is closed meanwhile stays open. */
	bool outlives;
};

/*
 * fn(arg, ret) in the child; when it returns 0, what it left in ret is copied into ours. What fn
 * answers; -EIO when it did not come back (a crash, an exit), -ETIMEDOUT when it took longer;
 * -errno when there could be no child. What it writes to stderr is dropped.
 */
int isolated_call(const struct isolated *how, const void *arg, void *ret);

#endif
