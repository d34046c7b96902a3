package ops

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

// eraseReport is what `ops erase` prints.
type eraseReport struct {
	ClassID  uuid.UUID `json:"class_id"`
	Audience string    `json:"audience"`
	Scope    string    `json:"scope"`
	// Erased is true once the personal data is erased.
	Erased bool `json:"erased"`
}

func (a *app) erase() *cobra.Command {
	var yes bool
	var by requesterFlags
	cmd := &cobra.Command{
		Use: "erase CLASS_ID | AUDIENCE SCOPE", Args: cobra.RangeArgs(1, 2),
		Short: "Erase the personal data of a class that has ended or failed",
		Long: `Erases the host, the tags and the properties of a class that has ended or failed, the labels of the accounts
in its history, and all reasons. This cannot be reverted, and the class gets no new rooms afterwards. The histories of
its runs keep such data until the retention of the Temporal namespace has passed. Without --yes, nothing is changed.`,
		RunE: a.connected(func(ctx context.Context, args []string) error {
			m, err := a.minigroup(ctx, args)
			if err != nil {
				return err
			}
			if yes {
				if err := a.store.ErasePersonalData(ctx, m.ID, a.requester(by)); err != nil {
					return err
				}
			}
			report := eraseReport{ClassID: m.ID, Audience: m.Audience, Scope: m.Scope, Erased: yes || !m.ErasedAt.IsZero()}
			if err := a.print(report, func(t *table) {
				t.row("CLASS", "AUDIENCE", "SCOPE", "ERASED")
				t.row(report.ClassID, report.Audience, report.Scope, report.Erased)
			}); err != nil {
				return err
			}
			if !report.Erased {
				return errors.New("nothing was changed; to erase it: ops erase " + m.ID.String() + " --yes")
			}
			return nil
		}),
	}
	yesFlag(cmd, &yes, "the class")
	return interfering(cmd, &by)
}
