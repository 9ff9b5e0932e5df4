package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Request, Book and Index are here for their names: they show up as allocated types.
type Request struct {
	ID    int
	Path  string
	Start time.Time
}

type Book struct {
	Title string
	Pages []Page
}

type Page struct {
	Number int
	Text   []byte
}

type Index map[string]int

type job struct {
	request *Request
	done    chan string
}

type server struct {
	jobs    chan *job
	mu      sync.Mutex
	hits    Index
	history []*Request
}

func newServer(workers int) *server {
	s := &server{jobs: make(chan *job), hits: make(Index)}
	for i := 0; i < workers; i++ {
		go s.worker()
	}
	go s.janitor()
	return s
}

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/books/", s.book)
	mux.HandleFunc("/job", s.job)
	mux.HandleFunc("/spawn", s.spawn)
	mux.HandleFunc("/block", s.block)
	mux.HandleFunc("/lock", s.lock)
	mux.HandleFunc("/leak", s.leak)
	return mux
}

// worker serves the pool: it waits on a channel most of its life.
func (s *server) worker() {
	for j := range s.jobs {
		words := make(Index, 16)
		for _, w := range strings.Split(j.request.Path, "/") {
			words[w]++
		}
		j.done <- fmt.Sprint(len(words), " words")
	}
}

// janitor wakes up once in a while, whatever else happens.
func (s *server) janitor() {
	for range time.Tick(time.Second) {
		s.mu.Lock()
		if len(s.history) > 1000 {
			s.history = append([]*Request(nil), s.history[len(s.history)-100:]...)
		}
		s.mu.Unlock()
	}
}

func (s *server) note(r *http.Request) *Request {
	req := &Request{Path: r.URL.Path, Start: time.Now()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hits[r.URL.Path]++
	req.ID = len(s.history)
	s.history = append(s.history, req)
	return req
}

// book answers /books/{title}/page/{number}: some allocations, no goroutine of its own.
func (s *server) book(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/")
	if len(parts) != 5 || parts[3] != "page" {
		http.NotFound(w, r)
		return
	}
	number, err := strconv.Atoi(parts[4])
	if err != nil {
		http.Error(w, "not a page number", http.StatusBadRequest)
		return
	}
	s.note(r)
	book := &Book{Title: parts[2], Pages: make([]Page, 3)}
	for i := range book.Pages {
		book.Pages[i] = Page{Number: number + i, Text: make([]byte, 64+i)}
	}
	marks := make(map[int]*Page, 8+len(parts))
	for i := range book.Pages {
		marks[book.Pages[i].Number] = &book.Pages[i]
	}
	fmt.Fprintf(w, "book %s, page %d of %d marked\n", book.Title, marks[number].Number, len(marks))
}

// job hands work to the pool and waits for the answer.
func (s *server) job(w http.ResponseWriter, r *http.Request) {
	j := &job{request: s.note(r), done: make(chan string)}
	s.jobs <- j
	fmt.Fprintln(w, <-j.done)
}

// spawn starts ?n= goroutines (10) and waits for them.
func (s *server) spawn(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.FormValue("n"))
	if err != nil || n < 1 || n > 100000 {
		n = 10
	}
	results := make([]*Request, n)
	var wg sync.WaitGroup
	for i := 0; i < n; i++ {
		wg.Add(1)
		go fill(&results[i], &wg, i)
	}
	wg.Wait()
	fmt.Fprintf(w, "%d goroutines came and went\n", n)
}

func fill(out **Request, wg *sync.WaitGroup, id int) {
	defer wg.Done()
	*out = &Request{ID: id, Start: time.Now()}
}

// block waits ?ms= milliseconds (5) on a channel.
func (s *server) block(w http.ResponseWriter, r *http.Request) {
	ms, err := strconv.Atoi(r.FormValue("ms"))
	if err != nil || ms < 0 || ms > 60000 {
		ms = 5
	}
	done := make(chan bool)
	go func() {
		time.Sleep(time.Duration(ms) * time.Millisecond)
		done <- true
	}()
	<-done
	fmt.Fprintf(w, "blocked %d ms\n", ms)
}

// lock has several goroutines contend for one mutex.
func (s *server) lock(w http.ResponseWriter, r *http.Request) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	sum := 0
	for i := 0; i < 4; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			mu.Lock()
			defer mu.Unlock()
			time.Sleep(time.Millisecond)
			sum++
		}()
	}
	wg.Wait()
	fmt.Fprintln(w, sum)
}

// leak leaves a goroutine behind that nobody will ever wake up.
func (s *server) leak(w http.ResponseWriter, r *http.Request) {
	go s.forgotten()
	fmt.Fprintln(w, "one goroutine leaked")
}

// forgotten waits on a channel that nobody else knows, so that memory proves it leaked.
func (s *server) forgotten() {
	<-make(chan struct{})
}
