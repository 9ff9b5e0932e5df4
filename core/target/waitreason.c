#include "core/target/target_internal.h"
void wait_reasons_free(struct wait_reasons *reasons)
{
	free(reasons);
}
