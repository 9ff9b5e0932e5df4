/*
 * Recorded sessions on the command line (-sessions, -convert) and for the mounted tree: bridges
 * core/session and fs, which do not know each other.
 */
#ifndef XGOTOPFS_APP_SESSIONS_H
#define XGOTOPFS_APP_SESSIONS_H

#include "app/config.h"
#include "fs/fs.h"

struct sessions;

int sessions_new(const char *storage_dir, struct sessions **ret);
void sessions_free(struct sessions *s);
/* Valid as long as s; its functions from any thread, one handle by one thread at a time. */
const struct fs_sessions *sessions_fs(struct sessions *s);

/* -sessions and -convert; the exit status. */
int sessions_list(const struct config *config);
int sessions_convert(const struct config *config);

#endif
