package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"minigroups/minigroup"
	"minigroups/storage"
)

// backendShown is what `ops backends` prints of each gateway, in a list.
type backendShown struct {
	ID    string `json:"id"`
	Group string `json:"group"`
	// Enabled says that it is configured.
	Enabled bool `json:"enabled"`
	// Capacity and BalancerCapacity are null where they are unlimited.
	Capacity         *int32 `json:"capacity"`
	BalancerCapacity *int32 `json:"balancer_capacity"`
	// Peak is the most slots that are reserved at one moment from now on, Live the number of reservations.
	Peak          int64     `json:"peak"`
	Live          int64     `json:"live"`
	AwaySince     time.Time `json:"away_since,omitzero"`
	DrainingSince time.Time `json:"draining_since,omitzero"`
}

func (a *app) backends() *cobra.Command {
	return &cobra.Command{
		Use: "backends", Args: cobra.NoArgs,
		Short: "List the Janus gateways and what is reserved on them",
		RunE: a.does(func(ctx context.Context, _ []string) error {
			loads, err := a.store.BackendLoads(ctx)
			if err != nil {
				return err
			}
			return a.printBackends(loads)
		}),
	}
}

func (a *app) printBackends(loads []minigroup.BackendLoad) error {
	shown := []backendShown{}
	for _, l := range loads {
		shown = append(shown, backendShown{
			l.ID, l.Group, l.Enabled, l.Capacity, l.BalancerCapacity, l.Peak, l.Live, l.AwaySince.UTC(), l.DrainingSince.UTC(),
		})
	}
	return a.print(shown, func(t *table) {
		t.row("GATEWAY", "GROUP", "CONFIGURED", "CAPACITY", "FILLED UP TO", "PEAK", "RESERVATIONS", "AWAY SINCE", "DRAINING SINCE")
		for _, b := range shown {
			t.row(b.ID, b.Group, b.Enabled, slots(b.Capacity), slots(b.BalancerCapacity), b.Peak, b.Live, moment(b.AwaySince), moment(b.DrainingSince))
		}
	})
}

func slots(n *int32) string {
	if n == nil {
		return "unlimited"
	}
	return strconv.Itoa(int(*n))
}

func (a *app) drain() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "drain ID", Args: cobra.ExactArgs(1),
		Short: "Keep classes away from a gateway that it does not have; those it has stay until they end",
		Long: `Keeps classes away from a gateway that it does not have. Those it has stay until they end, and may be updated
meanwhile: a class keeps its gateway. With --wait it waits until none is left.`,
		RunE: a.does(func(ctx context.Context, args []string) error {
			if err := a.setDraining(ctx, args[0], true); err != nil {
				return err
			}
			return a.awaitEmpty(ctx, args[0], wait)
		}),
	}
	cmd.Flags().DurationVar(&wait, "wait", 0, "how long to wait until no reservation is left")
	return cmd
}

func (a *app) undrain() *cobra.Command {
	return &cobra.Command{
		Use: "undrain ID", Args: cobra.ExactArgs(1),
		Short: "Let classes come to a gateway again",
		RunE: a.does(func(ctx context.Context, args []string) error {
			if err := a.setDraining(ctx, args[0], false); err != nil {
				return err
			}
			return a.awaitEmpty(ctx, args[0], 0)
		}),
	}
}

func (a *app) setDraining(ctx context.Context, id string, yes bool) error {
	err := a.store.Drain(ctx, id, yes)
	if errors.Is(err, storage.ErrNoBackend) {
		return fmt.Errorf("%w: %s (ops backends lists them)", err, id)
	}
	return err
}

// awaitEmpty shows the gateway once nothing is reserved on it, or so long has passed: then it is an error.
func (a *app) awaitEmpty(ctx context.Context, id string, wait time.Duration) error {
	patience, cancel := context.WithTimeout(ctx, wait)
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
			if patience.Err() != nil {
				return errors.Join(a.printBackends([]minigroup.BackendLoad{l}), fmt.Errorf("%d reservations are left on %s", l.Live, id))
			}
		}
		select {
		case <-tick.C:
		case <-patience.Done():
		}
	}
}
