// Command sandbox serves the stand-ins of package sandbox: event, conference and the Janus gateway, each on an address
// of its own. It is for development and tests.
package main
