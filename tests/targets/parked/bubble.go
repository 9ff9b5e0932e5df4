//go:build go1.24
// +build go1.24

package main

import (
	"time"
	_ "unsafe" // for linkname
)

//go:linkname synctestRun internal/synctest.Run
func synctestRun(f func())

// A bubble, held open by one that waits for something outside of it.
func spawnBubble(in chan int) {
	go synctestRun(func() {
		inside := make(chan int)
		go func() { <-inside }()
		go func() { select {} }()
		go time.Sleep(time.Hour)
		go func() { inside <- <-in }()
		<-inside
	})
}
