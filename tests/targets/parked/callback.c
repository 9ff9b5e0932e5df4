/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* In a file of its own: a Go file that exports cannot define C functions. */
#include "_cgo_export.h"

void call_back(void)
{
	goCallback();
}
