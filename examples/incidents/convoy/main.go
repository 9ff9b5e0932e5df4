// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// A lock convoy: who writes the report holds the lock that each request needs.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

type counters struct {
	mu   sync.Mutex
	hits map[string]int
}

func (c *counters) hit(path string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hits[path]++
	return c.hits[path]
}

// The fault: it writes, slowly, while it holds the lock.
func (c *counters) report() {
	c.mu.Lock()
	defer c.mu.Unlock()
	time.Sleep(1500 * time.Millisecond)
}

func reporter(c *counters) {
	for range time.Tick(100 * time.Millisecond) {
		c.report()
	}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "")
	flag.Parse()
	c := &counters{hits: map[string]int{}}
	go reporter(c)
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, c.hit(r.URL.Path)) })
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening http://%s/\n", l.Addr())
	panic(http.Serve(l, nil))
}
