/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Why a file is refused, in words for the person who named it: the marks that other compilers,
 * packers and obfuscators leave. Pure functions over the image.
 */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/target/target_internal.h"

/* Is the text in a section whose name contains `part`? */
static bool section_contains(const struct image *img, const char *part, const char *text)
{
	struct image_section sec;

	for (size_t i = 0; image_section_at(img, i, &sec); i++) {
		const void *at =
			strstr(sec.name, part) ? image_file(img, sec.offset, sec.size) : NULL;

		if (at && memmem(at, sec.size, text, strlen(text)))
			return true;
	}
	return false;
}

static bool has_section_like(const struct image *img, const char *part)
{
	struct image_section sec;

	for (size_t i = 0; image_section_at(img, i, &sec); i++)
		if (strstr(sec.name, part) && sec.size)
			return true;
	return false;
}

/* UPX writes its l_info right behind the program headers, and no section headers. */
static bool is_upx(const struct image *img)
{
	size_t size;
	const char *bytes = image_bytes(img, &size);

	return memmem(bytes, MIN(size, (size_t)1024), "UPX!", 4) != NULL;
}

static bool is_gccgo(const struct image *img)
{
	return has_section_like(img, ".go_export") || image_needs(img, "libgo.so.") ||
	       section_contains(img, ".strtab", "__gccgo_personality_v0") ||
	       section_contains(img, ".dynstr", "__gccgo_personality_v0") ||
	       section_contains(img, ".debug_str", "__gccgo_personality_v0");
}

/* Runtime functions by name, or the producer in its DWARF. */
static bool is_tinygo(const struct image *img)
{
	return section_contains(img, "strtab", "tinygo_") ||
	       section_contains(img, "debug_", "TinyGo") ||
	       section_contains(img, "debug_line", "/tinygo/src/runtime");
}

/* Go 1.15 and older leave a function table with a magic of its own. */
static bool is_old(const struct image *img)
{
	struct pclntab tab;

	for (size_t nth = 0; nth < 4 && !pclntab_find(img, nth, &tab); nth++)
		if (tab.format == PCLNTAB_OLD)
			return true;
	return false;
}

int refuse_not_go(const struct target *t, char *why, size_t why_size)
{
	const struct image *img = t->img;
	struct pclntab tab;
	const bool go_marks = *t->build.version || has_section_like(img, "gopclntab") ||
			      has_section_like(img, "go.buildinfo") ||
			      has_section_like(img, "note.go.buildid");

	/* go install -buildmode=shared names it by what was asked for: std, or a list of packages.
	 */
	if (image_needs(img, "libstd.so") || image_needs(img, "libruntime"))
		return refuse(why, why_size,
			      "it was linked with -linkshared: its runtime is in a library of its "
			      "own, which is not supported: build it without");
	if (is_upx(img))
		return refuse(
			why, why_size,
			"it is packed by UPX, so that its code is not in the file: unpack it with "
			"upx -d and run that");
	if (is_old(img))
		return refuse(
			why, why_size,
			"its function table is that of Go 1.15 or older; Go 1.17 is the oldest "
			"supported: rebuild it with a newer Go");
	if (t->names)
		return refuse(why, why_size,
			      "its function names are hashed or removed, as garble does "
			      "(runtime.casgstatus "
			      "is not among the %u functions): use a build without obfuscation",
			      t->tab.nfunc);
	if (!*t->build.version && !pclntab_find(img, 0, &tab))
		return refuse(
			why, why_size,
			"it is a Go program, but it does not say of which Go version (blanked, as "
			"garble does): use a build without obfuscation");
	if (is_gccgo(img))
		return refuse(why, why_size, REFUSE_GCCGO);
	if (is_tinygo(img))
		return refuse(why, why_size,
			      "it was compiled by TinyGo, whose runtime is another one: build it "
			      "with the "
			      "go command");
	if (go_marks)
		return refuse(
			why, why_size,
			"it looks like a Go program%s%s, but its function table was changed or "
			"removed (garble or a stripping tool) or is damaged: use the build as the "
			"go command made it",
			*t->build.version ? " of " : "", t->build.version);
	return refuse(why, why_size,
		      "it is not a Go program (no Go version, no Go function table)");
}
