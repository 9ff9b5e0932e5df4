/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose a function is, by its name: the runtime's, the standard library's, or the program's own.
 * Own is what is neither, dependencies included: a function whose import path does not begin with
 * an element that Go's standard library has ("net/http.Get" does, "main.main", "github.com/x/y.F"
 * and "shop/cart.Add" do not). No state; any thread.
 */
#ifndef XGOTOPFS_VIEW_OWN_H
#define XGOTOPFS_VIEW_OWN_H

#include <stdbool.h>
#include <stddef.h>

bool own_function(const char *name, size_t len);
/* The runtime's own frames, which do things for whom called them; also what it lends to the rest of
 * the standard library under a name of theirs ("internal/poll.runtime_pollWait"). */
bool own_is_runtime(const char *name, size_t len);

#endif
