// Command dev runs the whole system on one machine, in the foreground: Postgres, the Temporal dev server, an MQTT
// broker, stand-ins for event and conference, a Janus gateway, the worker and the API. It does not start a part whose
// address is configured. It stores what must survive a restart under .dev.
//
//	dev          start everything and print the addresses; Ctrl-C stops everything
//	dev token    print a bearer token for the API
//	dev clean    remove everything under .dev
//
// With the word cluster (dev cluster, dev cluster token, …) the system is like production: Temporal's production server
// on Postgres instead of the dev server, two APIs and three workers. Its state is separate, under .dev/cluster. The
// ports of the second API or worker are 100 higher than those of the first, and so on.
//
// It reads the configuration of the service: minigroups.yaml in the checkout, or the file that MINIGROUPS_CONFIG names,
// then the environment. It writes the configuration that it gives to the programs to .dev/config.yaml.
package main
