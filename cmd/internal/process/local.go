package process

import (
	"net"
	"net/http"
	"net/netip"
)

// readOnlyFromElsewhere refuses requests that may change something, unless they were sent on this machine.
func readOnlyFromElsewhere(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead && !isLocal(r) {
			http.Error(w, "only requests to a loopback address may change something here", http.StatusForbidden)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// isLocal reports whether a request was sent on this machine, or in this pod, to a loopback address. The client's
// address alone does not tell: the proxy of a service mesh forwards requests of other machines from a loopback address.
// The Host header has to be local, too, so that a web page cannot send a request under a name of its own that resolves
// to a loopback address.
func isLocal(r *http.Request) bool {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return local != nil && isLoopback(local.String()) && isLoopback(r.RemoteAddr) && isLoopback(r.Host)
}

// isLoopback reports whether an address, host or host:port, is localhost or a loopback address.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
