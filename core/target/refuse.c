/*
 * Why a file is refused, in words for the person who named it. Looks for the marks that other
 * compilers and packers leave. Pure functions.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/target/target_internal.h"

int refuse_not_go(const struct target *t, char *why, size_t why_size)
{
	return refuse(why, why_size, "it is not a Go program");
}
