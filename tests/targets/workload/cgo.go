//go:build cgo && withcgo

package main

/*
#cgo LDFLAGS: -lpthread
#include <pthread.h>

extern void goCalled(int);

static void *body(void *arg)
{
	for (int i = 0; i < 3; i++)
		goCalled(i);
	return arg;
}

static void threads(int n)
{
	for (int i = 0; i < n; i++) {
		pthread_t t;

		pthread_create(&t, 0, body, 0);
		pthread_join(t, 0);
	}
}
*/
import "C"

var called int

//export goCalled
func goCalled(i C.int) {
	called++
}

// C threads enter Go, call it three times each, and leave for good.
func init() {
	extras = append(extras, func(scale int) {
		C.threads(C.int(20 * scale))
		truth.Started["cgo_calls"] += called
	})
}
