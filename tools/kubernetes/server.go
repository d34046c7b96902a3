package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// token is the bearer token of the only user, who may do everything.
const token = "admin"

// server is a running kube-apiserver with its etcd.
type server struct {
	dir, address string
	processes    []*exec.Cmd
}

// startServer starts both programs and waits until the API server is ready. Their files are in a temporary folder.
func startServer(ctx context.Context, etcd, apiserver string) (s *server, err error) {
	dir, err := os.MkdirTemp("", "minigroups-kubernetes")
	if err != nil {
		return nil, err
	}
	s = &server{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	clients, peers := "http://127.0.0.1:"+ports[0], "http://127.0.0.1:"+ports[1]
	s.address = "https://127.0.0.1:" + ports[2]
	err = s.start(ctx, etcd, "--data-dir", filepath.Join(dir, "etcd"), "--unsafe-no-fsync",
		"--listen-client-urls", clients, "--advertise-client-urls", clients,
		"--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", "default="+peers)
	if err != nil {
		return nil, err
	}
	key, users := filepath.Join(dir, "accounts.pem"), filepath.Join(dir, "users.csv")
	if err := writeKey(key); err != nil {
		return nil, err
	}
	if err := os.WriteFile(users, []byte(token+",admin,admin,system:masters\n"), 0o600); err != nil {
		return nil, err
	}
	err = s.start(ctx, apiserver, "--etcd-servers", clients, "--cert-dir", filepath.Join(dir, "certificates"),
		"--bind-address", "127.0.0.1", "--secure-port", ports[2], "--endpoint-reconciler-type", "none",
		"--token-auth-file", users, "--authorization-mode", "RBAC", "--service-cluster-ip-range", "10.0.0.0/24",
		"--service-account-issuer", s.address, "--service-account-key-file", key,
		"--service-account-signing-key-file", key)
	if err != nil {
		return nil, err
	}
	return s, s.awaitReady(ctx)
}

// start starts a program that writes its log into the folder.
func (s *server) start(ctx context.Context, program string, args ...string) error {
	log, err := os.Create(s.log(program))
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own
	process := exec.CommandContext(ctx, program, args...)
	process.Stdout, process.Stderr = log, log
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := process.Start(); err != nil {
		return err
	}
	s.processes = append(s.processes, process)
	return nil
}

func (s *server) log(program string) string {
	return filepath.Join(s.dir, filepath.Base(program)+".log")
}

// stop kills the programs and removes their files. Nothing in them is worth keeping.
func (s *server) stop() error {
	for _, process := range s.processes {
		_ = process.Process.Kill()
		_ = process.Wait()
	}
	return os.RemoveAll(s.dir)
}

// awaitReady waits up to a minute until the API server is ready. Its error has the end of the logs.
func (s *server) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for {
		err := isReady(ctx, client, s.address)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			err = fmt.Errorf("the API server does not become ready: %w", err)
			for _, process := range s.processes {
				text, _ := os.ReadFile(s.log(process.Path))
				err = fmt.Errorf("%w\n%s: …%s", err, filepath.Base(process.Path), text[max(0, len(text)-2000):])
			}
			return err
		}
	}
}

func isReady(ctx context.Context, client http.Client, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/readyz", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return err
}

func freePorts(n int) (ports []string, err error) {
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		ports = append(ports, port)
	}
	return ports, nil
}

func writeKey(file string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}
