// Loads runs a workload many times and says how much CPU time all of it took. It reads "NAME COUNT" lines
// from standard input and answers each with nanoseconds of CPU time of this process.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"syscall"
)

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2}}

type item struct {
	name string
	next *item
	data [6]int
}

func serve() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := make(map[string]int)
		list := make([]string, 0, 8)
		for k := range r.Header {
			seen[k]++
			list = append(list, k)
		}
		fmt.Fprintf(w, "%d %d %s\n", len(seen), len(list), r.URL.Path)
	}))
	return "http://" + l.Addr().String()
}

func requests(url string, n int) {
	for i := 0; i < n; i++ {
		answer, err := client.Get(url + "/item")
		if err != nil {
			panic(err)
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
}

func pingpong(n int) {
	there, back := make(chan int), make(chan int)
	go func() {
		for v := range there {
			back <- v + 1
		}
	}()
	for i := 0; i < n; i++ {
		there <- i
		<-back
	}
	close(there)
}

var kept *item
var table map[int]*item

//go:noinline
func allocate(n int) {
	for i := 0; i < n; i++ {
		list := make([]*item, 4+i%5)
		for j := range list {
			list[j] = &item{name: "x", next: kept}
		}
		kept = list[0]
		kept.next = nil
		if i%4 == 0 {
			table = make(map[int]*item, 10)
			table[i] = kept
		}
		work(kept)
	}
}

// What a program does besides.
//
//go:noinline
func work(it *item) {
	for i := 0; i < 300; i++ {
		it.data[i%6] += i * it.data[(i+1)%6]
	}
}

func cpu() int64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return syscall.TimevalToNsec(u.Utime) + syscall.TimevalToNsec(u.Stime)
}

func main() {
	url := serve()
	in := bufio.NewScanner(os.Stdin)
	fmt.Println("ready")
	for in.Scan() {
		var name string
		var n int
		fmt.Sscan(in.Text(), &name, &n)
		runtime.GC()
		before := cpu()
		switch name {
		case "http":
			requests(url, n)
		case "pingpong":
			pingpong(n)
		case "alloc":
			allocate(n)
		}
		fmt.Println(cpu() - before)
	}
}
