// Demo is an HTTP server with something to look at: a worker pool, goroutines that block on
// channels, mutexes and timers, and handlers that allocate maps, slices and objects of named types.
// With -load it is the client that keeps such a server busy. Only the standard library; Go 1.17 on.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8000", "address to serve on; port 0 = any")
	workers := flag.Int("workers", 4, "goroutines of the worker pool")
	load := flag.String("load", "", "be the client: URL of the server to keep busy")
	requests := flag.Int("n", 0, "client: stop after this many requests; 0 = never")
	rate := flag.Float64("rate", 0, "client: requests a second over all connections; 0 = as fast as they go")
	connections := flag.Int("c", 1, "client: connections")
	path := flag.String("path", "", "client: request this path only; otherwise all in turn")
	flag.Parse()
	log.SetFlags(0)
	log.SetPrefix("demo: ")

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	if *load != "" {
		if err := runClient(*load, *path, *requests, *rate, *connections, stop); err != nil {
			log.Fatal(err)
		}
		return
	}

	l, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	// One line for scripts: where, and which process.
	fmt.Printf("listening http://%s pid %d\n", l.Addr(), os.Getpid())
	go http.Serve(l, newServer(*workers).routes())
	<-stop
}
