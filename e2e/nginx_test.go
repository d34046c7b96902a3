package e2e

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"minigroups/e2e/harness"
	"minigroups/stack"
)

// proxy is a running nginx in front of two APIs.
type proxy struct {
	url    string
	client *http.Client
}

// TestNginxPassesEverything sends requests through nginx with the configuration in docs/production.md.
func TestNginxPassesEverything(t *testing.T) {
	t.Parallel()
	nginx := startNginx(t)
	c := newClass(t)
	c.setScope(c.scope + " a/b?") // encoded, a slash does not end a segment
	created := nginx.request(t, http.MethodPost, "/api/v1/minigroups", c.body,
		"X-Request-Id", "chosen-by-the-caller")
	created.want(t, http.StatusCreated)
	if id := created.header.Get("X-Request-Id"); id != "chosen-by-the-caller" {
		t.Errorf("the id of the request became %q", id)
	}
	read := nginx.request(t, http.MethodGet, c.byScope(), nil, "Accept-Encoding", "gzip").want(t, http.StatusOK)
	if read.ClassID != c.id {
		t.Errorf("got the class %s, want %s", read.ClassID, c.id)
	}
	if id := read.header.Get("X-Request-Id"); len(id) != 32 {
		t.Errorf("nginx has not chosen the id of the request, but it is %q", id)
	}
	moved := window(c.start+60, c.start+3600)
	tag := read.header.Get("ETag")
	nginx.request(t, http.MethodPut, c.byScope(), moved, "If-Match", tag).want(t, http.StatusOK)
	nginx.request(t, http.MethodPut, c.byScope(), moved, "If-Match", tag).want(t, http.StatusPreconditionFailed)

	waiting, other := newClass(t), newClass(t)
	key := waiting.id.String()
	r := nginx.request(t, http.MethodPost, "/api/v1/minigroups", waiting.body, "Prefer", "wait=60", "Idempotency-Key", key)
	if r.want(t, http.StatusCreated).header.Get("Preference-Applied") != "wait=60" {
		t.Error("the API has not received the header Prefer")
	}
	reused := nginx.request(t, http.MethodPost, "/api/v1/minigroups", other.body, "Idempotency-Key", key)
	if reused.want(t, http.StatusUnprocessableEntity); reused.Type != "idempotency_key_reused" {
		t.Errorf("the API has not received the same key again, but answered %s", reused.text)
	}
	large := nginx.request(t, http.MethodPost, "/api/v1/minigroups", strings.Repeat(" ", 65<<10)+"{}")
	if large.want(t, http.StatusRequestEntityTooLarge); large.Type != "payload_too_large" {
		t.Errorf("a large body was not refused by the API, but by %s", large.text)
	}
}

// TestNginxWithAURIDecodesThePath shows what the comments in the configuration warn of.
func TestNginxWithAURIDecodesThePath(t *testing.T) {
	t.Parallel()
	nginx := startNginx(t, "proxy_pass http://minigroups;", "proxy_pass http://minigroups/;")
	c := newClass(t)
	c.setScope(c.scope + "/b")
	nginx.request(t, http.MethodPost, "/api/v1/minigroups", c.body).want(t, http.StatusCreated)
	r := nginx.request(t, http.MethodGet, c.byScope(), nil)
	if r.want(t, http.StatusNotFound); r.Type != "route_not_found" {
		t.Errorf("got %s", r.text)
	}
}

// startNginx starts nginx with the configuration in docs/production.md, in which replacements are made: old and new
// text in turn.
func startNginx(t *testing.T, replacements ...string) proxy {
	t.Helper()
	document, err := os.ReadFile("../docs/production.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?s)```nginx\n(.*?)```").FindSubmatch(document)
	if shown == nil {
		t.Fatal("docs/production.md has no configuration of nginx")
	}
	address, err := harness.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	_, second := anotherAPI(t, "api-behind-nginx")
	text := string(shown[1])
	replacements = append(replacements, "api-1:8080", strings.TrimPrefix(sut.api, "http://"), "api-2:8080", second,
		"listen 443 ssl", "listen "+address+" ssl", "/etc/nginx/tls/", folder+"/")
	for i := 0; i < len(replacements); i += 2 {
		if !strings.Contains(text, replacements[i]) {
			t.Fatalf("the configuration of nginx in docs/production.md lacks %q", replacements[i])
		}
		text = strings.ReplaceAll(text, replacements[i], replacements[i+1])
	}
	nginx := proxy{url: "https://" + address, client: writeCertificate(t, folder)}
	nginx.start(t, folder, text)
	return nginx
}

// nginxConfig surrounds what belongs into its block http. nginx keeps our account, because another may not be able to
// enter the folder, and writes no other files.
const nginxConfig = `
user root;
daemon off;
pid %[1]s/pid;
error_log stderr;
events {}
http {
access_log off;
client_body_temp_path %[1]s/body;
proxy_temp_path %[1]s/proxy;
fastcgi_temp_path %[1]s/fastcgi;
uwsgi_temp_path %[1]s/uwsgi;
scgi_temp_path %[1]s/scgi;
%[2]s}
`

// start starts nginx with the content of its block http and waits until it passes requests.
func (p proxy) start(t *testing.T, folder, text string) {
	t.Helper()
	file := filepath.Join(folder, "nginx.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, nginxConfig, folder, text), 0o600); err != nil {
		t.Fatal(err)
	}
	binary, err := exec.LookPath("nginx")
	if err != nil {
		binary = "/usr/sbin/nginx" // in root's PATH only
	}
	args := []string{"-p", folder, "-e", "stderr", "-c", file}
	process, err := stack.StartBinary(t.Context(), "nginx", binary, args, nil, sut.log("nginx"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := process.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := process.Await(t.Context(), time.Minute, func(ctx context.Context) error {
		r, err := sendWith(ctx, p.client, p.url, http.MethodGet, "/readyz", nil)
		if err == nil && r.code != http.StatusOK {
			err = errors.New(r.text)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func (p proxy) request(t *testing.T, method, path string, body any, headers ...string) reply {
	t.Helper()
	r, err := sendWith(t.Context(), p.client, p.url, method, path, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// writeCertificate writes a certificate of 127.0.0.1 and its key into folder, and returns a client that trusts it.
func writeCertificate(t *testing.T, folder string) *http.Client {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	t.Cleanup(server.Close)
	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]pem.Block{
		"tls.crt": {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, "tls.key": {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(folder, name), pem.EncodeToMemory(&block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return server.Client()
}
