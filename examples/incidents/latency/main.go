// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// Scheduling latency: compaction takes all processors at once, and requests wait for one.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"time"
)

var sum uint64

// The fault: as many as there are, each for long, at once.
func compact(segment uint64) {
	end := time.Now().Add(300 * time.Millisecond)
	for h := segment; ; h = h*6364136223846793005 + 1 {
		if h%4096 == 0 && time.Now().After(end) {
			sum += h
			return
		}
	}
}

func compactor() {
	for range time.Tick(500 * time.Millisecond) {
		for i := 0; i < 4*runtime.GOMAXPROCS(0); i++ {
			go compact(uint64(i))
		}
	}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "")
	flag.Parse()
	go compactor()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello") })
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening http://%s/\n", l.Addr())
	panic(http.Serve(l, nil))
}
