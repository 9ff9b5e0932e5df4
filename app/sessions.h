/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Recorded sessions on the command line: -sessions and -convert. Main thread. */
#ifndef XGOTOPFS_APP_SESSIONS_H
#define XGOTOPFS_APP_SESSIONS_H

#include "app/config.h"

/* Both return the exit status. */
int sessions_list(const struct config *config);
int sessions_convert(const struct config *config);

#endif
