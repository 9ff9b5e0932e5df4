// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// A dead worker: the only one that sends mail meets an address that it cannot read, and is gone. Those
// who sign up wait for room in its queue.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

type mail struct{ to string }

func send(m mail) error {
	if !strings.Contains(m.to, "@") {
		return errors.New("no address: " + m.to)
	}
	time.Sleep(time.Millisecond)
	return nil
}

// The fault: an error ends it, and nobody looks after it.
func mailer(queue <-chan mail) {
	for m := range queue {
		if err := send(m); err != nil {
			return
		}
	}
}

func signup(queue chan<- mail, to string) {
	queue <- mail{to}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "")
	flag.Parse()
	queue := make(chan mail, 16)
	go mailer(queue)
	http.HandleFunc("/signup", func(w http.ResponseWriter, r *http.Request) {
		signup(queue, r.URL.RawQuery)
		fmt.Fprintln(w, "welcome")
	})
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening http://%s/\n", l.Addr())
	panic(http.Serve(l, nil))
}
