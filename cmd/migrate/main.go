// Command migrate prepares the database and the Temporal namespace.
package main

import (
	"os"

	"minigroups/cmd/internal/migrate"
)

func main() { os.Exit(migrate.Main(os.Args[1:])) }
