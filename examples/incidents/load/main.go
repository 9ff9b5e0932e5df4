// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// Asks for URLs in turn, with -c clients, -rate times a second at most, until it is ended. Whoever has waited for 2 minutes gives up.
package main

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func main() {
	clients := flag.Int("c", 20, "clients")
	rate := flag.Int("rate", 200, "requests a second")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: load [-c CLIENTS] [-rate N] URL...")
		os.Exit(2)
	}
	turn := make(chan string)
	client := &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: *clients}}
	for i := 0; i < *clients; i++ {
		go func() {
			for url := range turn {
				if answer, err := client.Get(url); err == nil {
					io.Copy(io.Discard, answer.Body)
					answer.Body.Close()
				} else {
					time.Sleep(100 * time.Millisecond)
				}
			}
		}()
	}
	tick := time.NewTicker(time.Second / time.Duration(*rate))
	for i := 0; ; i++ {
		<-tick.C
		turn <- flag.Arg(i % flag.NArg())
	}
}
