// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build go1.25

package main

import (
	"context"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"unique"
	"weak"
)

// A bubble's timers hang on the bubble; its time stands still while one of its goroutines is in a system call.

func fineBubbleTimer(ch chan int)            { <-ch }
func fineBubbleAfter(after <-chan time.Time) { <-after }
func fineBubbleContext(ctx context.Context)  { <-ctx.Done() }
func lostBubble(ch chan int)                 { <-ch }
func fineWeak(ch chan int)                   { <-ch }
func lostWeak(o *object)                     { <-o.ch; runtime.KeepAlive(o) }
func lostUnique(o unique.Handle[*object])    { <-o.Value().ch }
func fineCleanup(ch chan int)                { <-ch }
func lostCleanedUp(ch chan int)              { <-ch }

func inBubble(t *testing.T) {
	ch := make(chan int)
	time.AfterFunc(time.Hour, func() { close(ch) })
	go fineBubbleTimer(ch)
	go fineBubbleAfter(time.After(time.Hour))
	ctx, _ := context.WithTimeout(context.Background(), time.Hour)
	go fineBubbleContext(ctx)
	go lostBubble(made())
	r, w, _ := os.Pipe()
	kept.Store(w, w)
	r.Read(make([]byte, 1))
}

func init() {
	more = append(more, func() {
		go testing.Main(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{
			{Name: "bubble", F: func(t *testing.T) { synctest.Test(t, inBubble) }}}, nil, nil)
		lost++ // lostBubble
		// Reached by who cleans up an object that somebody has.
		o, ch := &object{}, made()
		runtime.AddCleanup(o, func(ch chan int) { close(ch) }, ch)
		kept.Store("cleanup", o)
		go fineCleanup(ch)
		ch = made()
		runtime.AddCleanup(&object{}, func(int) {}, 1)
		go lostCleanedUp(ch)
		lost++
		// Made strong again by who has the weak pointer, as long as the waiter keeps it.
		o = &object{ch: made()}
		kept.Store("weak", weak.Make(o))
		go fineWeak(o.ch)
		kept.Store("object", o)
		go lostUnique(unique.Make(&object{ch: made()}))
		lost++
	})
}
