/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A C program that loads Go: so_loader LIBRARY... opens each (c-shared), and runs the GoMain of the
 * first. The library has the arguments for itself, too: all begin with no dash.
 */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	void (*go_main)(void) = NULL;

	for (int i = 1; i < argc; i++) {
		void *library = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);

		if (!library) {
			(void)fprintf(stderr, "%s\n", dlerror());
			return 1;
		}
		if (!go_main)
			*(void **)&go_main = dlsym(library, "GoMain");
	}
	if (!go_main)
		return 1;
	go_main();
	return 0;
}
