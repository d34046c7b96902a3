package ops

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"minigroups/cmd/internal/dispatcher"
	"minigroups/minigroup"
)

func (a *app) exportCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "export", Short: "Write classes back to another service"}
	cmd.AddCommand(a.exportDispatcher())
	return cmd
}

func (a *app) exportDispatcher() *cobra.Command {
	var to sourceFlags
	var by requesterFlags
	var yes bool
	cmd := &cobra.Command{
		Use: "dispatcher --to URL", Args: cobra.NoArgs,
		Short: "Write the minigroups that were created or changed here to dispatcher",
		Long: `Writes the minigroups that were created or changed here, since they were imported or exported, to dispatcher's
database: with their ids, their rooms and their values. It is for a way back to dispatcher: stop the writes of this
service first. A class that has also changed in dispatcher since is listed and not written. Classes that failed or are
not finished are listed, too. Run it again at any time. Without --yes, nothing is changed.

The password of dispatcher's database comes from PGPASSWORD, PGPASSFILE or ~/.pgpass. docs/migrating.md has the whole
procedure.`,
		RunE: a.connected(func(ctx context.Context, _ []string) error {
			target, err := to.open(ctx, "to", false)
			if err != nil {
				return err
			}
			defer target.Close()
			e := exporter{app: a, target: target, audience: to.audience, yes: yes, report: newImportReport(to.examples)}
			e.report.does = "exported"
			if yes {
				e.by = a.requester(by)
			}
			err = e.run(ctx)
			e.report.Done = yes && err == nil
			if printErr := a.print(e.report, e.report.writeTable); printErr != nil {
				return printErr
			}
			if err != nil && yes {
				return fmt.Errorf("%w; what is listed as done is kept, so run it again", err)
			}
			return err
		}),
	}
	to.register(cmd.Flags(), "to")
	yesFlag(cmd, &yes, "what would be written")
	return interfering(cmd, &by)
}

// exporter writes classes to dispatcher one by one, each in a transaction.
type exporter struct {
	*app
	target   *dispatcher.Database
	audience string
	yes      bool
	by       minigroup.Requester
	report   *importReport
}

func (e exporter) run(ctx context.Context) error {
	needsContentID, err := e.target.NeedsContentID(ctx)
	if err != nil {
		return err
	}
	bar := newProgress(e.err, 0)
	defer bar.end()
	var after uuid.UUID
	for finished := 0; ; {
		page, last, err := e.store.ExportClasses(ctx, e.audience, after)
		if err != nil {
			return err
		}
		if last == uuid.Nil {
			return e.accounts(ctx)
		}
		for _, m := range page {
			if err := e.class(ctx, m, needsContentID); err != nil {
				return err
			}
		}
		after, finished = last, finished+len(page)
		bar.setTotal(finished)
		bar.show(finished, e.report.progress())
	}
}

func (e exporter) class(ctx context.Context, m minigroup.ExportedClass, needsContentID bool) error {
	if m.State != minigroup.Ready {
		e.report.add(m.ID, m.Audience, m.Scope, minigroup.ImportResult{
			Outcome: minigroup.ImportSkipped, Reason: minigroup.ImportNotReady, Detail: "it is " + string(m.State),
		})
		return nil
	}
	result, written, err := e.target.Write(ctx, m, needsContentID, !e.yes, time.Now().Unix())
	if err != nil {
		return err
	}
	if e.yes && result.Outcome != minigroup.ImportSkipped {
		if err := e.store.RecordExport(ctx, m.Minigroup, written.Source(), e.by); err != nil {
			return err
		}
	}
	e.report.add(m.ID, m.Audience, m.Scope, result)
	if result.Outcome != minigroup.ImportSkipped && strings.Count(m.Host, ".") < 2 {
		e.report.WithoutHost++
	}
	return nil
}

func (e exporter) accounts(ctx context.Context) error {
	var after minigroup.Account
	for {
		page, properties, err := e.store.Accounts(ctx, e.audience, after, importPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for i, a := range page {
			account := dispatcher.Account{Audience: a.Audience, Label: a.Label, Properties: properties[i]}
			changed, err := e.target.WriteAccount(ctx, account, !e.yes)
			if err != nil {
				return err
			}
			e.report.addAccount(account, changed, "")
		}
		after = page[len(page)-1]
	}
}
