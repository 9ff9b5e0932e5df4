// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// Response bodies that nobody closes: each request leaves a connection, and two goroutines, behind.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
)

// The fault: the body is neither read to its end nor closed.
func inStock(url string) (bool, error) {
	answer, err := http.Get(url)
	if err != nil {
		return false, err
	}
	return answer.StatusCode == http.StatusOK, nil
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "")
	upstream := flag.String("upstream", "", "URL of what is asked for each request")
	flag.Parse()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		there, err := inStock(*upstream)
		fmt.Fprintln(w, there, err)
	})
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening http://%s/\n", l.Addr())
	panic(http.Serve(l, nil))
}
