// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// A storm of timers: each session looks every two milliseconds whether it has something to do.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

type session struct{ work int32 }

// The fault: it polls. A channel would wake it when there is something.
func (s *session) poll() {
	for {
		if atomic.SwapInt32(&s.work, 0) != 0 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "")
	sessions := flag.Int("sessions", 200, "")
	flag.Parse()
	list := make([]session, *sessions)
	for i := range list {
		go list[i].poll()
	}
	var next uint32
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		i := atomic.AddUint32(&next, 1) % uint32(len(list))
		atomic.StoreInt32(&list[i].work, 1)
		fmt.Fprintln(w, i)
	})
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening http://%s/\n", l.Addr())
	panic(http.Serve(l, nil))
}
