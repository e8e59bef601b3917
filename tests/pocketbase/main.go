// Command pocketbase is PocketBase as its own release has it, less the scripting: a login API for the tests.
package main

import (
	"log"

	"github.com/pocketbase/pocketbase"
)

func main() {
	if err := pocketbase.New().Start(); err != nil {
		log.Fatal(err)
	}
}
