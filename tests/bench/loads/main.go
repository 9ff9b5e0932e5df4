// Loads runs workloads and says what they took. It reads lines from standard input and answers each with one:
//
//	NAME COUNT     runs COUNT operations, or for so long ("1.5s")
//	get URL COUNT  the same with requests to a server elsewhere, by two clients at once, which keep their
//	               connections; getnew: each request on one of its own
//	serve          starts an HTTP server: its address
//	lost SECONDS   looks at the clock without a pause, thirty calls deep: the nanoseconds in which it ran,
//	               those of them that lay between two looks further apart than others (an interrupt, 0.5 to
//	               100 us; what is longer ran something else, and is in neither), and how often
//	park COUNT     starts so many goroutines, which wait: "parked"
//	heap MIB       makes a heap of so many MiB, of trees whose nodes have 48 bytes, and a goroutine that
//	               waits for what is in reach, so that who looks for leaks has to go through it: "made"
//
// The answer: nanoseconds of CPU time of this process, operations, nanoseconds they took, the median and the
// 99th percentile of one in nanoseconds. Short operations are timed some at a time.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

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
	return "http://" + l.Addr().String() + "/item"
}

func get(client *http.Client, url string, n int) {
	for i := 0; i < n; i++ {
		answer, err := client.Get(url)
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

func spawn(n int) {
	var wait sync.WaitGroup
	for i := 0; i < n; i++ {
		wait.Add(1)
		go func(it *item) {
			work(it)
			wait.Done()
		}(&item{name: "x"})
	}
	wait.Wait()
}

// Waits in some calls of its own, as goroutines do.
func park(never chan int) { wait(never) }

//go:noinline
func wait(never chan int) int { return <-never + 1 }

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

type node struct {
	left, right *node
	data        [4]int
}

const treeBytes = 48 * (1<<16 - 1)

func tree(depth int) *node {
	if depth == 0 {
		return nil
	}
	return &node{left: tree(depth - 1), right: tree(depth - 1)}
}

var forest []*node
var reachable = make(chan int)

func plant(mib int) {
	before := debug.SetGCPercent(-1) // nothing of it is garbage
	for n := mib << 20 / treeBytes; n >= 0; n-- {
		forest = append(forest, tree(16))
	}
	debug.SetGCPercent(before)
	runtime.GC()
	go park(reachable)
}

// A second that an interrupt took is in no count of operations so plainly as in what the clock shows.
//
//go:noinline
func lost(depth int, last time.Duration) (ran, away time.Duration, times int) {
	if depth > 0 {
		ran, away, times = lost(depth-1, last)
		return ran, away, times
	}
	const usual, other = 500 * time.Nanosecond, 100 * time.Microsecond
	start := time.Now()
	for before := time.Duration(0); before < last; {
		now := time.Since(start)
		if took := now - before; took <= other {
			ran += took
			if took > usual {
				away += took
				times++
			}
		}
		before = now
	}
	return ran, away, times
}

func cpu() int64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return syscall.TimevalToNsec(u.Utime) + syscall.TimevalToNsec(u.Stime)
}

// How much is to be done, and how long the parts of it took.
type run struct {
	count int           // 0: as long as
	last  time.Duration // this
	part  int           // operations timed at once
	mutex sync.Mutex
	done  int
	took  []int64 // of one operation
}

func (r *run) do(f func(n int)) {
	var took []int64
	done, start := 0, time.Now()
	for now := start; (r.count == 0 && now.Sub(start) < r.last) || done < r.count; {
		n := r.part
		if r.count > 0 && n > r.count-done {
			n = r.count - done
		}
		f(n)
		after := time.Now()
		took = append(took, after.Sub(now).Nanoseconds()/int64(n))
		done += n
		now = after
	}
	r.mutex.Lock()
	r.done += done
	r.took = append(r.took, took...)
	r.mutex.Unlock()
}

func (r *run) clients(n int, url string, keep bool) {
	var wait sync.WaitGroup
	for i := 0; i < n; i++ {
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1, DisableKeepAlives: !keep}}
		mine := &run{count: (r.count + n - 1) / n, last: r.last, part: 1}
		wait.Add(1)
		go func() {
			defer wait.Done()
			mine.do(func(n int) { get(client, url, n) })
			client.CloseIdleConnections()
			r.mutex.Lock()
			r.done += mine.done
			r.took = append(r.took, mine.took...)
			r.mutex.Unlock()
		}()
	}
	wait.Wait()
}

func (r *run) work(words []string, url string) bool {
	switch words[0] {
	case "http":
		r.clients(1, url, true)
	case "get":
		r.clients(2, words[1], true)
	case "getnew":
		r.clients(2, words[1], false)
	case "pingpong":
		r.part = 200
		r.do(pingpong)
	case "spawn":
		r.part = 50
		r.do(spawn)
	case "alloc":
		r.part = 50
		r.do(allocate)
	default:
		return false
	}
	return true
}

func percentile(took []int64, part int) int64 {
	return took[(len(took)-1)*part/100]
}

func main() {
	url := serve()
	in := bufio.NewScanner(os.Stdin)
	fmt.Println("ready")
	for in.Scan() {
		words := strings.Fields(in.Text())
		if len(words) == 1 && words[0] == "serve" {
			fmt.Println(url)
			continue
		}
		if len(words) == 2 && words[0] == "park" {
			n, _ := strconv.Atoi(words[1])
			for never := make(chan int); n > 0; n-- {
				go park(never)
			}
			fmt.Println("parked")
			continue
		}
		if len(words) == 2 && words[0] == "heap" {
			mib, _ := strconv.Atoi(words[1])
			plant(mib)
			fmt.Println("made")
			continue
		}
		if len(words) == 2 && words[0] == "lost" {
			last, err := time.ParseDuration(words[1])
			if err != nil {
				panic(err)
			}
			ran, away, times := lost(30, last)
			fmt.Println(ran.Nanoseconds(), away.Nanoseconds(), times)
			continue
		}
		r := &run{}
		how := words[len(words)-1]
		var err error
		if strings.HasSuffix(how, "s") {
			r.last, err = time.ParseDuration(how)
		} else {
			r.count, err = strconv.Atoi(how)
		}
		if err != nil {
			panic(err)
		}
		runtime.GC()
		before, start := cpu(), time.Now()
		if !r.work(words, url) || r.done == 0 {
			panic("no such work: " + in.Text())
		}
		spent, wall := cpu()-before, time.Since(start).Nanoseconds()
		sort.Slice(r.took, func(i, j int) bool { return r.took[i] < r.took[j] })
		fmt.Println(spent, r.done, wall, percentile(r.took, 50), percentile(r.took, 99))
	}
}
