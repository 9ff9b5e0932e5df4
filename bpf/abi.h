/*
 * The wire between bpf/xgotopfs.bpf.c and core/capture: records in the ring buffers and the
 * start-up knobs. Included by those two only. No #include here: the includer supplies __u8 … __u64
 * (vmlinux or <linux/types.h>).
 *
 * All code and type addresses are *static* ELF virtual addresses: the BPF program subtracts the
 * load bias, which it knows from where the probe fired (ip minus the site's static address).
 */
#ifndef XGOTOPFS_BPF_ABI_H
#define XGOTOPFS_BPF_ABI_H

enum wire_type {
	WIRE_CASGSTATUS = 0,
	WIRE_MAKESLICE = 1,
	WIRE_MAKEMAP = 2,
	WIRE_NEWOBJECT = 3,
	WIRE_NEWGOROUTINE = 4,
	WIRE_GOEXIT = 5,
	WIRE_TYPES = 6,
};

/* wire_header.flags: one record can stand for several events (a creation seen in casgstatus is a
 * state change and a newgoroutine), and each of them was or was not chosen by -sample. */
enum wire_flag {
	WIRE_EMIT_STATE = 1 << 0,    /* deliver a casgstatus event */
	WIRE_EMIT_CREATE = 1 << 1,   /* deliver a newgoroutine event */
	WIRE_EMIT_EXIT = 1 << 2,     /* deliver a goexit event */
	WIRE_SYSCALL_SITE = 1 << 3,  /* from the 1.26+ syscall entry/exit sites */
	WIRE_SMALL_MAP = 1 << 4,     /* makemap_small: no type, no hint */
	WIRE_MERGED = 1 << 5,	     /* newobject: no type (Go 1.25+ merged variables) */
};

/* 24 bytes; every record starts with it. */
struct wire_header {
	__u8 type;
	__u8 flags;
	__u8 from, to;	   /* casgstatus, newgoroutine, goexit: state without the scan bit */
	__u32 pid;	   /* thread group id, in the namespace xgotopfs sees */
	__u64 time_ns;	   /* bpf_ktime_get_ns(), taken after the reservation: see the ordering note in
			      core/capture/merge.h */
	__u64 goid;	   /* actor: m.curg's goid, 0 when there is none */
};

struct wire_state {
	struct wire_header h;
	__u64 target; /* goid */
	__u32 reason; /* g.waitreason when to == waiting, else 0 */
	__u32 pad;
};

struct wire_create {
	struct wire_header h;
	__u64 target; /* the child's goid */
	__u64 parent; /* 0 unknown */
	__u64 start_pc, go_pc;
};

struct wire_alloc {
	struct wire_header h;
	__u64 type;   /* address of the abi.Type; 0 unknown */
	__u64 caller; /* return address */
	__u64 a;      /* newobject: size; makeslice: len; makemap: hint */
	__u64 b;      /* makeslice: cap */
};

_Static_assert(sizeof(struct wire_header) == 24, "wire_header");
_Static_assert(sizeof(struct wire_state) == 40, "wire_state");
_Static_assert(sizeof(struct wire_create) == 56, "wire_create");
_Static_assert(sizeof(struct wire_alloc) == 56, "wire_alloc");

#endif
