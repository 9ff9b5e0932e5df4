//go:build go1.18
// +build go1.18

package main

type list[T any] struct{ items []T }

//go:noinline
func (l *list[T]) each(f func(T)) { rest(); rest() }

//go:noinline
func apply[T any](v T, n int) { rest(); rest() }

//go:noinline
func throughGeneric[T any](v T, f func(T)) { go f(v) }

func generic(n int) {
	go apply("x", n)
	go apply([]int{n}, n)
	go apply[int](n, n)
	go (&list[string]{}).each(func(string) {})
	throughGeneric(n, maker(n))
	f := apply[string]
	go f("x", n)
}
