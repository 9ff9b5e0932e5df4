/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Through libcap-ng, whose state is per thread, as capabilities are. See privilege.h. */
#include "core/base/privilege.h"

#include <cap-ng.h>
#include <errno.h>
#include <sys/prctl.h>

#include "core/base/util.h"

#define CAPS_MAX 64

bool privilege_have(int cap)
{
	return !capng_get_caps_process() && capng_have_capability(CAPNG_EFFECTIVE, (unsigned)cap);
}

bool privilege_have_any(void)
{
	return !capng_get_caps_process() && capng_have_capabilities(CAPNG_SELECT_CAPS) > CAPNG_NONE;
}

void privilege_prepare(uint64_t keep)
{
	uint64_t have = 0;

	if (capng_get_caps_process())
		keep = 0;
	for (unsigned cap = 0; cap < CAPS_MAX && keep >> cap; cap++) {
		if (keep >> cap & 1 && capng_have_capability(CAPNG_PERMITTED, cap))
			have |= CAP_BIT(cap);
	}
	capng_clear(CAPNG_SELECT_CAPS);
	for (unsigned cap = 0; cap < CAPS_MAX && have >> cap; cap++) {
		if (have >> cap & 1)
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, cap);
	}
}

int privilege_drop(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	capng_setpid((int)gettid()); /* after a fork it is another than when it was prepared */
	/* What is ambient goes with what is permitted. */
	return capng_apply(CAPNG_SELECT_CAPS) ? -EPERM : 0;
}

int privilege_keep(uint64_t keep)
{
	privilege_prepare(keep);
	return privilege_drop();
}

void privilege_hide_memory(void)
{
#if !defined(__SANITIZE_ADDRESS__)
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}
