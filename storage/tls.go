package storage

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// parseURL reads database.url and the files that it names: certificates, a key, authorities, passwords. Its error says
// what is wrong with a file, and otherwise shows nothing, because the text of a URL that cannot be read may contain the
// password.
func parseURL(url string) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(url)
	var invalid *pgconn.ParseConfigError
	if errors.As(err, &invalid) {
		// Only errors about the files and settings of TLS have this form. They do not quote the URL.
		cause := invalid.Unwrap()
		if cause != nil && strings.HasSuffix(invalid.Error(), fmt.Sprintf(": failed to configure TLS (%v)", cause)) {
			return nil, &SessionError{fmt.Sprintf("%v: check sslmode, sslrootcert, sslcert and sslkey in the URL", cause)}
		}
	}
	if err != nil {
		return nil, errors.New("open database: the URL cannot be read; expected postgres://user:password@host:port/name")
	}
	return cfg, nil
}

// rereadFiles gives a new connection what the files that the URL names contain now, so that certificates, authorities
// and a password file can be replaced while the program runs.
func (o Options) rereadFiles(_ context.Context, conn *pgx.ConnConfig) error {
	now, err := parseURL(o.URL)
	if err != nil {
		return err
	}
	fresh := now.ConnConfig
	conn.Host, conn.Port, conn.TLSConfig, conn.Fallbacks = fresh.Host, fresh.Port, fresh.TLSConfig, fresh.Fallbacks
	conn.Password = fresh.Password
	return nil
}

// explainTLS turns the error of a connection that failed because of TLS into a *SessionError that says what to set, and
// returns every other error unchanged.
func explainTLS(err error) error {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var remote *net.OpError
	var server *pgconn.PgError
	var plain tls.RecordHeaderError
	switch {
	case errors.As(err, &authority):
		return &SessionError{fmt.Sprintf("the certificate of the server is not trusted (%v): "+
			"set sslrootcert to a file with the certificate of the authority that has signed it", authority)}
	case errors.As(err, &host):
		return &SessionError{fmt.Sprintf("the certificate of the server is for another host (%v): "+
			"set the host to a name that is in the certificate, or give the server a certificate for this name", host)}
	case errors.As(err, &invalid):
		return &SessionError{fmt.Sprintf(
			"the certificate of the server is invalid (%v): give the server another one", invalid)}
	case errors.As(err, &plain), requiresTLS(err) && strings.Contains(err.Error(), "server refused TLS connection"):
		return &SessionError{"the server speaks no TLS: set ssl = on at the server, with ssl_cert_file and ssl_key_file, " +
			"or sslmode=disable in the URL if nobody can listen on the way to it"}
	case errors.As(err, &remote) && remote.Op == "remote error": // an alert of TLS
		return &SessionError{fmt.Sprintf("the server refuses our certificate (%v): set sslcert and sslkey to a certificate "+
			"that an authority of the server's ssl_ca_file has signed, and its key", remote.Err)}
	case errors.As(err, &server) && server.Code == invalidAuthorization:
		return explainRefusal(err, server.Message)
	}
	return err
}

// requiresTLS reports whether err is that of a connection which must use TLS. By default one is tried without TLS after
// the server has refused it, and the refusal is part of the error when that fails, too, for whatever reason.
func requiresTLS(err error) bool {
	var failed *pgconn.ConnectError
	if !errors.As(err, &failed) {
		return false
	}
	return failed.Config.TLSConfig != nil && !slices.ContainsFunc(failed.Config.Fallbacks,
		func(f *pgconn.FallbackConfig) bool { return f.TLSConfig == nil })
}

// explainRefusal is explainTLS for the errors of a server that wants TLS or a certificate.
func explainRefusal(err error, message string) error {
	switch {
	case strings.Contains(message, "client certificate"):
		return &SessionError{fmt.Sprintf("the server demands a certificate (%s): set sslcert and sslkey in the URL", message)}
	case strings.HasSuffix(message, "no encryption"), strings.HasSuffix(message, "SSL off"):
		return &SessionError{fmt.Sprintf("the server accepts no connection without TLS (%s): "+
			"set sslmode=verify-full and sslrootcert in the URL", message)}
	}
	return err
}
