// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Allocates in ways that no event tells of: append, strings, conversions, closures, fmt. With
// CHURN_PROFILE set it profiles every allocation itself and writes there, a line each, the bytes
// that each function asked for: the innermost one that is no runtime's, and the line.
//
//	churn ROUNDS     prints "ready", waits for a byte, does it, prints "done" and waits for the
//	                 end of its standard input
package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
)

type record struct {
	name string
	next *record
	data [5]int64
}

var (
	keep  interface{}
	seed  = uint32(1)
	funcs []func() int
)

// random is not math/rand, which allocates in some releases.
func random(n int) int {
	seed = seed*1664525 + 1013904223
	return int(seed>>8) % n
}

//go:noinline
func buildKey(n int) string {
	key := ""
	for i := 0; i < 6; i++ {
		key += "/part-" + strconv.Itoa(n+i*1000003)
	}
	return key
}

//go:noinline
func grow(n int) []int {
	var list []int
	for i := 0; i < n; i++ {
		list = append(list, i)
	}
	return list
}

//go:noinline
func convert(text string) []byte {
	return []byte(text)
}

//go:noinline
func closures(n int) {
	funcs = funcs[:0]
	for i := 0; i < 3; i++ {
		m := n + i
		funcs = append(funcs, func() int { m++; return m })
	}
}

//go:noinline
func format(n int) string {
	return fmt.Sprintf("%d of %s", n, "many, and a longer text that takes some room")
}

//go:noinline
func chain(n int) *record {
	var first *record
	for i := 0; i < n; i++ {
		first = &record{name: "x", next: first}
	}
	return first
}

//go:noinline
func large() []byte {
	return make([]byte, 70000)
}

//go:noinline
func builder(n int) string {
	var b strings.Builder
	for i := 0; i < n; i++ {
		b.WriteString("some text")
	}
	return b.String()
}

//go:noinline
func round(n int) {
	switch random(16) {
	case 0, 1, 2, 3, 4, 5:
		keep = buildKey(n)
	case 6, 7, 8:
		keep = grow(40 + random(100))
	case 9, 10:
		keep = convert("some text of a length that depends"[:10+random(24)])
	case 11:
		closures(n)
	case 12:
		keep = format(n)
	case 13, 14:
		keep = chain(3 + random(9))
	case 15:
		keep = builder(random(60))
	}
	if random(400) == 0 {
		keep = large()
	}
}

// origin is where the record's allocation was asked for: past the runtime's own frames.
func origin(r *runtime.MemProfileRecord) string {
	frames := runtime.CallersFrames(r.Stack())
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "runtime.") && !strings.HasPrefix(f.Function, "internal/runtime/") || !more {
			return f.Function
		}
	}
}

func profile(path string) {
	runtime.GC()
	runtime.GC() // what was allocated in the last cycle is told only after the next
	records := make([]runtime.MemProfileRecord, 10000)
	n, ok := runtime.MemProfile(records, true)
	if !ok {
		panic("more records than there is room for")
	}
	sums := map[string]int64{}
	for i := range records[:n] {
		sums[origin(&records[i])] += records[i].AllocBytes
	}
	file, err := os.Create(path)
	if err != nil {
		panic(err)
	}
	for name, bytes := range sums {
		fmt.Fprintf(file, "%d\t%s\n", bytes, name)
	}
	if err := file.Close(); err != nil {
		panic(err)
	}
}

func main() {
	path := os.Getenv("CHURN_PROFILE")
	if path != "" {
		runtime.MemProfileRate = 1
	} else {
		runtime.MemProfileRate = 0
	}
	rounds, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	fmt.Println("ready")
	if _, err := io.ReadFull(os.Stdin, make([]byte, 1)); err != nil {
		panic(err)
	}
	for i := 0; i < rounds; i++ {
		round(i)
	}
	runtime.MemProfileRate = 0
	if path != "" {
		profile(path)
	}
	fmt.Println("done")
	io.Copy(io.Discard, os.Stdin)
}
