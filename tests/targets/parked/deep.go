//go:build go1.21
// +build go1.21

package main

// What a dump elides is told in other words before 1.21.
func spawnDeep(in chan int) {
	go deep(99, in)
	go deep(100, in)
	go deep(2000, in)
	go deep(40000, in) // some megabytes
	go even(1001, in)
}

// Two calls at one place, one of them inlined.
func between(n int, in chan int) int { return odd(n-1, in) + 1 }

//go:noinline
func even(n int, in chan int) int { return between(n, in) }

//go:noinline
func odd(n int, in chan int) int {
	if n <= 0 {
		return <-in
	}
	return even(n-1, in) + n
}
