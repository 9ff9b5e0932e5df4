// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// A slow downstream: nothing is wrong here, all wait for another server.
package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
)

func priceOf(url string) (string, error) {
	answer, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return fmt.Sprint(len(text)), err
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "")
	upstream := flag.String("upstream", "", "URL of what is asked for each request")
	flag.Parse()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		price, err := priceOf(*upstream)
		fmt.Fprintln(w, price, err)
	})
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening http://%s/\n", l.Addr())
	panic(http.Serve(l, nil))
}
