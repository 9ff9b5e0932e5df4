// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// Pulled has iterators of iter.Pull that nobody will ask again, and others that somebody may. It says
// "ready LOST" once all rest, with the number of goroutines that can never go on. With "busy" others are asked
// without a pause meanwhile, begin and end.
package main

import (
	"fmt"
	"iter"
	"os"
	"runtime"
	"time"
)

func numbers(yield func(int) bool) {
	for i := 0; yield(i); i++ {
	}
}

func lostAsked(yield func(int) bool)      { numbers(yield) }
func lostNeverAsked(yield func(int) bool) { numbers(yield) }
func lostKept(yield func(int) bool)       { numbers(yield) }
func lostBody(ch chan int) iter.Seq[int] {
	return func(yield func(int) bool) { yield(<-ch) }
}

type reader struct {
	next func() (int, bool)
	stop func()
}

// Asked once, and dropped without stop.
//
//go:noinline
func dropAsked() {
	next, _ := iter.Pull(lostAsked)
	next()
}

//go:noinline
func dropNeverAsked() { iter.Pull(lostNeverAsked) }

//go:noinline
func dropKept() {
	r := new(reader)
	r.next, r.stop = iter.Pull(lostKept)
	r.next()
	r.next()
}

// Nobody will send: neither the iterator nor who has asked it goes on.
func lostCaller() {
	next, stop := iter.Pull(lostBody(make(chan int)))
	defer stop()
	next()
}

var (
	global reader
	known  = make(chan int)
	count  [4]int
)

func fineGlobal(yield func(int) bool) { numbers(yield) }
func fineFrame(yield func(int) bool)  { numbers(yield) }
func fineStop(yield func(int) bool)   { numbers(yield) }
func fineSleeper(yield func(int) bool) {
	time.Sleep(time.Hour)
	yield(1)
}
func fineKnown(yield func(int) bool) { yield(<-known) }
func fineBusy(yield func(int) bool)  { numbers(yield) }

// Will ask again once it is told to.
func fineWaiter() {
	next, _ := iter.Pull(fineFrame)
	next()
	<-known
	next()
}

func fineDefers() {
	next, stop := iter.Pull(fineStop)
	defer stop()
	next()
	<-known
}

func fineAsks(seq iter.Seq[int]) {
	next, _ := iter.Pull(seq)
	next()
}

func fineLoop(i int) {
	next, _ := iter.Pull(fineBusy)
	for {
		n, _ := next()
		count[i] = n
		if n%100000 == 0 {
			runtime.Gosched()
		}
	}
}

func fineStarts() {
	for {
		next, stop := iter.Pull(fineBusy)
		next()
		stop()
	}
}

func main() {
	for i := 0; i < 10; i++ {
		dropAsked()
		dropNeverAsked()
		dropKept()
		go lostCaller()
		go fineWaiter()
		go fineDefers()
		go fineAsks(fineSleeper)
		go fineAsks(fineKnown)
	}
	global.next, global.stop = iter.Pull(fineGlobal)
	global.next()
	if len(os.Args) > 1 && os.Args[1] == "busy" {
		go fineLoop(0)
		go fineLoop(1)
		go fineStarts()
	}
	time.Sleep(100 * time.Millisecond)
	fmt.Println("ready", 50)
	<-known
	global.next()
}
