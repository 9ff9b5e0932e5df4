// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// Those that wait, or leave things behind.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Somebody who accepts and never answers.
func hole() string {
	l := listen()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
	}()
	return l.Addr().String()
}

// A client without a timeout.
func blackhole(mux *http.ServeMux) {
	url := "http://" + hole() + "/"
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, fetchPrice(url)) })
}

func fetchPrice(url string) error {
	answer, err := http.Get(url)
	if err == nil {
		answer.Body.Close()
	}
	return err
}

// A name server that does not answer.
func dns(mux *http.ServeMux) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		return net.Dial("udp", silent.LocalAddr().String())
	}}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, resolveBackend(resolver)) })
}

func resolveBackend(resolver *net.Resolver) error {
	_, err := resolver.LookupHost(context.Background(), "backend.example.com")
	return err
}

// A log that goes to a pipe which is read slowly: its lock is what all wait for.
func logs(mux *http.ServeMux) {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	go func() {
		line := make([]byte, 512)
		for {
			r.Read(line)
			time.Sleep(50 * time.Millisecond)
		}
	}()
	logger := log.New(w, "", log.LstdFlags)
	mux.HandleFunc("/", func(out http.ResponseWriter, r *http.Request) { audited(logger, r) })
}

func audited(logger *log.Logger, r *http.Request) {
	text := make([]byte, 2048)
	for i := range text {
		text[i] = 'x'
	}
	logger.Printf("%s %s", r.URL, text)
}

// A disk that does not answer: a file that another has locked stands for it.
func stalls(mux *http.ServeMux) {
	path := lockedFile()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, saveOrder(path)) })
}

func lockedFile() string {
	f, err := os.CreateTemp("", "trouble")
	if err != nil {
		panic(err)
	}
	os.Remove(f.Name())
	path := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		panic(err)
	}
	return path
}

func saveOrder(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
}

// The same from goroutines of the program's own, some hundred threads.
func threads(mux *http.ServeMux) {
	path := lockedFile()
	for i := 0; i < 300; i++ {
		go callOut(path)
	}
}

func callOut(path string) {
	if err := saveOrder(path); err != nil {
		panic(err)
	}
}

type resource struct{ data [4096]byte }

var closing sync.Mutex

// The first finalizer waits, and all behind it.
func finalizer(mux *http.ServeMux) {
	closing.Lock()
	go func() {
		for {
			r := new(resource)
			runtime.SetFinalizer(r, (*resource).close)
			time.Sleep(time.Millisecond)
		}
	}()
}

func (r *resource) close() {
	closing.Lock()
	r.data[0]++
	closing.Unlock()
}

// Nobody cancels.
func contexts(mux *http.ServeMux) {
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(context.Background())
		go watchRequest(ctx)
		_ = cancel
	})
}

func watchRequest(ctx context.Context) {
	<-ctx.Done()
}

// Nobody stops them.
func tickers(mux *http.ServeMux) {
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { go report(time.NewTicker(10 * time.Millisecond)) })
}

func report(t *time.Ticker) {
	for range t.C {
	}
}

// Work comes faster than it is done, and nothing bounds it.
func spawns(mux *http.ServeMux) {
	slots := make(chan bool, 4)
	go func() {
		for {
			go resizeImage(slots)
			time.Sleep(5 * time.Millisecond)
		}
	}()
}

func resizeImage(slots chan bool) {
	slots <- true
	time.Sleep(100 * time.Millisecond)
	<-slots
}

// Opened and not closed.
var opened []*os.File

func files(mux *http.ServeMux) {
	var limit syscall.Rlimit
	syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	limit.Cur = 1024
	syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	go func() {
		for {
			f, err := os.Open("/dev/null")
			if err == nil {
				opened = append(opened, f)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
}

// Many make, one takes.
func consumer(mux *http.ServeMux) {
	queue := make(chan int, 16)
	for i := 0; i < 40; i++ {
		go produce(queue)
	}
	go consume(queue)
}

func produce(queue chan int) {
	for i := 0; ; i++ {
		queue <- i
	}
}

func consume(queue chan int) {
	for range queue {
		time.Sleep(200 * time.Millisecond)
	}
}

// One who reads long, one who wants to write, and all who come after that.
var table sync.RWMutex

func readers(mux *http.ServeMux) {
	go scanTable()
	go func() {
		for {
			time.Sleep(100 * time.Millisecond)
			updateTable()
		}
	}()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, lookUp()) })
}

func scanTable() {
	for {
		table.RLock()
		time.Sleep(3 * time.Second)
		table.RUnlock()
	}
}

func updateTable() {
	table.Lock()
	opened = opened[:0]
	table.Unlock()
}

func lookUp() int {
	table.RLock()
	defer table.RUnlock()
	return len(opened)
}

// A semaphore, a channel's slots: whose request fails does not give his back.
func slots(mux *http.ServeMux) {
	free := make(chan struct{}, 8)
	var asked int64
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if queryStock(free, &asked) != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
}

func queryStock(free chan struct{}, asked *int64) error {
	free <- struct{}{}
	time.Sleep(time.Millisecond)
	if atomic.AddInt64(asked, 1)%10 == 0 {
		return errors.New("no such item")
	}
	<-free
	return nil
}
