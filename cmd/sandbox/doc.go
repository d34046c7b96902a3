// Command sandbox serves the stand-ins of package sandbox for event, conference and the Janus gateway, each at an
// address of its own. It is for development and tests.
//
// Event and conference can be overloaded as the real ones: their flags -event-connections, -conference-connections,
// -event-service-time, -conference-service-time and -acquire-timeout describe their databases.
package main
