/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The storage folder; see store.h. */
#include "core/session/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "core/base/log.h"
#include "core/base/safe_file.h"
#include "core/base/text.h"
#include "core/session/archive.h"
#include "core/session/reader.h"

/* A session of the original has no lock: with no end, and changed this recently, it may run. */
#define FRESH_NS (60 * (int64_t)NS_PER_SEC)

struct store {
	char *dir;
	int top; /* held; -1: not */
};

/* The last one is of earlier versions. */
static const char *const session_files[] = {"events.pb", "events.jsonl", "metadata.json",
					    "metadata.json.tmp"};

int store_new(const char *storage_dir, struct store **ret)
{
	struct store *s = calloc(1, sizeof(*s));

	if (s)
		s->dir = strdup(storage_dir);
	if (s)
		s->top = -1;
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
	close_fd(&s->top);
	free(s->dir);
	free(s);
}

void store_hold(struct store *s)
{
	if (s->top < 0)
		s->top = MAX(folder_open(s->dir), -1);
}

/* The storage folder's descriptor, which the caller closes. */
static int open_top(const struct store *s)
{
	int fd = s->top < 0 ? folder_open(s->dir) : fcntl(s->top, F_DUPFD_CLOEXEC, 0);

	return fd == -1 ? -errno : fd;
}

const char *store_dir(const struct store *s)
{
	return s->dir;
}

int store_make(struct store *s)
{
	cleanup_close_ int top = folder_make(s->dir);

	return MIN(top, 0);
}

int store_create(struct store *s, const char *id)
{
	cleanup_close_ int top = open_top(s);

	if (!session_id_valid(id))
		return -EINVAL;
	return top < 0 ? top : folder_create_at(top, id);
}

/* In the storage folder `top`. */
static int open_session(int top, const char *id)
{
	int fd = session_id_valid(id) ? folder_open_at(top, id) : -EINVAL;

	return fd == -ENOTDIR || fd == -ELOOP ? -ENOENT : fd;
}

int store_open(struct store *s, const char *id)
{
	cleanup_close_ int top = -1;

	if (!session_id_valid(id))
		return -EINVAL;
	top = open_top(s);
	return top < 0 ? top : open_session(top, id);
}

/* Something has the name that nobody can write events to: nobody holds its lock. */
static bool is_no_file(int err)
{
	return err == -ELOOP || err == -ENXIO || err == -EISDIR || err == -EMLINK;
}

/* The events file, locked if nobody writes it. Returns its descriptor, -EBUSY, -ENOENT or -errno.
 */
static int lock_events(int dir, int how)
{
	cleanup_close_ int fd = file_open_at(dir, session_format_file(SESSION_PROTOBUF));

	if (fd == -ENOENT || is_no_file(fd))
		fd = file_open_at(dir, session_format_file(SESSION_JSONL));
	if (fd < 0)
		return is_no_file(fd) ? -ENOENT : fd;
	if (flock(fd, how | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return move_fd(&fd);
}

static int64_t mtime_ns(const struct stat *st)
{
	return st->st_mtim.tv_sec * (int64_t)NS_PER_SEC + st->st_mtim.tv_nsec;
}

/* Adds up the files that are there. Returns whether there are any. */
static bool add_files(int dir, struct session_info *ret)
{
	bool any = false;
	struct stat st;

	for (unsigned i = 0; i < ARRAY_SIZE(session_files); i++) {
		if (file_stat_at(dir, session_files[i], &st) < 0)
			continue;
		any = true;
		if (!S_ISREG(st.st_mode)) {
			if (!ret->problem[0])
				snprintf(ret->problem, sizeof(ret->problem), "%s: %s",
					 session_files[i],
					 file_strerror(S_ISLNK(st.st_mode) ? -ELOOP : -ENXIO));
			continue;
		}
		ret->bytes += (uint64_t)st.st_size;
		if (i <= SESSION_JSONL && !ret->has_events) {
			ret->has_events = true;
			ret->format = (enum session_format)i;
			ret->events_bytes = (uint64_t)st.st_size;
			ret->changed_ns = mtime_ns(&st);
		}
	}
	return any;
}

/* Are there no events where metadata counts some? A look at the first record: is it whole? */
static bool is_unreadable(int dir, const struct session_info *info)
{
	cleanup_close_ int fd = -1;

	if (!info->has_events || !info->meta.event_count)
		return false;
	if (!info->events_bytes)
		return true;
	fd = file_open_at(dir, session_format_file(info->format));
	return fd >= 0 && !session_reader_begins(fd, info->format, info->events_bytes);
}

static int get_info(int dir, const char *id, struct session_info *ret)
{
	cleanup_close_ int lock = -1;
	struct stat st;
	int err;

	memset(ret, 0, sizeof(*ret));
	if (fstat(dir, &st) < 0)
		return -errno;
	ret->changed_ns = mtime_ns(&st);
	err = session_meta_load(dir, &ret->meta, ret->problem, sizeof(ret->problem));
	if (is_shortage(err))
		return err;
	if (err == -ENOENT) /* plain to see */
		ret->problem[0] = '\0';
	/* The folder's name is what it can be found by, whatever the file says. */
	memcpy(ret->meta.id, id, sizeof(ret->meta.id));
	if (!add_files(dir, ret))
		return -ENOENT;
	lock = lock_events(dir, LOCK_SH);
	ret->state = lock == -EBUSY          ? SESSION_RUNNING
		     : ret->meta.stopped[0]  ? SESSION_STOPPED
		     : ret->meta.end_time_ns ? SESSION_DONE
					     : SESSION_CUT_OFF;
	if (ret->state == SESSION_DONE && is_unreadable(dir, ret))
		ret->state = SESSION_CUT_OFF;
	return 0;
}

int store_get(struct store *s, const char *id, struct session_info *ret)
{
	cleanup_close_ int dir = store_open(s, id);

	return dir < 0 ? dir : get_info(dir, id, ret);
}

static bool stamp_file(int dir, const char *name, struct session_file_stamp *ret)
{
	struct stat st;

	*ret = (struct session_file_stamp){0};
	if (file_stat_at(dir, name, &st) < 0)
		return false;
	ret->inode = st.st_ino;
	ret->bytes = (uint64_t)st.st_size;
	ret->changed_ns = mtime_ns(&st);
	return true;
}

int store_stamp(struct store *s, const char *id, struct session_stamp *ret)
{
	cleanup_close_ int dir = store_open(s, id);

	if (dir < 0)
		return dir;
	/* The one session_reader_open() takes. */
	if (!stamp_file(dir, session_format_file(SESSION_PROTOBUF), &ret->events))
		(void)stamp_file(dir, session_format_file(SESSION_JSONL), &ret->events);
	(void)stamp_file(dir, "metadata.json", &ret->meta);
	return 0;
}

static int compare_start(const void *a, const void *b)
{
	const struct session_info *x = a, *y = b;
	int64_t tx = x->meta.start_time_ns ? x->meta.start_time_ns : x->changed_ns;
	int64_t ty = y->meta.start_time_ns ? y->meta.start_time_ns : y->changed_ns;

	return tx != ty ? (tx > ty) - (tx < ty) : strcmp(x->meta.id, y->meta.id);
}

/* The sessions in the storage folder `top`. */
static int list_sessions(int top, struct session_info **ret, size_t *ret_n)
{
	struct session_info *list = NULL, *grown;
	size_t n = 0, cap = 0;
	struct dirent *entry;
	DIR *entries;
	int err = folder_entries(top, &entries);

	if (err)
		return err;
	while ((entry = readdir(entries))) {
		cleanup_close_ int dir = open_session(top, entry->d_name);

		err = MIN(dir, 0);
		if (!err && n == cap) {
			cap = cap ? cap * 2 : 32;
			grown = realloc(list, cap * sizeof(*list));
			if (grown)
				list = grown;
			else
				err = -ENOMEM;
		}
		if (!err)
			err = get_info(dir, entry->d_name, &list[n]);
		/* One that vanishes meanwhile, or is not for us, is left out. */
		n += !err;
		if (is_shortage(err))
			break;
	}
	closedir(entries);
	if (is_shortage(err)) {
		free(list);
		return err;
	}
	if (n)
		qsort(list, n, sizeof(*list), compare_start);
	*ret = list;
	*ret_n = n;
	return 0;
}

int store_list(struct store *s, struct session_info **ret, size_t *ret_n)
{
	cleanup_close_ int top = open_top(s);

	*ret = NULL;
	*ret_n = 0;
	if (top < 0)
		return top == -ENOENT ? 0 : top;
	return list_sessions(top, ret, ret_n);
}

/* --- deleting --------------------------------------------------------------------------------- */

static bool is_session_file(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(session_files); i++) {
		if (strcmp(name, session_files[i]) == 0 || new_file_is_left(name, session_files[i]))
			return true;
	}
	return false;
}

static int check_session_file(int dir, const char *name)
{
	struct stat st;
	int err = file_stat_at(dir, name, &st);

	return err ? err : is_session_file(name) && !S_ISDIR(st.st_mode) ? 0 : -ENOTEMPTY;
}

/* Calls fn for everything in the folder, up to the first error. What has vanished is fine. */
static int each_entry(int dir, int (*fn)(int dir, const char *name))
{
	struct dirent *entry;
	DIR *entries;
	int err = folder_entries(dir, &entries);

	if (err)
		return err;
	while (!err && (entry = readdir(entries))) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			err = fn(dir, entry->d_name);
		if (err == -ENOENT)
			err = 0;
	}
	closedir(entries);
	return err;
}

/* In the storage folder `top`. All of it goes by the folders' descriptors: whoever moves one and
 * puts a link in its place meanwhile has what he moved deleted, and nothing else. */
static int delete_session(int top, const char *id)
{
	cleanup_close_ int dir = open_session(top, id), lock = -1;
	int err;

	if (dir < 0)
		return dir;
	lock = lock_events(dir, LOCK_EX);
	if (lock < 0 && lock != -ENOENT)
		return lock;
	err = each_entry(dir, check_session_file);
	if (!err)
		err = each_entry(dir, file_remove_at);
	return err ? err : folder_remove_at(top, id);
}

int store_delete(struct store *s, const char *id)
{
	cleanup_close_ int top = open_top(s);

	return top < 0 ? top : delete_session(top, id);
}

int store_delete_file(struct store *s, const char *id, const char *name)
{
	cleanup_close_ int dir = store_open(s, id), lock = -1;
	int err;

	if (dir < 0)
		return dir;
	if (!is_session_file(name))
		return -ENOENT;
	lock = lock_events(dir, LOCK_EX);
	if (lock < 0 && lock != -ENOENT)
		return lock;
	err = file_remove_at(dir, name);
	return err == -ENOENT && strcmp(name, "events.jsonl") == 0 ? 0 : err;
}

static bool may_go(const struct session_info *info, int64_t now)
{
	return info->state == SESSION_DONE || info->state == SESSION_STOPPED ||
	       (info->state == SESSION_CUT_OFF && now - info->changed_ns > FRESH_NS);
}

int store_rotate(struct store *s, uint64_t max_size, uint64_t max_age_ns)
{
	cleanup_free_ struct session_info *list = NULL;
	cleanup_close_ int top = open_top(s);
	int64_t now = (int64_t)clock_ns(CLOCK_REALTIME);
	uint64_t total = 0;
	size_t n;
	int err = top < 0 ? top : list_sessions(top, &list, &n), deleted = 0;

	if (err)
		return err == -ENOENT ? 0 : err;
	for (size_t i = 0; i < n; i++)
		total += list[i].bytes;
	for (size_t i = 0; i < n; i++) {
		const struct session_info *info = &list[i];
		int64_t end = info->meta.end_time_ns ? info->meta.end_time_ns : info->changed_ns;
		bool old = max_age_ns && now > end && (uint64_t)(now - end) > max_age_ns;

		if (!may_go(info, now) || !(old || (max_size && total > max_size)))
			continue;
		if (delete_session(top, info->meta.id) == 0) {
			total -= info->bytes;
			deleted++;
		}
	}
	return deleted;
}

/* --- for people ------------------------------------------------------------------------------- */

const char *session_state_name(enum session_state state)
{
	static const char *const names[] = {
		[SESSION_RUNNING] = "running",
		[SESSION_DONE] = "done",
		[SESSION_CUT_OFF] = "cut off",
		[SESSION_STOPPED] = "stopped",
	};

	return names[state];
}

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
		 session_state_name(info->state),
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
	for (size_t i = 0; i < n; i++) {
		add_row(&list[i], out);
		if (list[i].problem[0])
			log_warn("session %s: %s", list[i].meta.id, list[i].problem);
	}
	return buf_error(out);
}

static int resolve_archive(const char *path)
{
	cleanup_close_ int fd = file_open(path);
	struct archive archive;
	char why[80] = "";
	int err = fd < 0 ? fd : archive_check(fd, &archive, why, sizeof(why));

	return err ? log_error(err, "%s: no archive of a session: %s", path,
			       why[0] ? why : file_strerror(err))
		   : move_fd(&fd);
}

int session_resolve(const char *storage_dir, const char *id_or_folder)
{
	cleanup_close_ int top = -1;
	int fd = -ENOENT;

	if (session_id_valid(id_or_folder)) {
		top = folder_open(storage_dir);
		fd = top < 0 ? top : open_session(top, id_or_folder);
		if (fd < 0 && fd != -ENOENT)
			return log_error(fd, "session %s in %s: %s", id_or_folder, storage_dir,
					 file_strerror(fd));
	}
	if (fd < 0)
		fd = folder_open(id_or_folder);
	if (fd == -ENOTDIR)
		return resolve_archive(id_or_folder);
	if (fd < 0)
		log_error(fd, "%s: no such session in %s, and no folder: %s", id_or_folder,
			  storage_dir, file_strerror(fd));
	return fd;
}
