/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Attaches and detaches; see probes.h. A site's slot in the table that the BPF program reads is its
 * link's cookie; the first site of a kind has the kind's own slot (enum wire_probe). */
#include "core/capture/probes.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "core/base/log.h"
#include "core/capture/keeper.h"
#include "core/capture/uprobe_perf.h"

/* One link: a site's, or in multi mode a whole group's, in all processes or in one. */
struct link {
	int fd;
	pid_t pid; /* 0: all */
};

struct group {
	size_t n; /* sites; 0: nothing attached */
	unsigned slots[WIRE_SITES_MAX];
	size_t n_links, cap;
	struct link *links;
};

struct probes {
	struct program *program;
	struct keeper *keeper; /* NULL: we attach ourselves */
	char *path;
	uint32_t perf_type; /* 0: uprobe_multi links */
	bool named;         /* pids[] come and go */
	bool plugin;        /* its file is not the program's */
	size_t n_pids;
	pid_t *pids; /* 0: all */
	size_t n_unclosed;
	int *unclosed;                           /* links that the keeper was too busy to close */
	struct probe_site sites[WIRE_SITES_MAX]; /* by slot */
	bool stuck[WIRE_SITES_MAX]; /* used by a link that the kernel has not let go of yet */
	struct group groups[PROBE_KINDS];
};

static int note_pid(struct probes *p, pid_t pid)
{
	pid_t *pids = reallocarray(p->pids, p->n_pids + 1, sizeof(*pids));

	if (!pids)
		return -ENOMEM;
	p->pids = pids;
	pids[p->n_pids++] = pid;
	return 0;
}

int probes_new(struct program *program, const char *path, pid_t pid, const atomic_bool *asked,
	       struct probes **ret)
{
	struct probes *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->program = program;
	p->named = pid == PROBES_NAMED;
	p->path = strdup(path);
	err = p->path ? 0 : -ENOMEM;
	if (!err && !p->named)
		err = note_pid(p, pid);
	if (!err && !program->multi)
		err = uprobe_perf_type(&p->perf_type);
	if (err) {
		probes_free(p);
		return err;
	}
	/* Nothing is attached: nobody is needed to take it out. */
	err = program->own ? 0 : keeper_new(asked, &p->keeper);
	if (err)
		log_warn("attaching without a keeper (%s): probes may stay when this process is "
			 "killed",
			 strerror(-err));
	*ret = p;
	return 0;
}

int probes_name(struct probes *p)
{
	p->named = true;
	p->n_pids = 0;
	return probes_guard(p, -1);
}

void probes_of_plugin(struct probes *p)
{
	p->plugin = true;
}

void probes_free(struct probes *p)
{
	if (!p)
		return;
	(void)probes_keep(p, NULL, 0);
	keeper_free(p->keeper);
	for (unsigned kind = 0; kind < PROBE_KINDS; kind++)
		free(p->groups[kind].links);
	free(p->pids);
	free(p->unclosed);
	free(p->path);
	free(p);
}

/* --- groups ---------------------------------------------------------------------------------- */

static bool same_site(const struct probe_site *a, const struct probe_site *b)
{
	return a->kind == b->kind && a->addr == b->addr;
}

static bool group_has(const struct probes *p, const struct group *g, const struct probe_site *site)
{
	for (size_t i = 0; i < g->n; i++)
		if (same_site(&p->sites[g->slots[i]], site))
			return true;
	return false;
}

bool probes_attached(const struct probes *p, const struct probe_site *site)
{
	const struct group *g = &p->groups[site->kind];

	return g->n_links && group_has(p, g, site);
}

/* Whether what is attached of a kind is exactly what sites[] want of it. */
static bool group_as_wanted(const struct probes *p, unsigned kind, const struct probe_site *sites,
			    size_t n)
{
	const struct group *g = &p->groups[kind];
	size_t of_kind = 0;

	for (size_t i = 0; i < n; i++) {
		if (sites[i].kind != kind)
			continue;
		if (!group_has(p, g, &sites[i]))
			return false;
		of_kind++;
	}
	return of_kind == g->n;
}

/* Programs that look at their site and do not ask for the cookie know one only. */
static bool may_have_several(unsigned kind)
{
	return kind == PROBE_MALLOC_SPECIAL || kind == PROBE_ENTERSYSCALL ||
	       kind == PROBE_EXITSYSCALL || kind == PROBE_NEWPROC_GOID || kind == PROBE_STATE_SWAP;
}

static int take_slot(struct probes *p, struct group *g, const struct probe_site *site)
{
	unsigned slot = site->kind;

	/* The kinds' own slots are the program's; plugins have the others. */
	if (!g->n && !p->plugin && p->program->slots_used[slot])
		return log_error(-EBUSY, "%s: the kernel still holds the probe that was here",
				 site->symbol);
	if (g->n && !may_have_several(site->kind))
		return log_error(-EINVAL, "%s: a second site of its kind", site->symbol);
	if (g->n || p->plugin)
		for (slot = WIRE_PROBES; slot < WIRE_SITES_MAX && p->program->slots_used[slot];
		     slot++)
			;
	if (slot == WIRE_SITES_MAX)
		return log_error(-ENOSPC, "more than %d probe sites", WIRE_SITES_MAX);
	p->program->slots_used[slot] = true;
	p->sites[slot] = *site;
	p->program->control->sites[slot] =
		(struct wire_site){.addr = site->addr,
				   .flags = site->flags | (site->emulated ? 0 : WIRE_SITE_STEPPED),
				   .sp_delta = site->sp_delta,
				   .reg = site->reg,
				   .reg2 = site->reg2};
	if (!site->emulated)
		p->program->control->stepped_kinds |= (uint16_t)(1u << site->kind);
	g->slots[g->n++] = slot;
	return 0;
}

/* The slots of a link that is still there stay: it goes on telling of its sites by them. */
static void release_slots(struct probes *p, struct group *g, bool stuck)
{
	for (size_t i = 0; i < g->n; i++) {
		p->program->slots_used[g->slots[i]] = stuck;
		p->stuck[g->slots[i]] = stuck;
	}
	g->n = 0;
}

/* --- attaching -------------------------------------------------------------------------------- */

static int attach_error(pid_t pid, const struct probe_site *site, int err)
{
	switch (err) {
	case -ESRCH:
		return log_error(err, "process %d is gone", pid);
	case -ESTALE:
		return err; /* whoever watches the file says what is to be said */
	case -EINTR:
		return log_error(err, "interrupted while attaching to %s", site->symbol);
	case -ETIMEDOUT:
	case -EBUSY:
		return log_error(err,
				 "cannot attach to %s now: the kernel does not come to an end with "
				 "it; is the process being dumped, or stuck in the kernel itself?",
				 site->symbol);
	case -EPERM:
	case -EACCES:
		return log_error(-EPERM,
				 "not allowed to attach to %s: run as root, or with CAP_BPF and "
				 "CAP_PERFMON (and CAP_SYS_ADMIN before Linux 6.10)",
				 site->symbol);
	default:
		return log_error(err, "cannot attach to %s at file offset 0x%llx: %s", site->symbol,
				 (unsigned long long)site->file_offset, strerror(-err));
	}
}

/* One link. */
static int attach_link(struct probes *p, unsigned kind, struct group *g, pid_t pid, size_t first,
		       size_t n)
{
	uint64_t offsets[WIRE_SITES_MAX], cookies[WIRE_SITES_MAX];
	struct keeper_sites sites = {.perf_type = p->perf_type,
				     .prog_fd = bpf_program__fd(program_for(p->program, kind)),
				     .pid = pid,
				     .path = p->path,
				     .offsets = offsets,
				     .cookies = cookies,
				     .n = n};
	struct link *links;

	if (g->n_links == g->cap) {
		links = reallocarray(g->links, g->cap + 8, sizeof(*links));
		if (!links)
			return -ENOMEM;
		g->links = links;
		g->cap += 8;
	}
	for (size_t i = 0; i < n; i++) {
		offsets[i] = p->sites[g->slots[first + i]].file_offset;
		cookies[i] = g->slots[first + i];
	}
	links = &g->links[g->n_links];
	links->pid = pid;
	n = (size_t)keeper_attach(p->keeper, &sites, &links->fd);
	if (!n)
		g->n_links++;
	return (int)n;
}

/* A group's links for `pid`. On failure some may be there. */
static int attach_for(struct probes *p, unsigned kind, struct group *g, pid_t pid)
{
	size_t at_once = p->perf_type ? 1 : g->n;
	int err = 0;

	for (size_t i = 0; i < g->n && !err; i += at_once) {
		err = attach_link(p, kind, g, pid, i, at_once);
		if (err == -ESRCH && p->named)
			return err; /* it will be removed */
		if (err)
			err = attach_error(pid, &p->sites[g->slots[i]], err);
	}
	return err;
}

/* --- detaching -------------------------------------------------------------------------------- */

/* Links that are to be closed together: first those that are left from the last time. */
struct closing {
	int *fds;
	size_t n;
};

static int closing_new(struct probes *p, struct closing *ret)
{
	size_t n = p->n_unclosed;

	for (unsigned kind = 0; kind < PROBE_KINDS; kind++)
		n += p->groups[kind].n_links;
	*ret = (struct closing){.fds = calloc(n ? n : 1, sizeof(int))};
	if (!ret->fds)
		return -ENOMEM;
	for (; p->n_unclosed; p->n_unclosed--)
		ret->fds[ret->n++] = p->unclosed[p->n_unclosed - 1];
	return 0;
}

/* Takes a group's links, or those of one process. */
static void closing_take(struct closing *c, struct group *g, const pid_t *pid)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->n_links; i++)
		if (pid && g->links[i].pid != *pid)
			g->links[kept++] = g->links[i];
		else
			c->fds[c->n++] = g->links[i].fd;
	g->n_links = kept;
}

/* Closing a link waits for the kernel; several wait together. 0, or -errno of keeper_close(): then
 * what it was too busy for is in p->unclosed. */
static int closing_end(struct probes *p, struct closing *c)
{
	size_t n = 0;
	int err = 0;

	for (size_t i = 0; i < c->n && err != -EBUSY; i += n) {
		int part;

		n = MIN(c->n - i, KEEPER_SITES_MAX);
		part = keeper_close(p->keeper, c->fds + i, n);
		err = part ? part : err;
		if (part == -EBUSY) {
			memmove(c->fds, c->fds + i, (c->n - i) * sizeof(*c->fds));
			free(p->unclosed); /* closing_new() made room for these, too */
			p->unclosed = move_ptr(c->fds);
			p->n_unclosed = c->n - i;
		}
	}
	free(c->fds);
	if (err)
		log_warn(
			"the kernel has not taken the breakpoints out yet; is the process being "
			"dumped, or stuck in the kernel itself? They go when it can, at the latest "
			"when this process has ended");
	return err;
}

static int detach(struct probes *p, struct group **groups, size_t n)
{
	struct closing closing;
	int err = closing_new(p, &closing);

	if (err)
		return log_error(err, "out of memory");
	for (size_t i = 0; i < n; i++)
		closing_take(&closing, groups[i], NULL);
	err = closing_end(p, &closing);
	for (size_t i = 0; i < n; i++)
		release_slots(p, groups[i], err != 0);
	return err;
}

/* Has the kernel let go of all that was detached? */
static bool settle(struct probes *p)
{
	struct closing closing;

	if (!keeper_settled(p->keeper))
		return false;
	if (p->n_unclosed && (closing_new(p, &closing) || closing_end(p, &closing)))
		return false;
	for (size_t i = 0; i < WIRE_SITES_MAX; i++) {
		p->program->slots_used[i] &= !p->stuck[i];
		p->stuck[i] = false;
	}
	return true;
}

/* --- sets ------------------------------------------------------------------------------------- */

static bool kind_wanted(unsigned kind, const struct probe_site *sites, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (sites[i].kind == kind)
			return true;
	return false;
}

static int attach_group(struct probes *p, unsigned kind, const struct probe_site *sites, size_t n)
{
	struct group *g = &p->groups[kind];
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		if (sites[i].kind == kind)
			err = take_slot(p, g, &sites[i]);
	for (size_t i = 0; i < p->n_pids && !err; i++) {
		err = attach_for(p, kind, g, p->pids[i]);
		if (err == -ESRCH && p->named)
			err = 0;
	}
	if (err)
		(void)detach(p, &g, 1);
	return err;
}

int probes_attach(struct probes *p, const struct probe_site *sites, size_t n)
{
	struct group *fresh[PROBE_KINDS];
	size_t n_fresh = 0;

	program_keep_nothing(p->program);
	(void)settle(p);
	for (unsigned kind = 0; kind < PROBE_KINDS; kind++) {
		struct group *g = &p->groups[kind];
		int err = 0;

		if (group_as_wanted(p, kind, sites, n) || !kind_wanted(kind, sites, n))
			continue;
		if (g->n) /* other sites of this kind than before: never both */
			err = detach(p, &g, 1);
		if (!err)
			err = attach_group(p, kind, sites, n);
		if (err) {
			(void)detach(p, fresh, n_fresh);
			return err;
		}
		fresh[n_fresh++] = g;
	}
	return 0;
}

int probes_keep(struct probes *p, const struct probe_site *sites, size_t n)
{
	struct group *dropped[PROBE_KINDS];
	size_t n_dropped = 0;

	program_keep_nothing(p->program);
	for (unsigned kind = 0; kind < PROBE_KINDS; kind++)
		if (p->groups[kind].n && !group_as_wanted(p, kind, sites, n))
			dropped[n_dropped++] = &p->groups[kind];
	return n_dropped ? detach(p, dropped, n_dropped) : 0;
}

bool probes_are_in(const struct probes *p, pid_t pid)
{
	for (size_t i = 0; i < p->n_pids; i++)
		if (!p->pids[i] || p->pids[i] == pid) /* 0: all */
			return true;
	return false;
}

/* Who looks at processes and who hears of execs both add one. Two links tell twice of a hit, and
 * the one that is there may be of what was executed before. */
int probes_add_process(struct probes *p, pid_t pid)
{
	int err = probes_are_in(p, pid) ? probes_remove_process(p, pid) : 0;

	program_keep_nothing(p->program);
	if (!err)
		err = note_pid(p, pid);
	for (unsigned kind = 0; kind < PROBE_KINDS && !err; kind++)
		err = attach_for(p, kind, &p->groups[kind], pid);
	if (err)
		(void)probes_remove_process(p, pid);
	return err;
}

int probes_remove_process(struct probes *p, pid_t pid)
{
	struct closing closing;
	size_t kept = 0;
	int err = closing_new(p, &closing);

	program_keep_nothing(p->program);
	if (err)
		return log_error(err, "out of memory");
	for (unsigned kind = 0; kind < PROBE_KINDS; kind++)
		closing_take(&closing, &p->groups[kind], &pid);
	for (size_t i = 0; i < p->n_pids; i++)
		if (p->pids[i] != pid)
			p->pids[kept++] = p->pids[i];
	p->n_pids = kept;
	return closing_end(p, &closing);
}

int probes_guard(struct probes *p, int fd)
{
	int err = p->keeper ? keeper_guard(p->keeper, fd, &p->program->control->goids_epoch) : 0;

	return err ? log_error(err, "the process that attaches for us does not answer") : 0;
}

uint64_t probes_cpu_ns(const struct probes *p)
{
	return keeper_cpu_ns(p->keeper);
}

bool probes_gone(struct probes *p)
{
	for (unsigned kind = 0; kind < PROBE_KINDS; kind++)
		if (p->groups[kind].n_links)
			return false;
	return settle(p);
}

bool probes_have_let_go(struct probes *p)
{
	return keeper_has_let_go(p->keeper);
}
