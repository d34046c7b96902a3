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

// Server is an HTTP server of a program.
type Server struct {
	// Address is the listen address, host:port.
	Address string
	Handler http.Handler
	// IdleTimeout is how long a connection may wait for its next request.
	IdleTimeout time.Duration
	// DrainDelay is how long requests are still accepted after the shutdown began.
	DrainDelay time.Duration
	// DrainTimeout bounds the wait for running requests after DrainDelay.
	DrainTimeout time.Duration
}

// Serve answers requests until ctx ends. It then keeps serving for DrainDelay, closing each connection after its
// request but none that is idle, and waits up to DrainTimeout for the running requests. It returns an error if the
// address cannot be listened on, if serving fails, or if requests were still running after DrainTimeout.
func (s Server) Serve(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.Address, err)
	}
	server := s.server(ctx)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s: %w", s.Address, err)
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s: %w", s.Address, err)
	case <-time.After(s.DrainDelay):
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.DrainTimeout)
	defer cancel()
	err = server.Shutdown(last)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.Join(
			fmt.Errorf("serve %s: requests were still running after %s", s.Address, s.DrainTimeout), server.Close())
	}
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// server returns a server with a limit on every phase of a request. A request may be worked on for longer than
// ReadTimeout: that bounds only its arrival.
func (s Server) server(ctx context.Context) *http.Server {
	return &http.Server{
		Handler:           closeOnceDone(ctx, s.Handler),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      config.MaxWait + 30*time.Second,
		IdleTimeout:       s.IdleTimeout,
		MaxHeaderBytes:    64 << 10,
	}
}

// closeOnceDone closes the connection of each request that is answered after ctx has ended. SetKeepAlivesEnabled(false)
// would also close idle connections, on which a load balancer may be sending a request.
func closeOnceDone(ctx context.Context, handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(closingWriter{w, ctx.Done()}, r)
	})
}

// closingWriter adds the header Connection: close to answers that begin after done is closed.
type closingWriter struct {
	http.ResponseWriter
	done <-chan struct{}
}

// WriteHeader implements http.ResponseWriter.
func (w closingWriter) WriteHeader(status int) {
	w.closeOnceDone()
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w closingWriter) Write(body []byte) (int, error) {
	w.closeOnceDone()
	return w.ResponseWriter.Write(body)
}

// Unwrap returns the writer with the features that http.ResponseController needs.
func (w closingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w closingWriter) closeOnceDone() {
	select {
	case <-w.done:
		w.Header().Set("Connection", "close") // without effect once the header is sent
	default:
	}
}
