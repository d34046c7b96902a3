// Package sandboxclient looks into the stand-ins of package sandbox and sets their switches, over HTTP.
package sandboxclient
