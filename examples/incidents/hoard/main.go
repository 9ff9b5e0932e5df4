// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// A cache that keeps what nobody asks for again: the heap grows with each request.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

type cache struct {
	lock  sync.Mutex
	pages map[string][]byte
}

// The fault: each key is another one, and nothing is ever dropped.
func (c *cache) remember(page string) []byte {
	copied := append([]byte(nil), page...)
	c.lock.Lock()
	defer c.lock.Unlock()
	c.pages[time.Now().String()] = copied
	return copied
}

func render(name string) string {
	return strings.Repeat("<li>"+name+"</li>\n", 2000)
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "")
	flag.Parse()
	pages := cache{pages: make(map[string][]byte)}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(pages.remember(render(r.URL.Path))[:64])
	})
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening http://%s/\n", l.Addr())
	panic(http.Serve(l, nil))
}
