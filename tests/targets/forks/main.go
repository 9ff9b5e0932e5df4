// Forks starts the program that it is given, and goes on. Where that program's disk does not answer,
// the thread that started it is in an uninterruptible sleep (vfork).
package main

import (
	"fmt"
	"os"
	"os/exec"
	"time"
)

func main() {
	go exec.Command(os.Args[1]).Run()
	fmt.Println("here")
	for {
		time.Sleep(20 * time.Millisecond)
	}
}
