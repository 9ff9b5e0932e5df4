// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build withcgo

package main

// extern void oddCallback(int);
// static void callBack(int n) { oddCallback(n); }
import "C"
import (
	"os"
	"sync"
)

// A goroutine in Go code that C has called, which Go code has called: the outer frames count, too, and what
// it waits on in the inner ones.

func fineCalled(ch chan int)  { <-ch }
func lostCalled(ch chan int)  { <-ch }
func fineCalled2(ch chan int) { <-ch }

type call struct {
	gate   chan int
	deeper chan int
	inner  chan int
}

var (
	callsMu sync.Mutex
	calls   = map[int]*call{}
)

func take(n int) *call {
	callsMu.Lock()
	defer callsMu.Unlock()
	c := calls[n]
	delete(calls, n)
	return c
}

//export oddCallback
func oddCallback(n C.int) {
	c := take(int(n))
	inner := c.inner
	if c.deeper != nil {
		outer(c.deeper, int(n)+1, &call{gate: c.gate, inner: inner})
		return
	}
	<-c.gate
	if inner != nil {
		close(inner)
	}
}

//go:noinline
func outer(own chan int, n int, c *call) {
	callsMu.Lock()
	calls[n] = c
	callsMu.Unlock()
	C.callBack(C.int(n))
	close(own)
}

// Both it and who waits for it.
func lostInCall(own chan int, n int, c *call) { outer(own, n, c) }
func fineInCall(own chan int, n int, c *call) { outer(own, n, c) }

// A thread of C's is in a system call, and Go code in front of it has the channel.
//
//go:noinline
func inPipe(own chan int) {
	r, w, _ := os.Pipe()
	kept.Store(w, w)
	r.Read(make([]byte, 1))
	close(own)
}

func init() {
	more = append(more, func() {
		own, inner := made(), made()
		go fineInCall(own, 10, &call{gate: global, inner: inner})
		go fineCalled(own)
		go fineCalled2(inner)
		own, inner = made(), made()
		go fineInCall(own, 20, &call{gate: global, inner: inner, deeper: made()})
		go fineCalled(own)
		go fineCalled2(inner)
		own = made()
		go lostInCall(own, 30, &call{gate: made()})
		go lostCalled(own)
		lost += 2
		own = made()
		go inPipe(own)
		go fineCalled(own)
	})
}
