/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records: how one comes into its ring, and what is counted when there is no room for it. Part of
 * xgotopfs.bpf.c, whose functions it uses; every program writes by these.
 */
#ifndef XGOTOPFS_RECORD_BPF_H
#define XGOTOPFS_RECORD_BPF_H

/* The rings' slots, one ring after the other. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 64); /* set before loading */
	__type(key, __u32);
	__type(value, struct wire_slot);
} slots SEC(".maps");

/* Carries nothing: the way to wake somebody who polls. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} wakeups SEC(".maps");

/* The events that a record would have told, and hidden ones: they are missing all the same. */
static __noinline int count_lost(__u32 type, __u32 flags)
{
	struct wire_cpu *cpu = this_cpu();

	if (type == WIRE_MAKESLICE || type == WIRE_MAKEMAP || type == WIRE_NEWOBJECT) {
		count(&cpu->lost[type]);
		return 0;
	}
	if (flags & WIRE_EMIT_STATE)
		count(&cpu->lost[WIRE_CASGSTATUS]);
	if (flags & WIRE_EMIT_CREATE)
		count(&cpu->lost[WIRE_NEWGOROUTINE]);
	if (flags & WIRE_EMIT_EXIT)
		count(&cpu->lost[WIRE_GOEXIT]);
	if (!(flags & (WIRE_EMIT_STATE | WIRE_EMIT_CREATE | WIRE_EMIT_EXIT)))
		count(&cpu->hidden);
	return 0;
}

/*
 * Room for a record, its header filled but for the actor; NULL when the ring is full, which is
 * counted. The time is read after the slot was taken: user space rests its order on that
 * (core/capture/merge.h). Called before the target's memory is read: the slot's cache line, which
 * the reader had last, comes meanwhile.
 */
static __always_inline void *record_take(struct wire_cpu *cpu, __u32 type, __u32 flags)
{
	struct wire_ring *ring = cpu_ring(cpu);
	struct wire_slot *slot;
	struct wire_header *r;
	__u64 number;
	__u32 key;

	number = __sync_fetch_and_add(&ring->head, 1);
	key = cpu->ring * (WIRE_NEAR + ring_slots) +
	      wire_slot_index(number, ring->tail, ring_slots);
	slot = bpf_map_lookup_elem(&slots, &key);
	if (!slot) /* cannot be */
		return NULL;
	slot->seq = number; /* busy; record_submit() adds one */
	r = &slot->record.h;
	r->time_ns = bpf_ktime_get_ns();
	r->type = type;
	r->flags = flags;
	r->from = 0;
	r->to = 0;
	r->pid_cpu = (target_tgid ? target_tgid : process_id()) | cpu->number;
	return r;
}

static __always_inline void *record_reserve(struct wire_cpu *cpu, __u32 type, __u32 flags)
{
	if (pidns_ino && !target_tgid && !process_id()) {
		count(&cpu->outside);
		return NULL;
	}
	if (wire_ring_full(cpu_ring(cpu), ring_slots - ring_spare)) {
		count(&cpu->refused);
		count_lost(type, flags);
		return NULL;
	}
	return record_take(cpu, type, flags);
}

static __noinline int wake_reader(void)
{
	void *nothing;

	control.want_wakeup = 0;
	nothing = bpf_ringbuf_reserve(&wakeups, 8, 0);
	if (nothing)
		bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
	return 0;
}

static __always_inline void record_submit(void *record)
{
	struct wire_slot *slot = record - __builtin_offsetof(struct wire_slot, record);

	publish(&slot->seq, slot->seq + 1);
	/* The reader sets this and then looks at `head`, which was moved before: one of us sees the
	 * other. */
	if (control.want_wakeup)
		wake_reader();
}

/* Gives back a slot that nothing could be written into: counted as lost. */
static __always_inline void record_cancel(struct wire_cpu *cpu, struct wire_header *r)
{
	count(&cpu->cancelled);
	count_lost(r->type, r->flags);
	r->type = WIRE_NOTHING;
	record_submit(r);
}

#endif
