// Command rival serves the product's API with a rival instead of the product's sagas. As "lookup" and "constant" it
// serves only reads: with one query per read, and without a database. As "bare" it sends the answers of "constant" with
// a Gin handler and nothing else.
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
	"runtime/debug"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"minigroups/auth"
	"minigroups/bench/rivals"
	"minigroups/bench/upstream"
	"minigroups/minigroup"
	"minigroups/telemetry"
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
	flag.StringVar(&o.rival, "rival", "", "name of a rival, lookup, constant or bare")
	flag.StringVar(&o.listen, "listen", "", "address to listen on, host:port")
	flag.StringVar(&o.database, "database", "", "URL of the database, postgres://…")
	flag.StringVar(&o.upstream, "upstream", "", "URL of the upstreams, http://host:port")
	flag.StringVar(&o.temporal, "temporal", "", "address of the Temporal frontend, host:port")
	flag.StringVar(&o.key, "key", "", "file with the private key that signs tokens for the upstreams")
	flag.StringVar(&o.publicKey, "public-key", "", "file with the public key that verifies the tokens of requests")
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
	log, err := telemetry.NewLog(o.rival, "info")
	if err != nil {
		return err
	}
	defer log.Close()
	debug.SetGCPercent(400) // as in the product
	access := rivals.Access{
		Issuer: "iam.example.org", Audience: "example.org", Account: "dev.example.org",
		PublicKey: publicKey, Audiences: upstream.All(), Log: log.Logger,
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
		h, err := constant(access) //nolint:contextcheck // each request has its own context
		return h, func() {}, err
	case "bare":
		h, err := o.bare(ctx, access)
		return h, func() {}, err
	case "lookup":
		pool, err := o.pool(ctx)
		if err != nil {
			return nil, nil, err
		}
		h, err := rivals.Reads(rivals.Lookup{Pool: pool}, access) //nolint:contextcheck // each request has its own context
		return h, pool.Close, err
	}
	rival, ok := rivals.Find(o.rival)
	if !ok {
		return nil, nil, fmt.Errorf("unknown rival %q", o.rival)
	}
	dependencies, err := o.dependencies(ctx)
	if err != nil {
		return nil, nil, err
	}
	creator, err := rival.Start(ctx, dependencies)
	if err != nil {
		return nil, nil, err
	}
	h, err := rivals.Handler(creator, access) //nolint:contextcheck // each request has its own context
	return h, func() { creator.Close(); dependencies.Pool.Close() }, err
}

// constant answers every read with the same minigroup.
func constant(access rivals.Access) (http.Handler, error) {
	return rivals.Reads(rivals.Constant{Minigroup: example()}, access)
}

// bare gives the answers of constant.
func (o options) bare(ctx context.Context, access rivals.Access) (http.Handler, error) {
	signer, err := o.signer()
	if err != nil {
		return nil, err
	}
	token, err := signer.Issue(access.Issuer, access.Audience, "dev", time.Now().Add(time.Minute))
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "/api/v1/minigroups/"+example().ID.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	other, err := constant(access) //nolint:contextcheck // each request has its own context
	if err != nil {
		return nil, err
	}
	return rivals.Bare(other, request)
}

// signer signs tokens with the private key.
func (o options) signer() (*auth.Signer, error) {
	key, err := os.ReadFile(o.key)
	if err != nil {
		return nil, err
	}
	return auth.NewSigner(auth.Account{Label: "minigroups", Audience: "svc.example.org"}, key)
}

func (o options) dependencies(ctx context.Context) (d rivals.Dependencies, err error) {
	signer, err := o.signer()
	if err != nil {
		return d, err
	}
	pool, err := o.pool(ctx)
	rooms := rivals.NewRooms(o.upstream, signer.Token)
	return rivals.Dependencies{Pool: pool, Rooms: rooms, Temporal: o.temporal}, err
}

func (o options) pool(ctx context.Context) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(o.database)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = maxConns
	return pgxpool.NewWithConfig(ctx, cfg)
}

// example returns a minigroup like those in the data set. It is the same in every process, so that all that answer with
// it send the same bytes.
func example() minigroup.Minigroup {
	start, end, slots := int64(4_000_000_000), int64(4_000_003_600), int32(1)
	d := minigroup.Draft{
		Audience: upstream.Usual, Scope: "class-0000001", Host: "teacher.example.org",
		Time: minigroup.Window{Start: &start, End: &end}, Reserve: &slots,
	}
	id := minigroup.NewClassID(d.Audience, d.Scope)
	return minigroup.Minigroup{
		Draft: d, ID: id, Fingerprint: minigroup.NewCreateRequest(d).Fingerprint,
		State: minigroup.Ready, CreatedAt: time.Unix(1_800_000_000, 0),
		EventRoomID: uuid.NewSHA1(id, []byte("event")), ConferenceRoomID: uuid.NewSHA1(id, []byte("conference")),
	}
}
