package ops

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/google/uuid"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"minigroups/cmd/internal/dispatcher"
	"minigroups/cmd/internal/process"
)

// compareFlags say where both services answer, and with which tokens.
type compareFlags struct {
	compare                 bool
	dispatcherURL, url      string
	dispatcherToken, tokens string
}

func (f *compareFlags) register(flags *pflag.FlagSet) {
	flags.BoolVar(&f.compare, "compare", false, "compare the answers of both services instead of taking classes over")
	flags.StringVar(&f.dispatcherURL, "dispatcher-url", "", "with --compare: the address of dispatcher, such as http://…")
	flags.StringVar(&f.dispatcherToken, "dispatcher-token-file", "", "with --compare: a file with a token for dispatcher")
	flags.StringVar(&f.url, "url", "", "with --compare: the address of this service's API")
	flags.StringVar(&f.tokens, "token-file", "", "with --compare: a file with a token for this service")
}

// services returns both services.
func (f *compareFlags) services() (theirs, ours dispatcher.Service, err error) {
	for _, s := range []struct {
		to                  *dispatcher.Service
		flag, url, token    string
		requiredDescription string
	}{
		{to: &theirs, flag: "dispatcher-", url: f.dispatcherURL, token: f.dispatcherToken, requiredDescription: "dispatcher"},
		{to: &ours, url: f.url, token: f.tokens, requiredDescription: "this service"},
	} {
		if s.url == "" || s.token == "" {
			return theirs, ours, &usageError{fmt.Sprintf("--compare needs --%surl and --%stoken-file: the address of %s, "+
				"and a file with a token that may read its classes", s.flag, s.flag, s.requiredDescription)}
		}
		token, err := os.ReadFile(s.token)
		if err != nil {
			return theirs, ours, &usageError{fmt.Sprintf("--%stoken-file: %v", s.flag, err)}
		}
		*s.to = dispatcher.Service{
			URL: strings.TrimRight(s.url, "/"), Token: strings.TrimSpace(string(token)), Transport: process.Silent().Transport(),
		}
	}
	return theirs, ours, nil
}

// compareReport is what `ops import dispatcher --compare` prints.
type compareReport struct {
	// Compared is how many classes both services have answered.
	Compared int `json:"compared"`
	// NotHere is how many of dispatcher's classes were not taken over.
	NotHere int `json:"not_here"`
	// ChangedHere is how many differ and were changed here since. They are no differences.
	ChangedHere int                     `json:"changed_here"`
	Differences []dispatcher.Difference `json:"differences"`
}

// compareAtOnce bounds the requests that each service has in flight.
const compareAtOnce = 4

func (a *app) runCompare(ctx context.Context, source *dispatcher.Database, from sourceFlags, f compareFlags) error {
	theirs, ours, err := f.services()
	if err != nil {
		return err
	}
	total, err := source.Count(ctx, from.audience)
	if err != nil {
		return err
	}
	report := compareReport{Differences: []dispatcher.Difference{}}
	bar := newProgress(a.err, total)
	err = a.compareClasses(ctx, source, from.audience, &report, bar, func(
		ctx context.Context, c dispatcher.Class,
	) ([]dispatcher.Difference, error) {
		return dispatcher.Compare(ctx, theirs, ours, c)
	})
	bar.end()
	if err != nil {
		return err
	}
	if err := a.print(report, report.writeTable); err != nil {
		return err
	}
	if n := len(report.Differences); n > 0 {
		return fmt.Errorf("the services differ in %d places; docs/migrating.md has the differences that are intended", n)
	}
	if report.Compared == 0 {
		return errors.New("nothing was compared: no class of dispatcher was taken over")
	}
	return nil
}

func (a *app) compareClasses(
	ctx context.Context, source *dispatcher.Database, audience string, report *compareReport, bar *progress,
	compare func(context.Context, dispatcher.Class) ([]dispatcher.Difference, error),
) error {
	var after uuid.UUID
	for finished := 0; ; {
		page, err := source.Classes(ctx, audience, after, importPage)
		if err != nil || len(page) == 0 {
			return err
		}
		ids := make([]uuid.UUID, len(page))
		for n, c := range page {
			ids[n] = c.ID
		}
		untouched, err := a.store.ImportedUntouched(ctx, ids)
		if err != nil {
			return err
		}
		group, requests := errgroup.WithContext(ctx)
		group.SetLimit(compareAtOnce)
		var mu sync.Mutex
		for _, c := range page {
			same, taken := untouched[c.ID]
			if !taken {
				report.NotHere++
				continue
			}
			report.Compared++
			group.Go(func() error {
				differences, err := compare(requests, c)
				mu.Lock()
				defer mu.Unlock()
				if len(differences) > 0 && !same {
					report.ChangedHere++
					return err
				}
				report.Differences = append(report.Differences, differences...)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		after, finished = page[len(page)-1].ID, finished+len(page)
		bar.show(finished, fmt.Sprintf("%d differences", len(report.Differences)))
	}
}

func (r compareReport) writeTable(t *table) {
	t.row("COMPARED", "DIFFERENCES", "CHANGED HERE", "NOT TAKEN OVER")
	t.row(r.Compared, len(r.Differences), r.ChangedHere, r.NotHere)
	if len(r.Differences) == 0 {
		return
	}
	t.line("")
	t.row("CLASS", "AUDIENCE", "SCOPE", "FIELD", "DISPATCHER", "HERE")
	for _, d := range r.Differences {
		t.row(d.ClassID, d.Audience, d.Scope, d.Field, d.Dispatcher, d.Here)
	}
}
