/* Through libcap-ng, whose state is per thread, as capabilities are. See privilege.h. */
#include "core/base/privilege.h"

#include <cap-ng.h>

#include "core/base/util.h"

bool privilege_have(int cap)
{
	return !capng_get_caps_process() &&
	       capng_have_capability(CAPNG_EFFECTIVE, (unsigned)cap);
}
