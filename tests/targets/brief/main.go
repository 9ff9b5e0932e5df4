// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// A program that ends at once: one object, one goroutine.
package main

type Marker struct{ words [4]int }

var kept *Marker

//go:noinline
func mark() *Marker { return &Marker{} }

func work(done chan int) { done <- 1 }

func main() {
	kept = mark()
	done := make(chan int)
	go work(done)
	<-done
}
