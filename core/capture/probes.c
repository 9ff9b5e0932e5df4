/* Attaches and detaches; see probes.h. A site's slot is its cookie, so its index in the table that
 * the BPF program reads. */
#include "core/capture/probes.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "core/base/log.h"

struct slot {
	struct probe_site site;
	struct bpf_link *link; /* NULL: the slot is free */
};

struct probes {
	struct program *program;
	char *path;
	pid_t pid;
	struct slot slots[WIRE_SITES_MAX];
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

static bool same_site(const struct probe_site *a, const struct probe_site *b)
{
	return a->kind == b->kind && a->addr == b->addr;
}

static bool listed(const struct probe_site *sites, size_t n, const struct probe_site *site)
{
	for (size_t i = 0; i < n; i++)
		if (same_site(&sites[i], site))
			return true;
	return false;
}

/* WIRE_SITES_MAX when it is not attached. */
static unsigned find_slot(const struct probes *p, const struct probe_site *site)
{
	unsigned i = 0;

	while (i < WIRE_SITES_MAX && !(p->slots[i].link && same_site(&p->slots[i].site, site)))
		i++;
	return i;
}

static struct slot *free_slot(struct probes *p)
{
	for (unsigned i = 0; i < WIRE_SITES_MAX; i++)
		if (!p->slots[i].link)
			return &p->slots[i];
	return NULL;
}

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
		return log_error(err, "cannot attach to %s at offset 0x%llx of %s: %s",
				 site->symbol, (unsigned long long)site->file_offset, p->path,
				 strerror(-err));
	}
}

static int attach_one(struct probes *p, const struct probe_site *site)
{
	struct slot *slot = free_slot(p);
	unsigned cookie;
	LIBBPF_OPTS(bpf_uprobe_opts, opts);

	if (!slot)
		return log_error(-ENOSPC, "more than %d probe sites", WIRE_SITES_MAX);
	cookie = (unsigned)(slot - p->slots);
	p->program->control->sites[cookie] = (struct wire_site){.addr = site->addr,
								.flags = site->flags,
								.sp_delta = site->sp_delta,
								.reg = site->reg};
	opts.bpf_cookie = cookie;
	slot->link = bpf_program__attach_uprobe_opts(program_for(p->program, site->kind),
						     p->pid ? p->pid : -1, p->path,
						     site->file_offset, &opts);
	if (!slot->link)
		return attach_error(p, site, -errno);
	slot->site = *site;
	return 0;
}

static void detach(struct slot *slot)
{
	bpf_link__destroy(slot->link);
	slot->link = NULL;
}

int probes_attach(struct probes *p, const struct probe_site *sites, size_t n)
{
	bool fresh[WIRE_SITES_MAX] = {false};
	int err;

	for (size_t i = 0; i < n; i++) {
		if (probes_attached(p, &sites[i]))
			continue;
		err = attach_one(p, &sites[i]);
		if (err)
			goto undo;
		fresh[find_slot(p, &sites[i])] = true;
	}
	return 0;
undo:
	for (unsigned i = 0; i < WIRE_SITES_MAX; i++)
		if (fresh[i])
			detach(&p->slots[i]);
	return err;
}

void probes_keep(struct probes *p, const struct probe_site *sites, size_t n)
{
	for (unsigned i = 0; i < WIRE_SITES_MAX; i++)
		if (p->slots[i].link && !listed(sites, n, &p->slots[i].site))
			detach(&p->slots[i]);
}

bool probes_attached(const struct probes *p, const struct probe_site *site)
{
	return find_slot(p, site) < WIRE_SITES_MAX;
}
