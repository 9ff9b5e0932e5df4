// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// Those that take processors or memory.
package main

import (
	"fmt"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

var work = make(chan int)

// A select that never waits.
func spin(mux *http.ServeMux) {
	go spinWait()
}

func spinWait() {
	for {
		select {
		case <-work:
			return
		default:
		}
	}
}

// A loop that waits by giving way, over and over.
func yields(mux *http.ServeMux) {
	go waitReady()
}

func waitReady() {
	for len(work) == 0 {
		runtime.Gosched()
	}
}

// Tickers that nobody stops, and nobody reads: by a go.mod of before 1.23 each goes on.
func unstopped(mux *http.ServeMux) {
	for i := 0; i < 20000; i++ {
		keepAlive()
		time.Sleep(time.Microsecond)
	}
}

func keepAlive() {
	t := time.NewTicker(5 * time.Millisecond)
	select {
	case <-t.C:
	default:
	}
}

// A goroutine for each of very many small things.
func hordes(mux *http.ServeMux) {
	go func() {
		for range time.Tick(5 * time.Millisecond) {
			for i := 0; i < 100; i++ {
				go lookAt(i)
			}
		}
	}()
}

func lookAt(i int) { time.Sleep(time.Duration(i) * 10 * time.Microsecond) }

// A timer each time round: up to Go 1.22 each stays for its hour.
func after(mux *http.ServeMux) {
	messages := make(chan int, 64)
	go func() {
		for {
			messages <- 1
		}
	}()
	go afterLoop(messages)
}

func afterLoop(messages chan int) {
	for {
		select {
		case <-messages:
		case <-time.After(time.Hour):
			return
		}
	}
}

// What is taken is too small each time, so that another is made, and the small one is what is put back.
var buffers = sync.Pool{New: func() any { return make([]byte, 512) }}

func pool(mux *http.ServeMux) {
	for i := 0; i < 2; i++ {
		go poolUser()
	}
}

func poolUser() {
	for i := 0; ; i++ {
		b := buffers.Get().([]byte)
		big := grow(b, 256<<10)
		big[i%len(big)] = 1
		buffers.Put(b)
		time.Sleep(200 * time.Microsecond)
	}
}

func grow(b []byte, n int) []byte {
	if cap(b) < n {
		b = make([]byte, n)
	}
	return b[:n]
}

// A map that nobody takes anything out of.
var seen = map[string][]byte{}

func forever(mux *http.ServeMux) {
	go rememberAll()
}

func rememberAll() {
	for i := 0; ; i++ {
		seen[fmt.Sprint("request ", i)] = make([]byte, 4096)
		if i%100 == 0 {
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// One processor, and one request that keeps it.
func tight(mux *http.ServeMux) {
	runtime.GOMAXPROCS(1)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, checksum(3e7)) })
	go func() {
		for {
			checksum(1e9)
		}
	}()
}

//go:noinline
func checksum(n int) (sum uint32) {
	for i := 0; i < n; i++ {
		sum = sum*31 + uint32(i)
	}
	return sum
}

// The limit is as much as is live: it collects all the time.
func spiral(mux *http.ServeMux) {
	keep := make([][]byte, 0, 1<<16)
	for i := 0; i < 1<<16; i++ {
		keep = append(keep, make([]byte, 1024))
	}
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(70 << 20)
	go func() {
		for i := 0; ; i++ {
			keep[i%len(keep)] = remake()
		}
	}()
}

//go:noinline
func remake() []byte { return make([]byte, 1024) }

// Again at once, and again, from many.
func retries(mux *http.ServeMux) {
	l := listen()
	address := l.Addr().String()
	l.Close() // refused
	for i := 0; i < 50; i++ {
		go retryForever(address)
	}
}

func retryForever(address string) {
	for {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
	}
}
