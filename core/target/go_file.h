/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What Go code is in a file, told from its headers: cheap enough to ask of everything that a
 * process has mapped. And which of those files is a process's Go program. Stateless; any thread.
 */
#ifndef XGOTOPFS_TARGET_GO_FILE_H
#define XGOTOPFS_TARGET_GO_FILE_H

#include "core/target/mappings.h"
#include "core/target/target.h"

enum go_file {
	GO_FILE_NONE,    /* nothing of Go's compiler says so */
	GO_FILE_PROGRAM, /* with a runtime of its own: a program, a c-shared library */
	GO_FILE_PART,    /* a plugin, a library for -linkshared: the program's runtime is its own */
};
enum go_file go_file_kind(int fd);

/* Is what the process executes something that can load nothing (it is linked statically)? Code of
 * another file that it has mapped it reads, and executes what it makes of it, as valgrind does: a
 * breakpoint would be taken for an instruction of the program, which would end of it. False also
 * when it cannot be told. */
bool go_program_is_translated(pid_t pid);

/* A process's Go program: its executable or, where that is something else (a C program, ld.so), the
 * first Go program that it has loaded. One that is translated is refused. */
struct go_program {
	int fd; /* keeps `open_path` valid; -1: that needs none. To be closed */
	char open_path[64];
	char path[4096]; /* for people, as the process sees it; "" when that cannot be told */
};
/* As target_open(), with one line logged. *ret_program is to be closed in any case. */
int go_program_open(pid_t pid, struct target **ret, struct go_program *ret_program);
/* The same without the log line: target_open_why(). */
int go_program_open_why(pid_t pid, struct target **ret, struct go_program *ret_program, char *why,
			size_t why_size);
/* By name: refuses what is only part of a program. */
int go_program_open_path(const char *path, struct target **ret);
void go_program_close(struct go_program *p);

#endif
