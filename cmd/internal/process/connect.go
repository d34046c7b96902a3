package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"minigroups/config"
	"minigroups/storage"
)

const (
	// startTimeout bounds how long a program waits for each of Postgres and Temporal at its start.
	startTimeout = time.Minute
	// schemaTimeout bounds how long a program waits for the schema at its start. Each migration may wait 5 minutes for a
	// table.
	schemaTimeout = 15 * time.Minute
)

// Temporal returns a client that connects on first use, so that the API can answer reads without Temporal. TLS and an
// API key come from the client profile of the environment (see loadProfile). Files with certificates are read now, and
// again for each connection. Files with encryption keys are read now. The client is instrumented with the signals.
func Temporal(cfg config.Temporal, s *Signals) (client.Client, error) {
	profile, err := loadProfile(os.Environ())
	if err != nil {
		return nil, err
	}
	load := func() (client.Options, error) { return profile.ToClientOptions(envconfig.ToClientOptionsRequest{}) }
	o, err := load()
	if err != nil {
		return nil, fmt.Errorf("client profile of Temporal: %w", err)
	}
	encryption, err := NewCodec(cfg)
	if err != nil {
		return nil, err
	}
	transport, err := newTransport(load)
	if err != nil {
		return nil, fmt.Errorf("client profile of Temporal: %w", err)
	}
	o.HostPort, o.Namespace = cfg.Address, cfg.Namespace
	// Messages are small and Temporal is near: compression would cost more than it saves.
	o.ConnectionOptions.GrpcCompression = &client.GrpcCompressionNone{}
	o.ConnectionOptions.DialOptions = []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(s.Polls.intercept, encryption.Intercept, confirmNamespace),
		grpc.WithTransportCredentials(transport), // replaces what the SDK makes of the profile
	}
	encryption.Apply(&o)
	if err := s.instrumentTemporal(&o); err != nil {
		return nil, err
	}
	c, err := client.NewLazyClient(o)
	if err != nil {
		return nil, fmt.Errorf("make Temporal client: %w", err)
	}
	return c, nil
}

// ReachTemporal returns a client like Temporal does, but first waits until Temporal answers, up to a minute.
func ReachTemporal(ctx context.Context, cfg config.Temporal, s *Signals) (client.Client, error) {
	c, err := Temporal(cfg, s)
	if err != nil {
		return nil, err
	}
	err = Await(ctx, "Temporal", s.Log.Logger, func(ctx context.Context) error {
		_, err := c.CheckHealth(ctx, &client.CheckHealthRequest{})
		return err
	})
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// DatabaseOptions returns the options with which a program opens the database.
func DatabaseOptions(cfg config.Config, program string) storage.Options {
	return storage.Options{
		URL: cfg.Database.URL.Reveal(), Program: program, Pooler: cfg.Database.Pooler, MaxConns: cfg.Database.MaxConns,
		PublishEvents: cfg.MQTT.Broker != "",
	}
}

// Database opens the database and waits until it answers, up to a minute. If the schema is too old or the sessions are
// unsuitable, it returns an error at once that says what to do. It logs what else about the server needs attention.
// Queries are traced if tracing is configured.
func Database(ctx context.Context, cfg config.Config, s *Signals) (*storage.Store, error) {
	o := DatabaseOptions(cfg, s.program)
	s.instrumentDatabase(&o)
	store, err := storage.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	err = Await(ctx, "the database", s.Log.Logger, func(ctx context.Context) error { return CheckDatabase(ctx, store) })
	if err != nil {
		store.Close()
		return nil, err
	}
	warnings, err := store.Warnings(ctx)
	if err != nil {
		s.Log.Warn("the settings of the database server are not checked", zap.Error(err))
	}
	for _, warning := range warnings {
		s.Log.Warn(warning)
	}
	return store, nil
}

// MigratedDatabase is like Database, but waits until the schema is new enough, up to 15 minutes: the programs of a new
// version may be started beside its migrations.
func MigratedDatabase(ctx context.Context, cfg config.Config, s *Signals) (*storage.Store, error) {
	waiting, cancel := context.WithTimeout(ctx, schemaTimeout)
	defer cancel()
	tick := time.NewTicker(3 * time.Second)
	defer tick.Stop()
	for {
		store, err := Database(ctx, cfg, s)
		var schema *storage.SchemaError
		if !errors.As(err, &schema) {
			return store, err
		}
		s.Log.Warn("waiting for the schema", zap.Error(err))
		select {
		case <-tick.C:
		case <-waiting.Done():
			return nil, err
		}
	}
}

// CheckDatabase returns an error unless the database has the sessions and the schema that the programs need.
func CheckDatabase(ctx context.Context, store *storage.Store) error {
	if err := store.CheckSessions(ctx); err != nil {
		return err
	}
	return store.Ready(ctx)
}

// Await calls try once a second until it returns nil, up to a minute. It returns at once if try returns a
// *storage.SchemaError or a *storage.SessionError, because waiting changes neither a schema nor settings.
func Await(ctx context.Context, what string, log *zap.Logger, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		err := try(ctx)
		var schema *storage.SchemaError
		var session *storage.SessionError
		if err == nil || errors.As(err, &schema) || errors.As(err, &session) {
			return err
		}
		log.Warn("waiting for "+what, zap.Error(err))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("cannot reach %s: %w", what, err)
		}
	}
}
