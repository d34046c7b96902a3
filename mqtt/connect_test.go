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

func TestConnect(t *testing.T) {
	t.Run("each connection gets a new token as its password", func(t *testing.T) {
		checkGoroutines(t)
		broker := startFakeBroker(t, func(*fakeBroker) {})
		ledger := newLedger()
		o := options(t, mqtt.Protocol5, broker.url, ledger)
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
		w := startConnected(t, o)
		broker.disconnect()
		await(t, "the worker is connected again", func() bool { return w.connected() == 2 })
		users, passwords := broker.credentials()
		if !slices.Equal(users, []string{"v2::service", "v2::service"}) ||
			!slices.Equal(passwords, []string{"one", "three"}) {
			t.Errorf("users %v, passwords %v", users, passwords)
		}
		id := uuid.New()
		broker.deliver(topic(eventAccount, audience), envelope("room.create", roomPayload(id)))
		await(t, "the event is recorded", func() bool { return ledger.has(id) })
	})

	t.Run("a refused connection is retried, and the log has its reason code but no token", func(t *testing.T) {
		checkGoroutines(t)
		broker := startFakeBroker(t, func(*fakeBroker) {})
		broker.setConnectReason(packets.ConnackBadUsernameOrPassword)
		o := options(t, mqtt.Protocol5, broker.url, newLedger())
		core, logs := observer.New(zap.DebugLevel)
		o.Log = zap.New(core)
		o.Token = func() (string, error) { return "header.claims.signature", nil }
		w := start(t, o)
		await(t, "the connection is refused twice", func() bool {
			_, passwords := broker.credentials()
			return len(passwords) > 1
		})
		broker.setConnectReason(packets.ConnackSuccess)
		await(t, "the worker is connected", func() bool { return w.connected() == 1 })
		logged := ""
		for _, entry := range logs.All() {
			for _, value := range entry.ContextMap() {
				if text, ok := value.(string); ok {
					logged += text + "\n"
				}
			}
		}
		if !strings.Contains(logged, "0x86") || strings.Contains(logged, "claims") {
			t.Error(logged)
		}
	})

	t.Run("a refused subscription is retried on a new connection", func(t *testing.T) {
		checkGoroutines(t)
		broker := startFakeBroker(t, func(b *fakeBroker) { b.refusedFilter = topic(conferenceAccount, "+") })
		w := start(t, options(t, mqtt.Protocol5, broker.url, newLedger()))
		await(t, "the worker has connected three times", func() bool {
			_, passwords := broker.credentials()
			return len(passwords) > 2
		})
		if w.connected() > 0 {
			t.Error("a connection was reported without all subscriptions")
		}
	})

	t.Run("TLS verifies the certificate of the broker", func(t *testing.T) {
		checkGoroutines(t)
		certificate, roots := selfSigned(t)
		broker := startFakeBroker(t, func(b *fakeBroker) {
			b.tls = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
		})
		ledger := newLedger()
		o := options(t, mqtt.Protocol5, strings.Replace(broker.url, "mqtt:", "mqtts:", 1), ledger)
		o.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
		w := startConnected(t, o)
		ledger.update(func(l *fakeLedger) { l.outbox = append(l.outbox, stopEvent(audience, "math")) })
		await(t, "the event is published", func() bool { return w.count("published minigroup.stop") == 1 })
		w.stop()

		o.TLS, o.Observer = nil, newObserver()
		core, logs := observer.New(zap.WarnLevel)
		o.Log = zap.New(core)
		w = start(t, o)
		await(t, "the certificate is rejected", func() bool {
			return logs.Len() > 0 && strings.Contains(logs.All()[0].ContextMap()["error"].(string), "certificate")
		})
		w.stop()
		if _, passwords := broker.credentials(); len(passwords) != 1 {
			t.Errorf("the token was sent to an unverified broker: %v", passwords)
		}
	})
}

// selfSigned returns a self-signed certificate for 127.0.0.1 and a pool that contains it.
func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
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

func TestInvalidOptions(t *testing.T) {
	for name, change := range map[string]func(*mqtt.Options){
		"no broker":                      func(o *mqtt.Options) { o.Broker = nil },
		"a broker with another scheme":   func(o *mqtt.Options) { o.Broker.Scheme = "http" },
		"a broker without a host":        func(o *mqtt.Options) { o.Broker.Host = ":1883" },
		"no label":                       func(o *mqtt.Options) { o.Label = "" },
		"a label with a dot":             func(o *mqtt.Options) { o.Label = "worker.1" },
		"no protocol":                    func(o *mqtt.Options) { o.Protocol = "" },
		"a group with a slash":           func(o *mqtt.Options) { o.Group = "a/b" },
		"no account":                     func(o *mqtt.Options) { o.Account = "" },
		"a wildcard as event account":    func(o *mqtt.Options) { o.Event = "+" },
		"one account for both services":  func(o *mqtt.Options) { o.Event = o.Conference },
		"an audience with a slash":       func(o *mqtt.Options) { o.Audiences = []string{"a/b"} },
		"an audience that is a wildcard": func(o *mqtt.Options) { o.Audiences = []string{"#"} },
		"no session expiry":              func(o *mqtt.Options) { o.Session = 0 },
		"a session expiry out of range":  func(o *mqtt.Options) { o.Session = 1 << 62 },
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t, mqtt.Protocol5, "mqtt://127.0.0.1:1", newLedger())
			change(&o)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := mqtt.Run(ctx, o); err == nil {
				t.Error("no error")
			}
		})
	}
}
