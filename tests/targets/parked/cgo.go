//go:build cgo
// +build cgo

package main

/*
#include <unistd.h>
static void rest(void) { for (;;) pause(); }
void call_back(void);
*/
import "C"

var callbackIn chan int

//export goCallback
func goCallback() { <-callbackIn }

func spawnCgo(in chan int) {
	callbackIn = in
	go func() { C.rest() }()
	go func() { C.call_back() }()
}
