package mqtt_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mochimqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"minigroups/mqtt"
)

// mochi is a broker within the test that looks at who comes, and refuses what it is told to.
type mochi struct {
	mochimqtt.HookBase
	server *mochimqtt.Server
	url    string

	mu        sync.Mutex
	forbidden string // nobody may subscribe to it
	shut      bool   // nobody may connect
	users     []string
	passwords []string
}

func startMochi(t *testing.T, config *tls.Config) *mochi {
	t.Helper()
	m := &mochi{server: mochimqtt.New(&mochimqtt.Options{Logger: slog.New(slog.DiscardHandler)})}
	if err := m.server.AddHook(m, nil); err != nil {
		t.Fatal(err)
	}
	tcp := listeners.NewTCP(listeners.Config{ID: "tcp", Address: "127.0.0.1:0", TLSConfig: config})
	if err := m.server.AddListener(tcp); err != nil {
		t.Fatal(err)
	}
	if err := m.server.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.server.Close() })
	m.url = "mqtt://" + tcp.Address()
	return m
}

func (m *mochi) Provides(b byte) bool {
	return slices.Contains([]byte{mochimqtt.OnConnectAuthenticate, mochimqtt.OnACLCheck}, b)
}

func (m *mochi) OnConnectAuthenticate(_ *mochimqtt.Client, p packets.Packet) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.users, m.passwords = append(m.users, string(p.Connect.Username)), append(m.passwords, string(p.Connect.Password))
	return !m.shut
}

func (m *mochi) OnACLCheck(_ *mochimqtt.Client, topic string, publish bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return publish || topic != m.forbidden
}

func (m *mochi) open(is bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shut = !is
}

func (m *mochi) seen() (users, passwords []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.users), slices.Clone(m.passwords)
}

// throwOut ends the connection of a client.
func (m *mochi) throwOut(t *testing.T, id string) {
	t.Helper()
	client, ok := m.server.Clients.Get(id)
	if !ok {
		t.Fatal("it is not connected")
	}
	_ = m.server.DisconnectClient(client, packets.ErrServerBusy)
}

func TestConnecting(t *testing.T) {
	t.Run("the token is asked for anew each time, and is the password", func(t *testing.T) {
		leaveNothing(t)
		m := startMochi(t, nil)
		b := newBook()
		o := options(t, m.url, b)
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
		m.throwOut(t, o.ClientID)
		await(t, "it is back", func() bool {
			ups, _ := w.connections()
			return ups == 2
		})
		users, passwords := m.seen()
		if !slices.Equal(users, []string{"v2::service", "v2::service"}) || !slices.Equal(passwords, []string{"one", "three"}) {
			t.Errorf("%v %v", users, passwords)
		}
		id := join(t, m.url).makes(t)
		await(t, "it hears", func() bool { return b.has(id) })
	})

	t.Run("a broker that refuses is asked again, and its word is in the log but no token", func(t *testing.T) {
		leaveNothing(t)
		m := startMochi(t, nil)
		m.open(false)
		o := options(t, m.url, newBook())
		core, logs := observer.New(zap.DebugLevel)
		o.Log = zap.New(core)
		o.Token = func() (string, error) { return "header.claims.signature", nil }
		w := run(t, o)
		await(t, "it is refused", func() bool {
			_, passwords := m.seen()
			return len(passwords) > 1
		})
		m.open(true)
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
		m := startMochi(t, nil)
		m.forbidden = topic(conference, "+")
		w := run(t, options(t, m.url, newBook()))
		await(t, "it tries again", func() bool {
			_, passwords := m.seen()
			return len(passwords) > 2
		})
		if ups, _ := w.connections(); ups > 0 {
			t.Error("it says that it listens")
		}
	})

	t.Run("over TLS, to a broker that proves who it is", func(t *testing.T) {
		leaveNothing(t)
		certificate, roots := certify(t)
		m := startMochi(t, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
		b := newBook()
		o := options(t, strings.Replace(m.url, "mqtt:", "mqtts:", 1), b)
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
		if _, passwords := m.seen(); len(passwords) != 1 {
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
