/*
 * Recorded sessions as the mounted tree wants them: metadata.json, and events.jsonl whatever the
 * storage format (a protobuf session is converted while it is read). Bridges core/session and fs,
 * which do not know each other. Any thread; one handle is used by one thread at a time.
 */
#ifndef XGOTOPFS_APP_SESSIONS_H
#define XGOTOPFS_APP_SESSIONS_H

#include "fs/fs.h"

struct sessions;

int sessions_new(const char *storage_dir, struct sessions **ret);
void sessions_free(struct sessions *s);
/* Valid as long as s. */
const struct fs_sessions *sessions_fs(struct sessions *s);

#endif
