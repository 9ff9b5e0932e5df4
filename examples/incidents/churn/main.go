// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// Allocation churn: a key is put together anew for each entry of each request, piece by piece.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"strings"
)

var entries = make([]string, 2000)

// The fault: each step copies all that was there before.
func buildKey(parts []string) string {
	key := ""
	for _, part := range parts {
		key += part + ":"
	}
	return key
}

func render(path string) int {
	n := 0
	for i := range entries {
		parts := strings.Split("tenant/region/shelf/book/page/"+path, "/")
		entries[i] = buildKey(append(parts, parts...))
		n += len(entries[i])
	}
	return n
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "")
	flag.Parse()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, render(r.URL.Path)) })
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening http://%s/\n", l.Addr())
	panic(http.Serve(l, nil))
}
