/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * -leaks once: looks for leaked goroutines of a process by its memory alone, prints what `leaks`
 * would say, and ends. Nothing is mounted or attached, so there is nothing to clear away, and a
 * signal ends it at once. Main thread.
 */
#ifndef XGOTOPFS_APP_LEAKS_ONCE_H
#define XGOTOPFS_APP_LEAKS_ONCE_H

#include "app/config.h"

/*
 * The exit status, for scripts: EXIT_FINE nobody is leaked, EXIT_ERROR somebody is (proven, not
 * suspected); else EXIT_UNSUPPORTED, EXIT_PERMISSION or EXIT_GONE, and as grep(1) and diff(1) have
 * it 2, EXIT_USAGE, for any other trouble.
 */
int leaks_once(const struct config *config);

#endif
