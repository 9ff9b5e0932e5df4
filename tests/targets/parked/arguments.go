package main

import "fmt"

type pair struct {
	a int8
	b bool
}

type nested struct {
	p pair
	q struct {
		r struct{ s struct{ t struct{ u int } } }
	}
	f float64
}

type big struct{ words [40]uint64 }

//go:noinline
func small(a int8, b uint16, c bool, d rune, in chan int) { <-in; fmt.Fprint(nobody, a, b, c, d) }

//go:noinline
func aggregates(s string, b []byte, i interface{}, e error, n nested, in chan int) {
	<-in
	fmt.Fprint(nobody, s, b, i, e, n)
}

//go:noinline
func many(a, b, c, d, e, f, g, h, i, j, k, l int, in chan int) int {
	<-in
	return a + b + c + d + e + f + g + h + i + j + k + l
}

// On the stack, and more than the table's offsets reach.
//
//go:noinline
func onStack(b big, c big, last int, in chan int) uint64 { <-in; return b.words[last] + c.words[3] }

//go:noinline
func arrays(one [1]int, two [2]int, none struct{}, empty [0]int, in chan int) int {
	<-in
	return one[0] + two[1]
}

//go:noinline
func variadic(in chan int, rest ...interface{}) { <-in; fmt.Fprint(nobody, rest...) }

// What is not used any more is marked so.
//
//go:noinline
func dead(a, b int, s string, in chan int) { fmt.Fprint(nobody, a, s); <-in }

//go:noinline
func (n nested) byValue(in chan int, c complex128, f func()) { <-in; fmt.Fprint(nobody, n, c); f() }

type writer struct{}

func (writer) Write(b []byte) (int, error) { return len(b), nil }

var nobody writer

func spawnArguments(in chan int) {
	n := nested{p: pair{-1, true}, f: 1.5}
	n.q.r.s.t.u = 77
	go func() { small(-3, 40000, true, 'x', in); n.p.a++ }()
	go func() { aggregates("text", []byte{1, 2}, 12345, fmt.Errorf("an error"), n, in); n.p.a++ }()
	go func() { many(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, in); n.p.a++ }()
	go func() { onStack(big{}, big{}, 1, in); n.p.a++ }()
	go func() { arrays([1]int{5}, [2]int{6, 7}, struct{}{}, [0]int{}, in); n.p.a++ }()
	go func() { variadic(in, 1, "two", nil); n.p.a++ }()
	go func() { dead(1, 2, "three", in); n.p.a++ }()
	go func() { tooFar(buried{}, 9, in); n.p.a++ }()
	go func() { n.byValue(in, complex(1, 2), func() {}); n.p.a++ }()
}

type buried struct {
	a struct {
		b struct {
			c struct {
				d struct{ e struct{ words [40]uint64 } }
			}
		}
	}
}

// The words behind what is not shown are too far away for the table.
//
//go:noinline
func tooFar(b buried, last int8, in chan int) uint64 { <-in; return b.a.b.c.d.e.words[last] }
