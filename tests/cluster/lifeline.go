package main

import (
	"io"
	"os"
)

// exitWithStdin ends this process when its standard input ends, if CLUSTER_EXIT_WITH_STDIN is 1.
//
// The starter keeps the other end of that pipe and nobody else has it, so when the starter dies, even by SIGKILL
// and without running any clean-up, the kernel closes it and no component outlives the tests.
func exitWithStdin() {
	if os.Getenv("CLUSTER_EXIT_WITH_STDIN") != "1" {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
}
