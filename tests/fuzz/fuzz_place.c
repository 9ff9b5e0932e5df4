/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a probe may stand in any code of either machine. What place.c proves by rules is tried here
 * by walking the code: on every way from the entry to a return, the chosen site is hit exactly once
 * (as the BPF program counts hits), with the arguments where they were and the stack pointer as
 * said.
 *
 * An input: the machine, the number of arguments, one byte of branch decisions for each of the
 * walks, then either code as it is or numbers of common instructions (most bytes decode to nothing
 * useful).
 */
#include <elf.h>
#include <errno.h>

#include "core/target/place.h"
#include "core/target/target_internal.h"
#include "tests/fuzz/fuzz.h"

#define ENTRY     0x500000u
#define MORESTACK 0x400000u
#define CODE_MAX  512
#define WALKS     8
#define STEPS_MAX 400
#define GOID      0x98

/* --- stand-ins for the rest of core/target ---------------------------------------------------- */

static struct go_layout layout;

const struct go_layout *target_layout(const struct target *t)
{
	return &layout;
}

int target_func_by_pc(const struct target *t, uint64_t pc, struct go_func *ret)
{
	if (pc < MORESTACK || pc >= MORESTACK + 16)
		return -ENOENT;
	*ret = (struct go_func){
		.entry = MORESTACK, .end = MORESTACK + 16, .name = "runtime.morestack_noctxt.abi0"};
	return 0;
}

const struct image *target_image(const struct target *t)
{
	return NULL;
}

const void *image_at(const struct image *img, uint64_t vaddr, size_t n)
{
	return NULL;
}

uint16_t image_machine(const struct image *img)
{
	return EM_X86_64;
}

/* --- code from common instructions ------------------------------------------------------------ */

struct piece {
	const char *bytes;
	uint8_t len;
	uint8_t to; /* 'b': a branch within the function follows in 8 bits, 'm': a call of morestack
		     */
};

static const struct piece amd64[] = {
	{"\x49\x3b\x66\x10", 4, 0},                 /* cmp rsp, [r14+0x10] */
	{"\x4c\x8d\xa4\x24\x00\xff\xff\xff", 8, 0}, /* lea r12, [rsp-0x100] */
	{"\x4d\x3b\x66\x10", 4, 0},                 /* cmp r12, [r14+0x10] */
	{"\x76", 1, 'b'},                           /* jbe */
	{"\x74", 1, 'b'},                           /* je */
	{"\xeb", 1, 'b'},                           /* jmp */
	{"\x55", 1, 0},                             /* push rbp */
	{"\x48\x89\xe5", 3, 0},                     /* mov rbp, rsp */
	{"\x48\x83\xec\x18", 4, 0},                 /* sub rsp, 0x18 */
	{"\x48\x83\xc4\x18", 4, 0},                 /* add rsp, 0x18 */
	{"\x5d", 1, 0},                             /* pop rbp */
	{"\x48\x89\x44\x24\x08", 5, 0},             /* mov [rsp+8], rax */
	{"\x31\xc0", 2, 0},                         /* xor eax, eax */
	{"\x48\x89\x88\x98\x00\x00\x00", 7, 0},     /* mov [rax+0x98], rcx */
	{"\xe8", 1, 'm'},                           /* call morestack */
	{"\xe8\x00\x01\x00\x00", 5, 0},             /* call something */
	{"\x90", 1, 0},                             /* nop */
	{"\x0f\x1f\x40\x00", 4, 0},                 /* nop */
	{"\xc3", 1, 0},                             /* ret */
	{"\xcc", 1, 0},                             /* int3 */
	{"\xff\xe1", 2, 0},                         /* jmp rcx */
};

/* Words; 'b' adds an offset of so many instructions at the bit that to2 says. */
static const struct {
	uint32_t word;
	uint8_t to, shift;
} arm64[] = {
	{0xf9400b90, 0, 0},   /* ldr x16, [x28, #16] */
	{0xeb3063ff, 0, 0},   /* cmp sp, x16 */
	{0xd10403f1, 0, 0},   /* sub x17, sp, #0x100 */
	{0xeb10023f, 0, 0},   /* cmp x17, x16 */
	{0x54000009, 'b', 5}, /* b.ls */
	{0xb4000000, 'b', 5}, /* cbz x0 */
	{0x14000000, 'b', 0}, /* b */
	{0xf81d0ffe, 0, 0},   /* str x30, [sp, #-48]! */
	{0xf81f83fd, 0, 0},   /* stur x29, [sp, #-8] */
	{0xd10023fd, 0, 0},   /* sub x29, sp, #8 */
	{0xf9000fe0, 0, 0},   /* str x0, [sp, #24] */
	{0xaa1e03e3, 0, 0},   /* mov x3, x30 */
	{0x94000000, 'm', 0}, /* bl morestack */
	{0x94000100, 0, 0},   /* bl something */
	{0xd503201f, 0, 0},   /* nop */
	{0xf9004c02, 0, 0},   /* str x2, [x0, #152] */
	{0xd65f03c0, 0, 0},   /* ret */
	{0xf84307fe, 0, 0},   /* ldr x30, [sp], #48 */
	{0xd61f0360, 0, 0},   /* br x27 */
	{0xd4200000, 0, 0},   /* brk */
};

static size_t assemble(struct fuzz_input *in, uint16_t machine, uint8_t *code)
{
	size_t n = 0;

	while (in->p < in->end && n + 16 < CODE_MAX) {
		uint8_t pick = fuzz_u8(in);

		if (machine == EM_X86_64) {
			const struct piece *p = &amd64[pick % ARRAY_SIZE(amd64)];
			int32_t away;

			memcpy(code + n, p->bytes, p->len);
			n += p->len;
			if (p->to == 'b')
				code[n++] = fuzz_u8(in);
			if (p->to == 'm') {
				away = (int32_t)(MORESTACK - (ENTRY + n + 4));
				memcpy(code + n, &away, 4);
				n += 4;
			}
		} else {
			uint32_t word = arm64[pick % ARRAY_SIZE(arm64)].word;
			unsigned shift = arm64[pick % ARRAY_SIZE(arm64)].shift;
			uint32_t away = (uint32_t)(int8_t)(arm64[pick % ARRAY_SIZE(arm64)].to == 'b'
								   ? fuzz_u8(in)
								   : 0);

			if (arm64[pick % ARRAY_SIZE(arm64)].to == 'b')
				word |= (away & (shift ? 0x7ffff : 0x3ffffff)) << shift;
			if (arm64[pick % ARRAY_SIZE(arm64)].to == 'm')
				word |= ((MORESTACK - (ENTRY + (uint32_t)n)) >> 2) & 0x3ffffff;
			memcpy(code + n, &word, 4);
			n += 4;
		}
	}
	return n;
}

/* --- walking -----------------------------------------------------------------------------------
 */

struct walk {
	uint32_t intact;
	int64_t sp; /* bytes the stack grew since the entry */
	bool sp_known;
	bool to_morestack; /* a branch to it was taken */
	unsigned hits, decision;
	uint8_t decisions;
};

static const struct walk fresh = {.intact = UINT32_MAX, .sp_known = true};

static bool decide(struct walk *w)
{
	return w->decisions >> (w->decision++ % 8) & 1;
}

static void check_hit(const struct code *code, const struct probe_site *site, const struct walk *w,
		      unsigned n_args)
{
	static const uint8_t amd64_args[] = {AMD64_RAX, AMD64_RBX, AMD64_RCX,
					     AMD64_RDI, AMD64_RSI, 8};
	bool x86 = code->machine == EM_X86_64;

	FUZZ_ASSERT(w->intact & 1u << (x86 ? AMD64_G : ARM64_G));
	FUZZ_ASSERT(x86 || w->intact & 1u << ARM64_LR);
	for (unsigned i = 0; i < n_args && layout.register_abi; i++)
		FUZZ_ASSERT(w->intact & 1u << (x86 ? amd64_args[i] : i));
	FUZZ_ASSERT(w->sp_known && w->sp == site->sp_delta);
}

/* One call of the function. `site` counts as the BPF program counts it. Ways that do not end, or
 * end where Go code does not (off its end, a trap), say nothing. */
static void walk_once(const struct code *code, const struct probe_site *site, unsigned n_args,
		      uint8_t decisions)
{
	const struct insn *insn = code->insns, *end = code->insns + code->n, *next;
	struct walk w = fresh;

	w.decisions = decisions;
	for (unsigned steps = 0; steps < STEPS_MAX && insn < end; steps++, insn = next) {
		bool taken = insn->class == INSN_JCC && decide(&w);
		struct go_func callee;

		if (insn->addr == site->addr && !(site->flags & SITE_FILTER_BRANCH && taken)) {
			/* SITE_STACK_CHECK: the program makes the comparison of the branch that
			 * follows. */
			bool again = site->flags & SITE_STACK_CHECK &&
				     w.decisions >> (w.decision % 8) & 1;

			if (!again) {
				w.hits++;
				check_hit(code, site, &w, n_args);
			}
		}
		next = insn + 1;
		switch (insn->class) {
		case INSN_RET:
			FUZZ_ASSERT(w.hits == 1);
			return;
		case INSN_TRAP:
		case INSN_JMP_INDIRECT:
			return;
		case INSN_CALL:
			/* morestack begins the function anew, with everything as it was. Go code
			 * comes to it by a branch only. */
			if (!target_func_by_pc(NULL, insn->target, &callee)) {
				if (!w.to_morestack)
					return;
				w.to_morestack = false;
				next = code->insns;
				w.intact = UINT32_MAX;
				w.sp = 0;
				w.sp_known = true;
				continue;
			}
			break;
		case INSN_JCC:
		case INSN_JMP:
			if (insn->class == INSN_JCC && !taken)
				break;
			if (insn->target < ENTRY || insn->target >= code->func.end) {
				FUZZ_ASSERT(w.hits == 1); /* a tail call */
				return;
			}
			next = code_at(code, insn->target);
			FUZZ_ASSERT(next);
			w.to_morestack = code_goes_to_morestack(NULL, code, insn);
			break;
		default:
			break;
		}
		w.intact &= ~insn->written;
		w.sp_known = w.sp_known && insn->sp_known;
		w.sp -= insn->sp_change;
	}
}

static void check_entry(const struct code *code, unsigned n_args, const uint8_t *decisions)
{
	struct probe_site site = {0};
	const char *why = NULL;
	const struct insn *insn;

	if (place_near_entry(NULL, code, n_args, &site, &why)) {
		FUZZ_ASSERT(why && *why);
		return;
	}
	insn = code_at(code, site.addr);
	FUZZ_ASSERT(insn && insn->emulated == site.emulated);
	FUZZ_ASSERT(site.emulated || insn == code->insns);
	FUZZ_ASSERT(!(site.flags & ~(unsigned)(SITE_FILTER_BRANCH | SITE_STACK_CHECK)));
	for (unsigned i = 0; i < WALKS; i++)
		walk_once(code, &site, n_args, decisions[i]);
}

/* After the one store to g.goid, in its own block, with the g still in its register. */
static void check_goid(const struct code *code)
{
	struct probe_site site = {0};
	const struct insn *at, *store = NULL;
	const char *why = NULL;

	if (place_after_goid_store(code, GOID, &site, &why)) {
		FUZZ_ASSERT(why && *why);
		return;
	}
	at = code_at(code, site.addr);
	FUZZ_ASSERT(at && at->emulated == site.emulated && at > code->insns);
	/* What is stepped must be one that the kernel steps: none that goes elsewhere or locks. */
	FUZZ_ASSERT(at->emulated ||
		    (at->class != INSN_RET && at->class != INSN_JMP && at->class != INSN_CALL &&
		     code->bytes[at->addr - code->func.entry] != 0xf0));
	for (const struct insn *insn = at - 1; !store; insn--) {
		FUZZ_ASSERT(insn->class != INSN_RET && insn->class != INSN_JMP &&
			    insn->class != INSN_CALL && !code_is_jump_target(code, insn[1].addr));
		if (insn->has_mem && insn->mem.store && insn->mem.base == site.reg)
			store = insn;
		FUZZ_ASSERT(store || !(insn->written & 1u << site.reg));
		FUZZ_ASSERT(store || insn > code->insns);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = fuzz_input(data, size);
	uint8_t kind = fuzz_u8(&in), decisions[WALKS], *code;
	uint16_t machine = kind & 1 ? EM_AARCH64 : EM_X86_64;
	struct go_func func = {.entry = ENTRY, .name = "main.f"};
	struct code decoded;
	size_t n;

	layout = (struct go_layout){.g_goid = GOID,
				    .register_abi = !(machine == EM_AARCH64 && kind & 4)};
	for (unsigned i = 0; i < WALKS; i++)
		decisions[i] = fuzz_u8(&in);
	code = malloc(CODE_MAX);
	FUZZ_ASSERT(code);
	n = fuzz_left(&in) < CODE_MAX ? fuzz_left(&in) : CODE_MAX;
	if (kind & 2)
		n = assemble(&in, machine, code);
	else if (n)
		memcpy(code, in.p, n);
	func.end = ENTRY + n;
	if (n && !code_decode(NULL, machine, code, &func, &decoded)) {
		check_entry(&decoded, (kind >> 3) % 7, decisions);
		check_goid(&decoded);
		code_free(&decoded);
	}
	free(code);
	return 0;
}
