//go:build go1.23

package main

import (
	"iter"
	"sync/atomic"
)

// Coroutines are goroutines too: created by iter.Pull, switched without the scheduler, ended by stop,
// by running out or by a panic.
func init() {
	extras = append(extras, func(scale int) {
		for i := 0; i < 100*scale; i++ {
			pull(i%3, i)
		}
		truth.Started["coroutine"] += 100 * scale
		inParallel(4, func(worker int) {
			for i := 0; i < 10*scale; i++ {
				pull(i%3, worker)
			}
		})
		truth.Started["coroutine"] += 4 * 10 * scale
		truth.Started["main.parallel"] += int(atomic.SwapInt64(&parallels, 0))
	})
}

func pull(end, seed int) {
	defer func() { recover() }()
	next, stop := iter.Pull(func(yield func(int) bool) {
		for j := seed; j < seed+5; j++ {
			if !yield(j) {
				return
			}
		}
		if end == 2 {
			panic("the sequence")
		}
	})
	for j := 0; j < 3; j++ {
		next()
	}
	switch end {
	case 0:
		stop()
	default:
		for ok := true; ok; {
			_, ok = next()
		}
	}
}
