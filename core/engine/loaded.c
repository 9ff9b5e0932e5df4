/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The thread that looks at what is mapped; see loaded.h. */
#include "core/engine/loaded.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/base/thread.h"
#include "core/engine/traced_internal.h"
#include "core/memory/memory.h"
#include "core/target/go_file.h"
#include "core/target/parts.h"
#include "core/target/process.h"

#define INTERVAL_NS NS_PER_SEC
#define OFTEN_NS    (NS_PER_SEC / 4) /* for programs that can load libraries */
#define AT_ONCE     16               /* processes: reading the maps of one takes some 50 us */
#define FILES_MAX   1024             /* different ones that are remembered */

/* A file that some process has mapped as code, other than the program's. */
struct file {
	struct mapped_file mapped;
	enum go_file kind;
	int fd;     /* GO_FILE_PART: capture's, too; else -1 */
	unsigned k; /* GO_FILE_PART: its number; 0: it cannot be traced, and `why` */
	const struct target *part;
	char path[256], why[256];
};

/* What a process has of that file. */
struct use {
	size_t file;
	bool entered;
	uint64_t late_ns; /* it may have been there for so long before its probes were */
	char why[128];    /* it is not traced here */
};

/* Where a probe is attached and the process has the file's instruction still. */
struct breakpoints {
	unsigned looked_at, gone;
	bool writable;    /* the code may be written */
	uint64_t which;   /* of those that are gone, to compare */
	char symbols[96]; /* the same, as many as there is room for */
};

struct entry {
	pid_t pid; /* whose: a model's index may get another process */
	uint64_t attached_ns;
	uint64_t looked_ns, looked_for_moved_ns;
	uint64_t moved; /* bytes of Go code that are not the file's, the most there ever were */
	unsigned unprobed_looks; /* one after another that lacked the same breakpoints */
	bool unprobed;           /* that is told */
	bool were_in;            /* at some look, not all of them lacked */
	bool headless;           /* its main thread has ended, others go on */
	struct breakpoints lacks;
	struct use *uses;
	size_t n_uses;
};

/* Of one image. The thread's to change; what health reads, under the lock. */
struct loaded_files {
	struct file files[FILES_MAX];
	size_t n;
	unsigned changed; /* parts whose file was changed: bits 1 << k */
};

struct loaded {
	struct traced *traced;
	unsigned next;  /* the thread's: whose turn it is */
	bool beginning; /* the same: the first look, nothing is late */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stopping;         /* protected by lock, as the next three */
	struct entry *entries; /* by the model's index */
	size_t n;
	pthread_t thread;
	bool started;
};

int loaded_new(struct traced *traced, struct loaded **ret)
{
	struct loaded *l = calloc(1, sizeof(*l));
	pthread_condattr_t attr;

	if (!l)
		return -ENOMEM;
	l->traced = traced;
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->changed, &attr);
	pthread_condattr_destroy(&attr);
	*ret = l;
	return 0;
}

void loaded_files_free(struct loaded_files *files)
{
	for (size_t i = 0; files && i < files->n; i++)
		close_fd(&files->files[i].fd);
	free(files);
}

void loaded_free(struct loaded *l)
{
	if (!l)
		return;
	loaded_stop(l);
	for (size_t i = 0; i < l->n; i++)
		free(l->entries[i].uses);
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	free(l->entries);
	free(l);
}

/* --- files ---------------------------------------------------------------------------------- */

static void take_part(struct traced_image *i, struct file *f)
{
	struct target *part;
	char path[64];
	int err, k;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd);
	err = target_open_part(path, i->target, &part, f->why, sizeof(f->why));
	if (err) {
		if (!f->why[0])
			(void)snprintf(f->why, sizeof(f->why), "%s", strerror(-err));
		return;
	}
	k = target_add_part(i->target, part);
	if (k < 0) {
		target_free(part);
		(void)snprintf(f->why, sizeof(f->why), "more than %d plugins are not followed",
			       TARGET_PARTS_MAX);
		return;
	}
	err = capture_add_part(i->capture, (unsigned)k, part, f->fd);
	if (err)
		(void)snprintf(f->why, sizeof(f->why), "no probe can be placed in it: %s",
			       strerror(-err));
	else
		f->k = (unsigned)k;
	f->part = part;
}

/* The note of Go's linker, in the first page of a file that cannot be opened. */
static bool is_go_in_memory(pid_t pid, uint64_t header)
{
	static const char note[] = {4, 0, 0, 0, 'G', 'o', 0, 0};
	char page[4096];

	return header && !memory_read(pid, header, page, sizeof(page)) &&
	       memmem(page, sizeof(page), note, sizeof(note));
}

/* Its index; -1: of no interest, or no memory. `header`: where its first page is; 0 not known. */
static ssize_t file_of(struct loaded *l, struct traced_image *i, const struct mapping *m,
		       uint64_t header)
{
	struct loaded_files *files = i->files;
	struct file *f;

	for (size_t k = 0; files && k < files->n; k++) {
		f = &files->files[k];
		if (mapping_is_of(m, &f->mapped))
			return f->kind == GO_FILE_NONE ? -1 : (ssize_t)k;
	}
	if (!files)
		files = i->files = calloc(1, sizeof(*files));
	if (!files || files->n == FILES_MAX)
		return -1;
	f = &files->files[files->n];
	*f = (struct file){.fd = mapping_open(m)};
	if (f->fd < 0 || mappings_identity(f->fd, &f->mapped) || !mapping_is_of(m, &f->mapped))
		f->mapped = (struct mapped_file){.dev = m->dev, .ino = m->ino};
	text_name(f->path, sizeof(f->path), m->path, strlen(m->path));
	if (f->fd >= 0)
		f->kind = go_file_kind(f->fd);
	else if (is_go_in_memory(m->pid, header))
		f->kind = GO_FILE_PART;
	if (f->kind == GO_FILE_PART && f->fd < 0) {
		(void)snprintf(f->why, sizeof(f->why),
			       "its file is deleted, or cannot be opened from here");
	} else if (f->kind == GO_FILE_PART) {
		take_part(i, f);
	} else if (f->fd >= 0) {
		close(f->fd);
		f->fd = -1;
	}
	pthread_mutex_lock(&l->lock);
	files->n++;
	pthread_mutex_unlock(&l->lock);
	return f->kind == GO_FILE_NONE ? -1 : (ssize_t)files->n - 1;
}

/* --- one process ---------------------------------------------------------------------------- */

static void forget_entry(struct entry *e, const struct proc_info *info)
{
	free(e->uses);
	*e = (struct entry){.pid = info->pid, .attached_ns = info->attached_ns};
}

/* Under the lock. NULL: out of memory. */
static struct entry *entry_of(struct loaded *l, unsigned proc, const struct proc_info *info)
{
	struct entry *e;

	if (proc >= l->n) {
		size_t n = MAX((size_t)proc + 1, l->n * 2);

		e = reallocarray(l->entries, n, sizeof(*e));
		if (!e)
			return NULL;
		memset(e + l->n, 0, (n - l->n) * sizeof(*e));
		l->entries = e;
		l->n = n;
	}
	e = &l->entries[proc];
	if (e->pid != info->pid || e->attached_ns != info->attached_ns)
		forget_entry(e, info);
	return e;
}

/* Is it known that the process has this file? */
static bool has_use(struct loaded *l, unsigned proc, const struct proc_info *info, size_t file)
{
	const struct entry *e;
	bool has = false;

	pthread_mutex_lock(&l->lock);
	e = entry_of(l, proc, info);
	for (size_t i = 0; e && i < e->n_uses; i++)
		has |= e->uses[i].file == file;
	pthread_mutex_unlock(&l->lock);
	return has;
}

static void add_use(struct loaded *l, unsigned proc, const struct proc_info *info,
		    const struct use *use)
{
	struct use *uses;
	struct entry *e;

	pthread_mutex_lock(&l->lock);
	e = entry_of(l, proc, info);
	uses = e ? reallocarray(e->uses, e->n_uses + 1, sizeof(*uses)) : NULL;
	if (uses) {
		e->uses = uses;
		uses[e->n_uses++] = *use;
	}
	pthread_mutex_unlock(&l->lock);
}

static const char *enter_part(struct traced_image *i, const struct file *f, pid_t pid)
{
	uint64_t bias, part_bias;
	int err = target_load_bias(i->target, pid, &bias);

	if (!err)
		err = target_load_bias(f->part, pid, &part_bias);
	if (err)
		return "it is not where it was a moment ago";
	if (target_add_window(i->target, f->k, bias, part_bias))
		return "another process has another plugin in its place: functions and types could "
		       "not be told apart";
	err = capture_enter_part(i->capture, f->k, pid, part_bias);
	if (err == -ESTALE)
		return "the file was changed since it was loaded";
	return err ? "no probe could be attached" : NULL;
}

struct look {
	struct loaded *loaded;
	struct traced_image *image;
	unsigned proc;
	const struct proc_info *info;
	uint64_t since_ns; /* of the look before this one */
	dev_t dev;         /* of the file whose first page is at `header` */
	ino_t ino;
	uint64_t header;
	bool news;
};

static void say_use(const struct proc_info *info, const struct file *f, const struct use *use)
{
	if (f->kind == GO_FILE_PROGRAM)
		log_warn("process %d: %s has a Go runtime of its own, which is not followed; -b "
			 "with its path does that",
			 info->pid, f->path);
	else if (use->entered)
		log_info("process %d: following the plugin %s", info->pid, f->path);
	else
		log_warn("process %d: the plugin %s is not followed: %s", info->pid, f->path,
			 f->k ? use->why : f->why);
}

static int look_at_file(void *ctx, const struct mapping *m)
{
	struct look *look = ctx;
	struct loaded *l = look->loaded;
	const char *why = NULL;
	const struct file *f;
	struct use use = {0};
	ssize_t file;

	if (m->ino && m->offset == 0) {
		look->dev = m->dev;
		look->ino = m->ino;
		look->header = m->start;
	}
	if (!m->executable || !m->ino || target_is_mapped_by(look->image->target, m))
		return 0;
	file = file_of(l, look->image, m,
		       m->dev == look->dev && m->ino == look->ino ? look->header : 0);
	if (file < 0 || has_use(l, look->proc, look->info, (size_t)file))
		return 0;
	use.file = (size_t)file;
	f = &look->image->files->files[file];
	if (f->k) {
		why = enter_part(look->image, f, look->info->pid);
		use.entered = !why;
		(void)snprintf(use.why, sizeof(use.why), "%s", why ? why : "");
	}
	if (!l->beginning)
		use.late_ns = monotonic_ns() - MAX(look->since_ns, look->info->attached_ns);
	add_use(l, look->proc, look->info, &use);
	look->news |= use.entered;
	say_use(look->info, f, &use);
	return 0;
}

static void look_for_moved(struct loaded *l, const struct traced_image *i, unsigned proc,
			   const struct proc_info *info)
{
	uint64_t bias, moved = 0;
	struct entry *e;
	bool news;
	int err = target_load_bias(i->target, info->pid, &bias);

	if (!err)
		err = target_code_moved(i->target, info->pid, bias, &moved);
	if (err || !moved)
		return;
	pthread_mutex_lock(&l->lock);
	e = entry_of(l, proc, info);
	news = e && !e->moved;
	if (e)
		e->moved = MAX(e->moved, moved);
	pthread_mutex_unlock(&l->lock);
	if (news)
		log_warn("process %d: %llu KiB of its Go code were moved to memory that is not the "
			 "file's, as for huge pages: what runs there cannot be probed",
			 info->pid, (unsigned long long)moved >> 10);
}

/* One a second: what it executed a moment ago may not be attached to yet. */
#define UNPROBED_LOOKS 3

#define SITE_BYTES 4 /* of its instruction: a breakpoint differs from it in these */

static void note_breakpoint(struct breakpoints *b, const struct probe_site *site, bool gone)
{
	b->looked_at++;
	if (!gone)
		return;
	b->gone++;
	b->which = (b->which ^ site->addr) * 0x9e3779b97f4a7c15u;
	text_list(b->symbols, sizeof(b->symbols), site->symbol);
}

/* False: it cannot be told just now. */
static bool look_for_breakpoints(const struct traced_image *i, pid_t pid, struct breakpoints *ret)
{
	struct probe_site sites[ARRAY_SIZE(((struct health *)0)->probes)];
	size_t n = capture_sites(i->capture, sites, ARRAY_SIZE(sites));
	uint64_t bias;

	*ret = (struct breakpoints){0};
	if (!capture_is_in(i->capture, pid) || target_load_bias(i->target, pid, &bias))
		return false;
	for (size_t k = 0; k < n; k++) {
		const void *code = target_code_at(i->target, sites[k].addr, SITE_BYTES);
		char now[SITE_BYTES];

		if (sites[k].attached && code &&
		    !memory_read(pid, sites[k].addr + bias, now, sizeof(now)))
			note_breakpoint(ret, &sites[k], !memcmp(code, now, sizeof(now)));
	}
	ret->writable = ret->gone && target_code_is_writable(i->target, pid, bias);
	return ret->looked_at && capture_is_in(i->capture, pid);
}

static void add_unprobed(const struct traced_image *i, const struct entry *e, struct buf *out)
{
	const struct breakpoints *lacks = &e->lacks;

	if (lacks->gone < lacks->looked_at)
		buf_addf(out, "what is told by %u of %u breakpoints, of %s", lacks->gone,
			 lacks->looked_at, lacks->symbols);
	else
		buf_adds(out, "all that probes tell of this process");
	if (lacks->writable) {
		buf_adds(out, ": its code is mapped so that it may be written (rwx), where the "
			      "kernel puts no breakpoint; once it is not, control/pause, on and "
			      "off, puts them in");
		return;
	}
	buf_adds(out, e->were_in
			      ? ": it dropped the pages that they were in, or somebody else took "
				"them out; control/pause, on and off, puts them in again"
			      : ": it runs other pages than the file's, where the probes are");
	if (!e->were_in && capture_is_overlaid(i->capture))
		buf_adds(out, " (overlayfs: the file was changed, or its mode or times, since the "
			      "process began, which goes on with the one below; started anew it is "
			      "traced)");
}

/* The kernel knows the file by its inode, which may be another one than the process has mapped
 * while all that can be seen of both is the same; and a program may drop the pages in which
 * breakpoints are, some or all. Where nobody else changes what is attached one look tells. */
static void look_for_unprobed(struct loaded *l, const struct traced_image *i, unsigned proc,
			      const struct proc_info *info)
{
	struct breakpoints now;
	bool known = look_for_breakpoints(i, info->pid, &now), was, is;
	cleanup_buf_ struct buf text = BUF_INIT;
	struct entry *e;

	pthread_mutex_lock(&l->lock);
	e = entry_of(l, proc, info);
	was = is = e && e->unprobed;
	if (e && known && !e->moved) {
		bool same = now.gone && now.which == e->lacks.which;

		e->unprobed_looks = same ? e->unprobed_looks + 1 : now.gone != 0;
		is = e->unprobed_looks >= (l->beginning ? 1 : UNPROBED_LOOKS);
		e->unprobed = is;
		e->were_in |= now.gone < now.looked_at;
		e->lacks = now;
	}
	if (is && !was)
		add_unprobed(i, e, &text);
	pthread_mutex_unlock(&l->lock);
	if (text.len)
		log_warn("process %d: not seen: %s", info->pid, text.data);
}

static void look_for_main_thread(struct loaded *l, unsigned proc, const struct proc_info *info)
{
	struct entry *e;
	bool news;

	if (!process_lost_main_thread(info->pid))
		return;
	pthread_mutex_lock(&l->lock);
	e = entry_of(l, proc, info);
	news = e && !e->headless;
	if (e)
		e->headless = true;
	pthread_mutex_unlock(&l->lock);
	if (news)
		log_warn("process %d: its main thread has ended while others go on "
			 "(pthread_exit() in main): events go on, but its memory cannot be read "
			 "any more",
			 info->pid);
}

/* Its links are closed: the number may be another process's one day. */
static void leave(struct loaded *l, struct traced_image *i, unsigned proc,
		  const struct proc_info *info)
{
	struct entry *e;
	bool any = false;

	pthread_mutex_lock(&l->lock);
	e = proc < l->n ? &l->entries[proc] : NULL;
	for (size_t k = 0; e && k < e->n_uses; k++) {
		any |= e->uses[k].entered && e->pid == info->pid;
		e->uses[k].entered = false;
	}
	pthread_mutex_unlock(&l->lock);
	if (any)
		capture_leave_parts(i->capture, info->pid);
}

/* Holding the lock of the traced program. */
static void look_at_process(struct loaded *l, struct traced_image *i, unsigned proc,
			    const struct proc_info *info)
{
	struct look look = {.loaded = l, .image = i, .proc = proc, .info = info};
	uint64_t now = monotonic_ns();
	struct entry *e;
	bool due = false;

	if (info->state == PROC_EXITED) {
		leave(l, i, proc, info);
		return;
	}
	pthread_mutex_lock(&l->lock);
	e = entry_of(l, proc, info);
	if (e) {
		look.since_ns = e->looked_ns;
		e->looked_ns = now;
		due = now - e->looked_for_moved_ns >= INTERVAL_NS;
		if (due)
			e->looked_for_moved_ns = now;
	}
	pthread_mutex_unlock(&l->lock);
	if (due) {
		look_for_moved(l, i, proc, info);
		look_for_unprobed(l, i, proc, info);
		look_for_main_thread(l, proc, info);
	}
	if (!target_may_load(i->target))
		return;
	(void)mappings_each(info->pid, look_at_file, &look);
	/* What it did before is not in the events: memory tells what there is now. */
	if (look.news)
		l->traced->c.arrived(l->traced->c.ctx, proc);
}

/* Of a process; NULL: its program is not traced any more. Holding the lock of the traced program.
 */
static struct traced_image *image_of(const struct loaded *l, unsigned proc)
{
	return proc < ARRAY_SIZE(l->traced->of) ? atomic_load(&l->traced->of[proc]) : NULL;
}

/* Does it run? */
static bool look_at(struct loaded *l, unsigned proc)
{
	struct traced *t = l->traced;
	struct traced_image *i;
	struct proc_info info;

	if (model_proc(t->c.model, proc, &info))
		return false;
	pthread_rwlock_rdlock(&t->lock);
	i = image_of(l, proc);
	if (i)
		look_at_process(l, i, proc, &info);
	pthread_rwlock_unlock(&t->lock);
	return info.state != PROC_EXITED;
}

static void look_for_changed_in(struct loaded *l, struct traced_image *i)
{
	unsigned news = capture_changed_parts(i->capture) & ~i->files->changed;

	for (size_t k = 0; k < i->files->n; k++)
		if (i->files->files[k].k && news & 1u << i->files->files[k].k)
			log_warn("the plugin %s was changed in place: it is not traced any more",
				 i->files->files[k].path);
	pthread_mutex_lock(&l->lock);
	i->files->changed |= news;
	pthread_mutex_unlock(&l->lock);
}

/* Plugins whose file was changed in place. */
static void look_for_changed(struct loaded *l)
{
	struct traced *t = l->traced;

	pthread_rwlock_rdlock(&t->lock);
	for (unsigned k = 0; k < t->n_images; k++)
		if (t->images[k]->files)
			look_for_changed_in(l, t->images[k]);
	pthread_rwlock_unlock(&t->lock);
}

/* --- what is told --------------------------------------------------------------------------- */

/* Under the lock. */
static void describe(const struct loaded_files *files, const struct use *use, struct buf *out)
{
	const struct file *f = &files->files[use->file];
	bool changed = f->k && files->changed & 1u << f->k;

	if (f->kind != GO_FILE_PROGRAM && use->entered && !use->late_ns && !changed)
		return;
	if (out->len)
		buf_adds(out, "; ");
	if (f->kind == GO_FILE_PROGRAM)
		buf_addf(out, "the Go runtime of %s", f->path);
	else if (changed)
		buf_addf(out, "what runs in the plugin %s since its file was changed", f->path);
	else if (use->entered)
		buf_addf(out,
			 "what the plugin %s did when it was loaded, up to %.2f s before its "
			 "probes were there",
			 f->path, (double)use->late_ns / (double)NS_PER_SEC);
	else
		buf_addf(out, "what runs in the plugin %s: %s", f->path, f->k ? use->why : f->why);
}

void loaded_unseen(struct loaded *l, unsigned proc, struct buf *out)
{
	const struct traced_image *image = image_of(l, proc);
	struct proc_info info;
	const struct entry *e;

	if (!image || model_proc(l->traced->c.model, proc, &info))
		return;
	pthread_mutex_lock(&l->lock);
	e = proc < l->n ? &l->entries[proc] : NULL;
	if (e && (e->pid != info.pid || e->attached_ns != info.attached_ns))
		e = NULL;
	if (e && e->moved)
		buf_addf(out,
			 "%swhat runs in the %llu KiB of Go code that were moved to memory that is "
			 "not the file's, as for huge pages",
			 out->len ? "; " : "", (unsigned long long)e->moved >> 10);
	if (e && e->unprobed) {
		buf_adds(out, out->len ? "; " : "");
		add_unprobed(image, e, out);
	}
	if (e && e->headless)
		buf_addf(out,
			 "%swhat is in its memory (stacks, waits, heap; for the audit), since its "
			 "main thread has ended while others go on; what is shown of it is older",
			 out->len ? "; " : "");
	for (size_t i = 0; e && i < e->n_uses; i++)
		describe(image->files, &e->uses[i], out);
	pthread_mutex_unlock(&l->lock);
}

/* --- the thread ----------------------------------------------------------------------------- */

/* false: stop. */
static bool rest(struct loaded *l, uint64_t until_ns)
{
	struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_SEC),
				 .tv_nsec = (long)(until_ns % NS_PER_SEC)};
	bool stopping;

	pthread_mutex_lock(&l->lock);
	while (!l->stopping && monotonic_ns() < until_ns)
		pthread_cond_timedwait(&l->changed, &l->lock, &until);
	stopping = l->stopping;
	pthread_mutex_unlock(&l->lock);
	return !stopping;
}

static void look_at_some(struct loaded *l)
{
	unsigned n = model_procs(l->traced->c.model), looked = 0;

	for (unsigned i = 0; i < n && looked < AT_ONCE; i++) {
		l->next = l->next < n ? l->next : 0;
		looked += look_at(l, l->next++);
	}
}

static uint64_t interval_ns(struct loaded *l)
{
	bool often;

	pthread_rwlock_rdlock(&l->traced->lock);
	often = target_may_load(traced_now(l->traced)->target);
	pthread_rwlock_unlock(&l->traced->lock);
	return often ? OFTEN_NS : INTERVAL_NS;
}

static void *loaded_main(void *arg)
{
	struct loaded *l = arg;

	(void)pthread_setname_np(pthread_self(), "xgotop-loaded");
	while (rest(l, monotonic_ns() + interval_ns(l))) {
		look_at_some(l);
		look_for_changed(l);
	}
	return NULL;
}

void loaded_look(struct loaded *l)
{
	l->beginning = true;
	for (unsigned proc = 0; proc < model_procs(l->traced->c.model); proc++)
		(void)look_at(l, proc);
	l->beginning = false;
}

int loaded_start(struct loaded *l)
{
	int err = thread_start(&l->thread, loaded_main, l);

	l->started = !err;
	return err;
}

void loaded_stop(struct loaded *l)
{
	if (!l || !l->started)
		return;
	pthread_mutex_lock(&l->lock);
	l->stopping = true;
	pthread_cond_signal(&l->changed);
	pthread_mutex_unlock(&l->lock);
	(void)pthread_join(l->thread, NULL); /* it reads the target: loop_ending() bounds it */
	l->started = false;
}
