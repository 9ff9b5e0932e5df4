// Package assembly calls back into Go through functions written in assembly, one with a frame of its
// own and one without.
package assembly

var inFramed, inFrameless func() // what each is to call

//go:noinline
func fromFramed() { inFramed() }

//go:noinline
func fromFrameless() { inFrameless() }

func framed()
func frameless()

// Framed and Frameless call f through assembly and return when f does.
//
//go:noinline
func Framed(f func()) {
	inFramed = f
	framed()
}

//go:noinline
func Frameless(f func()) {
	inFrameless = f
	frameless()
}
