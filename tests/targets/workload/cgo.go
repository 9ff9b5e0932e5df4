//go:build cgo && withcgo

package main

/*
#cgo LDFLAGS: -lpthread
#include <pthread.h>
#include <unistd.h>

extern void goCalled(int);
extern void goBack(int);

static void *body(void *arg)
{
	for (int i = 0; i < 3; i++)
		goCalled(i);
	return arg;
}

// n threads, `together` at a time.
static void threads(int n, int together)
{
	pthread_t t[16];

	for (int i = 0; i < n; i += together) {
		for (int j = 0; j < together; j++)
			pthread_create(&t[j], 0, body, 0);
		for (int j = 0; j < together; j++)
			pthread_join(t[j], 0);
	}
}

static void there_and_back(int depth)
{
	usleep(100);
	goBack(depth);
}
*/
import "C"

import (
	"sync/atomic"
	"time"
)

var called int64

//export goCalled
func goCalled(i C.int) {
	if i == 1 {
		time.Sleep(10 * time.Microsecond)
	}
	atomic.AddInt64(&called, 1)
}

//export goBack
func goBack(depth C.int) {
	time.Sleep(10 * time.Microsecond)
	if depth > 0 {
		C.there_and_back(depth - 1)
	}
}

// C threads enter Go, call it three times each, and leave for good; goroutines call C, which calls
// Go, which calls C.
func init() {
	extras = append(extras, func(scale int) {
		C.threads(C.int(20*scale), 1)
		C.threads(C.int(20*scale), 4)
		truth.Started["cgo_calls"] += int(atomic.LoadInt64(&called))
		inParallel(3, func(i int) {
			for j := 0; j < 10*scale; j++ {
				C.there_and_back(C.int(i))
			}
		})
		truth.Started["main.parallel"] += int(atomic.SwapInt64(&parallels, 0))
	})
}
