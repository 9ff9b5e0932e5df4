/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * runtime.allglen and runtime.allgptr, the list of all goroutines as the runtime itself reads it
 * without a lock (proc.go atomicAllG: the length first, then the array, which only ever grows or is
 * replaced by a longer copy).
 *
 * A stripped binary names functions but no variables. runtime.forEachGRace, always linked as crash
 * dumps need it, loads exactly these two, in this order, before it loops (in a build without
 * inlining, -gcflags=-l, runtime.atomicAllG does so for it); runtime.allgadd writes both. Both
 * functions must agree, otherwise the answer is "not found" rather than a guess.
 */
#include "core/target/allgs.h"

#include <errno.h>

#include "core/target/refs.h"
#include "core/target/target_internal.h"

/* Without loading from there. */
static bool makes_address(const struct refs *refs, uint64_t addr)
{
	for (size_t i = 0; i < refs->n; i++) {
		if (refs->list[i].addr == addr && !refs->list[i].load)
			return true;
	}
	return false;
}

/* Not in the code, where constants are. */
static bool is_data(const struct target *t, uint64_t addr)
{
	const struct go_ranges *r = target_ranges(t);

	return (addr < r->text || addr >= r->etext) && (addr < r->types || addr >= r->etypes);
}

static bool loads_any(const struct refs *refs)
{
	for (size_t i = 0; i < refs->n; i++) {
		if (refs->list[i].load)
			return true;
	}
	return false;
}

static int read_reader(const struct target *t, struct refs *ret)
{
	int err = refs_read(t, "runtime.forEachGRace", ret);

	return err || loads_any(ret) ? err : refs_read(t, "runtime.atomicAllG", ret);
}

int allgs_find_in_code(const struct target *t, struct allgs_address *ret)
{
	struct refs reader, writer;
	uint64_t loaded[2];
	size_t n = 0;
	int err;

	err = read_reader(t, &reader);
	if (!err)
		err = refs_read(t, "runtime.allgadd", &writer);
	if (err < 0)
		return err;
	for (size_t i = 0; i < reader.n; i++) {
		if (!reader.list[i].load)
			continue;
		if (n == 2)
			return -ENOSYS;
		loaded[n++] = reader.list[i].addr;
	}
	if (n != 2 || loaded[0] == loaded[1] || loaded[0] % 8 || loaded[1] % 8 ||
	    !refs_mention(&writer, loaded[0]) || !refs_mention(&writer, loaded[1]))
		return -ENOSYS;
	*ret = (struct allgs_address){.len = loaded[0], .ptr = loaded[1]};
	return 0;
}

int allgs_find(const struct target *t, struct allgs_address *ret)
{
	struct allgs_address found;
	uint64_t size;

	if (!image_symbol(target_image(t), "runtime.allglen", &found.len, &size) &&
	    !image_symbol(target_image(t), "runtime.allgptr", &found.ptr, &size)) {
		*ret = found;
		return 0;
	}
	return allgs_find_in_code(t, ret);
}

/*
 * runtime.semtable is the one variable whose address both semacquire1 and semrelease1 make, to
 * index it by the semaphore's address (sema.go semTable.rootFor(), which is always inlined; it was
 * semroot() before 1.19, which is a function of its own where nothing is inlined, -gcflags=-l).
 */
int semtable_find_in_code(const struct target *t, uint64_t *ret)
{
	struct refs taker, giver;
	uint64_t found = 0;
	int err;

	err = refs_read(t, "runtime.semroot", &taker);
	if (!err) {
		giver = taker;
	} else if (err == -ENOSYS) {
		err = refs_read(t, "runtime.semacquire1", &taker);
		if (!err)
			err = refs_read(t, "runtime.semrelease1", &giver);
	}
	if (err < 0)
		return err;
	for (size_t i = 0; i < taker.n; i++) {
		uint64_t addr = taker.list[i].addr;

		if (taker.list[i].load || addr % 8 || !makes_address(&giver, addr) ||
		    addr == found || !is_data(t, addr))
			continue;
		if (found)
			return -ENOSYS;
		found = addr;
	}
	if (!found)
		return -ENOSYS;
	*ret = found;
	return 0;
}

int semtable_find(const struct target *t, uint64_t *ret)
{
	uint64_t found, size;

	if (image_symbol(target_image(t), "runtime.semtable", &found, &size))
		return semtable_find_in_code(t, ret);
	*ret = found;
	return 0;
}
