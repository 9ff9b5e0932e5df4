//go:build go1.23

package main

import "iter"

// Coroutines are goroutines too: created by iter.Pull, switched without the scheduler, ended by stop
// or by running out.
func init() {
	extras = append(extras, func(scale int) {
		for i := 0; i < 100*scale; i++ {
			next, stop := iter.Pull(func(yield func(int) bool) {
				for j := 0; yield(j); j++ {
				}
			})
			for j := 0; j < 3; j++ {
				next()
			}
			stop()
		}
		truth.Started["coroutine"] += 100 * scale
	})
}
