/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A set of probes a plugin; see plugins.h. No lease is held on a plugin's file: probes are in named
 * processes only, and who writes to a library in place that a process has mapped damages that
 * process with or without us. A file that was changed since it was read gets no probe any more.
 */
#include "core/capture/plugins.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/capture/probes.h"
#include "core/target/file_copy.h"

struct plugin {
	const struct target *part;
	unsigned k;
	int fd;
	struct file_stamp stamp;
	struct probes *probes;
	struct probe_site *sites; /* that are wanted */
	size_t n_sites;
	bool changed;
};

struct plugins {
	struct program *program;
	const atomic_bool *asked;
	size_t n;
	struct plugin plugins[TARGET_PARTS_MAX];
};

int plugins_new(struct program *program, const atomic_bool *asked, struct plugins **ret)
{
	struct plugins *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->program = program;
	p->asked = asked;
	*ret = p;
	return 0;
}

void plugins_free(struct plugins *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++) {
		probes_free(p->plugins[i].probes);
		free(p->plugins[i].sites);
	}
	free(p);
}

static struct plugin *find(struct plugins *p, unsigned k)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->plugins[i].k == k)
			return &p->plugins[i];
	return NULL;
}

int plugins_add(struct plugins *p, unsigned k, const struct target *part, int fd)
{
	struct plugin *plugin = &p->plugins[p->n];
	char path[64];
	int err;

	if (p->n == ARRAY_SIZE(p->plugins))
		return -ENOSPC;
	*plugin = (struct plugin){.part = part, .k = k, .fd = fd};
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = file_stamp_read(fd, &plugin->stamp);
	if (!err)
		err = target_compare(part, fd);
	if (!err)
		err = probes_new(p->program, path, PROBES_NAMED, p->asked, &plugin->probes);
	if (err)
		return err;
	probes_of_plugin(plugin->probes);
	/* Before its first probe is there. */
	p->program->control->several = 1;
	p->n++;
	return 0;
}

/* --- what is attached ----------------------------------------------------------------------- */

static bool is_as_read(struct plugin *plugin)
{
	struct file_stamp now;

	plugin->changed = plugin->changed || file_stamp_read(plugin->fd, &now) ||
			  !file_stamp_same(&now, &plugin->stamp);
	return !plugin->changed;
}

static void forget(struct plugin *plugin)
{
	free(plugin->sites);
	plugin->sites = NULL;
	plugin->n_sites = 0;
}

static int apply(struct plugin *plugin, unsigned wanted)
{
	struct probe_site *sites = NULL;
	size_t n = 0;
	int err = 0;

	if (wanted && is_as_read(plugin))
		err = target_sites(plugin->part, wanted, &sites, &n);
	for (size_t i = 0; i < n; i++) {
		sites[i].addr += (uint64_t)plugin->k << TARGET_PART_SHIFT;
		sites[i].func_entry += (uint64_t)plugin->k << TARGET_PART_SHIFT;
	}
	if (!err && n)
		err = probes_attach(plugin->probes, sites, n);
	if (err) {
		free(sites);
		return err;
	}
	forget(plugin);
	plugin->sites = sites;
	plugin->n_sites = n;
	return probes_keep(plugin->probes, sites, n);
}

int plugins_apply(struct plugins *p, unsigned wanted)
{
	int first = 0;

	for (size_t i = 0; i < p->n; i++) {
		int err = apply(&p->plugins[i], wanted);

		first = first ? first : err;
	}
	return first;
}

int plugins_enter(struct plugins *p, unsigned k, pid_t pid)
{
	struct plugin *plugin = find(p, k);
	int err;

	if (!plugin)
		return -ENOENT;
	if (!is_as_read(plugin))
		return -ESTALE;
	err = probes_add_process(plugin->probes, pid);
	if (!err && !is_as_read(plugin)) {
		(void)probes_keep(plugin->probes, NULL, 0);
		err = -ESTALE;
	}
	return err;
}

void plugins_leave(struct plugins *p, pid_t pid)
{
	for (size_t i = 0; i < p->n; i++)
		(void)probes_remove_process(p->plugins[i].probes, pid);
}

unsigned plugins_changed(struct plugins *p)
{
	unsigned bits = 0;

	for (size_t i = 0; i < p->n; i++) {
		struct plugin *plugin = &p->plugins[i];

		if (is_as_read(plugin))
			continue;
		(void)probes_keep(plugin->probes, NULL, 0);
		forget(plugin);
		bits |= 1u << plugin->k;
	}
	return bits;
}

bool plugins_gone(struct plugins *p)
{
	bool gone = true;

	for (size_t i = 0; i < p->n; i++)
		gone = probes_gone(p->plugins[i].probes) && gone;
	return gone;
}

size_t plugins_sites(const struct plugins *p, struct probe_site *ret, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		const struct plugin *plugin = &p->plugins[i];

		for (size_t k = 0; k < plugin->n_sites; k++, n++) {
			if (n >= max)
				continue;
			ret[n] = plugin->sites[k];
			ret[n].attached = probes_attached(plugin->probes, &plugin->sites[k]);
		}
	}
	return n;
}
