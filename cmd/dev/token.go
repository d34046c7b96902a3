package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"minigroups/auth"
	"minigroups/config"
)

const tokenLifetime = 24 * time.Hour

// printToken prints a token that the running API accepts.
func printToken(ws workspace, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("dev token", flag.ContinueOnError)
	flags.SetOutput(out)
	subject := flags.String("sub", devSubject, "`label` of the account")
	audience := flags.String("aud", devAudience, "`audience` of the account")
	if err := flags.Parse(args); err != nil {
		return err
	}
	token, err := ws.issueToken(*subject, *audience, time.Now())
	if err != nil {
		return err
	}
	fmt.Fprintln(out, token)
	return nil
}

// issueToken returns a token of the account subject.audience that expires in a day.
func (ws workspace) issueToken(subject, audience string, now time.Time) (string, error) {
	cfg, err := config.Load(ws.configFile(), nil)
	if errors.Is(err, os.ErrNotExist) {
		return "", errors.New("there is no configuration yet: start make run first")
	}
	if err != nil {
		return "", err
	}
	if audiences := cfg.Authentication[devIssuer].Audiences; !slices.Contains(audiences, audience) {
		return "", fmt.Errorf("audience %q is not configured; configured are %s", audience, strings.Join(audiences, ", "))
	}
	key, err := os.ReadFile(ws.secret(issuerKey))
	if err != nil {
		return "", fmt.Errorf("read the key of %s: %w", devIssuer, err)
	}
	signer, err := auth.NewSigner(auth.Account{Label: subject, Audience: audience}, key)
	if err != nil {
		return "", err
	}
	return signer.Issue(devIssuer, audience, subject, now.Add(tokenLifetime))
}
