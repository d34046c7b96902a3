package ops

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"minigroups/minigroup"
	"minigroups/storage"
)

func (a *app) drain() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "drain ID", Args: cobra.ExactArgs(1),
		Short: "Give a gateway no new classes; the classes it has stay until they end",
		Long: `Gives a gateway no new classes. The classes it has stay until they end and can be updated meanwhile: a class
keeps its gateway. With --wait, waits until no reservation is left. ops undrain reverts it.`,
		RunE: a.connected(func(ctx context.Context, args []string) error {
			if err := a.setDraining(ctx, args[0], true); err != nil {
				return err
			}
			return a.awaitEmpty(ctx, args[0], wait)
		}),
	}
	cmd.Flags().DurationVar(&wait, "wait", 0, "wait this long until no reservation is left")
	return cmd
}

func (a *app) undrain() *cobra.Command {
	return &cobra.Command{
		Use: "undrain ID", Args: cobra.ExactArgs(1),
		Short: "Give a gateway new classes again",
		RunE: a.connected(func(ctx context.Context, args []string) error {
			if err := a.setDraining(ctx, args[0], false); err != nil {
				return err
			}
			return a.awaitEmpty(ctx, args[0], 0)
		}),
	}
}

func (a *app) setDraining(ctx context.Context, id string, draining bool) error {
	err := a.store.Drain(ctx, id, draining)
	if errors.Is(err, storage.ErrNoBackend) {
		return fmt.Errorf("%w: %s; to list the gateways: ops backends", err, id)
	}
	return err
}

// awaitEmpty prints the gateway once it has no reservation. If some are left after wait, it prints the gateway and
// returns an error. A wait of 0 prints it at once, without an error.
func (a *app) awaitEmpty(ctx context.Context, id string, wait time.Duration) error {
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		loads, err := a.store.BackendLoads(ctx)
		if err != nil {
			return err
		}
		for _, l := range loads {
			if l.ID != id {
				continue
			}
			if l.Live == 0 || wait <= 0 {
				return a.printBackends([]minigroup.BackendLoad{l})
			}
			if waiting.Err() != nil {
				return errors.Join(a.printBackends([]minigroup.BackendLoad{l}),
					fmt.Errorf("%d reservations are left on %s", l.Live, id))
			}
		}
		select {
		case <-tick.C:
		case <-waiting.Done():
		}
	}
}
