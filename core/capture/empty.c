/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The empty probe: a two-instruction program on a uprobe_multi link or, before Linux 6.10, on a
 * perf event of the uprobe type, which takes CAP_SYS_ADMIN besides; see empty.h.
 */
#include "core/capture/empty.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/capture/uprobe_multi.h"
#include "core/capture/uprobe_perf.h"

int empty_program_load(const struct bpf_prog_load_opts *opts)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_KPROBE, "xgotop_empty", "GPL", insns, ARRAY_SIZE(insns),
			     opts);
}

static int attach_multi(const char *path, uint64_t file_offset, pid_t pid, int *ret_fd)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts,
		    .expected_attach_type = (enum bpf_attach_type)UPROBE_MULTI_ATTACH_TYPE);
	cleanup_close_ int prog = empty_program_load(&opts);
	const uint64_t cookie = 0;

	return prog < 0 ? prog
			: uprobe_multi_attach(prog, path, MAX(pid, 0), &file_offset, &cookie, 1,
					      ret_fd);
}

static int attach_perf(const char *path, uint64_t file_offset, pid_t pid, int *ret_fd)
{
	cleanup_close_ int prog = -1;
	uint32_t type;
	int err = uprobe_perf_type(&type);

	if (err)
		return err;
	prog = empty_program_load(NULL);
	return prog < 0 ? prog
			: uprobe_perf_attach(type, prog, path, MAX(pid, 0), file_offset, 0, ret_fd);
}

int empty_probe_attach(const char *path, uint64_t file_offset, pid_t pid, int *ret_fd)
{
	return uprobe_multi_works() ? attach_multi(path, file_offset, pid, ret_fd)
				    : attach_perf(path, file_offset, pid, ret_fd);
}
