// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// What others ask: a page of 64 KiB, after a while.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"net"
	"net/http"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "")
	delay := flag.Duration("delay", 0, "until it answers")
	flag.Parse()
	page := bytes.Repeat([]byte("stock\n"), 10923)
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(*delay)
		w.Write(page)
	})
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening http://%s/\n", l.Addr())
	panic(http.Serve(l, nil))
}
