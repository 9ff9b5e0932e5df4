//go:build go1.25
// +build go1.25

package main

import (
	"runtime"
	"time"
)

// As spawnFinalizer; they have goroutines of their own.
func spawnCleanup(in chan int) {
	began := make(chan bool, 1)
	func() {
		runtime.AddCleanup(&worker{in}, func(in chan int) { began <- true; <-in }, in)
	}()
	for waiting := true; waiting; {
		runtime.GC()
		select {
		case <-began:
			waiting = false
		case <-time.After(time.Millisecond):
		}
	}
}
