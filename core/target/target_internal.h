/* What the files of this room share about an open target. Not for other rooms. */
#ifndef XGOTOPFS_TARGET_INTERNAL_H
#define XGOTOPFS_TARGET_INTERNAL_H

#include "core/target/image.h"
#include "core/target/target.h"

const struct image *target_image(const struct target *t);

/* Static addresses from moduledata: text, etext, types, etypes. */
struct go_ranges {
	uint64_t text, etext, types, etypes;
};
const struct go_ranges *target_ranges(const struct target *t);

#endif
