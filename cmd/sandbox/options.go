package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"minigroups/sandbox"
	"minigroups/sandbox/pool"
)

// options are the command line.
type options struct {
	event, conference, janus, janusAdmin    string
	state                                   string
	janusAdminSecretFile, janusAdminKeyFile string
	broker                                  string
	eventAccount, conferenceAccount         string
	eventDatabase, conferenceDatabase       database
	acquireTimeout                          time.Duration
	issuers                                 map[string]sandbox.Issuer
	audiences                               map[string]sandbox.Authorization
}

// database is the database of event or conference, as the command line describes it.
type database struct {
	connections int
	serviceTime time.Duration
}

// addFlags adds the flags of the database of a service whose usual service time is given.
func (d *database) addFlags(flags *flag.FlagSet, service string, serviceTime time.Duration) {
	flags.IntVar(&d.connections, service+"-connections", 10,
		"`number` of "+service+"'s database connections, which overload exhausts; 0: unlimited")
	flags.DurationVar(&d.serviceTime, service+"-service-time", serviceTime,
		"how long a request to "+service+" holds its connections")
}

func parse(args []string, output io.Writer) (options, error) {
	o := options{issuers: map[string]sandbox.Issuer{}, audiences: map[string]sandbox.Authorization{}}
	flags := flag.NewFlagSet("sandbox", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.StringVar(&o.event, "event", "127.0.0.1:8091", "`address` of event; empty: not served")
	flags.StringVar(&o.conference, "conference", "127.0.0.1:8092", "`address` of conference; empty: not served")
	flags.StringVar(&o.janus, "janus", "", "`address` of Janus's public port; empty: not served")
	flags.StringVar(&o.janusAdmin, "janus-admin", "", "`address` of Janus's admin port; empty: not served")
	flags.StringVar(&o.janusAdminSecretFile, "janus-admin-secret-file", "",
		"`file` with Janus's admin_secret; empty: none is required")
	flags.StringVar(&o.janusAdminKeyFile, "janus-admin-key-file", "",
		"`file` with Janus's admin_key; empty: none is required")
	flags.StringVar(&o.broker, "broker", "",
		"`URL` of the MQTT broker on which event and conference publish, mqtt://host:port; empty: they do not publish")
	flags.StringVar(&o.eventAccount, "event-account", "event.svc.example.org", "`account` of event in its topics")
	flags.StringVar(&o.conferenceAccount, "conference-account", "conference.svc.example.org",
		"`account` of conference in its topics")
	// The times were measured with the real services.
	o.eventDatabase.addFlags(flags, "event", 1500*time.Microsecond)
	o.conferenceDatabase.addFlags(flags, "conference", 2200*time.Microsecond)
	flags.DurationVar(&o.acquireTimeout, "acquire-timeout", pool.DefaultTimeout,
		"how long a request to event or conference waits for a connection before it is refused")
	flags.StringVar(&o.state, "state", "", "`directory` for the rooms of event and conference; empty: memory only")
	flags.Func("issuer", "an issuer of tokens, as `NAME=AUD1,AUD2=PUBLICKEY.pem`; repeatable", o.addIssuer)
	flags.Func("trust", "accounts that are allowed everything in an audience, as `AUDIENCE=account1,account2`; repeatable",
		o.addTrust)
	flags.Func("open", "an `AUDIENCE` in which every account is allowed everything; repeatable", o.addOpen)
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return o, nil
}

func (o *options) addIssuer(value string) error {
	name, rest, _ := strings.Cut(value, "=")
	audiences, file, found := strings.Cut(rest, "=")
	if !found || name == "" || audiences == "" || file == "" {
		return errors.New("want NAME=AUD1,AUD2=PUBLICKEY.pem")
	}
	key, err := readPublicKey(file)
	if err != nil {
		return err
	}
	o.issuers[name] = sandbox.Issuer{Audiences: strings.Split(audiences, ","), PublicKey: key}
	return nil
}

func (o *options) addTrust(value string) error {
	audience, accounts, found := strings.Cut(value, "=")
	if !found || audience == "" || accounts == "" {
		return errors.New("want AUDIENCE=account1,account2")
	}
	o.audiences[audience] = sandbox.Authorization{
		Kind:    sandbox.AuthorizationLocal,
		Trusted: append(o.audiences[audience].Trusted, strings.Split(accounts, ",")...),
	}
	return nil
}

func (o *options) addOpen(audience string) error {
	if audience == "" {
		return errors.New("want an audience")
	}
	o.audiences[audience] = sandbox.Authorization{Kind: sandbox.AuthorizationNone}
	return nil
}

func readPublicKey(file string) (*ecdsa.PublicKey, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read public key: %w", err)
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("read public key %s: no PEM in it", file)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read public key %s: %w", file, err)
	}
	key, isEC := parsed.(*ecdsa.PublicKey)
	if !isEC || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("read public key %s: not a key on the curve P-256", file)
	}
	return key, nil
}

// standIns returns the stand-ins of the options. The caller closes them.
func (o options) standIns() (standIns, error) {
	var all standIns
	for _, s := range []struct {
		name, address, account string
		database               database
		start                  func(sandbox.Config) (service, error)
	}{
		{
			name: "event", address: o.event, account: o.eventAccount, database: o.eventDatabase,
			start: func(cfg sandbox.Config) (service, error) { return sandbox.NewEvent(cfg) },
		},
		{
			name: "conference", address: o.conference, account: o.conferenceAccount, database: o.conferenceDatabase,
			start: func(cfg sandbox.Config) (service, error) { return sandbox.NewConference(cfg) },
		},
	} {
		if s.address == "" {
			continue
		}
		created, err := o.service(s.name, s.account, s.database, s.start)
		if err != nil {
			return nil, err
		}
		created.address = s.address
		all = append(all, created)
	}
	gateway, err := o.gateway()
	if err != nil {
		return nil, err
	}
	all = append(all, gateway...)
	if len(all) == 0 {
		return nil, errors.New("nothing to serve: all addresses are empty")
	}
	return all, nil
}

// service is a stand-in for event or conference.
type service interface {
	http.Handler
	io.Closer
}

func (o options) service(
	name, account string, db database, start func(sandbox.Config) (service, error),
) (*standIn, error) {
	cfg, err := o.config(name)
	if err != nil {
		return nil, err
	}
	cfg.Connections, cfg.ServiceTime, cfg.AcquireTimeout = db.connections, db.serviceTime, o.acquireTimeout
	created := &standIn{name: name}
	if o.broker != "" {
		// The client id is unique because another sandbox may publish for the same account on this broker.
		publisher, err := sandbox.DialPublisher(o.broker, "sandbox-"+uuid.NewString()+"."+account)
		if err != nil {
			return nil, fmt.Errorf("%s (flag -broker): %w", name, err)
		}
		cfg.Account, cfg.Publisher = account, publisher
		created.closers = append(created.closers, publisher)
	}
	handler, err := start(cfg)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	created.handler, created.closers = handler, append(created.closers, handler)
	return created, nil
}

func (o options) config(service string) (sandbox.Config, error) {
	cfg := sandbox.Config{Issuers: o.issuers, Audiences: o.audiences}
	if o.state == "" {
		return cfg, nil
	}
	if err := os.MkdirAll(o.state, 0o700); err != nil {
		return cfg, fmt.Errorf("create state directory: %w", err)
	}
	cfg.StateFile = filepath.Join(o.state, service+".jsonl")
	return cfg, nil
}

func (o options) gateway() (standIns, error) {
	secret, err := readSecret(o.janusAdminSecretFile)
	if err != nil {
		return nil, err
	}
	key, err := readSecret(o.janusAdminKeyFile)
	if err != nil {
		return nil, err
	}
	janus := sandbox.NewJanus(sandbox.JanusConfig{AdminSecret: secret, AdminKey: key})
	var all standIns
	if o.janus != "" {
		all = append(all, &standIn{name: "janus", address: o.janus, handler: janus.Public()})
	}
	if o.janusAdmin != "" {
		all = append(all, &standIn{name: "janus-admin", address: o.janusAdmin, handler: janus.Admin()})
	}
	return all, nil
}

func readSecret(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	secret := strings.TrimSpace(string(content))
	if secret == "" {
		return "", fmt.Errorf("read secret %s: the file is empty", file)
	}
	return secret, nil
}
