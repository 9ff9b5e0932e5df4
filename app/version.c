/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* -version: what this was built with and what it runs with. */
#include "app/version.h"

#include <bpf/libbpf.h>
#include <fuse_lowlevel.h>
#include <gelf.h>
#include <elfutils/version.h>
#include <jansson.h>
#include <libwebsockets.h>
#include <protobuf-c/protobuf-c.h>
#include <stdio.h>
#include <sys/utsname.h>

#include <Zydis/Zydis.h>

void version_print(struct buf *out)
{
	ZyanU64 zydis = ZydisGetVersion();
	struct utsname u;

	buf_addf(out, "xgotopfs %s\n", XGOTOPFS_VERSION);
	buf_addf(out, "libbpf %u.%u\n", libbpf_major_version(), libbpf_minor_version());
	buf_addf(out, "libfuse %s\n", fuse_pkgversion());
	buf_addf(out, "elfutils %d.%d\n", _ELFUTILS_VERSION / 1000, _ELFUTILS_VERSION % 1000);
	buf_addf(out, "Zydis %u.%u.%u\n", (unsigned)ZYDIS_VERSION_MAJOR(zydis),
		 (unsigned)ZYDIS_VERSION_MINOR(zydis), (unsigned)ZYDIS_VERSION_PATCH(zydis));
	buf_addf(out, "protobuf-c %s\n", protobuf_c_version());
	buf_addf(out, "libwebsockets %s\n", lws_get_library_version());
	buf_addf(out, "jansson %s\n", jansson_version_str());
	if (uname(&u) == 0)
		buf_addf(out, "%s %s %s\n", u.sysname, u.release, u.machine);
}
