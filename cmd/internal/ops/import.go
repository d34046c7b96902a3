package ops

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"minigroups/clients/conference"
	"minigroups/clients/event"
	"minigroups/cmd/internal/dispatcher"
	"minigroups/cmd/internal/process"
	"minigroups/config"
	"minigroups/minigroup"
)

// sourceFlags name dispatcher's database, and what of it a command concerns.
type sourceFlags struct {
	url      string
	audience string
	examples countFlag
}

func (f *sourceFlags) register(flags *pflag.FlagSet, name string) {
	f.examples = 3
	flags.StringVar(&f.url, name, "", "dispatcher's database, as a postgres:// URL without a password")
	flags.Var((*audienceFlag)(&f.audience), "audience", "only classes and accounts of this audience")
	flags.Var(&f.examples, "examples", "how many classes to list for each reason")
}

// open connects to dispatcher's database.
func (f *sourceFlags) open(ctx context.Context, name string, readOnly bool) (*dispatcher.Database, error) {
	if f.url == "" {
		return nil, &usageError{"--" + name + " is required: the address of dispatcher's database"}
	}
	return dispatcher.Open(ctx, f.url, readOnly)
}

func (a *app) importCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "import", Short: "Take over classes from another service"}
	cmd.AddCommand(a.importDispatcher())
	return cmd
}

func (a *app) importDispatcher() *cobra.Command {
	var from sourceFlags
	var by requesterFlags
	var compared compareFlags
	var yes bool
	cmd := &cobra.Command{
		Use: "dispatcher --from URL", Args: cobra.NoArgs,
		Short: "Take over the minigroups of dispatcher, with their rooms",
		Long: `Reads the minigroups in dispatcher's database, looks up their rooms at event and conference, and makes rows
here that hold the same rooms under the same ids. Nothing changes in dispatcher, event and conference. Classes that
cannot be taken over are listed with the reason. Run it again at any time: it takes over what is new or has changed in
dispatcher since, unless that has also changed here. Without --yes, nothing is changed here either.

With --compare it instead reads every class that was taken over from both services, and shows where their answers
differ in a way that is not intended.

The password of dispatcher's database comes from PGPASSWORD, PGPASSFILE or ~/.pgpass. docs/migrating.md has the whole
procedure.`,
		RunE: a.connected(func(ctx context.Context, _ []string) error {
			source, err := from.open(ctx, "from", true)
			if err != nil {
				return err
			}
			defer source.Close()
			if compared.compare {
				return a.runCompare(ctx, source, from, compared)
			}
			return a.runImport(ctx, source, from, by, yes)
		}),
	}
	from.register(cmd.Flags(), "from")
	compared.register(cmd.Flags())
	yesFlag(cmd, &yes, "what would be taken over")
	return interfering(cmd, &by)
}

// importPage is how many classes are imported in one transaction. During it, creates that reserve slots may wait.
const importPage = 200

func (a *app) runImport(
	ctx context.Context, source *dispatcher.Database, from sourceFlags, by requesterFlags, yes bool,
) error {
	if err := a.cfg.Check("account.private_key_file", "event.url", "conference.url"); err != nil {
		return err
	}
	signer, err := process.Signer(a.cfg.Account)
	if err != nil {
		return err
	}
	options := minigroup.ImportOptions{
		DryRun: !yes, Gateways: a.cfg.Janus.Reservation == config.ReservedByGateway, Group: a.cfg.Janus.Group,
	}
	if yes {
		options.By = a.requester(by)
	}
	transport := process.Silent().Transport()
	i := importer{
		store: a.store, source: source, options: options,
		rooms: dispatcher.Rooms{
			Event:      event.New(a.cfg.Event.URL, transport, signer.Token),
			Conference: conference.New(a.cfg.Conference.URL, transport, signer.Token),
		},
		report: newImportReport(from.examples),
	}
	total, err := source.Count(ctx, from.audience)
	if err != nil {
		return err
	}
	bar := newProgress(a.err, total)
	err = i.classes(ctx, from.audience, bar)
	bar.end()
	if err == nil {
		err = i.accounts(ctx, from.audience)
	}
	i.report.Done = yes && err == nil
	if printErr := a.print(i.report, i.report.writeTable); printErr != nil {
		return printErr
	}
	if err != nil && yes {
		return fmt.Errorf("%w; what is listed as done is kept, so run it again", err)
	}
	return err
}

// importer imports classes page by page.
type importer struct {
	store   importStore
	source  *dispatcher.Database
	rooms   dispatcher.Rooms
	options minigroup.ImportOptions
	report  *importReport
}

// importStore is what an import uses of the ledger.
type importStore interface {
	ImportedSources(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]string, error)
	ImportClasses(
		ctx context.Context, classes []minigroup.ImportedClass, o minigroup.ImportOptions,
	) ([]minigroup.ImportResult, error)
	ImportAccount(ctx context.Context, a minigroup.Account, properties []byte, dryRun bool) (bool, error)
}

func (i importer) classes(ctx context.Context, audience string, bar *progress) error {
	var after uuid.UUID
	for finished := 0; ; {
		page, err := i.source.Classes(ctx, audience, after, importPage)
		if err != nil || len(page) == 0 {
			return err
		}
		if err := i.page(ctx, page); err != nil {
			return err
		}
		after, finished = page[len(page)-1].ID, finished+len(page)
		bar.show(finished, i.report.progress())
	}
}

// page imports one page and adds it to the report.
func (i importer) page(ctx context.Context, page []dispatcher.Class) error {
	ids := make([]uuid.UUID, len(page))
	for n, c := range page {
		ids[n] = c.ID
	}
	sources, err := i.store.ImportedSources(ctx, ids)
	if err != nil {
		return err
	}
	now := time.Now().Unix()
	var wanted []minigroup.ImportedClass
	for _, c := range page {
		if sources[c.ID] == c.Source() {
			i.report.add(c.ID, c.Audience, c.Scope, minigroup.ImportResult{Outcome: minigroup.ImportUnchanged})
			continue
		}
		class, wrong := c.Import(now)
		if wrong != nil {
			i.report.add(c.ID, c.Audience, c.Scope, *wrong)
			continue
		}
		wanted = append(wanted, class)
	}
	wanted, wrong, err := i.rooms.LookUp(ctx, wanted, now)
	if err != nil {
		return err
	}
	var classes []minigroup.ImportedClass
	for n, c := range wanted {
		if wrong[n] != nil {
			i.report.add(c.ID, c.Audience, c.Scope, *wrong[n])
			continue
		}
		classes = append(classes, c)
	}
	results, err := i.store.ImportClasses(ctx, classes, i.options)
	if err != nil {
		return err
	}
	for n, c := range classes {
		i.report.add(c.ID, c.Audience, c.Scope, results[n])
		if results[n].Outcome != minigroup.ImportSkipped && c.Host == "" {
			i.report.WithoutHost++
		}
	}
	return nil
}

// accounts imports the properties of accounts.
func (i importer) accounts(ctx context.Context, audience string) error {
	var after dispatcher.Account
	for {
		page, err := i.source.Accounts(ctx, audience, after, importPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, account := range page {
			changed, why, err := i.account(ctx, account)
			if err != nil {
				return err
			}
			i.report.addAccount(account, changed, why)
		}
		after = page[len(page)-1]
	}
}

func (i importer) account(ctx context.Context, a dispatcher.Account) (changed bool, why string, err error) {
	properties, errs := a.Canonical()
	if len(errs) > 0 {
		return false, errs[0].Field + " " + errs[0].Detail, nil
	}
	changed, err = i.store.ImportAccount(ctx, minigroup.Account{Audience: a.Audience, Label: a.Label}, properties,
		i.options.DryRun)
	var large *minigroup.Error
	if errors.As(err, &large) && large.Kind == minigroup.PayloadTooLarge {
		return false, large.Detail, nil
	}
	return changed, "", err
}
