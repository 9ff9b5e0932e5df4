/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unpacking a message out of a field, and why it did not work: its bytes or our memory. */
#ifndef XGOTOPFS_SESSION_UNPACK_H
#define XGOTOPFS_SESSION_UNPACK_H

#include <errno.h>

/* A message of proto/event.proto, say UNPACK(text, f); NULL: unpack_error() says why. */
#define UNPACK(name, f) (errno = 0, pb__##name##__unpack(NULL, (f)->len, (f)->data))

/* Right after UNPACK() gave NULL. protobuf-c says no more than that; its malloc() sets errno. */
static inline int unpack_error(void)
{
	return errno == ENOMEM ? -ENOMEM : -EBADMSG;
}

#endif
