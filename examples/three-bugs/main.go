// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// A shop with three bugs, to find in the web UI while its load runs: docs/ui.md shows how.
//
//	three-bugs [-listen ADDRESS]    serves, and prints "listening URL"
//	three-bugs -load URL            asks for it all, as customers do, until it is ended
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

// --- prices: each request needs the lock that the reload holds for two seconds --------------------

type prices struct {
	mu sync.Mutex
	of map[string]int
}

func (p *prices) get(what string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.of[what]
}

// The bug: it fetches while it holds the lock.
func (p *prices) reload() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.of = fetchPrices()
}

func fetchPrices() map[string]int {
	time.Sleep(2 * time.Second) // a slow supplier
	return map[string]int{"bolt": 12, "nut": 7}
}

func (p *prices) keepFresh() {
	for {
		p.reload()
		time.Sleep(time.Second)
	}
}

// --- search: who gave up waiting is sent the answer all the same ----------------------------------

// The bug: nobody receives after the time is up, so that the sender stays for ever.
func search(what string) (string, bool) {
	found := make(chan string)
	go askIndex(what, found)
	select {
	case hit := <-found:
		return hit, true
	case <-time.After(20 * time.Millisecond):
		return "", false
	}
}

func askIndex(what string, found chan<- string) {
	if strings.HasPrefix(what, "rare") {
		time.Sleep(60 * time.Millisecond)
	}
	found <- what
}

// --- invoices: each line copies all lines before it -----------------------------------------------

// The bug: quadratic in the number of lines.
func invoice(lines int) []byte {
	var page []byte
	for i := 0; i < lines; i++ {
		page = withLine(page, fmt.Sprintf("%-199d\n", i))
	}
	return page
}

func withLine(page []byte, line string) []byte {
	longer := make([]byte, len(page)+len(line))
	copy(longer, page)
	copy(longer[len(page):], line)
	return longer
}

func serve(listen string) error {
	p := &prices{of: map[string]int{}}
	go p.keepFresh()
	http.HandleFunc("/price", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, p.get(r.URL.RawQuery)) })
	http.HandleFunc("/search", func(w http.ResponseWriter, r *http.Request) {
		if hit, ok := search(r.URL.RawQuery); ok {
			fmt.Fprintln(w, hit)
		} else {
			http.Error(w, "too slow", http.StatusGatewayTimeout)
		}
	})
	http.HandleFunc("/invoice", func(w http.ResponseWriter, r *http.Request) { w.Write(invoice(300)) })
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Printf("listening http://%s\n", l.Addr())
	return http.Serve(l, nil)
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "where to serve")
	url := flag.String("load", "", "ask the server at this URL, instead of being one")
	flag.Parse()
	if *url != "" {
		load(strings.TrimRight(*url, "/"))
	}
	panic(serve(*listen))
}
