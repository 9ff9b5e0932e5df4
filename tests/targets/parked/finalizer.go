package main

import (
	"runtime"
	"time"
)

// The finalizer's goroutine, a system goroutine otherwise, is in the program's own code.
func spawnFinalizer(in chan int) {
	began := make(chan bool, 1)
	func() {
		p := &struct{ in chan int }{in}
		runtime.SetFinalizer(p, func(p *struct{ in chan int }) { began <- true; <-p.in })
	}()
	for {
		runtime.GC()
		select {
		case <-began:
			return
		case <-time.After(time.Millisecond):
		}
	}
}
