// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

//go:build go1.23
// +build go1.23

package main

import "iter"

// Coroutines, which change places past casgstatus.
func extra() {
	me := self()
	next, stop := iter.Pull(func(yield func(int) bool) {
		it := self()
		for i := 0; i < 10; i++ {
			say(it)
			if !yield(i) {
				return
			}
			say(it)
		}
	})
	for i := 0; i < 7; i++ {
		next()
		say(me)
	}
	if me%2 == 0 {
		for _, ok := next(); ok; _, ok = next() {
			say(me)
		}
	}
	stop()
	say(me)
}
