package mqtt_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/google/uuid"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"minigroups/mqtt"
)

func TestConnecting(t *testing.T) {
	t.Run("the token is asked for anew each time, and is the password", func(t *testing.T) {
		leaveNothing(t)
		p := puppeteer(t, func(*puppet) {})
		b := newBook()
		o := options(t, p.url, b)
		tokens := make(chan string, 3)
		tokens <- "one"
		tokens <- "two"
		tokens <- "three"
		o.Token = func() (string, error) {
			token := <-tokens
			if token == "two" {
				return "", errors.New("no key")
			}
			return token, nil
		}
		w := listen(t, o)
		p.disconnects()
		await(t, "it is back", func() bool {
			ups, _ := w.connections()
			return ups == 2
		})
		users, passwords := p.seen()
		if !slices.Equal(users, []string{"v2::service", "v2::service"}) || !slices.Equal(passwords, []string{"one", "three"}) {
			t.Errorf("%v %v", users, passwords)
		}
		id := uuid.New()
		p.delivers(topic(event, audience), envelope("room.create", payload(id)))
		await(t, "it hears", func() bool { return b.has(id) })
	})

	t.Run("a broker that refuses is asked again, and its word is in the log but no token", func(t *testing.T) {
		leaveNothing(t)
		p := puppeteer(t, func(*puppet) {})
		p.refuses(packets.ConnackBadUsernameOrPassword)
		o := options(t, p.url, newBook())
		core, logs := observer.New(zap.DebugLevel)
		o.Log = zap.New(core)
		o.Token = func() (string, error) { return "header.claims.signature", nil }
		w := run(t, o)
		await(t, "it is refused", func() bool {
			_, passwords := p.seen()
			return len(passwords) > 1
		})
		p.refuses(packets.ConnackSuccess)
		await(t, "it listens", func() bool {
			ups, _ := w.connections()
			return ups == 1
		})
		said := ""
		for _, entry := range logs.All() {
			for _, value := range entry.ContextMap() {
				if text, ok := value.(string); ok {
					said += text + "\n"
				}
			}
		}
		if !strings.Contains(said, "0x86") || strings.Contains(said, "claims") {
			t.Error(said)
		}
	})

	t.Run("a broker that refuses one of the subscriptions is asked again", func(t *testing.T) {
		leaveNothing(t)
		p := puppeteer(t, func(p *puppet) { p.unsubscribed = topic(conference, "+") })
		w := run(t, options(t, p.url, newBook()))
		await(t, "it tries again", func() bool {
			_, passwords := p.seen()
			return len(passwords) > 2
		})
		if ups, _ := w.connections(); ups > 0 {
			t.Error("it says that it listens")
		}
	})

	t.Run("over TLS, to a broker that proves who it is", func(t *testing.T) {
		leaveNothing(t)
		certificate, roots := certify(t)
		p := puppeteer(t, func(p *puppet) {
			p.tls = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
		})
		b := newBook()
		o := options(t, strings.Replace(p.url, "mqtt:", "mqtts:", 1), b)
		o.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
		w := listen(t, o)
		b.with(func(b *book) { b.outbox = append(b.outbox, stop(audience, "math")) })
		await(t, "it tells", func() bool { return w.of("told minigroup.stop") == 1 })
		w.stop()

		o.TLS, o.Observer = nil, newWatcher()
		core, logs := observer.New(zap.WarnLevel)
		o.Log = zap.New(core)
		w = run(t, o)
		await(t, "it does not trust everybody", func() bool {
			return logs.Len() > 0 && strings.Contains(logs.All()[0].ContextMap()["error"].(string), "certificate")
		})
		w.stop()
		if _, passwords := p.seen(); len(passwords) != 1 {
			t.Errorf("it gave its token away: %v", passwords)
		}
	})
}

// certify makes a certificate for 127.0.0.1 that is its own root.
func certify(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

func TestUnusableOptions(t *testing.T) {
	for what, spoil := range map[string]func(*mqtt.Options){
		"no broker":                     func(o *mqtt.Options) { o.Broker = nil },
		"a broker that speaks HTTP":     func(o *mqtt.Options) { o.Broker.Scheme = "http" },
		"a broker without a host":       func(o *mqtt.Options) { o.Broker.Host = ":1883" },
		"no client id":                  func(o *mqtt.Options) { o.ClientID = "" },
		"a group of several levels":     func(o *mqtt.Options) { o.Group = "a/b" },
		"no account":                    func(o *mqtt.Options) { o.Account = "" },
		"everybody as event":            func(o *mqtt.Options) { o.Event = "+" },
		"event and conference as one":   func(o *mqtt.Options) { o.Event = o.Conference },
		"an audience of several levels": func(o *mqtt.Options) { o.Audiences = []string{"a/b"} },
		"all audiences by a wildcard":   func(o *mqtt.Options) { o.Audiences = []string{"#"} },
		"no session":                    func(o *mqtt.Options) { o.Session = 0 },
		"a session for ever":            func(o *mqtt.Options) { o.Session = 1 << 62 },
	} {
		t.Run(what+" is an error at once", func(t *testing.T) {
			o := options(t, "mqtt://127.0.0.1:1", newBook())
			spoil(&o)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := mqtt.Run(ctx, o); err == nil {
				t.Error("it would have run")
			}
		})
	}
}
