/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* core/base/safe_file: whatever somebody plants in a folder, nothing else is read, written or
 * deleted, and nothing waits. What needs another user's files is only tried by root. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "core/base/safe_file.h"

#define NOBODY 65534

/* A folder to plant in, and beside it a victim: a file and a folder with a file. */
struct place {
	char path[64];
	int top, dir;
};

static void put(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void assert_text(int dir, const char *name, const char *want)
{
	struct buf text = BUF_INIT;
	int fd = openat(dir, name, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(file_load(fd, 1000, &text), 0);
	assert_string_equal(text.data, want);
	buf_free(&text);
	close(fd);
}

static int begin(void **state)
{
	static struct place place;
	int inner;

	alarm(60); /* nothing here may wait */
	strcpy(place.path, "/tmp/test_safe_file.XXXXXX");
	assert_non_null(mkdtemp(place.path));
	place.top = open(place.path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(mkdirat(place.top, "dir", 0755), 0);
	place.dir = openat(place.top, "dir", O_RDONLY | O_DIRECTORY);
	put(place.top, "victim", "secret");
	assert_int_equal(mkdirat(place.top, "victims", 0755), 0);
	inner = openat(place.top, "victims", O_RDONLY | O_DIRECTORY);
	put(inner, "file", "precious");
	close(inner);
	*state = &place;
	return 0;
}

static int end(void **state)
{
	struct place *p = *state;
	char command[100];

	assert_text(p->top, "victim", "secret");
	assert_text(p->top, "victims/file", "precious");
	close(p->dir);
	close(p->top);
	snprintf(command, sizeof(command), "rm -rf %s", p->path);
	return system(command);
}

enum plant { LINK, DANGLING, FIFO, SOCKET, FOLDER, DEVICE, PLANTS };

/* False when this user cannot. */
static bool plant(int dir, enum plant what, const char *name)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd;

	switch (what) {
	case LINK:
		assert_int_equal(symlinkat("../victim", dir, name), 0);
		break;
	case DANGLING:
		assert_int_equal(symlinkat("../made", dir, name), 0);
		break;
	case FIFO:
		assert_int_equal(mkfifoat(dir, name, 0666), 0);
		break;
	case SOCKET:
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/%s", dir, name);
		assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
		close(fd);
		break;
	case FOLDER:
		assert_int_equal(mkdirat(dir, name, 0755), 0);
		break;
	case DEVICE: /* /dev/zero: it never ends */
		return mknodat(dir, name, S_IFCHR | 0666, (dev_t)(1 << 8 | 5)) == 0;
	case PLANTS:
		break;
	}
	return true;
}

static void test_reading(void **state)
{
	static const int want[PLANTS] = {-ELOOP, -ELOOP, -ENXIO, -ENXIO, -EISDIR, -ENXIO};
	struct place *p = *state;
	int dev = folder_open("/dev"), fd;
	char name[8];

	for (enum plant what = 0; what < PLANTS; what++) {
		snprintf(name, sizeof(name), "%d", what);
		if (plant(p->dir, what, name))
			assert_int_equal(file_open_at(p->dir, name), want[what]);
		assert_int_not_equal(file_strerror(want[what])[0], '\0');
	}
	assert_int_equal(file_open_at(dev, "zero"), -ENXIO);
	close(dev);
	assert_int_equal(file_open_at(p->dir, "none"), -ENOENT);
	assert_int_equal(file_open_at(p->dir, "../victim"), -EINVAL);
	assert_int_equal(file_open_at(p->dir, ".."), -EINVAL);
	assert_int_equal(file_open_at(p->dir, ""), -EINVAL);
	put(p->dir, "plain", "text");
	fd = file_open_at(p->dir, "plain");
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

/* A backup's hard link is read; one that somebody else may have made is not. */
static void test_hard_link(void **state)
{
	struct place *p = *state;
	int fd;

	assert_int_equal(linkat(p->top, "victim", p->dir, "same", 0), 0);
	fd = file_open_at(p->dir, "same");
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(fchmod(p->dir, 0777), 0);
	assert_int_equal(file_open_at(p->dir, "same"), -EMLINK);
	assert_int_equal(fchmod(p->dir, 01777), 0);
	assert_int_equal(file_open_at(p->dir, "same"), -EMLINK);
	assert_int_equal(fchmod(p->dir, 0755), 0);
	if (geteuid() == 0) {
		assert_int_equal(fchown(p->dir, NOBODY, NOBODY), 0);
		assert_int_equal(file_open_at(p->dir, "same"), -EMLINK);
		assert_int_equal(fchownat(p->dir, "same", NOBODY, NOBODY, 0), 0);
		fd = file_open_at(p->dir, "same"); /* his own in his own */
		assert_true(fd >= 0);
		close(fd);
	}
}

static void test_creating(void **state)
{
	struct place *p = *state;
	struct stat st;
	char name[8];
	int fd;

	for (enum plant what = 0; what < PLANTS; what++) {
		snprintf(name, sizeof(name), "%d", what);
		if (!plant(p->dir, what, name))
			continue;
		assert_int_equal(file_create_at(p->dir, name, 0600), -EEXIST);
		assert_int_equal(folder_create_at(p->dir, name), -EEXIST);
	}
	assert_int_equal(fstatat(p->top, "made", &st, 0), -1);
	fd = file_create_at(p->dir, "new", 0600);
	assert_int_equal(file_write(fd, "abc", 3), 0);
	close(fd);
	assert_int_equal(file_stat_at(p->dir, "new", &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	fd = folder_create_at(p->dir, "folder");
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(file_stat_at(p->dir, "folder", &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_int_equal(file_remove_at(p->dir, "folder"), -EISDIR);
	assert_int_equal(folder_remove_at(p->dir, "new"), -ENOTDIR);
	assert_int_equal(folder_remove_at(p->dir, "folder"), 0);
}

static size_t entries(int dir, bool *ret_left, const char *name)
{
	struct dirent *entry;
	size_t n = 0;
	DIR *d;

	*ret_left = false;
	assert_int_equal(folder_entries(dir, &d), 0);
	while ((entry = readdir(d))) {
		n += entry->d_name[0] != '.';
		*ret_left |= new_file_is_left(entry->d_name, name);
	}
	closedir(d);
	return n;
}

/* What stands under the name is replaced, never followed or written to; a folder is an error. */
static void test_replacing(void **state)
{
	struct place *p = *state;
	struct new_file f;
	struct stat st;
	char name[8];
	size_t before;
	bool left;

	for (enum plant what = 0; what <= PLANTS; what++) {
		snprintf(name, sizeof(name), "%d", what);
		before = entries(p->dir, &left, name);
		if (what == PLANTS) /* a hard link */
			assert_int_equal(linkat(p->top, "victim", p->dir, name, 0), 0);
		else if (!plant(p->dir, what, name))
			continue;
		if (what == FOLDER) {
			assert_int_equal(new_file_open(p->dir, name, 0600, &f), -EISDIR);
			new_file_abort(&f);
			continue;
		}
		assert_int_equal(new_file_open(p->dir, name, 0640, &f), 0);
		assert_int_equal(entries(p->dir, &left, name), before + 2);
		assert_true(left);
		assert_int_equal(file_write(f.fd, "new", 3), 0);
		assert_int_equal(new_file_commit(&f, true), 0);
		new_file_abort(&f); /* does nothing any more */
		assert_int_equal(entries(p->dir, &left, name), before + 1);
		assert_false(left);
		assert_int_equal(file_stat_at(p->dir, name, &st), 0);
		assert_true(S_ISREG(st.st_mode));
		assert_text(p->dir, name, "new");
	}
	assert_int_equal(fstatat(p->top, "made", &st, 0), -1);
}

static void test_replacing_fails(void **state)
{
	char longest[NAME_MAX + 1], longer[NAME_MAX + 2];
	struct place *p = *state;
	struct new_file f, other;
	bool left;

	put(p->dir, "kept", "old");
	assert_int_equal(new_file_open(p->dir, "kept", 0600, &f), 0);
	assert_int_equal(new_file_open(p->dir, "kept", 0600, &other), 0);
	assert_string_not_equal(f.temporary, other.temporary);
	new_file_abort(&other);
	/* Somebody takes the temporary file away: an error, and the old one stays. */
	assert_int_equal(unlinkat(p->dir, f.temporary, 0), 0);
	assert_int_equal(new_file_commit(&f, false), -ENOENT);
	assert_text(p->dir, "kept", "old");
	assert_int_equal(entries(p->dir, &left, "kept"), 1);
	memset(longest, 'x', NAME_MAX);
	longest[NAME_MAX] = '\0';
	assert_int_equal(new_file_open(p->dir, longest, 0600, &f), 0);
	assert_int_equal(new_file_commit(&f, false), 0);
	memset(longer, 'x', NAME_MAX + 1);
	longer[NAME_MAX + 1] = '\0';
	assert_int_equal(new_file_open(p->dir, longer, 0600, &f), -ENAMETOOLONG);
	assert_int_equal(new_file_open(p->dir, "a/b", 0600, &f), -EINVAL);
	assert_true(new_file_is_left("a.0123456789abcdef.tmp", "a"));
	assert_false(new_file_is_left("a.0123456789abcdeg.tmp", "a"));
	assert_false(new_file_is_left("a.0123456789abcdef.tmpx", "a"));
	assert_false(new_file_is_left("a", "a"));
}

/* Between a look and the deed somebody moves the folder and puts a link in its place. */
static void test_swapped_folder(void **state)
{
	struct place *p = *state;
	int sub, other;

	assert_int_equal(mkdirat(p->dir, "sub", 0700), 0);
	sub = folder_open_at(p->dir, "sub");
	assert_true(sub >= 0);
	put(sub, "file", "mine");
	assert_int_equal(renameat(p->dir, "sub", p->dir, "moved"), 0);
	assert_int_equal(symlinkat("../victims", p->dir, "sub"), 0);
	assert_int_equal(folder_open_at(p->dir, "sub"), -ENOTDIR);
	assert_int_equal(folder_remove_at(p->dir, "sub"), -ENOTDIR);
	other = file_open_at(sub, "file");
	assert_true(other >= 0);
	close(other);
	assert_int_equal(file_remove_at(sub, "file"), 0); /* what was moved */
	close(sub);
	assert_int_equal(unlinkat(p->dir, "moved", AT_REMOVEDIR), 0);
}

static int opens(const struct place *p, const char *name)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", p->path, name);
	fd = folder_open(path);
	close_fd(&fd);
	return MIN(fd, 0);
}

/* A user's own links in a path he gave are followed. */
static void test_path(void **state)
{
	struct place *p = *state;
	char text[100];

	assert_int_equal(symlinkat("dir", p->top, "link"), 0);
	assert_int_equal(symlinkat("loop", p->top, "loop"), 0);
	assert_int_equal(symlinkat("nowhere", p->top, "dangling"), 0);
	snprintf(text, sizeof(text), "%s/victims", p->path);
	assert_int_equal(symlinkat(text, p->dir, "absolute"), 0);
	assert_int_equal(opens(p, ""), 0);
	assert_int_equal(opens(p, "dir"), 0);
	assert_int_equal(opens(p, "//dir/../dir/.//"), 0);
	assert_int_equal(opens(p, "link"), 0);
	assert_int_equal(opens(p, "link/"), 0);
	assert_int_equal(opens(p, "link/absolute/"), 0);
	assert_int_equal(opens(p, "loop"), -ELOOP);
	assert_int_equal(opens(p, "dangling"), -ENOENT);
	assert_int_equal(opens(p, "none"), -ENOENT);
	assert_int_equal(opens(p, "victim"), -ENOTDIR);
	assert_int_equal(opens(p, "victim/x"), -ENOTDIR);
	assert_int_equal(folder_open(""), -ENOENT);
	snprintf(text, sizeof(text), "/proc/self/fd/%d/absolute", p->dir);
	int fd = folder_open(text); /* a link to an open folder */

	assert_true(fd >= 0);
	assert_text(fd, "file", "precious");
	close(fd);
	/* In a folder for everybody: our own. */
	assert_int_equal(fchmod(p->top, 01777), 0);
	assert_int_equal(opens(p, "link"), 0);
	if (geteuid())
		return;
	/* Somebody else's is only followed where he alone may write. */
	assert_int_equal(fchownat(p->top, "link", NOBODY, NOBODY, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(opens(p, "link"), -ELOOP);
	assert_int_equal(opens(p, "link/absolute"), -ELOOP);
	assert_int_equal(fchmod(p->top, 0777), 0);
	assert_int_equal(opens(p, "link"), -ELOOP);
	assert_int_equal(fchmod(p->top, 0755), 0);
	assert_int_equal(opens(p, "link"), 0);
}

static int makes(const struct place *p, const char *name)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", p->path, name);
	fd = folder_make(path);
	close_fd(&fd);
	return MIN(fd, 0);
}

static void test_making_a_path(void **state)
{
	struct place *p = *state;
	mode_t mask = umask(022);
	struct stat st;

	assert_int_equal(symlinkat("dir", p->top, "link"), 0);
	assert_int_equal(symlinkat("not/mounted", p->top, "dangling"), 0);
	assert_int_equal(makes(p, "dir"), 0);
	assert_int_equal(makes(p, "link/a/b/c"), 0);
	assert_int_equal(fstatat(p->dir, "a/b", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
	assert_int_equal(fstatat(p->dir, "a/b/c", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_int_equal(makes(p, "dangling"), -ENOENT);
	assert_int_equal(makes(p, "dangling/a"), -ENOENT);
	assert_int_equal(fstatat(p->top, "not", &st, 0), -1);
	assert_int_equal(makes(p, "victim"), -ENOTDIR);
	assert_int_equal(makes(p, "victim/a"), -ENOTDIR);
	umask(mask);
}

static int named(const struct place *p, const char *name)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", p->path, name);
	fd = file_open(path);
	close_fd(&fd);
	return MIN(fd, 0);
}

/* -config FILE: a file, also behind the user's own link, or a pipe that we were given. */
static void test_named_file(void **state)
{
	struct place *p = *state;
	struct buf text = BUF_INIT;
	char path[100], name[NAME_MAX + 1];
	int fds[2], fd;

	assert_int_equal(plant(p->dir, FIFO, "fifo"), true);
	assert_int_equal(symlinkat("dir/fifo", p->top, "to_fifo"), 0);
	assert_int_equal(symlinkat("victim", p->top, "link"), 0);
	assert_int_equal(named(p, "victim"), 0);
	assert_int_equal(named(p, "link"), 0);
	assert_int_equal(named(p, "victim/"), -ENOTDIR);
	assert_int_equal(named(p, "dir"), -EISDIR);
	assert_int_equal(named(p, "dir/fifo"), -ENXIO);
	assert_int_equal(named(p, "to_fifo"), -ENXIO);
	assert_int_equal(file_open("/dev/zero"), -ENXIO);
	assert_int_equal(pipe(fds), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
	fd = file_open(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fds[1], "piped", 5), 5);
	close(fds[1]);
	assert_int_equal(file_load(fd, 4, &text), -EFBIG);
	close(fd);
	close(fds[0]);
	buf_free(&text);
	snprintf(path, sizeof(path), "%s/dir/new", p->path);
	fd = folder_open_parent(path, name);
	assert_true(fd >= 0);
	assert_string_equal(name, "new");
	close(fd);
	assert_int_equal(folder_open_parent("/tmp/", name), -EISDIR);
	assert_int_equal(folder_open_parent("/tmp/..", name), -EISDIR);
	assert_int_equal(folder_open_parent("", name), -ENOENT);
}

/* -out: what is there and no file is written to, if nobody else can have planted it. */
static void test_sink(void **state)
{
	struct place *p = *state;
	int dev = folder_open("/dev"), reader, fd;

	fd = file_open_sink(dev, "null");
	assert_true(fd >= 0);
	close(fd);
	close(dev);
	assert_int_equal(file_open_sink(p->top, "none"), -ENOENT);
	assert_int_equal(file_open_sink(p->top, "victim"), -ENOENT);
	assert_int_equal(file_open_sink(p->top, "victims"), -EISDIR);
	assert_int_equal(symlinkat("victim", p->top, "link"), 0);
	assert_int_equal(file_open_sink(p->top, "link"), -ENOENT);
	assert_int_equal(symlinkat("/dev/null", p->top, "to_null"), 0);
	fd = file_open_sink(p->top, "to_null");
	assert_true(fd >= 0);
	close(fd);
	plant(p->top, FIFO, "fifo");
	reader = openat(p->top, "fifo", O_RDONLY | O_NONBLOCK);
	assert_int_equal(fchmod(p->top, 01777), 0);
	fd = file_open_sink(p->top, "fifo");
	assert_true(fd >= 0);
	close(fd);
	close(reader);
	if (geteuid())
		return;
	assert_int_equal(fchownat(p->top, "fifo", NOBODY, NOBODY, 0), 0);
	assert_int_equal(file_open_sink(p->top, "fifo"), -EACCES);
	/* His link is not followed: the file that is made replaces it. */
	assert_int_equal(fchownat(p->top, "to_null", NOBODY, NOBODY, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(file_open_sink(p->top, "to_null"), -ENOENT);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_reading),   TEST(test_hard_link),       TEST(test_creating),
		TEST(test_replacing), TEST(test_replacing_fails), TEST(test_swapped_folder),
		TEST(test_path),      TEST(test_making_a_path),   TEST(test_named_file),
		TEST(test_sink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
