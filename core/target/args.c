/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A function's arguments as its tables describe them: cmd/compile/internal/ssagen emitArgInfo and
 * emitArgLiveInfo write them, runtime/traceback.go printArgs() reads them. Pure functions.
 */
#include <errno.h>

#include "core/target/target_internal.h"

/* runtime/funcdata.h, internal/abi/symtab.go: the same 1.17 … 1.27; liveness from 1.18 on. */
#define FUNCDATA_ARGINFO     5
#define FUNCDATA_ARGLIVEINFO 6
#define PCDATA_ARGLIVEINDEX  3

/* printArgs(), since 1.22 abi.TraceArgs… */
enum {
	OFFSET_TOO_LARGE = 0xfb,
	DOT_DOT_DOT = 0xfc,
	END_AGGREGATE = 0xfd,
	START_AGGREGATE = 0xfe,
	END = 0xff,
};

struct liveness {
	uint64_t at;  /* of the table; 0 none */
	int32_t bits; /* where this pc's are in it; 0 or less: all are live */
	uint8_t from; /* the offset from which on it says something: what was passed in registers */
};

static bool byte_at(const struct target *t, uint64_t addr, uint8_t *ret)
{
	const uint8_t *p = image_at(t->img, addr, 1);

	if (p)
		*ret = *p;
	return p != NULL;
}

static struct liveness liveness_at(const struct target *t, const struct pclntab_func *f,
				   uint64_t pc)
{
	struct liveness live = {.from = UINT8_MAX};
	uint32_t table = pclntab_pcdata(&t->tab, f, PCDATA_ARGLIVEINDEX);

	if (pclntab_funcdata(&t->tab, f, FUNCDATA_ARGLIVEINFO, &live.at) ||
	    !byte_at(t, live.at, &live.from)) {
		live.at = 0;
		return live;
	}
	live.bits = table ? pclntab_value(&t->tab, f, table, pc) : -1;
	return live;
}

static bool is_live(const struct target *t, const struct liveness *live, uint8_t offset,
		    unsigned slot)
{
	uint8_t bits;

	if (!live->at || live->bits <= 0 || offset < live->from ||
	    !byte_at(t, live->at + (uint32_t)live->bits + slot / 8, &bits))
		return true;
	return bits & 1 << slot % 8;
}

int target_args_by_pc(const struct target *t, uint64_t pc, struct target_arg ret[TARGET_ARGS_MAX])
{
	static const uint8_t kinds[] = {
		[OFFSET_TOO_LARGE - OFFSET_TOO_LARGE] = TARGET_ARG_UNKNOWN,
		[DOT_DOT_DOT - OFFSET_TOO_LARGE] = TARGET_ARG_MORE,
		[END_AGGREGATE - OFFSET_TOO_LARGE] = TARGET_ARG_CLOSE,
		[START_AGGREGATE - OFFSET_TOO_LARGE] = TARGET_ARG_OPEN,
	};
	struct pclntab_func f;
	struct liveness live;
	uint64_t at, base;
	uint32_t index;
	unsigned slot = 0;
	uint8_t op, size;

	t = target_at(t, pc, &base);
	pc -= base;
	if (pclntab_index(&t->tab, pc, &index) || pclntab_func(&t->tab, index, &f))
		return -ENOENT;
	if (pclntab_funcdata(&t->tab, &f, FUNCDATA_ARGINFO, &at))
		return 0;
	/* gentraceback() had climbed out of the inlined calls by the time it printed; the unwinder
	 * of 1.21 on asks where the frame stands. */
	live = liveness_at(t, &f, t->build.minor <= 20 ? inlined_outermost_pc(t, &f, pc) : pc);
	for (int n = 0; n < TARGET_ARGS_MAX; n++) {
		if (!byte_at(t, at++, &op))
			return -ENOENT;
		if (op == END)
			return n;
		ret[n] = (struct target_arg){.kind = TARGET_ARG_VALUE, .offset = op};
		if (op >= OFFSET_TOO_LARGE) {
			ret[n].kind = kinds[op - OFFSET_TOO_LARGE];
			continue;
		}
		if (!byte_at(t, at++, &size) || size == 0 || size > 8)
			return -ENOENT;
		ret[n].size = size;
		ret[n].live = is_live(t, &live, op, slot);
		slot += op >= live.from;
	}
	return -ENOENT; /* longer than any that a compiler writes */
}
