/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What bpf/cpu.bpf.c and core/capture share: where a thread was when the CPU's clock ticked.
 * Included by those two only. No #include here, as in abi.h. All addresses are those of the
 * process.
 */
#ifndef XGOTOPFS_BPF_CPU_H
#define XGOTOPFS_BPF_CPU_H

#define WIRE_CPU_DEPTH      128
#define WIRE_CPU_OWN_DEPTH  64
#define WIRE_CPU_TOP        8          /* words from the stack pointer on */
#define WIRE_CPU_RING_BYTES (1u << 20) /* some 600 samples */
#define WIRE_CPU_TARGETS    4096       /* processes that are sampled at a time */
#define WIRE_CPU_SLOTS      1024       /* of counters, as WIRE_CPUS_MAX */

/* Where a thread of the process keeps its g, beside the register that Go code has it in. */
enum wire_g_from {
	WIRE_G_REGISTER, /* nowhere */
	WIRE_G_OFFSET,   /* at thread pointer + g_slot */
	WIRE_G_POINTER,  /* at thread pointer + what is at address g_slot */
};

struct wire_cpu_target {
	__u64 g_slot;
	__u32 g_from; /* enum wire_g_from */
	__u32 pad;
};

/* Of g and m, bytes. */
struct wire_cpu_layout {
	__u32 g_m, g_goid, g_sched_bp, g_syscallsp, g_syscallpc, m_g0, m_curg;
	__u32 arm64; /* the g's register is to be believed before thread-local storage */
};

enum wire_cpu_flag {
	WIRE_CPU_CUT = 1 << 0,    /* the stack is deeper */
	WIRE_CPU_KERNEL = 1 << 1, /* in the kernel, which was entered at ip */
	WIRE_CPU_NO_G = 1 << 2,   /* no thread of Go's, or its g was not to be read */
};

struct wire_cpu_sample {
	__u64 time_ns;
	__u64 goid; /* m.curg's; 0: none */
	__u32 pid, pad;
	__u32 flags;             /* enum wire_cpu_flag */
	__u16 n;                 /* of pcs */
	__u16 n_own;             /* of own */
	__u64 ip, sp, fp, lr;    /* lr: arm64 */
	__u64 top[WIRE_CPU_TOP]; /* 0: not to be read */
	/* Return addresses by frame pointers, innermost first; behind n: anything. Where those of
	 * the system's stack do not lead to the goroutine's, that one's are in `own`. */
	__u64 pcs[WIRE_CPU_DEPTH];
	__u64 own[WIRE_CPU_OWN_DEPTH];
};

/* Counters, one a CPU. */
struct wire_cpu_counts {
	__u64 hits; /* ticks that met a process that is sampled */
	__u64 lost; /* of those, what found no room */
	__u64 ns;   /* time in the program at those */
	__u64 pad[5];
};

_Static_assert(sizeof(struct wire_cpu_counts) == 64, "wire_cpu_counts: no false sharing");
_Static_assert(sizeof(struct wire_cpu_sample) ==
		       64 + 8 * (WIRE_CPU_TOP + WIRE_CPU_DEPTH + WIRE_CPU_OWN_DEPTH),
	       "wire_cpu_sample");

#endif
