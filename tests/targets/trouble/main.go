// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// Incidents that nobody made problems for: each argument is one of them. Prints "listening URL", for those that are
// servers the address to send requests to, and goes on for ever. tests/trouble.py says what is to be seen.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"sort"
	"sync"
	"time"
)

var incidents = map[string]func(mux *http.ServeMux){
	"init":      nil, // see init()
	"spin":      spin,
	"after":     after,
	"pool":      pool,
	"forever":   forever,
	"blackhole": blackhole,
	"dns":       dns,
	"logs":      logs,
	"stalls":    stalls,
	"threads":   threads,
	"tight":     tight,
	"spiral":    spiral,
	"finalizer": finalizer,
	"contexts":  contexts,
	"tickers":   tickers,
	"spawns":    spawns,
	"files":     files,
	"consumer":  consumer,
	"slots":     slots,
	"retries":   retries,
	"hordes":    hordes,
	"readers":   readers,
	"yields":    yields,
	"unstopped": unstopped,
	"healthy":   func(mux *http.ServeMux) {},
	"starved":   func(mux *http.ServeMux) {}, // the tracer is, by who runs it
	"stopped":   func(mux *http.ServeMux) {}, // by who runs it
}

var started sync.WaitGroup

func incident() string {
	if len(os.Args) > 1 {
		return os.Args[1]
	}
	return ""
}

func listen() net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	return l
}

// What init needs is made by who needs what init has.
func init() {
	if incident() != "init" {
		return
	}
	var mu sync.Mutex
	mu.Lock()
	started.Add(1)
	go loadConfig(&mu)
	go heartbeat()
	fmt.Println("listening http://127.0.0.1:1/")
	started.Wait()
	mu.Unlock()
}

func loadConfig(mu *sync.Mutex) {
	mu.Lock()
	started.Done()
	mu.Unlock()
}

func heartbeat() {
	for range time.Tick(time.Second) {
	}
}

func main() {
	start, known := incidents[incident()]
	if !known {
		var names []string
		for name := range incidents {
			names = append(names, name)
		}
		sort.Strings(names)
		fmt.Println(names)
		os.Exit(2)
	}
	mux, l := http.NewServeMux(), listen()
	start(mux)
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "ok") })
	fmt.Printf("listening http://%s/\n", l.Addr())
	panic(http.Serve(l, mux))
}
