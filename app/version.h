/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* -version. The only file that includes every library's header, to ask it for its version. */
#ifndef XGOTOPFS_APP_VERSION_H
#define XGOTOPFS_APP_VERSION_H

#include "core/base/buf.h"

void version_print(struct buf *out);

#endif
