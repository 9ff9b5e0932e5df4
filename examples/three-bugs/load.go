// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
package main

import (
	"io"
	"net/http"
	"time"
)

// Customers: 50 look at prices, two search (one thing in two is rare), two want invoices.
func load(url string) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 60}}
	for i := 0; i < 50; i++ {
		go ask(client, 400*time.Millisecond, url+"/price?bolt")
	}
	for i := 0; i < 2; i++ {
		go ask(client, 250*time.Millisecond, url+"/search?bolt", url+"/search?rare-bolt")
		go ask(client, 100*time.Millisecond, url+"/invoice")
	}
	select {}
}

// Each in turn, with a pause after it.
func ask(client *http.Client, pause time.Duration, urls ...string) {
	for i := 0; ; i++ {
		if answer, err := client.Get(urls[i%len(urls)]); err == nil {
			io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
		time.Sleep(pause)
	}
}
