// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

//go:build !go1.23
// +build !go1.23

package main

func extra() { storm() }
