package main

import (
	"context"
	"runtime/pprof"
)

// Labels that a new goroutine takes over from its creator; more than a bucket of a map holds.
func spawnLabelled(in chan int) {
	few := pprof.Labels("request", "/job/7", "user", `one "two"`+"\n\u00fc\xff")
	many := pprof.Labels("a", "1", "b", "2", "c", "3", "d", "4", "e", "5", "f", "6", "g", "7", "h", "8", "i", "9",
		"j", "10", "k", "", "l", "\u2028\U0001f600")
	for _, labels := range []pprof.LabelSet{few, many} {
		go pprof.Do(context.Background(), labels, func(context.Context) {
			go func() { <-in }()
			<-in
		})
	}
}
