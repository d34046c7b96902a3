// Command sandbox serves the stand-ins of package sandbox for event, conference and the Janus gateway, each at an
// address of its own. It is for development and tests.
package main
