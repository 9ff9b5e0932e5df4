/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tables of words.h; nothing else, so that contract.c can be built for the building machine. */
#include "core/view/words.h"

#include "core/base/util.h"
#include "core/model/model.h"

const struct filter_word filter_keys[] = {
	{"state", KEY_STATE},
	{"wait", KEY_WAIT},
	{"reason", KEY_WAIT},
	{"was", KEY_WAS},
	{"func", KEY_FUNC},
	{"site", KEY_SITE},
	{"by", KEY_SITE},
	{"flag", KEY_FLAG},
	{"id", KEY_ID},
	{"goid", KEY_ID},
	{"parent", KEY_PARENT},
	{"age", KEY_AGE},
	{"since", KEY_SINCE},
	{"waiting", KEY_WAITING},
	{"runnable", KEY_RUNNABLE},
	{"alloc", KEY_ALLOC},
	{"events", KEY_EVENTS},
	{"children", KEY_CHILDREN},
	{0},
};

const struct filter_word filter_units[] = {
	{"", 1},
	{"ns", 1},
	{"us", 1000},
	{"\xc2\xb5s", 1000},
	{"ms", 1000 * 1000},
	{"s", NS_PER_SEC},
	{"m", 60 * NS_PER_SEC},
	{"h", 3600 * NS_PER_SEC},
	{"b", 1},
	{"kb", 1000},
	{"mb", 1000 * 1000},
	{"gb", 1000 * 1000 * 1000},
	{0},
};

const struct filter_word filter_flags[] = {
	{"live", 0},
	{"exited", GOROUTINE_EXITED},
	{"system", GOROUTINE_SYSTEM},
	{"cgo", GOROUTINE_CGO},
	{"found", GOROUTINE_FOUND},
	{"uncertain", GOROUTINE_UNCERTAIN},
	{0},
};
