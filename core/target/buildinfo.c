/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The Go version of a file. The linker writes it twice: into .go.buildinfo (cmd/link, buildinfo();
 * read back by debug/buildinfo) and as the string runtime.buildVersion. Pure functions.
 */
#include "core/target/buildinfo.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/parse.h"
#include "core/base/util.h"

#define MAGIC       "\xff Go buildinf:"
#define MAGIC_SIZE  14
#define ALIGN       16
#define HEADER      32
#define FLAG_INLINE 2 /* 1.18 on: the strings follow the header */

bool buildinfo_parse_version(const char *version, unsigned *ret_minor, bool *ret_development)
{
	const char *p = version;
	const char *end = version + strlen(version);
	uint64_t minor;

	*ret_development = false;
	if (!strncmp(p, "devel ", 6)) {
		*ret_development = true;
		p += 6;
	}
	if (strncmp(p, "go1.", 4))
		return false;
	p += 4;
	if (scan_u64(&p, end, &minor) || minor > UINT16_MAX)
		return false;
	/* go1.26-devel_…, go1.27-0123abcd: a tree between releases. -20250209-RC00 and the like are
	 * cut from a release branch. */
	if (!strncmp(p, "-devel", 6) || !strncmp(p, "beta", 4))
		*ret_development = true;
	*ret_minor = (unsigned)minor;
	return true;
}

static bool take_version(struct buildinfo *bi, const char *text, size_t n)
{
	bool development;
	unsigned minor = 0;
	char copy[sizeof(bi->version)];

	if (!n || n >= sizeof(copy))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < ' ' || (unsigned char)text[i] > '~')
			return false;
	memcpy(copy, text, n);
	copy[n] = '\0';
	if (!buildinfo_parse_version(copy, &minor, &development) && strncmp(copy, "devel ", 6))
		return false;
	memcpy(bi->version, copy, n + 1);
	bi->minor = minor;
	bi->development = development;
	return true;
}

int godebug_labels(const char *list, size_t n)
{
	static const char key[] = "tracebacklabels=";
	const char *at = list, *end = list + n;
	int found = 0;

	while (at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		size_t len = (size_t)((comma ? comma : end) - at);

		if (len > strlen(key) && !memcmp(at, key, strlen(key)))
			found = at[strlen(key)] == '1' ? 1 : -1;
		at += len + 1;
	}
	return found;
}

/* The settings are lines "build\tKEY=VALUE" between two 16-byte marks. */
static void take_settings(struct buildinfo *bi, const char *text, size_t n)
{
	static const char godebug[] = "build\tDefaultGODEBUG=";
	const char *hit = memmem(text, n, godebug, strlen(godebug)), *end;

	if (hit) {
		hit += strlen(godebug);
		end = memchr(hit, '\n', (size_t)(text + n - hit));
		bi->labels = godebug_labels(hit, (size_t)((end ? end : text + n) - hit));
	}
	if (memmem(text, n, "build\t-race=true\n", 17))
		bi->race = true;
	hit = memmem(text, n, "build\t-compiler=", 16);
	if (hit) {
		size_t left = n - (size_t)(hit + 16 - text), k = 0;

		while (k < left && k < sizeof(bi->compiler) - 1 &&
		       isalnum((unsigned char)hit[16 + k]))
			k++;
		memcpy(bi->compiler, hit + 16, k);
		bi->compiler[k] = '\0';
	}
}

static size_t uvarint(const uint8_t *p, size_t left, uint64_t *ret)
{
	uint64_t value = 0;

	for (size_t i = 0; i < left && i < 9; i++) {
		value |= (uint64_t)(p[i] & 0x7f) << (7 * i);
		if (!(p[i] & 0x80)) {
			*ret = value;
			return i + 1;
		}
	}
	return 0;
}

/* A Go string header {pointer, length} at vaddr. */
static const char *go_string(const struct image *img, uint64_t vaddr, size_t *ret_n)
{
	uint64_t ptr, n;

	if (vaddr > UINT64_MAX - 8 || image_word(img, vaddr, &ptr) ||
	    image_word(img, vaddr + 8, &n) || n > (1 << 24))
		return NULL;
	*ret_n = (size_t)n;
	return image_at(img, ptr, (size_t)n);
}

static bool read_inline(const uint8_t *at, size_t left, struct buildinfo *bi)
{
	const uint8_t *p = at + HEADER;
	uint64_t n;
	size_t k;

	left -= HEADER;
	k = uvarint(p, left, &n);
	if (!k || n > left - k || !take_version(bi, (const char *)p + k, (size_t)n))
		return false;
	p += k + n;
	left -= k + (size_t)n;
	k = uvarint(p, left, &n);
	if (k && n <= left - k)
		take_settings(bi, (const char *)p + k, (size_t)n);
	return true;
}

/* Up to 1.17: addresses of two string headers. */
static bool read_pointers(const struct image *img, uint64_t vaddr, struct buildinfo *bi)
{
	uint64_t version, settings;
	const char *text;
	size_t n;

	if (image_word(img, vaddr + 16, &version) || image_word(img, vaddr + 24, &settings))
		return false;
	text = go_string(img, version, &n);
	if (!text || !take_version(bi, text, n))
		return false;
	text = go_string(img, settings, &n);
	if (text)
		take_settings(bi, text, n);
	return true;
}

static bool read_header(const struct image *img, const uint8_t *at, size_t left, uint64_t vaddr,
			struct buildinfo *bi)
{
	if (left < HEADER || memcmp(at, MAGIC, MAGIC_SIZE))
		return false;
	if (at[15] & FLAG_INLINE)
		return read_inline(at, left, bi);
	return at[14] == 8 && read_pointers(img, vaddr, bi);
}

/* The magic on a 16-byte boundary of the data, for files whose section table lost the name. */
static bool scan_for_header(const struct image *img, struct buildinfo *bi)
{
	struct image_segment seg;

	for (size_t i = 0; image_segment_at(img, i, &seg); i++) {
		const uint8_t *p = seg.data, *end = seg.data + seg.size;

		if (seg.executable)
			continue;
		while (p < end && (p = memmem(p, (size_t)(end - p), MAGIC, MAGIC_SIZE))) {
			uint64_t vaddr = seg.vaddr + (uint64_t)(p - seg.data);

			if (!(vaddr % ALIGN) && read_header(img, p, (size_t)(end - p), vaddr, bi))
				return true;
			p += MAGIC_SIZE;
		}
	}
	return false;
}

/*
 * The string variable runtime.buildVersion: by symbol when there is one, else any string header in
 * the data whose text reads like a version. Other variables may hold one too (a table of known
 * releases, say), and so two different answers are no answer.
 */
static bool scan_for_string(const struct image *img, struct buildinfo *bi)
{
	struct image_segment seg;
	uint64_t addr, size, n;
	const char *text;
	bool found = false;
	size_t len;

	if (!image_symbol(img, "runtime.buildVersion", &addr, &size)) {
		text = go_string(img, addr, &len);
		if (text && take_version(bi, text, len))
			return true;
	}
	for (size_t i = 0; image_segment_at(img, i, &seg); i++) {
		if (seg.executable || !seg.writable)
			continue;
		for (uint64_t at = -seg.vaddr & 7; at + 16 <= seg.size; at += 8) {
			struct buildinfo other = {0};

			memcpy(&n, seg.data + at + 8, sizeof(n));
			if (n < 5 || n >= sizeof(bi->version))
				continue;
			text = go_string(img, seg.vaddr + at, &len);
			if (!text ||
			    (strncmp(text, "go1.", 4) && strncmp(text, "devel go1.", 10)) ||
			    !take_version(&other, text, len))
				continue;
			if (found && strcmp(other.version, bi->version))
				return false;
			*bi = other;
			found = true;
		}
	}
	return found;
}

int buildinfo_read(const struct image *img, struct buildinfo *ret)
{
	struct image_section sec;
	struct buildinfo bi = {0};
	const uint8_t *at;

	if (image_section(img, ".go.buildinfo", &sec)) {
		at = image_at(img, sec.addr, sec.size);
		if (at && read_header(img, at, sec.size, sec.addr, &bi)) {
			bi.from_section = true;
			*ret = bi;
			return 0;
		}
	}
	if (!scan_for_header(img, &bi)) {
		bi = (struct buildinfo){0};
		if (!scan_for_string(img, &bi))
			return -ENOENT;
	}
	*ret = bi;
	return 0;
}
