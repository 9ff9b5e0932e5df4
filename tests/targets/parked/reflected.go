package main

import (
	"reflect"

	"parked/assembly"
)

type handler interface{ handle(a, b, c, d int) int }

type handlerImpl struct{ in chan int }

func (h handlerImpl) handle(a, b, c, d int) int { return a + <-h.in }

// Parked below the runtime's and the program's own assembly: reflect.call, makeFuncStub,
// methodValueCall; a function with a frame, and one without.
func spawnReflected(in chan int) {
	go reflect.ValueOf(func(a, b int) { <-in }).Call(
		[]reflect.Value{reflect.ValueOf(1), reflect.ValueOf(2)})
	type f func(int, string) int
	made := reflect.MakeFunc(reflect.TypeOf(f(nil)), func(args []reflect.Value) []reflect.Value {
		<-in
		return args[:1]
	}).Interface().(f)
	go made(1, "")
	var h handler = handlerImpl{in}
	go h.handle(1, 2, 3, 4)
	value := h.handle
	go value(1, 2, 3, 4)

	go assembly.Framed(func() { <-in })
	go assembly.Frameless(func() { <-in })
}
