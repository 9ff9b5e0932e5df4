/* Attaches and detaches; see probes.h. A site's slot in the table that the BPF program reads is its
 * cookie. */
#include "core/capture/probes.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "core/base/log.h"
#include "core/capture/uprobe_multi.h"

/* One link: a site's, or in multi mode a whole group's. */
struct link {
	int fd;                /* multi; else -1 */
	struct bpf_link *perf; /* else NULL */
};

struct group {
	enum probe_kind kind;
	size_t n; /* sites; 0: the group is free */
	unsigned slots[WIRE_SITES_MAX];
	size_t n_links;
	struct link links[WIRE_SITES_MAX];
};

/* Twice the kinds: while rates change, old and new groups of a kind can overlap. */
#define GROUPS_MAX (2 * PROBE_KINDS)

struct probes {
	struct program *program;
	char *path;
	pid_t pid;
	struct probe_site sites[WIRE_SITES_MAX]; /* by slot */
	bool used[WIRE_SITES_MAX];
	struct group groups[GROUPS_MAX];
};

int probes_new(struct program *program, const char *path, pid_t pid, struct probes **ret)
{
	struct probes *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->program = program;
	p->pid = pid;
	p->path = strdup(path);
	if (!p->path) {
		free(p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
}

void probes_free(struct probes *p)
{
	if (!p)
		return;
	probes_keep(p, NULL, 0);
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
	for (unsigned i = 0; i < GROUPS_MAX; i++)
		if (group_has(p, &p->groups[i], site))
			return true;
	return false;
}

/* Whether g is exactly the sites of its kind in sites[]. */
static bool group_listed(const struct probes *p, const struct group *g,
			 const struct probe_site *sites, size_t n)
{
	size_t of_kind = 0;

	for (size_t i = 0; i < n; i++) {
		if (sites[i].kind != g->kind)
			continue;
		if (!group_has(p, g, &sites[i]))
			return false;
		of_kind++;
	}
	return of_kind == g->n;
}

static struct group *free_group(struct probes *p)
{
	for (unsigned i = 0; i < GROUPS_MAX; i++)
		if (!p->groups[i].n)
			return &p->groups[i];
	return NULL;
}

static int take_slot(struct probes *p, struct group *g, const struct probe_site *site)
{
	unsigned slot = 0;

	while (slot < WIRE_SITES_MAX && p->used[slot])
		slot++;
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

static void release_slots(struct probes *p, struct group *g)
{
	for (size_t i = 0; i < g->n; i++)
		p->used[g->slots[i]] = false;
	g->n = 0;
	g->n_links = 0;
}

/* --- attaching -------------------------------------------------------------------------------- */

static int attach_error(const struct probes *p, const struct probe_site *site, int err)
{
	switch (err) {
	case -ESRCH:
		return log_error(err, "process %d is gone", p->pid);
	case -EPERM:
	case -EACCES:
		return log_error(-EPERM,
				 "not allowed to attach to %s: run as root, or with CAP_BPF, "
				 "CAP_PERFMON and CAP_SYS_ADMIN",
				 site->symbol);
	default:
		return log_error(err, "cannot attach to %s at file offset 0x%llx: %s", site->symbol,
				 (unsigned long long)site->file_offset, strerror(-err));
	}
}

static int attach_multi(struct probes *p, struct group *g)
{
	uint64_t offsets[WIRE_SITES_MAX], cookies[WIRE_SITES_MAX];
	int prog = bpf_program__fd(program_for(p->program, g->kind));
	struct link link = {.fd = -1};
	int err;

	for (size_t i = 0; i < g->n; i++) {
		offsets[i] = p->sites[g->slots[i]].file_offset;
		cookies[i] = g->slots[i];
	}
	err = uprobe_multi_attach(prog, p->path, p->pid, offsets, cookies, g->n, &link.fd);
	if (err)
		return attach_error(p, &p->sites[g->slots[0]], err);
	g->links[g->n_links++] = link;
	return 0;
}

static int attach_perf(struct probes *p, struct group *g)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct probe_site *site = &p->sites[g->slots[i]];
		LIBBPF_OPTS(bpf_uprobe_opts, opts, .bpf_cookie = g->slots[i]);
		struct bpf_link *link = bpf_program__attach_uprobe_opts(
			program_for(p->program, g->kind), p->pid ? p->pid : -1, p->path,
			site->file_offset, &opts);

		if (!link)
			return attach_error(p, site, -errno);
		g->links[g->n_links++] = (struct link){.fd = -1, .perf = link};
	}
	return 0;
}

static void *close_link(void *arg)
{
	struct link *link = arg;

	if (link->fd >= 0)
		close(link->fd);
	bpf_link__destroy(link->perf);
	return NULL;
}

/* Closing a link waits for the kernel until nobody runs its program any more, tens of milliseconds:
 * several links wait together. */
static void detach(struct probes *p, struct group **groups, size_t n)
{
	pthread_t threads[GROUPS_MAX * WIRE_SITES_MAX];
	size_t started = 0;

	for (size_t i = 0; i < n; i++) {
		struct group *g = groups[i];

		for (size_t k = 0; k < g->n_links; k++) {
			bool last = i + 1 == n && k + 1 == g->n_links;

			if (last ||
			    pthread_create(&threads[started], NULL, close_link, &g->links[k]))
				(void)close_link(&g->links[k]);
			else
				started++;
		}
	}
	while (started)
		(void)pthread_join(threads[--started], NULL);
	for (size_t i = 0; i < n; i++)
		release_slots(p, groups[i]);
}

static int attach_group(struct probes *p, enum probe_kind kind, const struct probe_site *sites,
			size_t n)
{
	struct group *g = free_group(p);
	int err = 0;

	if (!g)
		return log_error(-ENOSPC, "too many groups of probes");
	g->kind = kind;
	for (size_t i = 0; i < n && !err; i++)
		if (sites[i].kind == kind)
			err = take_slot(p, g, &sites[i]);
	if (!err)
		err = p->program->multi ? attach_multi(p, g) : attach_perf(p, g);
	if (err)
		detach(p, &g, 1);
	return err;
}

/* The group of this kind that is attached as sites[] want it. */
static bool group_attached(const struct probes *p, enum probe_kind kind,
			   const struct probe_site *sites, size_t n)
{
	for (unsigned i = 0; i < GROUPS_MAX; i++) {
		const struct group *g = &p->groups[i];

		if (g->n && g->kind == kind && group_listed(p, g, sites, n))
			return true;
	}
	return false;
}

static bool kind_wanted(enum probe_kind kind, const struct probe_site *sites, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (sites[i].kind == kind)
			return true;
	return false;
}

int probes_attach(struct probes *p, const struct probe_site *sites, size_t n)
{
	struct group *fresh[PROBE_KINDS];
	bool was_free[GROUPS_MAX];
	size_t n_fresh = 0;
	int err = 0;

	for (unsigned i = 0; i < GROUPS_MAX; i++)
		was_free[i] = !p->groups[i].n;
	for (unsigned kind = 0; kind < PROBE_KINDS && !err; kind++)
		if (kind_wanted(kind, sites, n) && !group_attached(p, kind, sites, n))
			err = attach_group(p, kind, sites, n);
	if (!err)
		return 0;
	for (unsigned i = 0; i < GROUPS_MAX; i++)
		if (was_free[i] && p->groups[i].n)
			fresh[n_fresh++] = &p->groups[i];
	detach(p, fresh, n_fresh);
	return err;
}

void probes_keep(struct probes *p, const struct probe_site *sites, size_t n)
{
	struct group *dropped[GROUPS_MAX];
	size_t n_dropped = 0;

	for (unsigned i = 0; i < GROUPS_MAX; i++)
		if (p->groups[i].n && !group_listed(p, &p->groups[i], sites, n))
			dropped[n_dropped++] = &p->groups[i];
	detach(p, dropped, n_dropped);
}
