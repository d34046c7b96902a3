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

const tokenLasts = 24 * time.Hour

// printToken prints a token that the running stack takes.
func printToken(at place, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("dev token", flag.ContinueOnError)
	flags.SetOutput(out)
	subject := flags.String("sub", devSubject, "`label` of the account")
	audience := flags.String("aud", devAudience, "`audience` of the account")
	if err := flags.Parse(args); err != nil {
		return err
	}
	token, err := at.token(*subject, *audience, time.Now())
	if err != nil {
		return err
	}
	fmt.Fprintln(out, token)
	return nil
}

// token signs one for the account subject.audience, good for a day from now.
func (at place) token(subject, audience string, now time.Time) (string, error) {
	cfg, err := config.Load(at.configFile(), nil)
	if errors.Is(err, os.ErrNotExist) {
		return "", errors.New("nothing has run here yet: start it with make run")
	}
	if err != nil {
		return "", err
	}
	if audiences := cfg.Authentication[devIssuer].Audiences; !slices.Contains(audiences, audience) {
		return "", fmt.Errorf("audience %q is not configured: there is %s", audience, strings.Join(audiences, ", "))
	}
	key, err := os.ReadFile(at.secret(issuerKey))
	if err != nil {
		return "", fmt.Errorf("read the key of %s: %w", devIssuer, err)
	}
	signer, err := auth.NewSigner(auth.Account{Label: subject, Audience: audience}, key)
	if err != nil {
		return "", err
	}
	return signer.Issue(devIssuer, audience, subject, now.Add(tokenLasts))
}
