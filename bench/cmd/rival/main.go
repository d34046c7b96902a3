// Command rival answers the product's API with a rival in place of the product's sagas; or, as "lookup" and "constant", with
// reads alone: each by a query of its own, or none.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"minigroups/auth"
	"minigroups/bench/rivals"
	"minigroups/bench/upstream"
	"minigroups/minigroup"
)

// maxConns is the product's default.
const maxConns = 16

type options struct {
	rival, listen, database, upstream, temporal, key, publicKey string
}

func main() {
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, "rival:", err)
		os.Exit(1)
	}
}

func start() error {
	var o options
	flag.StringVar(&o.rival, "rival", "", "which: a rival, lookup or constant")
	flag.StringVar(&o.listen, "listen", "", "address to answer on, host:port")
	flag.StringVar(&o.database, "database", "", "postgres:// URL")
	flag.StringVar(&o.upstream, "upstream", "", "address of the upstreams, http://host:port")
	flag.StringVar(&o.temporal, "temporal", "", "address of a Temporal frontend, host:port")
	flag.StringVar(&o.key, "key", "", "file with the private key that signs tokens for the upstreams")
	flag.StringVar(&o.publicKey, "public-key", "", "file with the public key that verifies tokens of callers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return run(ctx, o)
}

func run(ctx context.Context, o options) error {
	publicKey, err := os.ReadFile(o.publicKey)
	if err != nil {
		return err
	}
	cfg := zap.NewProductionConfig()
	cfg.Sampling = nil
	log, err := cfg.Build()
	if err != nil {
		return err
	}
	access := rivals.Access{
		Issuer: "iam.example.org", Audience: "example.org", Account: "dev.example.org", PublicKey: publicKey, Audiences: upstream.All(), Log: log,
	}
	handler, closer, err := o.handler(ctx, access)
	if err != nil {
		return err
	}
	defer closer()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (o options) handler(ctx context.Context, access rivals.Access) (http.Handler, func(), error) {
	switch o.rival {
	case "constant":
		h, err := rivals.Reads(rivals.Constant{Minigroup: example()}, access) //nolint:contextcheck // each request has a context of its own
		return h, func() {}, err
	case "lookup":
		pool, err := o.pool(ctx)
		if err != nil {
			return nil, nil, err
		}
		h, err := rivals.Reads(rivals.Lookup{Pool: pool}, access) //nolint:contextcheck // as well
		return h, pool.Close, err
	}
	rival, ok := rivals.Find(o.rival)
	if !ok {
		return nil, nil, errors.New("there is no such rival")
	}
	means, err := o.means(ctx)
	if err != nil {
		return nil, nil, err
	}
	creator, err := rival.Start(ctx, means)
	if err != nil {
		return nil, nil, err
	}
	h, err := rivals.Handler(creator, access) //nolint:contextcheck // as well
	return h, func() { creator.Close(); means.Pool.Close() }, err
}

func (o options) means(ctx context.Context) (m rivals.Means, err error) {
	key, err := os.ReadFile(o.key)
	if err != nil {
		return m, err
	}
	signer, err := auth.NewSigner(auth.Account{Label: "minigroups", Audience: "svc.example.org"}, key)
	if err != nil {
		return m, err
	}
	pool, err := o.pool(ctx)
	return rivals.Means{Pool: pool, Rooms: rivals.NewRooms(o.upstream, signer.Token), Temporal: o.temporal}, err
}

func (o options) pool(ctx context.Context) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(o.database)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = maxConns
	return pgxpool.NewWithConfig(ctx, cfg)
}

// example is a minigroup as those that are read from the database.
func example() minigroup.Minigroup {
	start, end, slots := time.Now().Add(24*time.Hour).Unix(), time.Now().Add(25*time.Hour).Unix(), int32(1)
	d := minigroup.Draft{
		Audience: upstream.Usual, Scope: "class-0000001", Host: "teacher.example.org", Time: minigroup.Window{Start: &start, End: &end}, Reserve: &slots,
	}
	return minigroup.Minigroup{
		Draft: d, ID: minigroup.ClassID(d.Audience, d.Scope), Fingerprint: minigroup.NewCreateRequest(d).Fingerprint, State: minigroup.Ready, CreatedAt: time.Now(), EventRoomID: uuid.New(), ConferenceRoomID: uuid.New(),
	}
}
