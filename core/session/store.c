/* The storage folder; see store.h. */
#include "core/session/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "core/base/log.h"

/* A session of the original has no lock: with no end, and changed this recently, it may run. */
#define FRESH_NS (60 * (int64_t)NS_PER_SEC)

struct store {
	char *dir;
};

static const char *const session_files[] = {"events.pb", "events.jsonl", "metadata.json",
					    "metadata.json.tmp"};

int store_new(const char *storage_dir, struct store **ret)
{
	struct store *s = calloc(1, sizeof(*s));

	if (s)
		s->dir = strdup(storage_dir);
	if (!s || !s->dir) {
		free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	free(s->dir);
	free(s);
}

const char *store_dir(const struct store *s)
{
	return s->dir;
}

int store_make(struct store *s)
{
	char part[4096];
	size_t len = strlen(s->dir);

	if (len == 0 || len >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, s->dir, len + 1);
	for (size_t i = 1; i < len; i++) {
		if (part[i] != '/')
			continue;
		part[i] = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
		part[i] = '/';
	}
	return mkdir(part, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int open_dir(int at, const char *path, int flags)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);

	return fd < 0 ? -errno : fd;
}

int store_open(struct store *s, const char *id)
{
	cleanup_close_ int dir = -1;
	int fd;

	if (!session_id_valid(id))
		return -EINVAL;
	dir = open_dir(AT_FDCWD, s->dir, 0);
	if (dir < 0)
		return dir;
	fd = open_dir(dir, id, O_NOFOLLOW);
	return fd == -ENOTDIR || fd == -ELOOP ? -ENOENT : fd;
}

/* The events file, locked if nobody writes it. Returns its descriptor, -EBUSY or -errno. */
static int lock_events(int dir, int how)
{
	cleanup_close_ int fd = openat(dir, "events.pb", O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		fd = openat(dir, "events.jsonl", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (flock(fd, how | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return move_fd(&fd);
}

static int64_t mtime_ns(const struct stat *st)
{
	return st->st_mtim.tv_sec * (int64_t)NS_PER_SEC + st->st_mtim.tv_nsec;
}

static int get_info(int dir, const char *id, struct session_info *ret)
{
	cleanup_close_ int lock = -1;
	bool any = false;
	struct stat st;

	memset(ret, 0, sizeof(*ret));
	if (fstat(dir, &st) < 0)
		return -errno;
	ret->changed_ns = mtime_ns(&st);
	any = session_meta_load(dir, &ret->meta, NULL, 0) == 0;
	/* The folder's name is what it can be found by, whatever the file says. */
	memcpy(ret->meta.id, id, sizeof(ret->meta.id));
	for (unsigned i = 0; i < ARRAY_SIZE(session_files); i++) {
		if (fstatat(dir, session_files[i], &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		any = true;
		ret->bytes += (uint64_t)st.st_size;
		if (i <= SESSION_JSONL && !ret->has_events) {
			ret->has_events = true;
			ret->format = (enum session_format)i;
			ret->events_bytes = (uint64_t)st.st_size;
			ret->changed_ns = mtime_ns(&st);
		}
	}
	if (!any)
		return -ENOENT;
	lock = lock_events(dir, LOCK_SH);
	ret->state = lock == -EBUSY          ? SESSION_RUNNING
		     : ret->meta.end_time_ns ? SESSION_DONE
					     : SESSION_CUT_OFF;
	return 0;
}

int store_get(struct store *s, const char *id, struct session_info *ret)
{
	cleanup_close_ int dir = store_open(s, id);

	return dir < 0 ? dir : get_info(dir, id, ret);
}

static int compare_start(const void *a, const void *b)
{
	const struct session_info *x = a, *y = b;
	int64_t tx = x->meta.start_time_ns ? x->meta.start_time_ns : x->changed_ns;
	int64_t ty = y->meta.start_time_ns ? y->meta.start_time_ns : y->changed_ns;

	return tx != ty ? (tx > ty) - (tx < ty) : strcmp(x->meta.id, y->meta.id);
}

int store_list(struct store *s, struct session_info **ret, size_t *ret_n)
{
	struct session_info *list = NULL, *grown;
	size_t n = 0, cap = 0;
	struct dirent *entry;
	DIR *dir = opendir(s->dir);

	if (!dir && errno != ENOENT)
		return -errno;
	while (dir && (entry = readdir(dir))) {
		if (!session_id_valid(entry->d_name))
			continue;
		if (n == cap) {
			cap = cap ? cap * 2 : 32;
			grown = realloc(list, cap * sizeof(*list));
			if (!grown) {
				free(list);
				closedir(dir);
				return -ENOMEM;
			}
			list = grown;
		}
		/* One that vanishes meanwhile, or cannot be read, is left out. */
		if (store_get(s, entry->d_name, &list[n]) == 0)
			n++;
	}
	if (dir)
		closedir(dir);
	if (n)
		qsort(list, n, sizeof(*list), compare_start);
	*ret = list;
	*ret_n = n;
	return 0;
}

/* --- deleting --------------------------------------------------------------------------------- */

static bool is_session_file(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(session_files); i++) {
		if (strcmp(name, session_files[i]) == 0)
			return true;
	}
	return false;
}

static int only_session_files(int dir)
{
	int fd = dup(dir), err = 0;
	struct dirent *entry;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	rewinddir(d);
	while (!err && (entry = readdir(d))) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") &&
		    !is_session_file(entry->d_name))
			err = -ENOTEMPTY;
	}
	closedir(d);
	return err;
}

int store_delete(struct store *s, const char *id)
{
	cleanup_close_ int dir = store_open(s, id), lock = -1, top = -1;
	int err;

	if (dir < 0)
		return dir;
	lock = lock_events(dir, LOCK_EX);
	if (lock < 0 && lock != -ENOENT)
		return lock;
	err = only_session_files(dir);
	if (err)
		return err;
	for (unsigned i = 0; i < ARRAY_SIZE(session_files); i++) {
		if (unlinkat(dir, session_files[i], 0) < 0 && errno != ENOENT)
			return -errno;
	}
	top = open_dir(AT_FDCWD, s->dir, 0);
	if (top < 0)
		return top;
	return unlinkat(top, id, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int store_delete_file(struct store *s, const char *id, const char *name)
{
	cleanup_close_ int dir = store_open(s, id), lock = -1;

	if (dir < 0)
		return dir;
	if (!is_session_file(name))
		return -ENOENT;
	lock = lock_events(dir, LOCK_EX);
	if (lock < 0 && lock != -ENOENT)
		return lock;
	if (unlinkat(dir, name, 0) < 0)
		return errno == ENOENT && strcmp(name, "events.jsonl") == 0 ? 0 : -errno;
	return 0;
}

static bool may_go(const struct session_info *info, int64_t now)
{
	return info->state == SESSION_DONE ||
	       (info->state == SESSION_CUT_OFF && now - info->changed_ns > FRESH_NS);
}

int store_rotate(struct store *s, uint64_t max_size, uint64_t max_age_ns)
{
	cleanup_free_ struct session_info *list = NULL;
	int64_t now = (int64_t)clock_ns(CLOCK_REALTIME);
	uint64_t total = 0;
	size_t n;
	int err = store_list(s, &list, &n), deleted = 0;

	if (err)
		return err;
	for (size_t i = 0; i < n; i++)
		total += list[i].bytes;
	for (size_t i = 0; i < n; i++) {
		const struct session_info *info = &list[i];
		int64_t end = info->meta.end_time_ns ? info->meta.end_time_ns : info->changed_ns;
		bool old = max_age_ns && now > end && (uint64_t)(now - end) > max_age_ns;

		if (!may_go(info, now) || !(old || (max_size && total > max_size)))
			continue;
		if (store_delete(s, info->meta.id) == 0) {
			total -= info->bytes;
			deleted++;
		}
	}
	return deleted;
}

/* --- for people ------------------------------------------------------------------------------- */

static const char *const state_names[] = {
	[SESSION_RUNNING] = "running",
	[SESSION_DONE] = "done",
	[SESSION_CUT_OFF] = "cut off",
};

static void add_bytes(uint64_t bytes, char *text, size_t size)
{
	static const char units[] = "BKMGTP";
	double value = (double)bytes;
	unsigned unit = 0;

	for (; value >= 1024 && unit < sizeof(units) - 2; unit++)
		value /= 1024;
	snprintf(text, size, unit ? "%.1f%c" : "%.0f%c", value, units[unit]);
}

static void add_row(const struct session_info *info, struct buf *out)
{
	int64_t end = info->meta.end_time_ns ? info->meta.end_time_ns : info->changed_ns;
	struct buf start = BUF_INIT;
	char bytes[16], duration[24] = "-", pid[24] = "-";

	session_time_format(info->meta.start_time_ns, &start);
	if (info->meta.start_time_ns && end > info->meta.start_time_ns)
		snprintf(duration, sizeof(duration), "%.1fs",
			 (double)(end - info->meta.start_time_ns) / NS_PER_SEC);
	if (info->meta.pid)
		snprintf(pid, sizeof(pid), "%lld", (long long)info->meta.pid);
	add_bytes(info->bytes, bytes, sizeof(bytes));
	buf_addf(out, "%-36s  %-20.19s  %10s  %8s  %12llu  %8s  %-8s  %-7s  %s\n", info->meta.id,
		 info->meta.start_time_ns && start.data ? start.data : "-", duration, pid,
		 (unsigned long long)info->meta.event_count, bytes,
		 info->has_events ? session_format_name(info->format) : "none",
		 state_names[info->state],
		 info->meta.binary_path[0] ? info->meta.binary_path : "-");
	buf_free(&start);
}

int store_table(struct store *s, struct buf *out)
{
	cleanup_free_ struct session_info *list = NULL;
	size_t n;
	int err = store_list(s, &list, &n);

	if (err)
		return err;
	buf_addf(out, "%-36s  %-20s  %10s  %8s  %12s  %8s  %-8s  %-7s  %s\n", "SESSION",
		 "START (UTC)", "DURATION", "PID", "EVENTS", "SIZE", "FORMAT", "STATE", "BINARY");
	for (size_t i = 0; i < n; i++)
		add_row(&list[i], out);
	return buf_error(out);
}

int session_resolve(const char *storage_dir, const char *id_or_folder)
{
	struct store *s;
	int fd = -ENOENT, err;

	if (session_id_valid(id_or_folder)) {
		err = store_new(storage_dir, &s);
		if (err)
			return log_error(err, "out of memory");
		fd = store_open(s, id_or_folder);
		store_free(s);
		if (fd < 0 && fd != -ENOENT)
			return log_error(fd, "session %s in %s: %s", id_or_folder, storage_dir,
					 strerror(-fd));
	}
	if (fd < 0)
		fd = open_dir(AT_FDCWD, id_or_folder, 0);
	if (fd < 0)
		log_error(fd, "%s: no such session in %s, and no folder: %s", id_or_folder,
			  storage_dir, strerror(-fd));
	return fd;
}
