/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "core/view/own.h"

#include <string.h>

#include "core/base/util.h"

/* First elements of import paths below $GOROOT/src, of Go 1.17 to 1.27, by name. "type" is what the
 * compiler makes ("type:.eq.main.T"), "go" also the prefix of its shapes. */
static const char *const standard[] = {
	"archive", "arena",   "bufio",    "bytes",   "cmd",     "cmp",      "compress", "container",
	"context", "crypto",  "database", "debug",   "embed",   "encoding", "errors",   "expvar",
	"flag",    "fmt",     "go",       "hash",    "html",    "image",    "index",    "internal",
	"io",      "iter",    "log",      "maps",    "math",    "mime",     "net",      "os",
	"path",    "plugin",  "reflect",  "regexp",  "runtime", "slices",   "sort",     "strconv",
	"strings", "structs", "sync",     "syscall", "testing", "text",     "time",     "type",
	"unicode", "unique",  "unsafe",   "vendor",  "weak",
};

bool own_function(const char *name, size_t len)
{
	/* Type arguments have paths of their own: slices.Sort[github.com/x/y.T]. */
	const char *end = memchr(name, '[', len), *slash;
	size_t path = end ? (size_t)(end - name) : len, n = 0, lo = 0, hi = ARRAY_SIZE(standard);

	slash = memchr(name, '/', path);
	if (slash)
		n = (size_t)(slash - name);
	while (!slash && n < path && name[n] != '.' && name[n] != ':')
		n++;
	if (n == path) /* no Go function: C, assembly */
		return false;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int order = strncmp(name, standard[mid], n);

		if (!order && !standard[mid][n])
			return false;
		if (order > 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return true;
}

bool own_is_runtime(const char *name, size_t len)
{
	static const char *const begins[] = {"runtime.", "internal/runtime/", "runtime/internal/"};
	static const char lent[] = ".runtime_";

	for (unsigned i = 0; i < ARRAY_SIZE(begins); i++) {
		size_t n = strlen(begins[i]);

		if (len >= n && !memcmp(name, begins[i], n))
			return true;
	}
	return memmem(name, len, lent, sizeof(lent) - 1) && !own_function(name, len);
}
