/* Attaches and detaches; see probes.h. A site's slot in the table that the BPF program reads is its
 * link's cookie; the first site of a kind has the kind's own slot (enum wire_probe). */
#include "core/capture/probes.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "core/base/log.h"
#include "core/capture/keeper.h"

/* One link: a site's, or in multi mode a whole group's. */
struct link {
	int fd;                /* multi; else -1 */
	struct bpf_link *perf; /* else NULL */
};

struct group {
	size_t n; /* sites; 0: nothing attached */
	unsigned slots[WIRE_SITES_MAX];
	size_t n_links;
	struct link links[WIRE_SITES_MAX];
};

struct probes {
	struct program *program;
	struct keeper *keeper; /* NULL: we attach ourselves */
	char *path;
	pid_t pid;
	struct probe_site sites[WIRE_SITES_MAX]; /* by slot */
	bool used[WIRE_SITES_MAX];
	bool stuck[WIRE_SITES_MAX]; /* used by a link that the kernel has not let go of yet */
	struct group groups[PROBE_KINDS];
};

int probes_new(struct program *program, const char *path, pid_t pid, const atomic_bool *asked,
	       struct probes **ret)
{
	struct probes *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->program = program;
	p->pid = pid;
	p->path = strdup(path);
	if (!p->path) {
		free(p);
		return -ENOMEM;
	}
	/* Links by perf events are attached by us, but closed by it when we are killed. */
	err = keeper_new(asked, &p->keeper);
	if (err)
		log_warn("attaching without a keeper (%s): probes may stay when this process is "
			 "killed",
			 strerror(-err));
	*ret = p;
	return 0;
}

void probes_free(struct probes *p)
{
	if (!p)
		return;
	(void)probes_keep(p, NULL, 0);
	keeper_free(p->keeper);
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
	return group_has(p, &p->groups[site->kind], site);
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
	       kind == PROBE_EXITSYSCALL;
}

static int take_slot(struct probes *p, struct group *g, const struct probe_site *site)
{
	unsigned slot = site->kind;

	if (!g->n && p->used[slot])
		return log_error(-EBUSY, "%s: the kernel still holds the probe that was here",
				 site->symbol);
	if (g->n && !may_have_several(site->kind))
		return log_error(-EINVAL, "%s: a second site of its kind", site->symbol);
	if (g->n)
		for (slot = WIRE_PROBES; slot < WIRE_SITES_MAX && p->used[slot]; slot++)
			;
	if (slot == WIRE_SITES_MAX)
		return log_error(-ENOSPC, "more than %d probe sites", WIRE_SITES_MAX);
	p->used[slot] = true;
	p->sites[slot] = *site;
	p->program->control->sites[slot] = (struct wire_site){.addr = site->addr,
							      .flags = site->flags,
							      .sp_delta = site->sp_delta,
							      .reg = site->reg};
	g->slots[g->n++] = slot;
	return 0;
}

/* The slots of a link that is still there stay: it goes on telling of its sites by them. */
static void release_slots(struct probes *p, struct group *g, bool stuck)
{
	for (size_t i = 0; i < g->n; i++) {
		p->used[g->slots[i]] = stuck;
		p->stuck[g->slots[i]] = stuck;
	}
	g->n = 0;
	g->n_links = 0;
}

/* What the kernel let go of since. */
static void settle(struct probes *p)
{
	if (!keeper_settled(p->keeper))
		return;
	for (size_t i = 0; i < WIRE_SITES_MAX; i++) {
		p->used[i] &= !p->stuck[i];
		p->stuck[i] = false;
	}
}

/* --- attaching -------------------------------------------------------------------------------- */

static int attach_error(const struct probes *p, const struct probe_site *site, int err)
{
	switch (err) {
	case -ESRCH:
		return log_error(err, "process %d is gone", p->pid);
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

static int attach_multi(struct probes *p, unsigned kind, struct group *g)
{
	uint64_t offsets[WIRE_SITES_MAX], cookies[WIRE_SITES_MAX];
	int prog = bpf_program__fd(program_for(p->program, kind));
	struct link link = {.fd = -1};
	int err;

	for (size_t i = 0; i < g->n; i++) {
		offsets[i] = p->sites[g->slots[i]].file_offset;
		cookies[i] = g->slots[i];
	}
	err = keeper_attach(p->keeper, prog, p->path, p->pid, offsets, cookies, g->n, &link.fd);
	if (err)
		return attach_error(p, &p->sites[g->slots[0]], err);
	g->links[g->n_links++] = link;
	return 0;
}

static int attach_perf(struct probes *p, unsigned kind, struct group *g)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct probe_site *site = &p->sites[g->slots[i]];
		LIBBPF_OPTS(bpf_uprobe_opts, opts, .bpf_cookie = g->slots[i]);
		struct bpf_link *link = bpf_program__attach_uprobe_opts(
			program_for(p->program, kind), p->pid ? p->pid : -1, p->path,
			site->file_offset, &opts);

		if (!link)
			return attach_error(p, site, -errno);
		g->links[g->n_links++] = (struct link){.fd = -1, .perf = link};
	}
	return 0;
}

/* Closing a link waits for the kernel: the multi links, of which there are several at once, wait
 * together. 0, or -errno of keeper_close(). */
static int detach(struct probes *p, struct group **groups, size_t n)
{
	int fds[PROBE_KINDS] = {0}, err;
	size_t n_fds = 0;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < groups[i]->n_links; k++) {
			struct link *link = &groups[i]->links[k];

			if (link->fd >= 0)
				fds[n_fds++] = link->fd; /* a kind has one at most */
			else
				bpf_link__destroy(link->perf);
		}
	}
	err = keeper_close(p->keeper, fds, n_fds);
	if (err)
		log_warn("the kernel has not taken the breakpoints out yet; is the process being "
			 "dumped, or stuck in the kernel itself? They go when it can, at the latest "
			 "when this process has ended");
	for (size_t i = 0; i < n; i++)
		release_slots(p, groups[i], err != 0);
	return err;
}

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
	if (!err)
		err = p->program->multi ? attach_multi(p, kind, g) : attach_perf(p, kind, g);
	if (err)
		(void)detach(p, &g, 1);
	return err;
}

int probes_attach(struct probes *p, const struct probe_site *sites, size_t n)
{
	struct group *fresh[PROBE_KINDS];
	size_t n_fresh = 0;

	settle(p);
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

	for (unsigned kind = 0; kind < PROBE_KINDS; kind++)
		if (p->groups[kind].n && !group_as_wanted(p, kind, sites, n))
			dropped[n_dropped++] = &p->groups[kind];
	return n_dropped ? detach(p, dropped, n_dropped) : 0;
}
