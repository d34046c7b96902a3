// Command worker carries out the sagas. Any number of workers may run.
package main

import (
	"os"

	"minigroups/cmd/internal/worker"
)

func main() { os.Exit(worker.Main(os.Args[1:])) }
