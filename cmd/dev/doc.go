// Command dev runs everything on one machine, in the foreground: Postgres, the
// Temporal dev server, stand-ins for event and conference, the MQTT broker they
// announce on, a Janus gateway, the worker and the API. It starts nothing whose address is configured, and keeps
// what must survive a restart under .dev.
//
//	dev          start everything, print where it is, end it with Ctrl-C
//	dev token    print a bearer token for it
//	dev clean    remove what it keeps
//
// After the word cluster (dev cluster, dev cluster token, …) it has the shape that
// production has: Temporal's own server on Postgres instead of the dev server, two
// APIs and three workers. It keeps its state apart, under .dev/cluster; the second
// program of a kind has ports a hundred higher than the first.
//
// The configuration is the service's own: minigroups.yaml in the checkout or the
// file that MINIGROUPS_CONFIG names, then the environment. What the programs
// get in the end is in .dev/config.yaml.
package main
