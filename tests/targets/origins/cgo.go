// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

//go:build withcgo
// +build withcgo

package main

// static int one(void) { return 1; }
import "C"

func init() { _ = C.one() }
