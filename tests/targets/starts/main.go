// Starts starts goroutines in all the ways that there are, each of which rests. It does so before and
// after a line on stdin; each time it prints the runtime's own dump of them, then "ready".
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime/pprof"
	"time"
)

var forever chan int

//go:noinline
func rest() { <-forever }

// Names that begin or end as the compiler's do.

//go:noinline
func uploadwrapper(n int) { rest(); rest() }

//go:noinline
func gowrapped(n int) { rest(); rest() }

//go:noinline
func dwrap() { rest(); rest() }

type gowrap1 struct{ n int }

//go:noinline
func (gowrap1) gowrap1(n int) { rest(); rest() }

//go:noinline
func (gowrap1) deferwrap1(n int) { rest(); fmt.Sprint(n) }

// What is called.

type runner interface{ run(s string) }

type inner struct{ n int }

//go:noinline
func (i *inner) run(s string) { rest(); rest() }

type value struct{ a, b, c, d int }

//go:noinline
func (v value) run(s string) { rest(); rest() }

type outer struct {
	*inner
	more int
}

//go:noinline
func plain() { rest(); rest() }

//go:noinline
func withResult(n int) (string, error) { rest(); rest(); return "", nil }

//go:noinline
func large(a [64]int, s string) { rest(); rest() }

//go:noinline
func many(a, b, c, d, e, f, g, h, i, j, k, l string) { rest(); rest() }

func small(n int) { rest(); rest() }

//go:noinline
func maker(n int) func(int) { return func(m int) { rest(); fmt.Sprint(n, m); rest() } }

var pluck = func(s string) { rest(); rest() }

//go:noinline
func throughInterface(r runner) { go r.run("x") }

//go:noinline
func throughValue(f func(int), n int) { go f(n) }

//go:noinline
func throughManyValues(f func(string, func(int), []byte), s string, g func(int)) { go f(s, g, []byte(s)) }

//go:noinline
func throughField(s *struct {
	pad [5]int
	f   func(int)
}) {
	go s.f(s.pad[3])
}

func direct(n int) {
	go uploadwrapper(n)
	go gowrapped(n)
	go dwrap()
	go gowrap1{n}.gowrap1(n)
	go gowrap1{n}.deferwrap1(n)
	go plain()
	go withResult(n)
	go large([64]int{n}, "x")
	go many("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l")
	go small(n)
	go (&inner{n}).run("x")
	go value{a: n}.run("x")
	go (*inner).run(&inner{n}, "x")
	go func() { rest(); fmt.Sprint(n) }()
	go func(m int) { rest(); fmt.Sprint(n + m) }(n)
}

func indirect(n int) {
	throughInterface(&inner{n})
	throughInterface(value{a: n})
	throughInterface(&value{a: n})
	throughInterface(outer{&inner{n}, n})
	throughInterface(&outer{&inner{n}, n})
	throughValue(maker(n), n)
	throughValue(uploadwrapper, n)
	throughManyValues(func(s string, g func(int), b []byte) { rest(); g(len(b)) }, "x", maker(n))
	go pluck("x")
	go maker(n)(n)
	throughField(&struct {
		pad [5]int
		f   func(int)
	}{f: gowrapped})
	f := (&inner{n}).run
	go f("x")
	var r runner = value{a: n}
	g := r.run
	go g("x")
	h := plain
	go h()
}

func start(n int) {
	direct(n)
	indirect(n)
	generic(n)
	time.Sleep(100 * time.Millisecond)
	pprof.Lookup("goroutine").WriteTo(os.Stdout, 2)
	fmt.Println("ready")
}

func main() {
	start(1)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		start(2)
	}
}
