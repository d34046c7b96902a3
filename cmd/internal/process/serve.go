package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"minigroups/config"
)

// newServer returns a server with a limit on every phase of a request. A request may be worked on for longer than
// ReadTimeout: that bounds only its arrival.
func newServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      config.MaxWait + 30*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
}

// Serve answers HTTP requests on the address until ctx ends. It then keeps serving for delay, closing each connection
// after its request, and waits up to drain for the running requests. It returns an error if the address cannot be
// listened on, if serving fails, or if requests were still running after drain.
func Serve(ctx context.Context, address string, handler http.Handler, delay, drain time.Duration) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", address, err)
	}
	server := newServer(handler)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s: %w", address, err)
	case <-ctx.Done():
	}
	server.SetKeepAlivesEnabled(false)
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s: %w", address, err)
	case <-time.After(delay):
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	err = server.Shutdown(last)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.Join(fmt.Errorf("serve %s: requests were still running after %s", address, drain), server.Close())
	}
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
