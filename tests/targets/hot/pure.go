// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build !withcgo
// +build !withcgo

package main

import "time"

func inC(until time.Time) {}
