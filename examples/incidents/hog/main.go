// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// A hog: a request for a search compares each word with each other.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
)

var words = func() (all []string) {
	for i := 0; i < 6000; i++ {
		all = append(all, fmt.Sprint("word", i*7919%6000))
	}
	return
}()

// The fault: quadratic, and for each request anew.
func rank(like string) int {
	better := 0
	for i := range words {
		for k := range words {
			if len(words[i]) == len(words[k]) && words[i] < words[k] {
				better++
			}
		}
	}
	return better + len(like)
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "")
	flag.Parse()
	http.HandleFunc("/search", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, rank(r.URL.RawQuery)) })
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello") })
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening http://%s/\n", l.Addr())
	panic(http.Serve(l, nil))
}
