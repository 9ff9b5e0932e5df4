//go:build go1.18
// +build go1.18

package main

type list[T any] struct{ items []T }

//go:noinline
func (l *list[T]) each(f func(T)) {
	for _, item := range l.items {
		f(item)
	}
}

//go:noinline
func apply[T any](v T, f func(T)) { f(v) }

func spawnMore(in chan int) {
	go (&list[int]{[]int{1}}).each(func(int) { <-in })
	go apply("x", func(string) { <-in })
	spawnCgo(in)
}
