// Package assembly calls back into Go through functions written in assembly: one with a frame of its
// own, one without, and one that lives at the end of a chain of both.
package assembly

var park func()

//go:noinline
func parked() { park() }

func framed()
func frameless()

//go:noinline
func first() { framed() }

//go:noinline
func second() { frameless() }

// Park calls f through assembly and returns when f does.
func Park(f func(), withFrame bool) {
	park = f
	if withFrame {
		first()
	} else {
		second()
	}
}
