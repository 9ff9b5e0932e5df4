/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The dictionary of a recorded session while it is read: recorded ids -> ids in the reader's names.
 * One reader owns it, one thread uses it. Bounded: past SESSION_TABLE_MAX entries of a kind, and
 * when names is full, an entry is unknown (0), never an error.
 */
#ifndef XGOTOPFS_SESSION_TABLES_H
#define XGOTOPFS_SESSION_TABLES_H

#include <stdint.h>

#include "core/model/event.h"
#include "core/model/names.h"
#include "core/session/wire.h"

#define SESSION_TABLE_MAX (1u << 20)

struct tables;

int tables_new(struct names *names, struct tables **ret); /* names is borrowed */
void tables_free(struct tables *t);

/* One field of a RuntimeEventBatch that defines an entry (texts, types, sites, new_contexts).
 * 0, -EBADMSG when it is malformed or its id is neither known nor the next, -ENOMEM. */
int tables_define(struct tables *t, const struct wire_field *f);
/* Ids in names for a recorded text or site; 0 when unknown. */
uint32_t tables_text(const struct tables *t, uint32_t id);
uint32_t tables_site(const struct tables *t, uint32_t id);

/*
 * What a recorded event means. false when its type is none of the six. States that Go does not have
 * (the original's attributes are garbage on amd64) become `from` = `to` = idle of goroutine 0,
 * which changes nothing.
 */
bool tables_event(struct tables *t, const struct raw_event *raw, struct event *ret);
/* The same for what no context says: types by size and kind only. Used for JSONL, too. */
uint32_t tables_nameless_type(struct tables *t, const struct raw_event *raw);
/* Fills the attribute-borne fields of an event (not type_id, string_id, site_id, proc, flags). */
void tables_attributes(const struct raw_event *raw, struct event *ret);

/* A recorded name, escaped and cut as names.h has it. */
uint32_t tables_intern(struct names *names, const void *text, size_t len);

#endif
