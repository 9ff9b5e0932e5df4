/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How such tools are usually written, to be compared with: a record in a BPF ring buffer and a
 * wake-up an event. See other_probes.c. */
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 32 << 20);
} events SEC(".maps");

const volatile __u32 goid_offset = 0;

struct event {
	__u64 time_ns, id, goid, args[3];
	char comm[16];
};

SEC("uprobe")
int on_entry(struct pt_regs *ctx)
{
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	__u64 g = 0;

	if (!e)
		return 0;
	e->time_ns = bpf_ktime_get_ns();
	e->id = bpf_get_current_pid_tgid();
	e->goid = 0;
#if defined(__TARGET_ARCH_x86)
	g = ctx->r14;
	e->args[0] = ctx->rax;
	e->args[1] = ctx->rbx;
	e->args[2] = ctx->rcx;
#else
	e->args[0] = PT_REGS_PARM1(ctx);
	e->args[1] = PT_REGS_PARM2(ctx);
	e->args[2] = PT_REGS_PARM3(ctx);
#endif
	if (g)
		bpf_probe_read_user(&e->goid, sizeof(e->goid), (void *)(g + goid_offset));
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	bpf_ringbuf_submit(e, BPF_RB_FORCE_WAKEUP);
	return 0;
}
