/* In a file of its own: a Go file that exports cannot define C functions. */
#include "_cgo_export.h"

void call_back(void)
{
	goCallback();
}
