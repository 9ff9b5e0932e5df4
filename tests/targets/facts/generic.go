//go:build go1.18

package main

type pair[K comparable, V any] struct {
	key   K
	value V
}

//go:noinline
func first[K comparable, V any](list []pair[K, V]) pair[K, V] { return list[0] }

func generic() interface{} { return first([]pair[string, point]{{"a", point{1, 2}}}) }
